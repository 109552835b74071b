/** Reads the body of a POST, and checks what it claims to be. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { refuse, usage } from './http-reply.ts';

/** Bytes of a message over the limit that are read before the connection is cut. */
const EXCESS_BYTES_MAX = 64 * 1024 * 1024;

/** Hands on the body of a JSON POST; answers 415, 406 or 413 itself when it is none. */
export function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
  messageBytes: number,
  done: (body: Buffer) => void,
): void {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/i.test(type)) {
    return refuse(response, 415, usage('Content-Type must be application/json'));
  }
  const accept = request.headers.accept ?? '';
  const both = accept.includes('application/json') && accept.includes('text/event-stream');
  if (!both && !accept.includes('*/*')) {
    return refuse(response, 406, usage('Accept must name application/json and text/event-stream'));
  }
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes <= messageBytes) chunks.push(chunk);
    // Read on for a while, so that the client can read the answer.
    else if (sizeBytes > messageBytes + EXCESS_BYTES_MAX) request.destroy();
  });
  request.on('end', () => {
    if (sizeBytes > messageBytes) {
      const error = tooLarge(sizeBytes, messageBytes);
      refuse(response, 413, error);
      return;
    }
    const [only] = chunks;
    done(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, sizeBytes));
  });
  return undefined;
}

function tooLarge(sizeBytes: number, limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a message of ${sizeBytes} bytes is over the limit of ${limitBytes} (limits.messageBytes)`,
    { data: { limit: 'limits.messageBytes' } },
  );
}
