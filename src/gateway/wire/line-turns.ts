/**
 * Takes the lines that a stream has brought at once in parts, each in a turn of the event loop of its own. What the lines of
 * one part have brought about leaves at the end of its turn, so that whoever gets it works while the next part is read; and
 * other callers have their turns in between. Nothing is held back from a stream: when it brings more, all that has waited
 * is taken before.
 */
import type { LineDecoder } from '../../core/index.ts';

/**
 * A part ends with the line that reaches this; it is some thirty small calls. Less = more turns and writes, each of which costs
 * about as much as such a call; more = larger lumps.
 */
const PART_BYTES = 4096;
const NEWLINE = 0x0a;

/** The lines of one stream. */
export interface LineTurns {
  /** Takes the next bytes of the stream, as {@link LineDecoder} does. */
  push(chunk: Buffer): void;
  /** Takes all that waits, now. */
  catchUp(): void;
  /** The stream is over: takes all that waits, and a last line without an end. */
  end(): void;
}

/** Makes it in front of `decoder`. */
export function createLineTurns(decoder: Pick<LineDecoder, 'push' | 'end'>): LineTurns {
  return new TurnedLines(decoder);
}

class TurnedLines implements LineTurns {
  readonly #decoder: Pick<LineDecoder, 'push' | 'end'>;
  #rest: Buffer | undefined;

  constructor(decoder: Pick<LineDecoder, 'push' | 'end'>) {
    this.#decoder = decoder;
  }

  push(chunk: Buffer): void {
    this.catchUp();
    this.#take(chunk);
  }

  catchUp(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) this.#decoder.push(rest);
  }

  end(): void {
    this.catchUp();
    this.#decoder.end();
  }

  #take(bytes: Buffer): void {
    const end = endOfPart(bytes);
    if (end === bytes.length) return this.#decoder.push(bytes);
    const rest = bytes.subarray(end);
    // Before the part is taken: what that brings about may end the stream.
    this.#rest = rest;
    setImmediate(() => {
      if (this.#rest !== rest) return;
      this.#rest = undefined;
      this.#take(rest);
    });
    this.#decoder.push(bytes.subarray(0, end));
    return undefined;
  }
}

/** The byte after the last line of the first part. */
function endOfPart(bytes: Buffer): number {
  if (bytes.length <= PART_BYTES) return bytes.length;
  const last = bytes.indexOf(NEWLINE, PART_BYTES - 1);
  return last === -1 ? bytes.length : last + 1;
}
