/**
 * One open board: its document, its log, its bounds. A change is on disk first, and in the document then, whether
 * it is this node's or a peer's. Knows no network.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, Json, Logger } from '../../core/index.ts';
import { verifySignature } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';
import { isWithoutPast } from '../board-id.ts';
import type { BoardAccess } from '../access/board-access.ts';
import { createBoardWriter } from '../disk/board-writer.ts';
import type { BoardWriter } from '../disk/board-writer.ts';
import { createDocument } from '../document/document.ts';
import type { ApplyResult, BoardDocument } from '../document/document-types.ts';
import { createEntrySignatures } from '../access/entry-signatures.ts';
import type { EntrySignatures } from '../access/entry-signatures.ts';
import type { LateChange } from '../disk/history.ts';
import { isLegacy, readLegacyBoard } from '../disk/legacy-board.ts';
import { checkKey, checkedValue, invalid } from '../limits.ts';
import type { BoardLimits } from '../limits.ts';
import { createBoardLog } from '../disk/persistence.ts';
import type { BoardLog, BoardRow } from '../disk/persistence.ts';
import type { Stamp } from '../lanes/stamp.ts';
import type { BoardChange, BoardEntry, PastLine, SetOptions } from '../types.ts';
import type { LanePart } from '../lanes/update.ts';

/** A board that is open. Reading goes by its document. */
export interface OpenBoard {
  /** See `board-id.ts`. */
  readonly name: string;
  readonly document: BoardDocument;
  /** Who may do what; absent of a board that is open to all members. */
  readonly access: BoardAccess | undefined;
  /** False while changes wait for the disk. */
  readonly isIdle: boolean;
  /**
   * Resolves once the entry is durable, and only then can be read.
   * @throws STARLING_BOARD_INVALID, STARLING_STATE_UNUSABLE, STARLING_LIMIT_EXCEEDED: nothing has changed
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<BoardEntry>;
  /** Resolves to false when there was nothing to delete. */
  delete(key: string): Promise<boolean>;
  /** As `set`, of a key that is the board's own. */
  setOwn(key: string, value: Json): Promise<void>;
  /** As `delete`, of a key that is the board's own. */
  deleteOwn(key: string): Promise<void>;
  /** Writes into this node's lane what somebody wrote when, where nothing later is known of the key. */
  carry(entry: CarriedEntry): Promise<void>;
  /**
   * Has this node's lanes stand for those of writers who are away and carry what of them counts; false when there is
   * nothing of theirs. @throws what the disk says
   */
  adopt(owners: ReadonlySet<Did>): Promise<boolean>;
  /**
   * Has an update from a peer written and then applied, as `BoardDocument.apply` does; resolves once anybody can read what of it
   * counts. Never rejects.
   */
  take(update: Uint8Array, author?: Did): Promise<ApplyResult>;
  /** Resolves once everything so far is durable; rejects when that could not be written. */
  flushed(): Promise<void>;
  /** Takes all that is here off the disk, and closes. @throws what the disk says: then all goes on as before */
  erase(): Promise<void>;
  close(): void;
}

/** What somebody wrote when. */
export interface CarriedEntry {
  readonly key: string;
  /** Undefined: it is deleted. */
  readonly value?: Json | undefined;
  readonly by: Did;
  readonly at: number;
}

/** What a board works with. */
export interface OpenBoardComponents {
  readonly table: Table;
  /** Who writes here. */
  readonly self: Did;
  readonly clock: Clock;
  /** By what entries are stamped and end, ms since the epoch; default: the clock. */
  nowMs?(): number;
  readonly logger: Logger;
  /** Signs entries, on boards where they are signed. */
  sign?(message: Uint8Array): Uint8Array;
  /** Hears our own updates once they are durable: the others are to be told. */
  publish(part: LanePart): void;
  /**
   * Hears what changed, at once; `unnoted` is what of it {@link noting} was not told of. With `bulk` that is all, and what this
   * update says.
   */
  changed(
    changes: readonly BoardChange[],
    unnoted: readonly BoardChange[],
    bulk?: Uint8Array,
  ): void;
  /** Hears once, as the board is opened, what of peers came right before its last end. */
  recovered?(changes: readonly LateChange[]): void;
  /** Hears what this node writes as it goes to the disk, see `BoardWriterComponents.noting`. */
  noting?(lines: readonly PastLine[]): (isRefused: boolean) => void;
}

/** Which board, and what of it is on disk. */
export interface OpenBoardInit {
  readonly name: string;
  readonly access?: BoardAccess | undefined;
  readonly rows: readonly BoardRow[];
  readonly limits: BoardLimits;
}

