/**
 * Brings a board's changes to disk, one write at a time, and into the document only then, this node's own as well as
 * what peers sent: what is refused was never there, for anybody, and what anybody has read or was told of is there after
 * a crash. All that has come while a write was under way goes with the next one, with one sync of the disk. What a
 * peer sent stands in the log as that one sent it, and is judged as it is brought in, and again when the log is read.
 */
import { StarlingError, backoffMs, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type {
  ApplyResult,
  Arrival,
  BoardDocument,
  Draft,
  EntryChange,
} from '../document/document-types.ts';
import { encodeSent } from '../lanes/update.ts';
import type { BoardLog } from './persistence.ts';
import { createSlices } from './slices.ts';
import type { BoardEntry, PastLine } from '../types.ts';

/** Changes that are written together, and how many bytes of them: as much as one gossip message takes. */
const TOGETHER_MAX = 512;
const TOGETHER_BYTES = 32 * 1024;
/** What may wait for the disk. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** What a change costs besides its value, about. */
const CHANGE_BYTES = 128;
/** How much of what peers sent goes to the disk at once. Higher: fewer syncs; lower: the first of it is seen sooner. */
const ARRIVED_TOGETHER_BYTES = 256 * 1024;
const RETRY = { baseMs: 1000, capMs: 30_000 } as const;

/** A change that somebody of this node wants. */
export interface WantedChange extends EntryChange {
  readonly sizeBytes: number;
}

/** What became of a change, once it is on disk. */
export interface ChangeResult {
  /** There was something before. */
  readonly existed: boolean;
  /** The entry as it was written; absent of a deletion, and of what another change replaced at once. */
  readonly entry?: BoardEntry;
}

/** What the writer works with. */
export interface BoardWriterComponents {
  readonly document: BoardDocument;
  readonly log: BoardLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears own updates, once they are on disk and in the document. */
  written(own: Draft): void;
  /**
   * Hears in the turn in which a write to the disk begins what of this node is in it, so that whatever tells of that goes to
   * the disk in the same sync. What is returned hears of the end of the write, and whether the disk refused it.
   */
  noting(lines: readonly PastLine[]): (isRefused: boolean) => void;
}

/** The one way by which this node writes to a board. */
export interface BoardWriter {
  /** Changes that wait for the disk, or are on their way. */
  readonly waiting: readonly WantedChange[];
  /** Nothing waits for the disk, or to be brought in. */
  readonly isIdle: boolean;
  /** What is not on disk yet. */
  readonly waitingBytes: number;
  /**
   * Resolves once the change is on disk and in the document.
   * @throws STARLING_STATE_UNUSABLE, STARLING_LIMIT_EXCEEDED: then nothing has changed
   */
  change(wanted: WantedChange): Promise<ChangeResult>;
  /**
   * Resolves once what a peer sent is on disk and in the document, or is to be left out; `unwritten` where the disk does not
   * take it. Never rejects.
   */
  take(arrival: Arrival): Promise<ApplyResult>;
  /**
   * Has own lanes stand for those of `owners`. Resolves to false when there was nothing to adopt.
   * @throws why the disk refuses that: then nothing has changed
   */
  adopt(owners: ReadonlySet<Did>): Promise<boolean>;
  /** The next write replaces all rows by the whole board. */
  fold(): void;
  /** Resolves once everything so far is on disk. @throws why that could not be */
  flushed(): Promise<void>;
  /** Takes all rows off the disk and closes. @throws why the disk refuses that: then all goes on as before */
  erase(): Promise<void>;
  close(): void;
}

/** Lanes that are to be adopted. */
interface Adoption {
  readonly owners: ReadonlySet<Did>;
  resolve(isDone: boolean): void;
  reject(error: unknown): void;
}

interface Waiting extends WantedChange {
  resolve(result: ChangeResult): void;
  reject(error: unknown): void;
}

/** What a peer sent, on its way. */
interface Arriving {
  readonly arrival: Arrival;
  readonly row: Uint8Array;
  resolve(result: ApplyResult): void;
}

/** Nothing is drafted before the first request; what one tick asks for becomes one change. */
export function createBoardWriter(
  components: BoardWriterComponents,
  init: { readonly board: string },
): BoardWriter {
  return new SerialWriter(components, init.board);
}

class SerialWriter implements BoardWriter {
  readonly #components: BoardWriterComponents;
  readonly #board: string;
  #queue: Waiting[] = [];
  #underWay: readonly Waiting[] = [];
  #changeBytes = 0;
  /** What peers sent and is not on its way yet, and bytes of all that is not in the document. */
  #arrived: Arriving[] = [];
  #arrivedBytes = 0;
  /** What is on its way to the disk, or into the document. */
  #arriving: readonly Arriving[] = [];
  #wantsFold = false;
  #adoption: Adoption | undefined;
  #writing: Promise<void> | undefined;
  /** Ends the wait for the end of a tick. */
  #begin: (() => void) | undefined;
  /** The last write is on the disk. */
  #isSaved = false;
  #failure: unknown;
  #failures = 0;
  /** Ends the wait for the next try. */
  #cancelWait: (() => void) | undefined;
  #isClosed = false;
  /** Nothing else is written meanwhile. */
  #isErasing = false;

  constructor(components: BoardWriterComponents, board: string) {
    this.#components = components;
    this.#board = board;
  }

  get waiting(): readonly WantedChange[] {
    return [...this.#underWay, ...this.#queue];
  }

  get waitingBytes(): number {
    return this.#changeBytes + this.#arrivedBytes;
  }

  get isIdle(): boolean {
    const waiting = this.#underWay.length + this.#queue.length;
    return waiting + this.#arrived.length + this.#arriving.length === 0;
  }

  change(wanted: WantedChange): Promise<ChangeResult> {
    const sizeBytes = wanted.sizeBytes + CHANGE_BYTES;
    if (this.#changeBytes + sizeBytes > WAITING_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `over ${WAITING_BYTES_MAX} bytes wait to be written to board '${this.#board}'`,
        { hint: 'try again once they are: the disk does not keep up' },
      );
    }
    this.#changeBytes += sizeBytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...wanted, sizeBytes, resolve, reject });
      this.#kick();
    });
  }

  take(arrival: Arrival): Promise<ApplyResult> {
    const { isWhole, news, at } = arrival;
    const row = encodeSent({ isWhole, parts: news.map(({ part }) => part) }, at);
    const isTooMuch = this.#arrivedBytes + row.length > WAITING_BYTES_MAX;
    // While the disk fails nobody waits for it who can ask again.
    const isFailing = this.#failures > 0 && this.#cancelWait !== undefined;
    if (this.#isClosed || isTooMuch || isFailing) return Promise.resolve('unwritten');
    this.#arrivedBytes += row.length;
    return new Promise((resolve) => {
      this.#arrived.push({ arrival, row, resolve });
      this.#kick();
      // All of a message is here by the end of this turn, and who waits for it is a disk and a link away from its writer already.
      this.#begin?.();
    });
  }

  adopt(owners: ReadonlySet<Did>): Promise<boolean> {
    if (this.#isClosed || this.#adoption !== undefined) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      this.#adoption = { owners, resolve, reject };
      this.#kick();
    });
  }

  fold(): void {
    this.#wantsFold = true;
    this.#kick();
  }

  async flushed(): Promise<void> {
    await this.#idle();
    if (!this.#isBehind) return;
    // Once more: what failed may be long ago.
    this.#kick();
    await this.#idle();
    if (this.#isBehind) throw this.#failure;
  }

  async erase(): Promise<void> {
    await this.flushed();
    this.#isErasing = true;
    try {
      await this.#components.log.fold([], []);
      this.close();
    } finally {
      this.#isErasing = false;
      this.#kick();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#endWait();
    this.#adoption?.resolve(false);
    this.#adoption = undefined;
    for (const one of this.#arrived.splice(0)) this.#left(one);
  }

  async #idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #kick(): void {
    this.#endWait();
    this.#writing ??= this.#writeAll();
  }

  #endWait(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Never rejects: whoever waits hears of a failure. */
  async #writeAll(): Promise<void> {
    // A tick: what is asked for until then is one change of the document, one row, and one message.
    await new Promise<void>((resolve) => {
      const tick = setImmediate(resolve);
      this.#begin = () => {
        clearImmediate(tick);
        resolve();
      };
    });
    this.#begin = undefined;
    let goesOn = true;
    while (goesOn && this.#hasWork()) goesOn = await this.#writeSome();
    // In the same turn as the last look: what comes from now on begins anew.
    this.#writing = undefined;
    if (goesOn) return;
    // Whoever sent that has it still.
    for (const one of this.#arrived.splice(0)) this.#left(one);
    this.#retryLater();
  }

  /** Gives whether to go on: what nobody waits for has time when the disk fails. */
  async #writeSome(): Promise<boolean> {
    const changes = this.#takeSome();
    const arrived = this.#takeArrived();
    try {
      await this.#write(changes, arrived);
    } catch (error) {
      this.#failed(error, changes);
      for (const one of arrived) this.#left(one);
      this.#arriving = [];
      return this.#queue.length > 0;
    }
    await this.#bringIn(arrived);
    this.#failures = 0;
    try {
      await this.#adopt();
      await this.#renew();
      return true;
    } catch (error) {
      this.#failed(error, []);
      return this.#queue.length > 0;
    }
  }

  #hasWork(): boolean {
    if (this.#isClosed || this.#isErasing) return false;
    if (this.#adoption !== undefined || this.#queue.length + this.#arrived.length > 0) return true;
    return this.#components.log.isDoubtful || this.#mustFold;
  }

  /** A write like any other: whoever wants it hears of a failure. */
  async #adopt(): Promise<void> {
    const adoption = this.#adoption;
    if (adoption === undefined) return;
    this.#adoption = undefined;
    try {
      const own = this.#components.document.draftAdoption(adoption.owners);
      if (own !== undefined) {
        await this.#save(own, []);
        this.#components.document.commit(own);
        this.#components.written(own);
      }
      adoption.resolve(own !== undefined);
    } catch (error) {
      adoption.reject(error);
      throw error;
    }
  }

  /** Begins own lanes anew when that pays: a write like any other. */
  async #renew(): Promise<void> {
    const own = this.#components.document.draftRenewal();
    if (own === undefined) return;
    await this.#save(own, []);
    this.#components.document.commit(own);
    this.#components.written(own);
  }

  /** Something waits, or the disk may have what was refused. */
  get #isBehind(): boolean {
    return this.#arrived.length > 0 || this.#components.log.isDoubtful;
  }

  get #mustFold(): boolean {
    const { document, log } = this.#components;
    return this.#wantsFold || log.isLong(document.sizeBytes);
  }

  #takeSome(): readonly Waiting[] {
    let count = 0;
    let sizeBytes = 0;
    for (const one of this.#queue) {
      sizeBytes += one.sizeBytes;
      if (count > 0 && (count >= TOGETHER_MAX || sizeBytes > TOGETHER_BYTES)) break;
      count += 1;
    }
    this.#underWay = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return this.#underWay;
  }

  #takeArrived(): readonly Arriving[] {
    let count = 0;
    let sizeBytes = 0;
    for (const { row } of this.#arrived) {
      sizeBytes += row.length;
      if (count > 0 && sizeBytes > ARRIVED_TOGETHER_BYTES) break;
      count += 1;
    }
    this.#arriving = this.#arrived.splice(0, count);
    return this.#arriving;
  }

  /** What peers sent is on the disk: brings it in, in slices. */
  async #bringIn(arrived: readonly Arriving[]): Promise<void> {
    const { document } = this.#components;
    const slices = createSlices();
    for (const one of arrived) {
      // Of signed boards all signatures are checked first: whoever calls meanwhile waits for a slice at the most.
      for (const _ of document.prove(one.arrival)) await slices.next();
      if (this.#isClosed) {
        this.#left(one);
        continue;
      }
      this.#arrivedBytes -= one.row.length;
      one.resolve(this.#merged(one.arrival));
      await slices.next();
    }
    this.#arriving = [];
  }

  /** Whatever a peer has sent must not end this node. */
  #merged(arrival: Arrival): ApplyResult {
    const { document, logger } = this.#components;
    try {
      return document.merge(arrival);
    } catch (error) {
      const fields = { board: this.#board, error: messageOf(error) };
      logger.error(fields, 'an update of a peer can not be brought in');
      return 'malformed';
    }
  }

  /** What a peer sent is left out: it is asked for again. */
  #left(arriving: Arriving): void {
    this.#arrivedBytes -= arriving.row.length;
    arriving.resolve('unwritten');
  }

  async #write(changes: readonly Waiting[], arrived: readonly Arriving[]): Promise<void> {
    const { document } = this.#components;
    const { newest, existed } = inOrder(changes, document);
    const own = document.draft(newest);
    await this.#save(
      own,
      arrived.map(({ row }) => row),
    );
    if (own !== undefined) document.commit(own);
    this.#settle(changes);
    const written = new Map(newest.map((change) => [change, document.get(change.key)]));
    for (const [index, one] of changes.entries()) {
      const entry = one.value === undefined ? undefined : written.get(one);
      one.resolve({ existed: existed[index] ?? false, ...(entry === undefined ? {} : { entry }) });
    }
    if (own !== undefined) this.#components.written(own);
  }

  /** Writes `own`, and what peers sent after it, all or nothing. */
  async #save(own: Draft | undefined, arrived: readonly Uint8Array[]): Promise<void> {
    const { log } = this.#components;
    const rows = own === undefined ? arrived : [own.bytes, ...arrived];
    this.#isSaved = false;
    if (this.#mustFold) await this.#fold(own, rows);
    else if (rows.length > 0 || log.isDoubtful) await this.#noted(own, log.append(rows));
    this.#isSaved = true;
  }

  /** In slices: what is brought in meanwhile, as its time has come, is among what waits now. */
  async #fold(own: Draft | undefined, rows: readonly Uint8Array[]): Promise<void> {
    const { document, log } = this.#components;
    const wantedFold = this.#wantsFold;
    this.#wantsFold = false;
    const waiting = document.waiting();
    const slices = createSlices();
    const pieces: Uint8Array[] = [];
    try {
      for (const piece of document.snapshot()) {
        pieces.push(piece);
        await slices.next();
      }
      await this.#noted(own, log.fold([...pieces, ...waiting], rows));
    } catch (error) {
      this.#wantsFold ||= wantedFold;
      throw error;
    }
  }

  /** Waits for a write that has just begun, beside which goes what tells of it. */
  async #noted(own: Draft | undefined, writing: Promise<void>): Promise<void> {
    const end = this.#components.noting(own?.lines ?? []);
    try {
      await writing;
    } catch (error) {
      end(true);
      throw error;
    }
    end(false);
  }

  #failed(error: unknown, changes: readonly Waiting[]): void {
    const { document, logger } = this.#components;
    if (this.#failures === 0) {
      logger.error({ board: this.#board, error: messageOf(error) }, 'board not written to disk');
    }
    this.#failure = error;
    this.#failures += 1;
    this.#settle(changes);
    // Should the disk have the change after all, the next write takes it off in one go with what it puts under its clock.
    document.giveUp({ isOnDisk: this.#isSaved });
    for (const one of changes) one.reject(error);
  }

  #settle(changes: readonly Waiting[]): void {
    this.#underWay = [];
    for (const one of changes) this.#changeBytes -= one.sizeBytes;
  }

  #retryLater(): void {
    // A fold that only saves room has time until the next write.
    if (!this.#isBehind || this.#isClosed) return;
    const delayMs = backoffMs(Math.min(this.#failures - 1, 10), RETRY, () => 1);
    this.#cancelWait ??= this.#components.clock.schedule(delayMs, () => this.#kick());
  }
}

/** The last change of each key, and for each change whether there was something before it. */
function inOrder(
  changes: readonly WantedChange[],
  document: BoardDocument,
): { readonly newest: readonly WantedChange[]; readonly existed: readonly boolean[] } {
  const newest = new Map<string, WantedChange>();
  const existed = changes.map((change) => {
    const before = newest.get(change.key);
    newest.set(change.key, change);
    return before === undefined ? document.has(change.key) : before.value !== undefined;
  });
  return { newest: [...newest.values()], existed };
}
