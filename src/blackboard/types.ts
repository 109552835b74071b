/** Boards: small shared key-value documents that every member holds and that merge by themselves. */
import type { Did, Json, PeerId, Startable } from '../core/index.ts';

/** What may be done on a board. Who writes reads as well; who administers does all, and gives rights. */
export type BoardAbility = 'read' | 'write' | 'admin';

/**
 * Which nodes hold the entries of a board: all members, those who may read it, or of these only the ones at which somebody uses
 * it, see `on-demand.ts`.
 */
export type BoardHold = 'all' | 'listed' | 'on-demand';

/** What kind of board is made. */
export interface CreateOptions {
  /** All members may read and write it; default: in an open mesh. */
  readonly open?: boolean;
  /** Each entry carries its writer's signature; such a board is not open. Default false. */
  readonly signed?: boolean;
  /** Who holds it; `all` is an open board. Default: `listed` of a board that is not open. */
  readonly hold?: BoardHold;
  /** Its keys change one change after the other, kept by these nodes; such a board is not open. */
  readonly strong?: readonly Did[];
  /** False: an open board is left to begin with its first entry, and ends with its last one. Default true. */
  readonly lasts?: boolean;
}

/** A right that somebody has on a board. */
export interface BoardRight {
  readonly id: string;
  readonly to: Did;
  readonly by: Did;
  readonly ability: BoardAbility;
  /** Resources that the right is about. */
  readonly on: readonly string[];
  /** When it was given, and when it ends where nobody revokes it, ms since the epoch. */
  readonly at: number;
  readonly expiresAt: number;
  readonly isRevoked: boolean;
}

/** What somebody is to have on a board. */
export interface RightInit {
  readonly to: Did;
  readonly ability: BoardAbility;
  /** Of keys that may be written; '' or absent: all. */
  readonly prefix?: string | undefined;
}

/** A key's value, who wrote it and when. */
export interface BoardEntry {
  readonly key: string;
  readonly value: Json;
  /** Who wrote it, as the writer says. */
  readonly by: Did;
  /** When it was written, ms since the epoch by the writer's clock. */
  readonly at: number;
  /**
   * How many writes of each writer, by did, its writer had seen, this one included: an entry whose counts
   * are all at least those of another was written with that other one known.
   */
  readonly clock: Readonly<Record<string, number>>;
  /** When it ends, ms since the epoch. Clocks of nodes may differ by a minute. */
  readonly until?: number;
  /** Who carried it into this board, where that is not who wrote it. */
  readonly via?: Did;
  /** Of a strong board: the number of the change that wrote it. */
  readonly version?: number;
}

/** What a write may say besides its value. */
export interface SetOptions {
  /** After how many ms the entry ends by itself; not on a strong board. */
  readonly ttlMs?: number;
  /** On a strong board: what the request is called, so that it is done once however often it is tried. */
  readonly request?: string;
}

/** What somebody wants of a key. */
export type StrongRequest =
  | { readonly t: 'get' }
  | { readonly t: 'set'; readonly value: Json }
  /** Deletes what the key holds; with `version` only where the key has that still. */
  | { readonly t: 'delete'; readonly version?: number }
  /** Sets `value` if the key is as expected: holds `expect`, or has `version`, or, without both, holds nothing. */
  | {
      readonly t: 'cas';
      readonly value: Json;
      readonly expect?: Json;
      readonly version?: number;
    }
  /** Takes or renews the lease of the key, which `holder` has for `ttlMs` then. */
  | { readonly t: 'lease'; readonly holder: string; readonly ttlMs: number }
  /** Gives the lease back. */
  | { readonly t: 'release'; readonly holder: string };

/** What a key holds after a request, and whether the request did what it wanted. */
export interface StrongOutcome {
  /** False: the key was not as expected, or somebody else has the lease. */
  readonly ok: boolean;
  /** The number of the last change of the key: rises with each one. */
  readonly version: number;
  /** Absent when nothing is there; of a change that was done the value is the one that was wanted, and left out. */
  readonly value?: Json;
  readonly by?: Did;
  /** When it was written, ms since the epoch by the clock of the replica that did it. */
  readonly at?: number;
  /** Of a deletion: there was something. */
  readonly existed?: boolean;
}

/** What is asked of a key of a strong board. */
export interface StrongCall {
  readonly request: StrongRequest;
  /** See {@link SetOptions.request}. */
  readonly id?: string | undefined;
}

/** How the replicas of a strong board change. */
export interface ReplicaChange {
  /** Who keeps the board from now on; a replica that has lost its disk comes in as a new one. */
  readonly add?: readonly Did[];
  readonly remove?: readonly Did[];
}