/** How often ends of entries are looked at, at the most. */
const END_PACE_MS = 1000;
/** Timers take no longer waits; then it is looked at again. */
const END_WAIT_MAX_MS = 3_600_000;
/** While something waits for its time: the clock that it waits for may be set meanwhile. */
const EARLY_WAIT_MAX_MS = 60_000;
const TTL_MAX_MS = 10 * 365 * 24 * 3_600_000;

/** Says what a replica has and by what it is judged; empty of what nobody has written to. */
export function digestOf(board: OpenBoard | undefined): string {
  if (board === undefined) return '';
  const { document, access } = board;
  if (access === undefined) return document.isBlank ? '' : document.digest();
  if (document.isBlank && access.digest === '') return '';
  return `${document.isBlank ? '' : document.digest()}.${access.digest}`;
}

/** Opens a board from its rows. */
export function createOpenBoard(components: OpenBoardComponents, init: OpenBoardInit): OpenBoard {
  return new DurableBoard(components, init);
}

class DurableBoard implements OpenBoard {
  readonly name: string;
  readonly document: BoardDocument;
  readonly access: BoardAccess | undefined;
  readonly #components: OpenBoardComponents;
  readonly #limits: BoardLimits;
  readonly #log: BoardLog;
  readonly #writer: BoardWriter;
  /** What was noted of the last own write that went to the disk. */
  #noted: readonly PastLine[] = [];
  #cancelEnd: () => void = () => undefined;
  #isClosed = false;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(components: OpenBoardComponents, init: OpenBoardInit) {
    const { clock, logger, table, self } = components;
    const { name, rows, limits, access } = init;
    this.name = name;
    this.access = access;
    this.#limits = limits;
    this.#components = components;
    const newRows = rows.filter((row) => !isLegacy(row));
    const document = createDocument(
      {
        limits,
        self,
        now: () => this.#now(),
        ...(access === undefined ? {} : { access, signatures: this.#signaturesOf(access) }),
      },
      newRows.map((row) => row.value),
    );
    this.document = document;
    this.#log = createBoardLog(table, { board: name, rows });
    this.#writer = createBoardWriter(
      {
        document,
        log: this.#log,
        clock,
        logger,
        written: ({ part }) => components.publish(part),
        noting: (lines) => {
          this.#noted = lines;
          return components.noting?.(lines) ?? (() => undefined);
        },
      },
      { board: name },
    );
    const unreadable = document.unreadable + this.#takeOver(rows.filter(isLegacy));
    if (unreadable > 0) {
      const fields = { board: name, rows: unreadable };
      logger.error(fields, 'rows of a board are damaged; peers will send what they held');
    }
    if (document.late.length > 0) components.recovered?.(document.late);
    document.onUpdate((update, origin, changes, isBulk) =>
      this.#updated(origin, changes, isBulk ? update : undefined),
    );
    this.#watchEnds();
  }

  get isIdle(): boolean {
    return this.#writer.isIdle;
  }

  async set(key: string, value: unknown, options: SetOptions = {}): Promise<BoardEntry> {
    checkKey(key, this.#limits);
    const { value: checked, sizeBytes } = checkedValue(value, this.#limits);
    this.#checkRoom(key, sizeBytes);
    const { self } = this.#components;
    const at = this.#now();
    const until = options.ttlMs === undefined ? 0 : at + checkedTtl(options.ttlMs);
    const change = { key, value: checked, valueBytes: sizeBytes, sizeBytes, until };
    const { entry } = await this.#writer.change(change);
    // Another write of the same moment came after this one: nobody will ever read what this one wrote.
    return entry ?? { key, value: checked, by: self, at, clock: {} };
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key, this.#limits);
    return (await this.#writer.change({ key, sizeBytes: 0 })).existed;
  }

  async setOwn(key: string, value: Json): Promise<void> {
    const valueBytes = JSON.stringify(value).length;
    await this.#writer.change({ key, value, valueBytes, sizeBytes: valueBytes });
  }

  async deleteOwn(key: string): Promise<void> {
    await this.#writer.change({ key, sizeBytes: 0 });
  }

  async carry({ key, value, by, at }: CarriedEntry): Promise<void> {
    const stamp: Stamp = [at, 0];
    if (value === undefined) {
      await this.#writer.change({ key, sizeBytes: 0, by, stamp });
      return;
    }
    const valueBytes = Buffer.byteLength(JSON.stringify(value));
    await this.#writer.change({ key, value, valueBytes, sizeBytes: valueBytes, by, stamp });
  }

  adopt(owners: ReadonlySet<Did>): Promise<boolean> {
    return this.#writer.adopt(owners);
  }

  async take(update: Uint8Array, author?: Did): Promise<ApplyResult> {
    const read = this.document.read(update, author);
    const result = typeof read === 'string' ? read : await this.#writer.take(read);
    if (result === 'early') this.#watchEnds();
    return result;
  }

  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  async erase(): Promise<void> {
    await this.#writer.erase();
    this.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelEnd();
    this.#writer.close();
  }

  #now(): number {
    return this.#components.nowMs?.() ?? this.#components.clock.now();
  }

  #signaturesOf(access: BoardAccess): EntrySignatures {
    return createEntrySignatures({
      board: access.id,
      isSigned: () => access.isSigned,
      verify: verifySignature,
      sign: (message) => {
        const signature = this.#components.sign?.(message);
        if (signature !== undefined) return signature;
        throw new StarlingError('STARLING_BOARD_REFUSED', 'this node has no key to sign with');
      },
    });
  }

  /** Brings in what an earlier version wrote, and gives how many of its rows are damaged. */
  #takeOver(rows: readonly BoardRow[]): number {
    if (rows.length === 0) return 0;
    const { entries, unreadable } = readLegacyBoard(rows, this.#limits);
    const own = this.document.draft(entries);
    if (own !== undefined) this.document.commit(own);
    // In one batch with the end of the old rows: a crash before that begins anew.
    this.#writer.fold();
    this.#components.logger.info(
      { board: this.name, entries: entries.length },
      'a board of an earlier version is taken over',
    );
    return unreadable;
  }

