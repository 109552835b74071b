/**
 * The entries that wait for the disk, and how they come to it: what comes in one turn of the event loop shares a write, and
 * whoever waits first in a turn is written as soon as what runs then is over. What can't be written is refused.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import { LineMemory, makeBatch } from './entry-batch.ts';
import type { Batch, BatchInit, Item } from './entry-batch.ts';
import type { ChainEnd } from './recover.ts';
import type { SegmentWriter } from './segment-writer.ts';

/** Memory for a batch, in bytes; more is taken where one is larger. */
const FIRST_BYTES = 32 * 1024;
/** So many entries that are waited for in one turn of the event loop are many. */
const BUSY_APPENDS = 8;

/** What the writes find out about the disk. */
export interface DiskHealth {
  /** What callers are refused with while the disk fails; undefined while it works. */
  readonly failure: StarlingError | undefined;
  /** A write failed; gives what callers are refused with. */
  failed(error: unknown): StarlingError;
  /** A write went well. */
  recovered(): void;
}

/** What the writes of a log work with. */
export interface EntryWritesInit {
  readonly batches: BatchInit;
  readonly health: DiskHealth;
  readonly logger: Logger;
  /** Whether entries are written; what waits stays where it is otherwise. */
  readonly isOpen: () => boolean;
  /** Hears of each batch that is written, after those who waited for its entries. */
  readonly written: (batch: Batch) => void;
}

/** The entries of a log that wait for the disk. */
export class EntryWrites {
  readonly #init: EntryWritesInit;
  #writer: SegmentWriter | undefined;
  #chain: ChainEnd = { seq: 0, hash: '', unsigned: 0 };
  #queue: Item[] = [];
  /** A write that is waited for is under way. */
  #isWriting = false;
  /** Something was written in this turn of the event loop, before its end, or is about to be. */
  #hasWritten = false;
  /** Entries that were waited for in this turn, and whether they were many in the one before. */
  #appended = 0;
  #isBusy = false;
  /** What is written now, or was: one batch is written at a time. */
  #memory = new LineMemory(0);
  /** Entries in the queue; marks take no room. */
  #waiting = 0;
  #draining: Promise<void> | undefined;

  constructor(init: EntryWritesInit) {
    this.#init = init;
  }

  /** Goes on behind `chain`, by this writer. */
  goOn(writer: SegmentWriter, chain: ChainEnd): void {
    this.#writer = writer;
    this.#chain = chain;
    this.#memory = new LineMemory(FIRST_BYTES);
  }

  /** Number of the last entry that is written. */
  get lastSeq(): number {
    return this.#chain.seq;
  }

  /** How many entries wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether something is being written, or is about to be. */
  get isUnderWay(): boolean {
    return this.#draining !== undefined;
  }

  /** Resolves when nothing is under way; never rejects. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  /** An entry that nobody waits for, or is told of by its waiter. */
  push(item: Item): void {
    this.#queue.push(item);
    this.#waiting += 1;
    this.#kick();
  }

  /** An entry that a call waits for. */
  append(item: Item): void {
    this.push(item);
    this.#appended += 1;
    if (item.syncs !== true) this.#writeSoon();
  }

  /** A place in the queue without an entry: what is before it is synced, or signed. */
  mark(item: Item): void {
    this.#queue.push(item);
    this.#kick();
  }

  /** Writes what waits though the disk has failed: `probe` is the entry that tries it. */
  tryAgain(probe: Item): void {
    this.push(probe);
    this.#draining = this.#drain();
  }

  /** Whoever waits is refused, and what it wanted is not in the log; notes are kept for later. */
  failed(error: unknown): void {
    const refusal = this.#init.health.failed(error);
    const kept: Item[] = [];
    for (const item of this.#queue) {
      if (item.waiter !== undefined) item.waiter.reject(refusal);
      else if (item.content !== undefined && item.probes !== true) kept.push(item);
    }
    this.#waiting -= sizeOf(this.#queue) - sizeOf(kept);
    this.#queue = kept;
  }

