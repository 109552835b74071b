/** Writes messages as lines, all of one tick in one write. */

const NEWLINE = Buffer.from('\n');

/** Gathers lines and hands them on. */
export interface LineWriter {
  /** Queues one message; its bytes hold no line end. */
  line(message: Buffer): void;
}

/** Makes a writer; `write` gets the lines of each tick as one chunk. */
export function createLineWriter(write: (chunk: Buffer) => void): LineWriter {
  let queued: Buffer[] = [];
  const flush = (): void => {
    const chunk = Buffer.concat(queued);
    queued = [];
    write(chunk);
  };
  return {
    line(message) {
      if (queued.length === 0) setImmediate(flush);
      queued.push(message, NEWLINE);
    },
  };
}
