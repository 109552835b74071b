/** How long this thread has waited for a processor: by that a disk that is slow is told from a machine that is busy. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Of the calling thread: ns on a processor, ns waiting for one, turns (proc(5), `schedstat`). */
const PATH = '/proc/thread-self/schedstat';
/** Three numbers of at most 20 digits, and what is between them. */
const LOOK_BYTES = 64;
const NS_PER_MS = 1_000_000;

/** Tells that waiting of the thread that looks first. What it reads from stays open: to open it costs ten times a look. */
export class ProcessorWait {
  readonly #path: string;
  readonly #bytes = Buffer.allocUnsafeSlow(LOOK_BYTES);
  #fd: number | undefined;
  /** The system does not tell, as outside of Linux. */
  #isUntold = false;

  constructor(path = PATH) {
    this.#path = path;
  }

  /** Since the thread began, ms; 0 where the system does not tell. */
  ms(): number {
    if (this.#isUntold) return 0;
    try {
      this.#fd ??= openSync(this.#path, 'r');
      const sizeBytes = readSync(this.#fd, this.#bytes, 0, LOOK_BYTES, 0);
      const [, waitedNs = ''] = this.#bytes.toString('latin1', 0, sizeBytes).trim().split(' ');
      return /^\d{1,18}$/.test(waitedNs) ? Number(waitedNs) / NS_PER_MS : 0;
    } catch {
      this.#isUntold = true;
      this.close();
      return 0;
    }
  }

  /** Closes what is open; a later look opens it again. */
  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }
}
