/** The node's one embedded database as the rooms see it. */
import type { Startable } from '../core/index.ts';

/** One write of a batch; without `value` the key is deleted. */
export interface Write {
  readonly key: string;
  readonly value?: Uint8Array;
}

/** A namespace of the database. Keys sort by UTF-8 bytes; they may hold any character but U+0000. */
export interface Table {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Resolves once the value is durable (written and synced, grouped with what arrives meanwhile). */
  put(key: string, value: Uint8Array): Promise<void>;
  /** Resolves once the deletion is durable. */
  delete(key: string): Promise<void>;
  /** All or nothing; resolves once durable. */
  batch(writes: readonly Write[]): Promise<void>;
  /** Entries whose key starts with `prefix`, in key order, from a snapshot. */
  entries(prefix?: string): AsyncIterable<readonly [key: string, value: Uint8Array]>;
}

/** The database. `start` opens it; @throws STARLING_STATE_LOCKED when another process holds it. */
export interface Store extends Startable {
  /** The same name always gives the same entries; names are letters, digits and `-`. */
  table(name: string): Table;
}
