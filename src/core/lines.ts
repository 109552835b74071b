/**
 * Newline-delimited framing, as MCP uses it on stdio and as we use it on sockets and libp2p streams.
 * Knows bytes only: what a line means is for the caller.
 */

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Hears what a {@link LineDecoder} finds. */
export interface LineSink {
  /** One line without its line end; never empty. The buffer is the caller's to keep. */
  line(bytes: Buffer): void;
  /** A line grew over the limit. Its bytes are dropped up to its line end, then decoding goes on. */
  oversize(sizeBytes: number): void;
}

/** Splits a byte stream into lines. */
export interface LineDecoder {
  push(chunk: Uint8Array): void;
}

/** Makes a decoder that holds at most `maxBytes` of an unfinished line. */
export function createLineDecoder(maxBytes: number, sink: LineSink): LineDecoder {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let dropped = 0;

  const finish = (tail: Buffer): void => {
    const size = heldBytes + tail.length;
    if (dropped > 0) {
      dropped = 0;
    } else if (size > maxBytes) {
      sink.oversize(size);
    } else {
      let line = held.length === 0 ? tail : Buffer.concat([...held, tail], size);
      if (line.at(-1) === CARRIAGE_RETURN) line = line.subarray(0, -1);
      if (line.length > 0) sink.line(line);
    }
    held = [];
    heldBytes = 0;
  };

  const hold = (rest: Buffer): void => {
    if (rest.length === 0) return;
    if (dropped > 0) {
      dropped += rest.length;
      return;
    }
    heldBytes += rest.length;
    held.push(rest);
    if (heldBytes > maxBytes) {
      sink.oversize(heldBytes);
      dropped = heldBytes;
      held = [];
      heldBytes = 0;
    }
  };

  return {
    push(chunk) {
      const bytes = Buffer.isBuffer(chunk)
        ? chunk
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        finish(bytes.subarray(start, end));
        start = end + 1;
      }
      hold(bytes.subarray(start));
    },
  };
}
