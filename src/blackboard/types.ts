/** Boards: small shared key-value documents that every member holds and that merge by themselves. */
import type { Did, Json, PeerId, Startable } from '../core/index.ts';

/** One entry of a board. */
export interface BoardEntry {
  readonly key: string;
  readonly value: Json;
  /** Who wrote it, as the writer says. */
  readonly by: Did;
  /** When it was written, ms since the epoch by the writer's clock. */
  readonly at: number;
}

/** One change that a watcher hears. */
export interface BoardChange {
  readonly key: string;
  /** The new entry; absent when the key was deleted. */
  readonly entry?: BoardEntry;
}

/** One board. Names are 1 to 64 of `[A-Za-z0-9._-]`, keys 1 to 512 bytes, values up to 48 KiB of JSON. */
export interface Board {
  readonly name: string;
  get(key: string): BoardEntry | undefined;
  /**
   * Resolves once the write is durable here, and not before can anybody read the entry; peers get the
   * entry right after.
   * @throws STARLING_BOARD_INVALID for what is over a bound; STARLING_STATE_UNUSABLE when the disk
   * refuses the write, STARLING_LIMIT_EXCEEDED when too much waits for the disk: then nothing has changed
   */
  set(key: string, value: Json): Promise<BoardEntry>;
  /** Resolves to false when there was nothing to delete. */
  delete(key: string): Promise<boolean>;
  /** Entries whose key starts with `prefix`, by key. */
  entries(prefix?: string): readonly BoardEntry[];
  /**
   * Hash of state vector and delete set: equal digests mean equal boards. Empty for a board that
   * nobody has written to.
   */
  digest(): string;
  /**
   * Hears every change, own ones too, at most 1000 at a time; own ones once they are durable, the last of
   * each key where many are written together. Returns a function that stops it.
   */
  watch(listener: (changes: readonly BoardChange[]) => void): () => void;
}

/** All boards of the node. */
export interface Blackboard extends Startable {
  /**
   * The board of this name. It comes into being with its first entry: reading and watching it leave
   * no trace. @throws STARLING_BOARD_INVALID, STARLING_STOPPED
   */
  board(name: string): Promise<Board>;
  /** Names of the boards that somebody has written to, sorted. */
  names(): readonly string[];
  /** Digest of each board, for the heartbeat. */
  digests(): Readonly<Record<string, string>>;
  /** Hears a peer's digests: syncs where they differ from ours. Called on each heartbeat. */
  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void;
}
