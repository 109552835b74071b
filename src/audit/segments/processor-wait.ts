/** How long this thread has waited for a processor: by that a disk that is slow is told from a machine that is busy. */
import { readFileSync } from 'node:fs';

/** Of the calling thread: ns on a processor, ns waiting for one, turns (proc(5), `schedstat`). */
const PATH = '/proc/thread-self/schedstat';
const NS_PER_MS = 1_000_000;

/** Since the thread began, ms; 0 where the system does not tell, as outside of Linux. Takes some 15 µs. */
export function processorWaitMs(path = PATH): number {
  try {
    const [, waitedNs = ''] = readFileSync(path, 'latin1').trim().split(' ');
    return /^\d{1,18}$/.test(waitedNs) ? Number(waitedNs) / NS_PER_MS : 0;
  } catch {
    return 0;
  }
}
