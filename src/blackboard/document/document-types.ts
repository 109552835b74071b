/** What a replica of a board is to the rest of the room: without disk and network. */
import type { Did, Json } from '../../core/index.ts';
import type { LaneAccess } from '../access/board-access.ts';
import type { EntrySignatures } from '../access/entry-signatures.ts';
import type { EarlyView } from './early-parts.ts';
import type { OwnedPlace, Place, SeenPlace } from '../lanes/lane-format.ts';
import type { BoardLimits } from '../limits.ts';
import type { Stamp } from '../lanes/stamp.ts';
import type { BoardChange, BoardEntry, PastLine, Tombstone } from '../types.ts';
import type { LanePart } from '../lanes/update.ts';
import type { Checked } from './peer-bounds.ts';

/**
 * What became of an update from a peer. `full`: it would bring the document over a bound, and was
 * dropped. `early`: a part of it is stamped too far ahead of this node's clock, and waits for its time. `crowded`: so it is,
 * and too much of its writer waits already, so that it was left out.
 * `unpermitted`: a part of it is by a writer without the right for that, and was left out.
 * `unwritten`: the disk does not take it now; nothing of it is here, and digests show that it is missing.
 */
export type ApplyResult =
  | 'applied'
  | 'malformed'
  | 'full'
  | 'early'
  | 'crowded'
  | 'unpermitted'
  | 'unwritten';

/** An update of a peer that was read and is fit by itself: it may bring something, and counts once it is on disk. */
export interface Arrival {
  readonly isWhole: boolean;
  /** What of it may bring something. */
  readonly news: readonly Checked[];
  /** What became of the rest of it. */
  readonly left: ReadonlySet<ApplyResult>;
  /** When it came, ms since the epoch by this node's clock. */
  readonly at: number;
  /** Its bytes, where all of them are in `news` and say who wrote it. */
  readonly bytes?: Uint8Array;
}

/** Hears an update that changed the document, and what it changed. */
export type UpdateListener = (
  update: Uint8Array,
  /** `cut`: nothing came, and what counts no more was taken away. */
  origin: 'local' | 'remote' | 'cut',
  changes: readonly BoardChange[],
  /** `update` says these changes and nothing else, each as the first write of its key in a lane, and there are many of them. */
  isBulk: boolean,
) => void;

/** A change of one key; without `value` the key is deleted. */
export interface EntryChange {
  readonly key: string;
  readonly value?: Json;
  /** Bytes of the value as JSON. */
  readonly valueBytes?: number;
  /** When the entry ends, ms since the epoch; 0 or absent: never. */
  readonly until?: number;
  /** Of what is only carried: who wrote it, and when. */
  readonly by?: Did;
  readonly stamp?: Stamp;
}

/** Changes of this node's own that are not applied yet. */
export interface Draft {
  readonly bytes: Uint8Array;
  readonly part: LanePart;
  /** What of it is new and this node's own, as a history tells it: nothing that is only carried. */
  readonly lines: readonly PastLine[];
}

