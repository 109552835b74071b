/** Writes messages as lines, those of one turn of the event loop together. */

const NEWLINE = 0x0a;
/**
 * So many lines do not wait for the end of the turn: whoever reads them begins while the rest of a burst is made, on a
 * processor of its own. Less = more writes, each of which costs as much as a line; more = who reads waits the longer.
 */
const PART_LINES = 16;

/** Gathers lines and hands them on. */
export interface LineWriter {
  /** Queues one message; its bytes hold no line end. */
  line(message: Buffer): void;
}

/** Makes a writer; `write` gets the lines of each turn as one chunk, or of a burst in parts, the first of them at once. */
export function createLineWriter(write: (chunk: Buffer) => void): LineWriter {
  let queued: Buffer[] = [];
  let sizeBytes = 0;
  let isScheduled = false;
  const flush = (): void => {
    const chunk = Buffer.allocUnsafe(sizeBytes);
    let at = 0;
    for (const message of queued) {
      at += message.copy(chunk, at);
      chunk[at] = NEWLINE;
      at += 1;
    }
    queued = [];
    sizeBytes = 0;
    write(chunk);
  };
  const endTurn = (): void => {
    isScheduled = false;
    if (queued.length > 0) flush();
  };
  return {
    line(message) {
      // Also where the lines before have left: what is put off to the end of the turn after a line comes after its write.
      if (!isScheduled) setImmediate(endTurn);
      isScheduled = true;
      queued.push(message);
      sizeBytes += message.length + 1;
      if (queued.length >= PART_LINES) flush();
    },
  };
}
