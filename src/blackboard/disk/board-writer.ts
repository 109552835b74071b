/**
 * Brings a board's changes to disk, one write at a time, and own changes into the document only then: what
 * is refused was never there, for anybody. What peers sent is in the document at once, and on disk a moment later,
 * much of it with one sync, and in or before the first own change that could build on it; until then it is tried
 * again, and after a crash the peers are asked for it once more, because the board's state vector is made from
 * what was on disk.
 */
import { StarlingError, backoffMs, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { BoardDocument, Draft, EntryChange } from '../document/document-types.ts';
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
/** More than this of peers' updates, while the disk fails, are written as the whole board. */
const UNSAVED_BYTES_MAX = 1024 * 1024;
/** How long what peers sent may wait for more of it. Higher: fewer syncs of the disk; lower: less to ask for after a crash. */
const GATHER_MS = 50;
/** Over this it waits no longer. */
const GATHER_BYTES = 256 * 1024;
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
  /** What is not on disk yet. */
  readonly waitingBytes: number;
  /**
   * Resolves once the change is on disk and in the document.
   * @throws STARLING_STATE_UNUSABLE, STARLING_LIMIT_EXCEEDED: then nothing has changed
   */
  change(wanted: WantedChange): Promise<ChangeResult>;
  /** A peer's update is in the document. */
  merged(update: Uint8Array): void;
  /**
   * Has own lanes stand for those of `owners`. Resolves to false when there was nothing to adopt.
   * @throws why the disk refuses that: then nothing has changed
   */
  adopt(owners: ReadonlySet<Did>): Promise<boolean>;
  /** The next write replaces all rows by the whole board. */
  fold(): void;
  /** Resolves once everything so far is on disk. @throws why that could not be */
  flushed(): Promise<void>;
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
  /** Peers' updates that are in the document and not on disk, nor on their way there. */
  #unsaved: Uint8Array[] = [];
  #unsavedBytes = 0;
  /** What is on its way there. */
  #savingBytes = 0;
  /** The disk lacks what only the whole board brings. */
  #lacks = false;
  #wantsFold = false;
  #adoption: Adoption | undefined;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #failures = 0;
  /** What peers sent goes to the disk now. */
  #isDue = false;
  /** Ends the wait for the next try, or for more of what peers send. */
  #cancelWait: (() => void) | undefined;
  #isClosed = false;

  constructor(components: BoardWriterComponents, board: string) {
    this.#components = components;
    this.#board = board;
  }

  get waiting(): readonly WantedChange[] {
    return [...this.#underWay, ...this.#queue];
  }

  get waitingBytes(): number {
    return this.#changeBytes + this.#unsavedBytes + this.#savingBytes;
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

  merged(update: Uint8Array): void {
    this.#unsaved.push(update);
    this.#unsavedBytes += update.length;
    if (this.#unsavedBytes > UNSAVED_BYTES_MAX) {
      this.#unsaved = [];
      this.#unsavedBytes = 0;
      this.#lacks = true;
    }
    if (this.#lacks || this.#unsavedBytes > GATHER_BYTES) this.#writeUnsaved();
    else this.#waitFor(GATHER_MS);
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
    this.#writeUnsaved();
    await this.#idle();
    if (this.#isBehind) throw this.#failure;
  }

  close(): void {
    this.#isClosed = true;
    this.#endWait();
    this.#adoption?.resolve(false);
    this.#adoption = undefined;
  }

  async #idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #kick(): void {
    this.#endWait();
    this.#writing ??= this.#writeAll();
  }

  #writeUnsaved(): void {
    this.#isDue = true;
    this.#kick();
  }

  /** Writes what peers sent after a while, with whatever comes until then. */
  #waitFor(delayMs: number): void {
    if (this.#cancelWait !== undefined || this.#writing !== undefined || this.#isClosed) return;
    this.#cancelWait = this.#components.clock.schedule(delayMs, () => this.#writeUnsaved());
  }

  #endWait(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
  }

  /** Never rejects: whoever waits hears of a failure. */
  async #writeAll(): Promise<void> {
    // A tick: what is asked for until then is one change of the document, one row, and one message.
    await new Promise((resolve) => setImmediate(resolve));
    let goesOn = true;
    while (goesOn && this.#hasWork()) goesOn = await this.#writeSome();
    // In the same turn as the last look: what comes from now on begins anew.
    this.#writing = undefined;
    if (!goesOn) this.#retryLater();
    else if (this.#unsaved.length > 0) this.#waitFor(GATHER_MS);
  }

  /** Gives whether to go on: what peers sent has time when the disk fails, who waits for an answer has not. */
  async #writeSome(): Promise<boolean> {
    const changes = this.#takeSome();
    try {
      await this.#write(changes);
    } catch (error) {
      this.#failed(error, changes);
      return this.#queue.length > 0;
    }
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
    if (this.#isClosed) return false;
    const isDue = this.#isDue && this.#isBehind;
    if (this.#adoption !== undefined) return true;
    return this.#queue.length > 0 || isDue || this.#components.log.isDoubtful || this.#mustFold;
  }

  /** A write like any other: whoever wants it hears of a failure. */
  async #adopt(): Promise<void> {
    const adoption = this.#adoption;
    if (adoption === undefined) return;
    this.#adoption = undefined;
    try {
      const own = this.#components.document.draftAdoption(adoption.owners);
      if (own !== undefined) {
        await this.#save(own);
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
    await this.#save(own);
    this.#components.document.commit(own);
    this.#components.written(own);
  }

  /** The document has what the disk has not, or the disk what was refused. */
  get #isBehind(): boolean {
    return this.#lacks || this.#unsaved.length > 0 || this.#components.log.isDoubtful;
  }

  get #mustFold(): boolean {
    return this.#lacks || this.#wantsFold || this.#components.log.isLong;
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

  async #write(changes: readonly Waiting[]): Promise<void> {
    const { document } = this.#components;
    const { newest, existed } = inOrder(changes, document);
    const own = document.draft(newest);
    await this.#save(own);
    if (own !== undefined) document.commit(own);
    this.#settle(changes);
    const written = new Map(newest.map((change) => [change, document.get(change.key)]));
    for (const [index, one] of changes.entries()) {
      const entry = one.value === undefined ? undefined : written.get(one);
      one.resolve({ existed: existed[index] ?? false, ...(entry === undefined ? {} : { entry }) });
    }
    if (own !== undefined) this.#components.written(own);
  }

  /** Writes what the disk lacks and then `own`, all or nothing. */
  async #save(own: Draft | undefined): Promise<void> {
    const before = { unsaved: this.#unsaved, bytes: this.#unsavedBytes, lacks: this.#lacks };
    const mustFold = this.#mustFold;
    const writing = mustFold ? this.#fold(own) : this.#append(before.unsaved, own);
    // What comes from now on is not in this write.
    this.#unsaved = [];
    this.#unsavedBytes = 0;
    this.#savingBytes = before.bytes;
    this.#lacks = false;
    this.#isDue = false;
    try {
      await writing;
      if (mustFold) this.#wantsFold = false;
    } catch (error) {
      this.#lacks ||= before.lacks;
      this.#unsaved = [...before.unsaved, ...this.#unsaved];
      this.#unsavedBytes += before.bytes;
      throw error;
    } finally {
      this.#savingBytes = 0;
    }
  }

  /** In slices: what is applied meanwhile is in the pieces or in the next write, or in both. */
  async #fold(own: Draft | undefined): Promise<void> {
    const { document, log } = this.#components;
    const slices = createSlices();
    const pieces: Uint8Array[] = [];
    for (const piece of document.snapshot()) {
      pieces.push(piece);
      await slices.next();
    }
    // What came meanwhile may have replaced what a piece lacks for that: both are written, or none.
    const late = this.#unsaved;
    this.#unsaved = [];
    try {
      await this.#noted(own, log.fold(pieces, [...late, ...bytesOf(own)]));
      const lateBytes = late.reduce((sum, { length }) => sum + length, 0);
      this.#unsavedBytes = Math.max(0, this.#unsavedBytes - lateBytes);
    } catch (error) {
      this.#unsaved = [...late, ...this.#unsaved];
      throw error;
    }
  }

  async #append(unsaved: readonly Uint8Array[], own: Draft | undefined): Promise<void> {
    const { log } = this.#components;
    const updates = [...unsaved, ...bytesOf(own)];
    if (updates.length > 0 || log.isDoubtful) await this.#noted(own, log.append(updates));
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
    // Should the disk have the change after all, nothing else may ever be under its clock.
    document.giveUp();
    for (const one of changes) one.reject(error);
  }

  #settle(changes: readonly Waiting[]): void {
    this.#underWay = [];
    for (const one of changes) this.#changeBytes -= one.sizeBytes;
  }

  #retryLater(): void {
    // A fold that only saves room has time until the next write.
    if (!this.#isBehind || this.#isClosed) return;
    this.#waitFor(backoffMs(Math.min(this.#failures - 1, 10), RETRY, () => 1));
  }
}

function bytesOf(own: Draft | undefined): readonly Uint8Array[] {
  return own === undefined ? [] : [own.bytes];
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