/** A deletion that is remembered. */
export interface Tombstone extends Pick<BoardEntry, 'key' | 'by' | 'at' | 'clock' | 'via'> {}

/** One change that a watcher hears. */
export interface BoardChange {
  readonly key: string;
  /** The new entry; absent when the key was deleted, or its entry has ended. */
  readonly entry?: BoardEntry;
  /** Who deleted it when; absent of an entry that ended by itself. */
  readonly gone?: Tombstone;
}

/** How long the history of a board is kept, and how large. */
export interface HistoryBounds {
  readonly days: number;
  /** 0: no history. */
  readonly bytes: number;
}

/** One change of the past; without `value` the key was deleted. */
export interface HistoryLine {
  readonly key: string;
  readonly value?: Json;
  readonly by: Did;
  readonly at: number;
  readonly until?: number;
  readonly via?: Did;
  /** Where it stands in this node's history. */
  readonly position: string;
}

/** A line that has no place in a history yet. */
export type PastLine = Omit<HistoryLine, 'position'>;

/** What of a history is asked for. */
export interface HistoryQuery {
  /** Only what came after this position; '' or absent: from the beginning. */
  readonly from?: string;
  readonly key?: string;
  readonly prefix?: string;
  /** Lines, about. */
  readonly limit?: number;
}

/** A part of a history, in the order in which changes came to this node. */
export interface HistoryPage {
  readonly lines: readonly HistoryLine[];
  /** The position to go on from. */
  readonly next: string;
  /** Something after the position that was asked for is kept no more. */
  readonly isCut: boolean;
  readonly more: boolean;
}

/** A board, or much of it, that comes from a peer now. What has come can be read. */
export interface BoardComing {
  readonly from: PeerId;
  /** Writes of any key that are here by now, of those that were missing when it began. */
  readonly changes: number;
  readonly of: number;
}

/** How a node holds a board that is held on demand. */
export interface BoardHeld {
  /** False: its entries come here once somebody reads, watches or writes them. */
  readonly isHere: boolean;
  /** Other nodes that said that they hold it, of those that are connected. */
  readonly others: number;
  /** From when on this node may let go of it unless it is used again, ms since the epoch; absent while it is not here. */
  readonly until?: number;
}

/** What one sees of a board at a glance. */
export interface BoardInfo {
  readonly name: string;
  readonly exists: boolean;
  /** All members may read and write it. */
  readonly isOpen: boolean;
  /** Each entry carries its writer's signature. */
  readonly isSigned: boolean;
  /** Which nodes hold its entries. */
  readonly hold: BoardHold;
  /** Of a board that is held on demand: whether and how this node holds it. */
  readonly held?: BoardHeld;
  /** Who keeps the keys of a strong board; absent of a board that is not. */
  readonly replicas?: readonly Did[];
  /** Rights that were given on a board that is not open, revoked ones included. */
  readonly rights?: readonly BoardRight[];
  /** Who created it when; absent of a board that began with its first entry. */
  readonly createdBy?: Did;
  readonly createdAt?: number;
  readonly keys: number;
  readonly bytes: number;
  readonly tombstones: number;
  /** How many writes of each writer were seen. */
  readonly clock: Readonly<Record<string, number>>;
  readonly digest: string;
  /** What comes in now, by whom it comes; absent when nothing much does. */
  readonly coming?: readonly BoardComing[];
  /** Updates that are stamped too far ahead of this node's clock, and when the first counts; absent when none is. */
  readonly early?: { readonly count: number; readonly nextAt: number };
}

