/** What the tools of boards return; see `results.ts`. */
import type {
  BoardEntry,
  BoardHold,
  BoardInfo,
  HistoryLine,
  Tombstone,
} from '../../blackboard/types.ts';
import type { Json } from '../../core/index.ts';

/** An entry of a board, as tools give it. */
export interface ShownEntry extends Omit<BoardEntry, 'clock' | 'until'> {
  /** How many writes of each writer, by did, its writer had seen, this one included. */
  readonly vector_clock: Readonly<Record<string, number>>;
  readonly tombstone: false;
  /** When it ends by itself, ms since the epoch. */
  readonly expires?: number;
}

/** A deletion that is remembered, as tools give it. */
export interface ShownTombstone extends Omit<Tombstone, 'clock'> {
  readonly vector_clock: Readonly<Record<string, number>>;
  readonly tombstone: true;
}

/** A change of a board, as tools give it. */
export interface ShownChange {
  readonly key: string;
  readonly entry?: ShownEntry;
  readonly deleted?: ShownTombstone;
}

/** For whoever goes on at another node: give it as `token` there. */
interface WithToken {
  readonly token: string;
}

/** Result of `board_get`. */
export interface BoardGetResult extends WithToken {
  readonly entry: ShownEntry | null;
  /** Where that was asked: who wrote the entry may write it now. */
  readonly writerMay?: boolean;
  /** Who deleted it, where that is remembered. */
  readonly deleted?: ShownTombstone;
  /** Of a strong reading: the number of the last change of the key, also of one that deleted it. */
  readonly version?: number;
}

/** Result of `board_cas`. */
export interface BoardCasResult {
  /** False: the entry was not as expected. */
  readonly done: boolean;
  readonly version: number;
  /** What is there now. */
  readonly entry: ShownEntry | null;
}

/** Result of `board_lease`. */
export interface BoardLeaseResult {
  /** Whether the holder that was named has it now. */
  readonly granted: boolean;
  /** Who has it, or had it last; empty when nobody ever had. */
  readonly holder: string;
  /** Rises with each new holder. */
  readonly token: number;
  /** When it ends, ms since the epoch; 0: it was given back. */
  readonly until: number;
}

/** Result of `board_set`. */
export interface BoardSetResult extends WithToken {
  readonly entry: ShownEntry;
}

/** Result of `board_delete`. */
export interface BoardDeleteResult extends WithToken {
  readonly deleted: boolean;
}

/** Result of `board_list`: names of boards, or entries of one. */
export interface BoardListResult {
  readonly boards?: readonly string[];
  readonly entries?: readonly ShownEntry[];
  readonly digest?: string;
}

/** Result of `board_watch`: what changed after `cursor`, and the cursor to go on from. */
export interface BoardWatchResult {
  readonly changes: readonly ShownChange[];
  readonly cursor: string;
}

/** Result of `board_create`. */
export interface BoardCreateResult {
  readonly board: string;
  /** False when there was one. */
  readonly created: boolean;
  /** All members may read and write it. */
  readonly open: boolean;
  /** Which nodes hold its entries. */
  readonly hold: BoardHold;
  /** Who keeps a strong board; absent of one that is not. */
  readonly replicas?: readonly string[];
}

/** Result of `board_replicas`. */
export interface BoardReplicasResult {
  readonly board: string;
  /** Dids of who keeps it now. */
  readonly replicas: readonly string[];
}

/** Result of `board_grant`. */
export interface BoardGrantResult {
  readonly board: string;
  readonly to: string;
  readonly ability: 'read' | 'write' | 'admin';
  readonly prefix: string;
  /** Of the grant; absent where a client of this node has the right. */
  readonly id?: string;
}

/** Result of `board_revoke`. */
export interface BoardRevokeResult {
  readonly board: string;
  readonly from: string;
  /** How many rights were taken back. */
  readonly revoked: number;
}

/** Result of `board_info`. */
export interface BoardInfoResult extends Omit<
  BoardInfo,
  'clock' | 'coming' | 'isOpen' | 'isSigned'
> {
  /** What comes in now, by the aliases of those who send it; absent when nothing much does. */
  readonly coming?: readonly {
    readonly from: string;
    readonly changes: number;
    readonly of: number;
  }[];
  /** Each entry carries its writer's signature. */
  readonly signed: boolean;
  /** All members may read and write it. */
  readonly open: boolean;
  /** What clients of this node were given; only the operator is told. */
  readonly clients?: readonly {
    readonly client: string;
    readonly ability: 'read' | 'write' | 'admin';
    readonly prefix: string;
  }[];
  readonly vector_clock: Readonly<Record<string, number>>;
}

/** Result of `board_drop`. */
export interface BoardDropResult {
  readonly board: string;
  /** How many entries there were. */
  readonly deleted: number;
}

/** Result of `board_history`. */
export interface BoardHistoryResult {
  readonly changes: readonly HistoryLine[];
  /** The position to go on from. */
  readonly next: string;
  /** Older changes than these are kept no more. */
  readonly gap: boolean;
  readonly more: boolean;
}

/** Result of `board_undo`: the entry as it is again; null when there was none before. */
export interface BoardUndoResult {
  readonly entry: ShownEntry | null;
}

/** Result of `memory_store`. */
export interface MemoryStoreResult {
  readonly stored: boolean;
  readonly key: string;
  readonly swarmId: string;
  readonly expires?: number;
}

/** Result of `memory_retrieve`. */
export interface MemoryRetrieveResult {
  readonly found: boolean;
  readonly key: string;
  readonly swarmId: string;
  readonly value: Json;
  /** Of an agent's own: the least trusted zone that it had read from when it stored the value. */
  readonly taint?: 'trusted' | 'external';
}
