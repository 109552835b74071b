/**
 * Writes messages as lines to a peer's stream. The stream aborts when too much is queued on it; here
 * waits what it can't take yet, up to a bound, so that a burst of large messages is slow and not fatal.
 */
import { messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import type { PeerStream } from '../../network/index.ts';

const NEWLINE = Buffer.from('\n');
/** Small messages are gathered into writes of about this size. */
const BATCH_BYTES = 64 * 1024;
/** Large ones are cut: the stream takes no write that is larger than its own bound. */
const WRITE_BYTES_MAX = 1024 * 1024;
/** Bytes that may wait; one more message is refused. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of own errors and notifications that may wait beyond the bound. */
const SLACK_BYTES = 1024 * 1024;

/** Queues lines for one stream. */
export interface PeerWriter {
  /** False when too much waits already: then the message is not sent. After the end all is dropped. */
  line(message: Buffer): boolean;
  /** {@link line} for what must not be lost: the stream is aborted when not even that fits. */
  urgent(message: Buffer): void;
  /** Hears when bytes wait (true) and when all are handed on (false). */
  onBlocked(listener: (blocked: boolean) => void): void;
}

/** Makes the writer of `stream`. */
export function createPeerWriter(stream: PeerStream, logger: Logger): PeerWriter {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let scheduled = false;
  let blocked = false;
  let ended = false;
  let tellBlocked: (blocked: boolean) => void = () => undefined;

  const nextBatch = (): Buffer => {
    const [first] = waiting;
    if (first !== undefined && first.length > WRITE_BYTES_MAX) {
      waiting[0] = first.subarray(WRITE_BYTES_MAX);
      waitingBytes -= WRITE_BYTES_MAX;
      return first.subarray(0, WRITE_BYTES_MAX);
    }
    let count = 0;
    let sizeBytes = 0;
    for (const part of waiting) {
      if (count > 0 && sizeBytes + part.length > BATCH_BYTES) break;
      sizeBytes += part.length;
      count += 1;
    }
    const parts = waiting.splice(0, count);
    waitingBytes -= sizeBytes;
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, sizeBytes);
  };
  const flush = (): void => {
    scheduled = false;
    while (waiting.length > 0) {
      if (stream.write(nextBatch())) continue;
      block();
      return;
    }
  };
  const block = (): void => {
    blocked = true;
    tellBlocked(true);
    stream.drained().then(
      () => {
        blocked = false;
        flush();
        if (!blocked) tellBlocked(false);
      },
      (error: unknown) => {
        ended = true;
        waiting = [];
        waitingBytes = 0;
        logger.debug({ peer: stream.peer, error: messageOf(error) }, 'peer went while it was slow');
      },
    );
  };
  const queue = (message: Buffer, boundBytes: number): boolean => {
    if (ended) return true;
    if (waitingBytes + message.length > boundBytes) return false;
    waiting.push(message, NEWLINE);
    waitingBytes += message.length + NEWLINE.length;
    if (!scheduled && !blocked) {
      scheduled = true;
      queueMicrotask(flush);
    }
    return true;
  };
  return {
    line: (message) => queue(message, WAITING_BYTES_MAX),
    urgent(message) {
      if (queue(message, WAITING_BYTES_MAX + SLACK_BYTES)) return;
      stream.abort(new Error('the peer reads too slowly'));
    },
    onBlocked(listener) {
      tellBlocked = listener;
    },
  };
}
