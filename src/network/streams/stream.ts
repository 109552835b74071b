/**
 * A libp2p stream as a {@link PeerStream}: writes of one tick leave as one send, what waits is
 * bounded, and nothing that libp2p throws gets past here.
 */
import type { Stream } from '@libp2p/interface';
import { asOurs } from '../failure-words.ts';
import { StarlingError, toStarlingError, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import {
  SEND_BATCH_BYTES,
  SEND_TURN_BYTES,
  STREAM_CLOSE_TIMEOUT_MS,
  STREAM_HARD_BOUND_BYTES,
  STREAM_HIGH_WATER_BYTES,
  STREAM_LOW_WATER_BYTES,
  UNREAD_BYTES,
} from '../constants.ts';
import type { PeerStream } from '../types.ts';
import type { HalfMessages, Reading } from './half-messages.ts';
import { sendTurnsOf } from './send-turns.ts';
import type { SendTurns, Sender } from './send-turns.ts';
import type { UnreadBytes, Writing } from './unread-bytes.ts';

/** What a stream needs. */
export interface PeerStreamComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that a peer has sent what its protocol forbids, by which its stream was aborted. */
  readonly violated?: (peer: PeerId) => void;
  /** What is kept of unfinished messages. */
  readonly kept?: HalfMessages;
  /** What waits to be read by peers. */
  readonly unread?: UnreadBytes;
}

/**
 * Wraps `stream`, which must be open and not read by anybody else. Streams of one `connection` take turns to
 * write.
 */
