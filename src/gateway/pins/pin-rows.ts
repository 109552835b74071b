/**
 * Pins as they lie in the database: a small row for what decides, and a second one with the text that
 * only a difference needs. Writes are gathered, go out in order, and are tried again when they fail.
 */
import { createHash } from 'node:crypto';
import { createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import type { Table, Write } from '../../store/types.ts';
import type { PinKind } from './definition.ts';

/** Whose server: '' is this node. */
export type PinOwner = PeerId | '';

/** Why something is quarantined. */
export type QuarantineReason = 'changed' | 'new' | 'renamed' | 'invisible';

/** One thing that we have seen a server list. */
export interface PinRow {
  readonly owner: PinOwner;
  readonly server: string;
  readonly kind: PinKind;
  readonly name: string;
  /** Present when it was never accepted: it stays quarantined until somebody approves it. */
  readonly quarantined?: QuarantineReason;
  /** The pinned name that a renamed thing had before. */
  readonly was?: string;
  /** The accepted definition; for one that is quarantined, the one that was first seen. */
  readonly hash: string;
  readonly bare: string;
  /** ms since the epoch */
  readonly seenAt: number;
  /** When it was last listed, within a day; ms since the epoch. */
  readonly usedAt: number;
  /** Was it in the server's last list? */
  readonly listed: boolean;
}

/** What of pins is on disk: definitions by their hash, each text once. */
export interface PinTable {
  /** Reads all rows; damaged ones are logged and left out. */
  load(): Promise<readonly PinRow[]>;
  /** Keeps a row, and with `canonical` the text of its definition. Written soon. */
  keep(row: PinRow, canonical?: string): void;
  drop(row: PinRow): void;
  /** {@link keep} of many at once, durable when the promise resolves. @throws what the table throws */
  write(rows: readonly (readonly [row: PinRow, canonical: string])[]): Promise<void>;
  /** The kept text of a row's definition, which may be cut. */
  text(row: PinRow): Promise<string | undefined>;
  /** True when all that was asked for is durable. */
  readonly isWritten: boolean;
  /** Resolves when all is durable that was asked for before. @throws what the table throws */
  flush(): Promise<void>;
  /** Tries to write what is left, and stops trying again. */
  stop(): Promise<void>;
}

/** Characters kept of a definition for differences. */
export const TEXT_MAX = 64 * 1024;
const BATCH_WRITES = 500;
const RETRY_MS = 5000;

/** Makes the table of pins over a table of the store. */
export function createPinTable(components: PinTableComponents): PinTable {
  return new WritingTable(components);
}

/** What the table of pins works with. */
export interface PinTableComponents {
  readonly table: Table;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears when what the disk had refused is durable after all. */
  readonly recovered?: () => void;
}

class WritingTable implements PinTable {
  readonly #table: Table;
  readonly #logger: Logger;
  readonly #scope: Scope;
  readonly #recovered: () => void;
  readonly #waiting = new Map<string, Write>();
  #writing: Promise<void> | undefined;
  #isArmed = false;
  #wasRefused = false;

  constructor(components: PinTableComponents) {
    this.#table = components.table;
    this.#logger = components.logger;
    this.#scope = createScope(components.clock);
    this.#recovered = components.recovered ?? (() => undefined);
  }

  async load(): Promise<readonly PinRow[]> {
    const rows: PinRow[] = [];
    for await (const [key, value] of this.#table.entries('pin/')) {
      const row = readRow(value);
      if (row !== undefined && key === pinKey(row)) rows.push(row);
      else this.#logger.warn({ key }, 'skipped a damaged row');
    }
    return rows;
  }

  keep(row: PinRow, canonical?: string): void {
    for (const write of writesOf(row, canonical)) this.#write(write);
  }

  async write(rows: readonly (readonly [row: PinRow, canonical: string])[]): Promise<void> {
    // What was asked for before must not come after.
    await this.flush();
    await this.#table.batch(rows.flatMap(([row, canonical]) => writesOf(row, canonical)));
  }

  drop(row: PinRow): void {
    this.#write({ key: pinKey(row) });
    this.#write({ key: textKey(row) });
  }

  async text(row: PinRow): Promise<string | undefined> {
    await this.flush();
    const value = await this.#table.get(textKey(row));
    return value === undefined ? undefined : Buffer.from(value).toString('utf8');
  }

  get isWritten(): boolean {
    return this.#waiting.size === 0;
  }

  async flush(): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
    await this.#writing;
  }

  async stop(): Promise<void> {
    this.#scope.close();
    try {
      await this.flush();
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'pins could not be written');
    }
  }

  #write(write: Write): void {
    // Deleted first, so that the newest write of a key comes last.
    this.#waiting.delete(write.key);
    this.#waiting.set(write.key, write);
    if (this.#isArmed) return;
    this.#isArmed = true;
    queueMicrotask(() => this.#writeSoon());
  }

  #writeSoon(): void {
    this.#isArmed = false;
    this.flush().catch((error: unknown) => {
      // A disk that is full refuses each time alike: one line is enough.
      if (!this.#wasRefused)
        this.#logger.error({ error: messageOf(error) }, 'pins could not be written; trying again');
      this.#wasRefused = true;
      this.#isArmed = true;
      this.#scope.after(RETRY_MS, () => this.#writeSoon());
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()].slice(0, BATCH_WRITES);
      await this.#table.batch(batch);
      for (const write of batch) {
        if (this.#waiting.get(write.key) === write) this.#waiting.delete(write.key);
      }
    }
    if (!this.#wasRefused) return;
    this.#wasRefused = false;
    this.#recovered();
  }
}

function writesOf(row: PinRow, canonical?: string): readonly Write[] {
  const id = idOf(row);
  const pin = { key: `pin/${id}`, value: Buffer.from(writeRow(row)) };
  if (canonical === undefined) return [pin];
  return [pin, { key: `text/${id}`, value: Buffer.from(canonical.slice(0, TEXT_MAX)) }];
}

function pinKey(row: PinRow): string {
  return `pin/${idOf(row)}`;
}

function textKey(row: PinRow): string {
  return `text/${idOf(row)}`;
}

function idOf({ owner, server, kind, name }: PinRow): string {
  const whole = JSON.stringify([owner, server, kind, name]);
  return createHash('sha256').update(whole).digest('base64url');
}

const KINDS: readonly unknown[] = ['tool', 'prompt', 'instructions'];
const REASONS: readonly unknown[] = [undefined, 'changed', 'new', 'renamed', 'invisible'];

/** A row's JSON. On disk the reason of a quarantine is called `held`. */
function writeRow({ quarantined, ...row }: PinRow): string {
  return JSON.stringify(quarantined === undefined ? row : { ...row, held: quarantined });
}

function readRow(value: Uint8Array): PinRow | undefined {
  try {
    const { held, ...row } = JSON.parse(Buffer.from(value).toString('utf8')) as StoredRow;
    const read = held === undefined ? row : { ...row, quarantined: held };
    return isRow(read) ? read : undefined;
  } catch {
    // Damaged: the caller logs it.
    return undefined;
  }
}

type StoredRow = Readonly<Record<string, unknown>>;

function isRow(value: unknown): value is PinRow {
  if (typeof value !== 'object' || value === null) return false;
  const row = value as Partial<Record<keyof PinRow, unknown>>;
  return (
    [row.owner, row.server, row.name, row.hash, row.bare].every((it) => typeof it === 'string') &&
    [row.seenAt, row.usedAt].every((it) => typeof it === 'number') &&
    typeof row.listed === 'boolean' &&
    (row.was === undefined || typeof row.was === 'string') &&
    KINDS.includes(row.kind) &&
    REASONS.includes(row.quarantined)
  );
}
