/**
 * Newline-delimited framing, as MCP uses it on stdio and as we use it on sockets and libp2p streams.
 * Knows bytes only: what a line means is for the caller.
 */

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Bytes kept of both ends of an oversize line. */
const EDGE_BYTES = 256;

/** Parts of a line up to this size are merged while they wait for the rest. */
const MERGED_BYTES_MAX = 16 * 1024;

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
  /** Takes the stream's next bytes. They are not copied: nobody may write to them afterwards. */
  push(chunk: Uint8Array): void;
  /** The stream is over: what has come of a last line without an end is a line. */
  end(): void;
  /** What has come of a line that has begun, bytes: of one that is over the limit these are not kept, and count here all the same. */
  readonly keptBytes: number;
}

/** Makes a decoder that holds at most `maxBytes` of an unfinished line. */
export function createLineDecoder(maxBytes: number, sink: LineSink): LineDecoder {
  return new BoundedLineDecoder(maxBytes, sink);
}

class BoundedLineDecoder implements LineDecoder {
  readonly #maxBytes: number;
  readonly #sink: LineSink;
  #kept: Buffer[] = [];
  #sizeBytes = 0;
  /** Set while the line at hand is over the limit. */
  #dropping: { head: Buffer; tail: Buffer } | undefined;

  constructor(maxBytes: number, sink: LineSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  get keptBytes(): number {
    return this.#sizeBytes;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const part = bytes.subarray(start, end);
      if (this.#sizeBytes === 0 && part.length <= this.#maxBytes) this.#emit(part);
      else {
        this.#hold(part);
        this.#finish();
      }
      start = end + 1;
    }
    this.#hold(bytes.subarray(start));
  }

  end(): void {
    if (this.#sizeBytes > 0) this.#finish();
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    this.#sizeBytes += part.length;
    if (this.#dropping === undefined) {
      this.#kept.push(part);
      if (this.#sizeBytes <= this.#maxBytes) this.#merge();
      else this.#drop(this.#kept.splice(0));
    } else this.#drop([part]);
  }

  /**
   * Merges small parts like a binary counter, so that a line that comes byte by byte costs about its
   * bytes, not an object a byte.
   */
  #merge(): void {
    for (;;) {
      const [before, last] = this.#kept.slice(-2);
      if (before === undefined || last === undefined || before.length > last.length) return;
      if (before.length + last.length > MERGED_BYTES_MAX) return;
      this.#kept.splice(-2, 2, Buffer.concat([before, last]));
    }
  }

  #drop(parts: readonly Buffer[]): void {
    this.#dropping ??= { head: Buffer.alloc(0), tail: Buffer.alloc(0) };
    const edges = this.#dropping;
    for (const part of parts) {
      const missing = EDGE_BYTES - edges.head.length;
      if (missing > 0) edges.head = Buffer.concat([edges.head, part.subarray(0, missing)]);
      const end = Buffer.concat([edges.tail, part.subarray(-EDGE_BYTES)]);
      edges.tail = end.subarray(-EDGE_BYTES);
    }
  }

  #finish(): void {
    const dropped = this.#dropping;
    const kept = this.#kept;
    const sizeBytes = this.#sizeBytes;
    this.#dropping = undefined;
    this.#kept = [];
    this.#sizeBytes = 0;
    if (dropped !== undefined) {
      this.#sink.oversize(sizeBytes, dropped.head, dropped.tail);
      return;
    }
    const [only] = kept;
    this.#emit(kept.length === 1 && only !== undefined ? only : Buffer.concat(kept, sizeBytes));
  }

  #emit(bytes: Buffer): void {
    let line = bytes;
    if (line.at(-1) === CARRIAGE_RETURN) line = line.subarray(0, -1);
    if (line.length > 0) this.#sink.line(line);
    else this.#sink.empty?.();
  }
}
