/**
 * Prompts and answers of the models of which the operator wants them kept, for as long as that says; of all others nothing is
 * ever written. What the configuration names no more is erased. What cannot be written costs its call nothing.
 */
import { randomBytes } from 'node:crypto';
import { createScope, idOf, leftMs, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope, Startable } from '../../core/index.ts';
import type { Config } from '../../config/index.ts';
import type { Table } from '../../store/index.ts';
import { longest, matches } from '../prices/patterns.ts';
import type { Recorder, Recording, RecordingInit } from '../recording.ts';
import type { LlmTranscriptsResult, ReadCall, Transcript } from '../types.ts';
import { listenTo } from './heard.ts';

/** Transcripts that are kept, and bytes of all of them; the oldest go. */
const ROWS_MAX = 10_000;
const BYTES_MAX = 64 * 1024 * 1024;
/** Characters of a prompt and of an answer that are kept of one. */
const TEXT_MAX = 64 * 1024;
/** Transcripts that wait for the disk; beyond that they are left out. */
const WAITING_MAX = 256;
/** How often those are looked for whose time is over. */
const SWEEP_MS = 3_600_000;

/** What is kept of the calls of a node. */
export interface Transcripts extends Recorder, Startable {
  /** The newest first, from `before` on: what `next` of the page before was. */
  list(filter: {
    readonly model?: string | undefined;
    readonly before?: string | undefined;
    readonly limit: number;
  }): Promise<LlmTranscriptsResult>;
}

/** What transcripts work with. */
export interface TranscriptsComponents {
  readonly config: () => Pick<Config['models'], 'transcripts'>;
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes it; `messageBytes` bounds a page. */
export function createTranscripts(
  components: TranscriptsComponents,
  init: { readonly messageBytes: number },
): Transcripts {
  return new NodeTranscripts(components, Math.floor(init.messageBytes / 4));
}

/** What is known of a row without reading it. */
interface Place {
  readonly at: number;
  readonly model: string;
  readonly bytes: number;
}

class NodeTranscripts implements Transcripts {
  readonly #components: TranscriptsComponents;
  readonly #pageBytes: number;
  /** By key, the oldest first. */
  readonly #places = new Map<string, Place>();
  #bytes = 0;
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();
  #life: Scope | undefined;

  constructor(components: TranscriptsComponents, pageBytes: number) {
    this.#components = components;
    this.#pageBytes = pageBytes;
  }

  async start(): Promise<void> {
    const { clock, table } = this.#components;
    this.#life = createScope(clock);
    this.#places.clear();
    this.#bytes = 0;
    const damaged: string[] = [];
    for await (const [key, bytes] of table.entries()) {
      const row = readRow(bytes);
      if (row === undefined) damaged.push(key);
      else this.#note(key, { at: row.at, model: row.model, bytes: bytes.length });
    }
    await this.#erase(damaged);
    await this.#sweep();
    this.#life.every(SWEEP_MS, () => this.#sweep());
  }

  async stop(): Promise<void> {
    this.#life?.close();
    await this.#turn;
  }

