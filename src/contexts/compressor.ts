/**
 * Conversations that have become too long for their models: the older part is summarised by the same model and on the same
 * account as the answers, beside the answers. A summary that fails changes nothing, and is tried again after a while.
 */
import { StarlingError, leftMs, messageOf, withDeadline } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Models } from '../models/index.ts';
import {
  BYTES_PER_TOKEN,
  COMPRESSING_MAX,
  COMPRESS_RETRY_MS,
  COMPRESS_TIMEOUT_MS,
  FULL_SHARE,
  KEPT_SHARE,
  RECALL_BYTES_MAX,
  SUMMARY_SHARE,
  SUMMARY_TOKENS_MAX,
} from './limits.ts';
import { writeSummary } from './summary.ts';
import type { Compression, ContextLine, ContextSummary } from './types.ts';

/** A conversation as it is read to be compressed. */
export interface CompressorComponents {
  readonly models: () => Pick<Models, 'ask'>;
  readonly messageBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Lines that no summary stands for, the oldest first, as far as there is room for them. */
export interface Uncompressed {
  readonly before: ContextSummary | undefined;
  readonly lines: readonly ContextLine[];
  /** They are longer than what was asked for, or there are further ones. */
  readonly isMore: boolean;
}

/** One conversation: how it is read, and what becomes of its summary. */
export interface Compressible {
  read(maxBytes: number): Promise<Uncompressed>;
  summarised(summary: Omit<ContextSummary, 'at'>, read: Uncompressed): Promise<unknown>;
}

/** How many bytes of a conversation a model of that size is reminded of. */
export function roomOf(contextTokens: number): number {
  return Math.min(RECALL_BYTES_MAX, Math.floor(contextTokens * FULL_SHARE * BYTES_PER_TOKEN));
}

/** Compresses conversations in the background. */
export class Compressor {
  readonly #components: CompressorComponents;
  readonly #running = new Map<string, Promise<void>>();
  /** When the next try is due, of those that have failed, ms since the epoch. */
  readonly #rests = new Map<string, number>();
  #life = new AbortController();

  constructor(components: CompressorComponents) {
    this.#components = components;
  }

  /** Begins anew after {@link stop}. */
  start(): void {
    this.#life = new AbortController();
  }

  /** Looks whether the conversation is too long, and compresses it then. Returns at once. */
  consider(id: string, how: Compression, context: Compressible): void {
    const { clock, logger } = this.#components;
    if (this.#life.signal.aborted || this.#running.has(id)) return;
    if (this.#running.size >= COMPRESSING_MAX) return;
    if (leftMs(clock, this.#rests.get(id) ?? 0, COMPRESS_RETRY_MS) > 0) return;
    this.#rests.delete(id);
    const run = this.#compress(how, context)
      .catch((error: unknown) => {
        if (this.#life.signal.aborted) return;
        this.#rest(id);
        logger.warn(
          { context: id, model: how.model, error: messageOf(error) },
          'a conversation was not compressed: it stays as it is, and this is tried again later',
        );
      })
      .finally(() => this.#running.delete(id));
    this.#running.set(id, run);
  }

  /** Gives up what is under way; resolves once that is over. */
  async stop(): Promise<void> {
    this.#life.abort(new StarlingError('STARLING_STOPPED', 'the node is stopping'));
    await Promise.all(this.#running.values());
  }

  async #compress(how: Compression, context: Compressible): Promise<void> {
    const { clock, messageBytes, models } = this.#components;
    const { asks: principal, contextTokens, model } = how;
    const room = roomOf(contextTokens);
    const read = await context.read(room);
    if (!read.isMore) return;
    const lines = olderOf(read.lines, Math.floor(room * KEPT_SHARE), room);
    const maxTokens = Math.min(SUMMARY_TOKENS_MAX, Math.floor(contextTokens * SUMMARY_SHARE));
    const { before } = read;
    const summary = await withDeadline(
      clock,
      COMPRESS_TIMEOUT_MS,
      (signal) =>
        writeSummary(
          { models: models(), clock, messageBytes },
          { model, principal, signal, before, lines, maxTokens },
        ),
      this.#life.signal,
    );
    const longest = Math.floor(room * KEPT_SHARE);
    await context.summarised({ ...summary, text: summary.text.slice(0, longest) }, read);
  }

  /** Conversations that are over are forgotten with the oldest rests. */
  #rest(id: string): void {
    this.#rests.set(id, this.#components.clock.now() + COMPRESS_RETRY_MS);
    for (const oldest of this.#rests.keys()) {
      if (this.#rests.size <= 1000) return;
      this.#rests.delete(oldest);
    }
  }
}

/** All but the newest that `keptBytes` hold, in whole exchanges, the first of them at least; none is longer than the model takes. */
function olderOf(
  lines: readonly ContextLine[],
  keptBytes: number,
  room: number,
): readonly ContextLine[] {
  let bytes = 0;
  const newest = lines.findLastIndex(({ text }) => (bytes += Buffer.byteLength(text)) > keptBytes);
  const last = lines.findLastIndex(({ role }, at) => at <= newest && role === 'assistant');
  const older = lines.slice(0, Math.max(last + 1, Math.min(2, lines.length)));
  const total = older.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (total <= room) return older;
  return older.map((line) => ({
    ...line,
    text: line.text.slice(0, Math.floor((line.text.length * room) / total)),
  }));
}
