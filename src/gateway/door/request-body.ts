/** Bodies of HTTP requests, bounded while they come: a body that has no end is answered all the same. */
import type { IncomingMessage } from 'node:http';

/** Bytes over the limit that are read after the answer, so that a client which still sends can read it. */
const EXCESS_BYTES_MAX = 64 * 1024 * 1024;

/** What a body turns out to be. */
export interface BodyReader {
  whole(body: Buffer): void;
  /** More than the limit has come; called once, as soon as that shows. `head` is what came first. */
  tooLarge(head: Buffer): void;
}

/** Reads the body, at most `limitBytes` of it. */
export function readRequestBody(
  request: IncomingMessage,
  limitBytes: number,
  reader: BodyReader,
): void {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let isOver = false;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= limitBytes) chunks.push(chunk);
    else if (!isOver) {
      isOver = true;
      const [head = chunk] = chunks.splice(0);
      reader.tooLarge(head);
    } else if (sizeBytes > limitBytes + EXCESS_BYTES_MAX) request.destroy();
  });
  request.on('end', () => {
    if (isOver) return;
    const [only] = chunks;
    const isWhole = chunks.length === 1 && only !== undefined;
    reader.whole(isWhole ? only : Buffer.concat(chunks, sizeBytes));
  });
}