  begin({ model, kept }: RecordingInit, call: ReadCall): Recording | undefined {
    const keepMs = this.#keepMs(model);
    if (keepMs === undefined) return undefined;
    const at = this.#components.clock.now();
    const heard = listenTo(call, TEXT_MAX);
    let isOver = false;
    return {
      headers: { 'starling-kept': `${Math.ceil(keepMs / 1000)}s` },
      of: (answer) => heard.along(answer),
      over: (outcome, reason) => {
        if (isOver) return;
        isOver = true;
        const { who, onBehalfOf } = kept.about;
        this.#keep(model, () => {
          const { request, answer, isCut } = heard.texts();
          return {
            at,
            model,
            who,
            ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
            ...(call.task === undefined ? {} : { task: call.task }),
            ...(kept.of === undefined ? {} : { entry: kept.of }),
            outcome,
            ...(reason === undefined ? {} : { reason }),
            request,
            answer,
            ...(isCut ? { isCut } : {}),
          };
        });
      },
    };
  }

  async list({
    before,
    limit,
    model,
  }: Parameters<Transcripts['list']>[0]): Promise<LlmTranscriptsResult> {
    const { config, table } = this.#components;
    await this.#turn;
    const keeps = Object.keys(config().transcripts);
    const found = [...this.#places]
      .filter(([key, place]) => (before === undefined || key < before) && isOf(place, model))
      .filter(([, place]) => !this.#isOld(place))
      .toReversed();
    const transcripts: Transcript[] = [];
    let sizeBytes = 0;
    for (const [key, { bytes }] of found) {
      sizeBytes += bytes;
      const isFull = transcripts.length >= limit || sizeBytes > this.#pageBytes;
      const last = transcripts.at(-1);
      if (isFull && last !== undefined) return { keeps, transcripts, next: last.id };
      const row = readRow((await table.get(key)) ?? new Uint8Array());
      if (row !== undefined) transcripts.push({ id: key, ...row });
    }
    return { keeps, transcripts };
  }

  /** Undefined for a model of which nothing is kept. */
  #keepMs(model: string): number | undefined {
    const { transcripts } = this.#components.config();
    const patterns = Object.keys(transcripts).filter((pattern) => matches(pattern, model));
    const pattern = longest(patterns);
    return pattern === undefined ? undefined : transcripts[pattern];
  }

  /** `make` reads what a hostile model may have said: the call is over by then, and nothing that it throws is the caller's. */
  #keep(model: string, make: () => Omit<Transcript, 'id'>): void {
    const { logger } = this.#components;
    if (this.#waiting >= WAITING_MAX) {
      logger.warn({ model }, 'a prompt and its answer are not kept: the disk is too slow');
      return;
    }
    this.#waiting += 1;
    this.#turn = this.#turn.then(async () => {
      try {
        await this.#write(make());
      } catch (error) {
        logger.warn(
          { model, error: messageOf(error) },
          'a prompt and its answer are not kept: they could not be written',
        );
      } finally {
        this.#waiting -= 1;
      }
    });
  }

  /** @throws STARLING_STATE_UNUSABLE */
  async #write(row: Omit<Transcript, 'id'>): Promise<void> {
    const key = `${String(row.at).padStart(15, '0')}-${idOf(randomBytes(6))}`;
    const bytes = Buffer.from(JSON.stringify(row));
    await this.#components.table.put(key, bytes);
    this.#note(key, { at: row.at, model: row.model, bytes: bytes.length });
    const gone: string[] = [];
    let [rows, all] = [this.#places.size, this.#bytes];
    for (const [oldest, place] of this.#places) {
      if (rows <= ROWS_MAX && all <= BYTES_MAX) break;
      gone.push(oldest);
      rows -= 1;
      all -= place.bytes;
    }
    await this.#erase(gone);
  }

  #isOld({ at, model }: Place): boolean {
    const keepMs = this.#keepMs(model);
    return keepMs === undefined || leftMs(this.#components.clock, at + keepMs, keepMs) === 0;
  }

  /** Erases those whose time is over, and those of models of which nothing is kept any more. Never rejects. */
  #sweep(): Promise<void> {
    const { logger } = this.#components;
    const gone = [...this.#places].flatMap(([key, place]) => (this.#isOld(place) ? [key] : []));
    this.#turn = this.#turn.then(() =>
      this.#erase(gone).catch((error: unknown) =>
        logger.warn(
          { error: messageOf(error) },
          'prompts and answers that are too old were not erased; they are at the next start',
        ),
      ),
    );
    return this.#turn;
  }

  #note(key: string, place: Place): void {
    this.#places.set(key, place);
    this.#bytes += place.bytes;
  }

  /** @throws STARLING_STATE_UNUSABLE; then they are erased after the next start */
  async #erase(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.#bytes -= this.#places.get(key)?.bytes ?? 0;
      this.#places.delete(key);
    }
    if (keys.length > 0) await this.#components.table.batch(keys.map((key) => ({ key })));
  }
}

function isOf({ model }: Place, wanted: string | undefined): boolean {
  return wanted === undefined || model === wanted || model.startsWith(`${wanted}/`);
}

function readRow(bytes: Uint8Array): Omit<Transcript, 'id'> | undefined {
  try {
    const row = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Transcript> | null;
    const isRow =
      typeof row === 'object' &&
      typeof row?.at === 'number' &&
      [row.model, row.who, row.request, row.answer].every((one) => typeof one === 'string');
    return isRow ? (row as Omit<Transcript, 'id'>) : undefined;
  } catch {
    // What is no JSON is no row.
    return undefined;
  }
}