  /** Gives up all that waits; whoever waits for it is refused. */
  giveUp(refusal: () => StarlingError): void {
    for (const { waiter } of this.#queue.splice(0)) waiter?.reject(refusal());
    this.#waiting = 0;
  }

  #kick(): void {
    const isIdle =
      this.#init.isOpen() &&
      this.#draining === undefined &&
      this.#init.health.failure === undefined;
    if (!isIdle || this.#queue.length === 0) return;
    this.#draining = this.#drain();
  }

  /** Writes until nothing waits. Never rejects. */
  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        // What else comes in this turn of the event loop goes into the same write.
        await turn();
        this.#hasWritten = false;
        this.#isBusy = this.#appended >= BUSY_APPENDS;
        this.#appended = 0;
        if (this.#queue.length > 0) await this.#writeBatch();
      }
      this.#draining = undefined;
    } catch (error) {
      this.#draining = undefined;
      this.failed(error);
    }
  }

  async #writeBatch(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) throw new StarlingError('STARLING_STOPPED', 'it is not open');
    this.#isWriting = true;
    try {
      if (writer.sizeBytes() >= this.#init.batches.segmentBytes) await writer.rotate();
      await this.#writeTo(writer);
    } finally {
      this.#isWriting = false;
    }
  }

  async #writeTo(writer: SegmentWriter): Promise<void> {
    const batch = this.#batchFor(writer);
    const items = this.#taken(batch.count);
    try {
      if (batch.lines > 0) {
        const sync = batch.syncs || batch.fills;
        const isDone = !sync && writer.writeNow(batch.bytes);
        if (!isDone) await writer.write(batch.bytes, { first: this.#chain.seq + 1, sync });
      } else if (batch.syncs) await writer.sync();
    } catch (error) {
      this.#queue.unshift(...items);
      throw error;
    }
    // Before those who waited go on: what they add next may be written at once.
    this.#isWriting = false;
    this.#waiting -= sizeOf(items);
    this.#written(batch);
  }

  /**
   * Who waits first in a turn of the event loop does not wait for its end: all that came with it, as the other calls of
   * one packet, is written once what runs now is over; once a turn, so that others share a write. While many come in each
   * turn they all share the one at its end: what is let go on in two parts is sent on in two parts, too.
   */
  #writeSoon(): void {
    if (this.#hasWritten || this.#isWriting || this.#isBusy) return;
    this.#hasWritten = true;
    process.nextTick(() => {
      this.#writeAtOnce();
    });
  }

  /** Writes all that waits, where nothing has to be waited for. What can't be written so waits for the end of the turn. */
  #writeAtOnce(): void {
    const writer = this.#writer;
    const isFree = this.#draining !== undefined && !this.#isWriting;
    if (writer === undefined || !isFree || this.#init.health.failure !== undefined) return;
    if (writer.sizeBytes() >= this.#init.batches.segmentBytes) return;
    let batch: Batch;
    try {
      batch = this.#batchFor(writer);
      if (batch.lines === 0 || batch.syncs || batch.fills) return;
      if (!writer.writeNow(batch.bytes)) return;
    } catch (error) {
      // The write at the end of the turn meets the same, and says so to those who wait.
      this.#init.logger.debug({ error: messageOf(error) }, 'audit log: not written at once');
      return;
    }
    this.#waiting -= sizeOf(this.#taken(batch.count));
    this.#written(batch);
  }

  #batchFor(writer: SegmentWriter): Batch {
    const place = { chain: this.#chain, sizeBytes: writer.sizeBytes(), memory: this.#memory };
    return makeBatch(this.#queue, place, this.#init.batches);
  }

  /** The first `count` that wait, which wait no more. */
  #taken(count: number): Item[] {
    if (count < this.#queue.length) return this.#queue.splice(0, count);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  #written(batch: Batch): void {
    this.#chain = batch.chain;
    this.#init.health.recovered();
    for (const { waiter, seq } of batch.seqs) waiter.resolve(seq);
    this.#init.written(batch);
  }
}

/** How much room items take: marks take none. */
function sizeOf(items: readonly Item[]): number {
  let size = 0;
  for (const { content } of items) if (content !== undefined) size += 1;
  return size;
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
