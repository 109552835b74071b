/** Writes messages as lines, all of one tick in one write. */

const NEWLINE = 0x0a;

/** Gathers lines and hands them on. */
export interface LineWriter {
  /** Queues one message; its bytes hold no line end. */
  line(message: Buffer): void;
}

/** Makes a writer; `write` gets the lines of each tick as one chunk. */
export function createLineWriter(write: (chunk: Buffer) => void): LineWriter {
  let queued: Buffer[] = [];
  let sizeBytes = 0;
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
  return {
    line(message) {
      if (queued.length === 0) setImmediate(flush);
      queued.push(message);
      sizeBytes += message.length + 1;
    },
  };
}