/** One board. Names are 1 to 64 of `[A-Za-z0-9._-]`, keys 1 to 512 bytes, values up to 256 KiB of JSON. */
export interface Board {
  readonly name: string;
  /** What tells the board from all others: see `board-id.ts`. */
  readonly id: string;
  /** All members may read and write it. */
  readonly isOpen: boolean;
  /** Its keys change one change after the other; writing waits for a majority of its replicas. */
  readonly isStrong: boolean;
  /**
   * Has this node hold a board that is held on demand: its entries are fetched from a node that holds them. Resolves once
   * they are here, or begin to come; of other boards at once. What writes and undoes does this by itself.
   * @throws STARLING_PEER_UNREACHABLE when nobody who holds it can be reached
   */
  hold(): Promise<void>;
  /**
   * The entry as this node knows it: on a strong board maybe not the newest, see {@link Board.strong}.
   * @throws STARLING_BOARD_BEHIND of a board that is held on demand and not here, see {@link Board.hold}
   */
  get(key: string): BoardEntry | undefined;
  /**
   * Does a request on a strong board: what is set is on the disks of a majority of its replicas then, and what is
   * read is what was set last.
   * @throws STARLING_NO_QUORUM when too few replicas answer and nothing has changed, STARLING_OUTCOME_UNKNOWN when
   * nobody knows (try again under the id that the error gives), STARLING_BOARD_INVALID of a board that is not strong
   */
  strong(key: string, call: StrongCall): Promise<StrongOutcome>;
  /**
   * Resolves once the write is durable here, and not before can anybody read the entry; peers get the
   * entry right after.
   * @throws STARLING_BOARD_INVALID for what is over a bound; STARLING_BOARD_REFUSED without the right;
   * STARLING_STATE_UNUSABLE when the disk
   * refuses the write, STARLING_LIMIT_EXCEEDED when too much waits for the disk: then nothing has changed
   */
  set(key: string, value: Json, options?: SetOptions): Promise<BoardEntry>;
  /** Resolves to false when there was nothing to delete. */
  delete(key: string, options?: Pick<SetOptions, 'request'>): Promise<boolean>;
  /** Entries whose key starts with `prefix`, by key. @throws as `get` */
  entries(prefix?: string): readonly BoardEntry[];
  /** The deletion of a key that is not set, as long as that is remembered. @throws as `get` */
  tombstone(key: string): Tombstone | undefined;
  info(): BoardInfo;
  /**
   * Makes a board that lasts without entries. Resolves to false when there was one. `open`: it is everybody's; default:
   * in an open mesh it is, in a private one it is this node's.
   * @throws as `set`
   */
  create(options?: CreateOptions): Promise<boolean>;
  /** Whether somebody may do that now; of an open board everybody. */
  may(whom: Did, what: 'read' | 'write' | 'admin', key?: string): boolean;
  /**
   * Gives a right on a board that is not open.
   * @throws STARLING_BOARD_REFUSED, STARLING_BOARD_INVALID of an open board, STARLING_GRANT_MALFORMED
   */
  grant(init: RightInit): Promise<BoardRight>;
  /**
   * Takes back all rights that `whom` has from this node: what is here now of what `whom` wrote counts, and nothing else.
   * Resolves to the ids of the grants. @throws STARLING_BOARD_REFUSED, STARLING_GRANT_UNKNOWN
   */
  revoke(whom: Did): Promise<readonly string[]>;
  /** Who keeps the keys of a strong board now. @throws STARLING_BOARD_INVALID of a board that is not */
  replicas(): Promise<readonly Did[]>;
  /**
   * Changes who keeps the keys of a strong board: resolves once every key is on the new replicas.
   * @throws STARLING_BOARD_REFUSED without the right to administer, STARLING_BOARD_CONFLICT when another change came
   * first, STARLING_PEER_UNREACHABLE when somebody new does not answer, STARLING_NO_QUORUM when too few do
   */
  changeReplicas(change: ReplicaChange): Promise<readonly Did[]>;
  /** Deletes all entries, everywhere, and the board with them. Resolves to how many entries there were. */
  drop(): Promise<number>;
  history(query?: HistoryQuery): Promise<HistoryPage>;
  /**
   * Writes again what was there before this node's last write of the key, or deletes the key when there was nothing;
   * also after a restart.
   * @throws STARLING_BOARD_CONFLICT when somebody wrote since, or nothing is known of before
   */
  undo(key: string): Promise<BoardEntry | undefined>;
  /** What this node has seen of the board, as a text for {@link Board.reach}. */
  token(): string;
  /**
   * Resolves once this node has seen all that `token` says (of whatever node it is): what is read then is at
   * least as new, and what is written wins over it.
   * @throws STARLING_BOARD_BEHIND when that takes too long, STARLING_USAGE when it is no token
   */
  reach(token: string): Promise<void>;
  /**
   * Hash of what was seen of each writer and of what is set: equal digests mean equal boards. Empty for a
   * board that nobody has written to.
   */
  digest(): string;
  /**
   * Hears every change, own ones too, at most 1000 at a time; own ones once they are durable, the last of
   * each key where many are written together. Returns a function that stops it. A board that is held on demand is fetched
   * for that, and held as long as it is watched.
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
  /** Names of the boards that exist, sorted: that were created, or hold an entry. */
  names(): readonly string[];
  /** Boards of which much comes in now, by their names. */
  coming(): readonly (BoardComing & { readonly board: string })[];
  /** Digest of each board, for the heartbeat. */
  digests(): Readonly<Record<string, string>>;
  /** Hears a peer's digests: syncs where they differ from ours. Called on each heartbeat. */
  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void;
}