/** All lanes of a board as one map of keys, with the winner of each. */
export interface BoardDocument {
  get(key: string): BoardEntry | undefined;
  /** Entries whose key starts with `prefix`, by key. */
  entries(prefix: string): readonly BoardEntry[];
  has(key: string): boolean;
  /** The deletion of a key. */
  tombstone(key: string): Tombstone | undefined;
  /** How far each lane was seen. */
  seen(): readonly OwnedPlace[];
  /**
   * Whether all of `places` was seen, or what stands for it. A lane that is not here counts as seen only where it says
   * whose it is, and nothing of it can come any more, since its owner has lost the right.
   */
  covers(places: readonly SeenPlace[]): boolean;
  /** How many changes were seen, about. */
  readonly changes: number;
  /** How many writes of each writer were seen. */
  clock(): Readonly<Record<string, number>>;
  /** Keys that are set. */
  readonly size: number;
  /** About as many bytes as it takes on disk. */
  readonly sizeBytes: number;
  /** Deletions and ends that are remembered. */
  readonly tombstones: number;
  /** Pieces of Yjs' memory, see {@link BoardLimits.structs}. */
  readonly structs: number;
  /** Nothing was ever written. */
  readonly isBlank: boolean;
  /**
   * Changes of this node's own, which are not applied: {@link commit} does that once they are on disk. One
   * draft at a time, each key once. Undefined when nothing would change.
   */
  draft(changes: readonly EntryChange[]): Draft | undefined;
  /** Own lanes begun anew, which is a draft as well. Undefined while that is not worth the work. */
  draftRenewal(): Draft | undefined;
  /**
   * Own lanes begun anew with what still counts of the lanes of `owners`, which they stand for from then on; a draft as
   * well. Undefined when there are no such lanes.
   */
  draftAdoption(owners: ReadonlySet<Did>): Draft | undefined;
  /** Writers whose last write is before a time, ms since the epoch, and whose lanes hold over `dead` dead items and more than live ones. */
  absentSince(limits: { readonly writtenBefore: number; readonly dead: number }): readonly Did[];
  /** Applies what {@link draft} gave. */
  commit(draft: Draft): void;
  /**
   * The last draft, if there is one, was given up. `isOnDisk`: it is written and stays, so that the next one goes into another lane; else the
   * write of the next one takes off the disk what there may be of it.
   */
  giveUp(draft: { readonly isOnDisk: boolean }): void;
  /**
   * Reads an update from a peer, and applies nothing of it: gives what became of an update that brings nothing, or is to be left
   * out. Never throws. With `author` nothing but this writer's lanes may be in it, else it is malformed.
   */
  read(update: Uint8Array, author?: Did): Arrival | ApplyResult;
  /**
   * Of a board whose entries are signed: checks the signatures in an arrival, one a step, so that {@link merge} need not
   * check them all at once. Never throws.
   */
  prove(arrival: Arrival): Iterable<void>;
  /** Applies what {@link read} gave. Never throws. */
  merge(arrival: Arrival): ApplyResult;
  /** {@link read} and {@link merge} in one, of a document without a disk. */
  apply(update: Uint8Array, author?: Did): ApplyResult;
  /** What waits for what it follows on or for its time, as a log has it; it may be merged later without being written again. */
  waiting(): readonly Uint8Array[];
  /** An update refers to others that we have not seen. */
  readonly isWaiting: boolean;
  /** What is stamped too far ahead and waits for its time; undefined when nothing does. */
  readonly early: EarlyView | undefined;
  /** Brings in what has waited for its time, as far as that has come. */
  bringDue(): void;
  /** Forgets the updates that wait for others. */
  dropWaiting(): void;
  vector(): Uint8Array;
  /**
   * What is missing at whoever has `vector`, in pieces; undefined when the vector is malformed. With `ownOnly` nothing
   * of what others wrote.
   */
  diff(vector: Uint8Array, ownOnly?: boolean): Iterable<Uint8Array> | undefined;
  /** How many changes are missing at whoever has `vector`, about; 0 when the vector is malformed. */
  missingAt(vector: Uint8Array): number;
  /** How far the lanes of one writer were seen. */
  seenOf(did: Did): readonly Place[];
  /** The whole document as it is when this is called, and maybe some of what comes meanwhile, in pieces. */
  snapshot(): Iterable<Uint8Array>;
  /** Hash of what was seen and of what is set: equal digests mean equal boards. */
  digest(): string;
  /**
   * What writers may write has changed: lanes that say what counts no more are dropped, and are to be had again up to
   * where they count from whoever has not gone further. True when there was such a lane, or another thing is shown.
   */
  reviewRights(): boolean;
  /** When the next entry ends, ms since the epoch. */
  nextEnd(): number | undefined;
  /** Ends the entries whose time is over, and gives their keys. */
  endOver(): readonly BoardChange[];
  onUpdate(listener: UpdateListener): void;
}

/** Bounds, the writer's own key, and the time that stamps go by. */
export interface DocumentInit {
  readonly limits: BoardLimits;
  /** Whose own changes are drafted. */
  readonly self: Did;
  now(): number;
  /** Who may write what; absent where everybody may. */
  readonly access?: LaneAccess;
  /** Of boards whose entries are signed. */
  readonly signatures?: EntrySignatures;
}
