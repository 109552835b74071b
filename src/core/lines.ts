/**
 * Newline-delimited framing, as MCP uses it on stdio and as we use it on sockets and libp2p streams.
 * Knows bytes only: what a line means is for the caller.
 */

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Bytes kept of both ends of an oversize line. */
const EDGE_BYTES = 256;

/** Hears what a {@link LineDecoder} finds. */
export interface LineSink {
  /** One line without its line end; never empty. The buffer is the caller's to keep. */
  line(bytes: Buffer): void;
  /**
   * A line over the limit has ended; its bytes were dropped. `head` and `tail` are its first and last
   * bytes, at most 256 each, so that somebody can tell what it was.
   */
  oversize(sizeBytes: number, head: Buffer, tail: Buffer): void;
  /** A line of no bytes has ended. */
  empty?(): void;
}

/** Splits a byte stream into lines. */
export interface LineDecoder {
  push(chunk: Uint8Array): void;
}

/** Makes a decoder that holds at most `maxBytes` of an unfinished line. */
export function createLineDecoder(maxBytes: number, sink: LineSink): LineDecoder {
  return new BoundedLineDecoder(maxBytes, sink);
}

class BoundedLineDecoder implements LineDecoder {
  readonly #maxBytes: number;
  readonly #sink: LineSink;
  #held: Buffer[] = [];
  #sizeBytes = 0;
  /** Set while the line at hand is over the limit. */
  #dropping: { readonly head: Buffer; tail: Buffer } | undefined;

  constructor(maxBytes: number, sink: LineSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.#hold(bytes.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    this.#hold(bytes.subarray(start));
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    this.#sizeBytes += part.length;
    if (this.#dropping !== undefined) {
      this.#dropping.tail = edge(Buffer.concat([this.#dropping.tail, part.subarray(-EDGE_BYTES)]));
      return;
    }
    this.#held.push(part);
    if (this.#sizeBytes <= this.#maxBytes) return;
    const line = Buffer.concat(this.#held);
    this.#dropping = {
      head: Buffer.from(line.subarray(0, EDGE_BYTES)),
      tail: edge(line),
    };
    this.#held = [];
  }

  #finish(): void {
    const dropped = this.#dropping;
    const held = this.#held;
    const sizeBytes = this.#sizeBytes;
    this.#dropping = undefined;
    this.#held = [];
    this.#sizeBytes = 0;
    if (dropped !== undefined) {
      this.#sink.oversize(sizeBytes, dropped.head, dropped.tail);
      return;
    }
    const [only] = held;
    let line = held.length === 1 && only !== undefined ? only : Buffer.concat(held, sizeBytes);
    if (line.at(-1) === CARRIAGE_RETURN) line = line.subarray(0, -1);
    if (line.length > 0) this.#sink.line(line);
    else this.#sink.empty?.();
  }
}

function edge(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(-EDGE_BYTES));
}