  #updated(
    origin: 'local' | 'remote' | 'cut',
    changes: readonly BoardChange[],
    bulk: Uint8Array | undefined,
  ): void {
    if (origin === 'cut') this.#writer.fold();
    // What was deleted there stands in no row either: rows of before hold what they said.
    const isGone = isWithoutPast(this.name) && changes.some(({ gone }) => gone !== undefined);
    if (isGone) this.#writer.fold();
    if (changes.length === 0) return;
    if (changes.some(({ entry }) => entry?.until !== undefined)) this.#watchEnds();
    const noted = origin === 'local' ? this.#noted : [];
    this.#components.changed(changes, withoutNoted(changes, noted), bulk);
  }

  /** Ends entries when their time is over, and brings in early ones when theirs has come. */
  #watchEnds(): void {
    this.#cancelEnd();
    const ends = this.document.nextEnd();
    const early = this.document.early?.nextAt;
    if ((ends === undefined && early === undefined) || this.#isClosed) return;
    const { clock } = this.#components;
    const next = Math.min(ends ?? Number.POSITIVE_INFINITY, early ?? Number.POSITIVE_INFINITY);
    const waitMaxMs = early === undefined ? END_WAIT_MAX_MS : EARLY_WAIT_MAX_MS;
    const delayMs = Math.min(Math.max(next - this.#now(), 0) + 1, waitMaxMs);
    this.#cancelEnd = clock.schedule(
      Math.max(delayMs, this.#endedAt + END_PACE_MS - clock.now()),
      () => {
        this.#endedAt = clock.now();
        this.document.bringDue();
        const changes = this.document.endOver();
        if (changes.length > 0) this.#components.changed(changes, []);
        this.#watchEnds();
      },
    );
  }

  #checkRoom(key: string, sizeBytes: number): void {
    const { keys, boardBytes } = this.#limits;
    const board = `board '${this.name}'`;
    const { waiting } = this.#writer;
    if (this.document.size + waiting.length >= keys && this.#keysWith(key) > keys) {
      throw invalid(`${board} holds ${keys} keys, which is the limit`, 'delete some first');
    }
    if (this.document.sizeBytes + this.#writer.waitingBytes + sizeBytes > boardBytes) {
      throw invalid(`${board} holds ${boardBytes} bytes, which is the limit`, 'delete some first');
    }
  }

  /** How many keys there would be with `key`, and with those that are on their way to the disk. */
  #keysWith(key: string): number {
    const added = new Set([key]);
    for (const { key: other, value } of this.#writer.waiting) {
      if (value !== undefined) added.add(other);
    }
    return [...added].filter((one) => !this.document.has(one)).length + this.document.size;
  }
}

/** Changes that no line of `noted` tells of. */
function withoutNoted(
  changes: readonly BoardChange[],
  noted: readonly PastLine[],
): readonly BoardChange[] {
  if (noted.length === 0) return changes;
  const lines = new Map(noted.map((line) => [line.key, line]));
  return changes.filter(({ key, entry, gone }) => {
    const line = lines.get(key);
    const written = entry ?? gone;
    return line === undefined || line.by !== written?.by || line.at !== written.at;
  });
}

/** @throws STARLING_BOARD_INVALID */
function checkedTtl(ttlMs: number): number {
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MAX_MS) return ttlMs;
  throw invalid('this time to live is none', 'it is over 0 and at most ten years');
}
