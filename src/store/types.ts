/** The node's one embedded database as the rooms see it. */
import type { Startable } from '../core/index.ts';

/** One write of a batch; without `value` the key is deleted. */
export interface Write {
  readonly key: string;
  readonly value?: Uint8Array;
}

/** How a batch is written. */
export interface BatchOptions {
  /** Whoever asks has waited for other writes of this moment: the disk begins at once, and not in the next turn of the event loop. */
  readonly isGathered?: boolean;
}

/**
 * A namespace of the database. Keys sort by UTF-8 bytes; they may hold any character but U+0000.
 * Writes are applied in the order in which they were asked for, and a read sees those that are durable.
 * A write that rejects has left nothing behind, and leaves nothing when the database is opened again.
 * While the disk fails, reads go on.
 * @throws STARLING_STOPPED while the store is not started; STARLING_LIMIT_EXCEEDED when more waits for
 * the disk than it can take; STARLING_STATE_UNUSABLE when the disk fails
 */
export interface Table {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Resolves once the value is durable (written and synced, grouped with what arrives meanwhile). */
  put(key: string, value: Uint8Array): Promise<void>;
  /** Resolves once the deletion is durable. */
  delete(key: string): Promise<void>;
  /** All or nothing; resolves once durable. */
  batch(writes: readonly Write[], options?: BatchOptions): Promise<void>;
  /** Entries whose key starts with `prefix`, in key order, from a snapshot. */
  entries(prefix?: string): AsyncIterable<readonly [key: string, value: Uint8Array]>;
}

/**
 * The database. `start` opens it; `stop` writes what was asked for before, and closes it.
 * @throws STARLING_STATE_LOCKED when another node holds it, STARLING_STATE_UNUSABLE when it can't be opened
 */
export interface Store extends Startable {
  /** The same name always gives the same entries; names are letters, digits and `-`. */
  table(name: string): Table;
  /** False while it can't be written; it goes on by itself when the disk does. */
  healthy(): boolean;
}
