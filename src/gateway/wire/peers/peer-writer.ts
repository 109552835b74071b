/**
 * Writes messages as lines to a peer's stream. The stream aborts when too much is queued on it; here
 * waits what it can't take yet, up to a bound, so that a burst of large messages is slow and not fatal.
 */
import { messageOf } from '../../../core/index.ts';
import type { Logger } from '../../../core/index.ts';
import type { PeerStream } from '../../../network/index.ts';

const LINE_FEED = 0x0a;
const NEWLINE = Buffer.from([LINE_FEED]);
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

/**
 * Makes the writer of `stream`. `waits` hears by how many bytes more or less wait; false from it means that too much
 * waits for the peer on all its streams together, and then nothing more is taken. What is less is never refused.
 */
export function createPeerWriter(
  stream: PeerStream,
  logger: Logger,
  waits: (byBytes: number) => boolean = () => true,
): PeerWriter {
  return new StreamWriter(stream, logger, waits);
}

class StreamWriter implements PeerWriter {
  readonly #stream: PeerStream;
  readonly #logger: Logger;
  readonly #waits: (byBytes: number) => boolean;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isScheduled = false;
  #isBlocked = false;
  #isEnded = false;
  #tellBlocked: (isBlocked: boolean) => void = () => undefined;

  constructor(stream: PeerStream, logger: Logger, waits: (byBytes: number) => boolean) {
    this.#stream = stream;
    this.#logger = logger;
    this.#waits = waits;
  }

  line(message: Buffer): boolean {
    return this.#queue(message, WAITING_BYTES_MAX);
  }

  urgent(message: Buffer): void {
    if (this.#queue(message, WAITING_BYTES_MAX + SLACK_BYTES)) return;
    this.#stream.abort(new Error('the peer reads too slowly'));
  }

  onBlocked(listener: (isBlocked: boolean) => void): void {
    this.#tellBlocked = listener;
  }

  #queue(message: Buffer, boundBytes: number): boolean {
    if (this.#isEnded) return true;
    if (this.#waitingBytes + message.length > boundBytes) return false;
    if (!this.#waits(message.length + NEWLINE.length)) return false;
    this.#waiting.push(message, NEWLINE);
    this.#waitingBytes += message.length + NEWLINE.length;
    if (!this.#isScheduled && !this.#isBlocked) {
      this.#isScheduled = true;
      queueMicrotask(() => this.#flush());
    }
    return true;
  }

  #flush(): void {
    this.#isScheduled = false;
    while (this.#waiting.length > 0) {
      if (this.#stream.write(this.#nextBatch())) continue;
      this.#block();
      return;
    }
  }

  #nextBatch(): Buffer {
    const [first] = this.#waiting;
    if (first !== undefined && first.length > WRITE_BYTES_MAX) {
      this.#waiting[0] = first.subarray(WRITE_BYTES_MAX);
      this.#handedOn(WRITE_BYTES_MAX);
      return first.subarray(0, WRITE_BYTES_MAX);
    }
    let count = 0;
    let sizeBytes = 0;
    for (const part of this.#waiting) {
      if (count > 0 && sizeBytes + part.length > BATCH_BYTES) break;
      sizeBytes += part.length;
      count += 1;
    }
    const parts = this.#waiting.splice(0, count);
    this.#handedOn(sizeBytes);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : joined(parts, sizeBytes);
  }

  #handedOn(sizeBytes: number): void {
    this.#waitingBytes -= sizeBytes;
    this.#waits(-sizeBytes);
  }

  #block(): void {
    this.#isBlocked = true;
    this.#tellBlocked(true);
    this.#stream.drained().then(
      () => {
        this.#isBlocked = false;
        this.#flush();
        if (!this.#isBlocked) this.#tellBlocked(false);
      },
      (error: unknown) => {
        this.#isEnded = true;
        this.#waiting = [];
        this.#handedOn(this.#waitingBytes);
        const { peer } = this.#stream;
        this.#logger.debug({ peer, error: messageOf(error) }, 'peer went while it was slow');
      },
    );
  }
}

/** All parts as one. Every other one is a line feed, whose copy would cost as much as that of a message. */
function joined(parts: readonly Buffer[], sizeBytes: number): Buffer {
  const batch = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const part of parts) {
    if (part === NEWLINE) {
      batch[at] = LINE_FEED;
      at += 1;
    } else at += part.copy(batch, at);
  }
  return batch;
}
