/**
 * Writes by the node's own thread, within one turn of the event loop. Bytes that only go to the kernel cost a few µs
 * this way, and several times that by a thread of the pool and back. Where the thread might have to wait for the disk
 * nothing is written here.
 */
import type { Clock } from '../../core/index.ts';
import { ProcessorWait } from './processor-wait.ts';
import type { SegmentFile } from './segment-file.ts';

/**
 * A write to the kernel's memory that took longer than this, the time apart for which the thread waited for a processor,
 * had to wait for the disk.
 */
const SLOW_WRITE_MS = 50;
/**
 * How old a look at that waiting may be when a write begins. Less = a look, which costs some 2 µs, oftener; more = what
 * was waited for before the write is taken for a part of it.
 */
const LOOK_MS = 50;
/** How long threads of the pool write then, so that the node's own thread never waits twice in a row. */
const SLOW_DISK_MS = 2000;

/** Writes at once, where nothing waits for the disk. */
export class PromptWrites {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #wait: Pick<ProcessorWait, 'close' | 'ms'>;
  /** How long the thread had waited for a processor, and when that was looked at. */
  #look: { readonly atMs: number; readonly waitedMs: number } | undefined;
  /** Syncs under way. */
  #syncs = 0;
  /** Until then threads of the pool write; ms since the epoch. */
  #slowUntil = 0;

  /** `wait`: for how long this thread has waited for a processor in all. */
  constructor(
    clock: Pick<Clock, 'now'>,
    wait: Pick<ProcessorWait, 'close' | 'ms'> = new ProcessorWait(),
  ) {
    this.#clock = clock;
    this.#wait = wait;
  }

  /** Closes `file`, and what tells of the waiting: a later look opens that again. */
  async close(file: SegmentFile | undefined): Promise<void> {
    this.#wait.close();
    await file?.close();
  }

  /** Syncs `file`: meanwhile nothing is written at once. */
  async sync(file: SegmentFile): Promise<void> {
    this.#syncs += 1;
    try {
      await file.sync();
    } finally {
      this.#syncs -= 1;
    }
  }

  /** Whether `file` takes a write at once: no sync is under way, and the disk was not slow lately. */
  takes(file: SegmentFile): boolean {
    const now = this.#clock.now();
    // A clock that was set back makes no disk slow for longer.
    const wasSlow = now < this.#slowUntil && this.#slowUntil - now <= SLOW_DISK_MS;
    return file.writeNow !== undefined && this.#syncs === 0 && !wasSlow;
  }

  /** Writes; throws what the file throws. */
  write(file: SegmentFile, bytes: Buffer, position: number): void {
    const begunAt = this.#clock.now();
    const before = this.#lookAt(begunAt);
    file.writeNow?.(bytes, position);
    const doneAt = this.#clock.now();
    if (doneAt - begunAt <= SLOW_WRITE_MS) return;
    const busyMs = this.#wait.ms() - before;
    if (doneAt - begunAt - busyMs > SLOW_WRITE_MS) this.#slowUntil = doneAt + SLOW_DISK_MS;
  }

  #lookAt(nowMs: number): number {
    const look = this.#look;
    if (look !== undefined && Math.abs(nowMs - look.atMs) <= LOOK_MS) return look.waitedMs;
    const waitedMs = this.#wait.ms();
    this.#look = { atMs: nowMs, waitedMs };
    return waitedMs;
  }
}