export function createPeerStream(
  components: PeerStreamComponents,
  init: { readonly stream: Stream; readonly peer: PeerId; readonly connection: object },
): PeerStream {
  return new LibP2PPeerStream(components, init);
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class LibP2PPeerStream implements PeerStream, Reading, Writing {
  readonly peer: PeerId;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #violated: ((peer: PeerId) => void) | undefined;
  readonly #kept: HalfMessages | undefined;
  /** What is kept of the peer's messages leaves no room for more of this one now. */
  #isHeldBack = false;
  readonly #unread: UnreadBytes | undefined;
  readonly #stream: Stream;

  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #takenBytes = 0;
  /** What of it counts as unread by the peer: also what libp2p has taken and the peer's window has no room for. */
  #unreadBytes = 0;
  readonly #turns: SendTurns;
  readonly #sender: Sender = {
    isBlocked: () => this.#outboxBytes > 0 && this.#stream.writableNeedsDrain,
    send: () => this.#flush(),
  };
  #drainWaiters: Waiter[] = [];
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  #reader: ((chunk: Uint8Array) => void) | undefined;
  #inbox: Uint8Array[] = [];
  #paused = false;

  #ended = false;
  #endError: Error | undefined;
  #endListeners: ((error?: Error) => void)[] = [];
  #remoteFinished: boolean;
  #cancelCloseTimer: (() => void) | undefined;

  constructor(
    components: PeerStreamComponents,
    { stream, peer, connection }: Parameters<typeof createPeerStream>[1],
  ) {
    this.#clock = components.clock;
    this.#logger = components.logger;
    this.#violated = components.violated;
    this.#kept = components.kept;
    this.#unread = components.unread;
    this.#stream = stream;
    this.peer = peer;
    this.#turns = sendTurnsOf(connection);
    this.#remoteFinished = stream.remoteWriteStatus === 'closed';

    // Without a reader libp2p would buffer 4 MiB and then reset; paused, the sender feels it.
    this.#guard(() => stream.pause());
    stream.addEventListener('drain', () => this.#scheduleFlush());
    stream.addEventListener('idle', () => this.#countUnread());
    stream.addEventListener('message', (event) => this.#receive(event.data));
    stream.addEventListener('remoteCloseWrite', () => {
      this.#remoteFinished = true;
    });
    stream.addEventListener('end', () => this.#onReadableEnd());
    stream.addEventListener('close', (event) => this.#onClose(event.error));
    if (stream.status !== 'open') queueMicrotask(() => this.#onClose(undefined));
  }

  get queuedBytes(): number {
    return this.#outboxBytes + this.#stream.writeBufferLength;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended || this.#closing !== undefined) return false;
    if (chunk.length === 0) return this.#hasRoom();
    if (this.queuedBytes + chunk.length > STREAM_HARD_BOUND_BYTES) {
      this.#abortUnread(STREAM_HARD_BOUND_BYTES);
      return false;
    }
    if (this.#unread?.queued(this, chunk.length) === false) {
      this.#abortUnread(UNREAD_BYTES.perPeerMax);
      return false;
    }
    this.#outbox.push(chunk);
    this.#outboxBytes += chunk.length;
    this.#takenBytes += chunk.length;
    this.#unreadBytes += chunk.length;
    this.#scheduleFlush();
    return this.#hasRoom();
  }

  get leftBytes(): number {
    return this.#takenBytes - this.queuedBytes;
  }

  #hasRoom(): boolean {
    const highWaterBytes = this.#unread?.highWaterBytes(this.peer) ?? STREAM_HIGH_WATER_BYTES;
    return this.queuedBytes <= highWaterBytes;
  }

  #abortUnread(boundBytes: number): void {
    this.abort(
      new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `more than ${boundBytes} bytes wait for ${this.peer}, which reads too slowly`,
        { data: { peer: this.peer } },
      ),
    );
  }

  drained(): Promise<void> {
    if (this.#ended) return Promise.reject(this.#endReason());
    if (this.#isLow()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#drainWaiters.push({ resolve, reject });
    });
  }

  onData(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader;
    this.#deliver();
    if (this.isRead) this.#guard(() => this.#stream.resume());
  }

  pause(): void {
    this.#paused = true;
    this.#guard(() => this.#stream.pause());
  }

  resume(): void {
    this.#paused = false;
    this.#goOn();
  }

  get isRead(): boolean {
    return !this.#paused && !this.#isHeldBack;
  }

  get unreadBytes(): number {
    return this.#inbox.reduce((sum, { length }) => sum + length, this.#stream.readBufferLength);
  }

  readOn(): void {
    this.#isHeldBack = false;
    // In a turn of its own: who ends a message must not be given the messages of others meanwhile.
    setImmediate(() => this.#goOn());
  }

  #goOn(): void {
    if (this.#reader === undefined || !this.isRead) return;
    this.#deliver();
    if (this.isRead) this.#guard(() => this.#stream.resume());
    this.#onReadableEnd();
  }

  holds(sizeBytes: number): void {
    if (this.#ended || this.#kept?.hold(this, sizeBytes) !== false) return;
    this.#isHeldBack = true;
    this.#guard(() => this.#stream.pause());
  }

  onEnd(listener: (error?: Error) => void): void {
    if (this.#ended) queueMicrotask(() => listener(this.#endError));
    else this.#endListeners.push(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#ended ? Promise.resolve() : this.#finish();
    return this.#closing;
  }

  abort(error: Error): void {
    if (this.#ended) return;
    // First ours: libp2p tells of its end before it tells of the reason.
    this.#end(error);
    this.#guard(() => this.#stream.abort(error));
  }

  /** Sends what is queued, closes our half, and gives the remote end a while to close its own. */
  async #finish(): Promise<void> {
    if (this.#outboxBytes > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        this.#scheduleFlush();
      });
    }
    if (this.#ended) return;
    this.#cancelCloseTimer = this.#clock.schedule(STREAM_CLOSE_TIMEOUT_MS, () =>
      this.abort(
        new StarlingError('STARLING_TIMEOUT', `${this.peer} did not close its half of a stream`),
      ),
    );
    try {
      await this.#stream.close();
    } catch (error) {
      this.abort(asOurs(error, 'STARLING_PEER_UNREACHABLE', 'a stream could not close'));
    }
  }

  /** At the end of the current tick: everything written meanwhile goes in one send. */
  #scheduleFlush(): void {
    if (!this.#ended) this.#turns.ask(this.#sender);
  }

  /** Sends what one turn allows; gives whether there is more. */
  #flush(): boolean {
    try {
      let sentBytes = 0;
      while (
        this.#outboxBytes > 0 &&
        sentBytes < SEND_TURN_BYTES &&
        !this.#ended &&
        !this.#stream.writableNeedsDrain
      ) {
        const batch = this.#takeBatch();
        this.#stream.send(batch);
        sentBytes += batch.length;
      }
      this.#countUnread();
    } catch (error) {
      this.abort(asOurs(error, 'STARLING_PEER_UNREACHABLE', `${this.peer} went away`));
      return false;
    }
    if (this.#outboxBytes === 0) this.#idle?.();
    if (this.#isLow()) {
      for (const waiter of this.#drainWaiters.splice(0)) waiter.resolve();
    }
    return this.#outboxBytes > 0;
  }

  #countUnread(): void {
    const gone = this.#unreadBytes - this.queuedBytes;
    if (gone <= 0 || this.#ended) return;
    this.#unreadBytes -= gone;
    this.#unread?.left(this.peer, gone);
  }

  #isLow(): boolean {
    return this.queuedBytes <= STREAM_LOW_WATER_BYTES && this.#hasRoom();
  }

  /** Takes up to a batch from the outbox, as one buffer; a long chunk is cut, not copied. */
  #takeBatch(): Uint8Array {
    const first = this.#outbox[0];
    if (first === undefined) return new Uint8Array(0);
    if (first.length >= SEND_BATCH_BYTES) {
      if (first.length === SEND_BATCH_BYTES) this.#outbox.shift();
      else this.#outbox[0] = first.subarray(SEND_BATCH_BYTES);
      this.#outboxBytes -= SEND_BATCH_BYTES;
      return first.subarray(0, SEND_BATCH_BYTES);
    }
    let count = 0;
    let size = 0;
    for (const chunk of this.#outbox) {
      if (size + chunk.length > SEND_BATCH_BYTES) break;
      size += chunk.length;
      count += 1;
    }
    const batch = this.#outbox.splice(0, count);
    this.#outboxBytes -= size;
    return count === 1 ? first : Buffer.concat(batch, size);
  }

  #receive(data: Uint8Array | Iterable<Uint8Array>): void {
    if (data instanceof Uint8Array) this.#inbox.push(data);
    else for (const part of data) this.#inbox.push(part);
    this.#deliver();
  }

  #deliver(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    try {
      while (this.isRead && this.#endError === undefined) {
        const chunk = this.#inbox.shift();
        if (chunk === undefined) return;
        reader(chunk);
      }
    } catch (error) {
      // Who does this again and again is told of; a line for each would fill the disk.
      this.#logger.debug({ peer: this.peer, error }, 'a stream was aborted by its reader');
      if (isViolation(error)) this.#violated?.(this.peer);
      else this.#logger.warn({ peer: this.peer, error }, 'a reader of a stream threw');
      this.abort(
        toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', `data of ${this.peer} can't be read`),
      );
    }
  }

  /** The remote end closed its half and all of it was read: close ours too, or libp2p leaks it. */
  #onReadableEnd(): void {
    if (!this.#stream.readableEnded || this.#inbox.length > 0) return;
    const { status } = this.#stream;
    if (status === 'closed') this.#onClose(undefined);
    if (status !== 'open') return;
    unawaited(this.close(), this.#logger, 'a stream did not close', { peer: this.peer });
  }

  #onClose(error: Error | undefined): void {
    if (error !== undefined) {
      this.#end(asOurs(error, 'STARLING_PEER_UNREACHABLE', `the stream to ${this.peer} broke`));
    } else if (!this.#remoteFinished || this.#outboxBytes > 0) {
      this.#end(
        new StarlingError('STARLING_PEER_UNREACHABLE', `the connection to ${this.peer} was lost`, {
          data: { peer: this.peer },
        }),
      );
    } else if (this.#stream.readableEnded && this.#inbox.length === 0) {
      this.#end(undefined);
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endError = error;
    this.#kept?.drop(this);
    this.#unread?.left(this.peer, this.#unreadBytes);
    this.#unread?.ended(this);
    this.#cancelCloseTimer?.();
    this.#outbox = [];
    this.#outboxBytes = 0;
    this.#turns.leave(this.#sender);
    this.#idle?.();
    for (const waiter of this.#drainWaiters.splice(0)) waiter.reject(this.#endReason());
    for (const listener of this.#endListeners.splice(0)) {
      try {
        listener(error);
      } catch (cause) {
        this.#logger.error({ peer: this.peer, error: cause }, 'a listener of a stream threw');
      }
    }
  }

  #endReason(): Error {
    return (
      this.#endError ??
      new StarlingError('STARLING_PEER_UNREACHABLE', `the stream to ${this.peer} has ended`)
    );
  }

  /** Runs what libp2p refuses on a stream that is closing: then its 'close' says what matters. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#logger.debug(
        { peer: this.peer, error },
        'libp2p refused an action on a closing stream',
      );
    }
  }
}

/** Whether the peer is to blame for what a reader threw. */
function isViolation(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return false;
  return error.code === 'STARLING_PROTOCOL_VIOLATION' || error.code === 'STARLING_LIMIT_EXCEEDED';
}
