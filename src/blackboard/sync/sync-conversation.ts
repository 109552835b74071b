/**
 * A conversation of {@link BoardMessage}s with one peer: one message at a time is awaited, what comes faster than
 * it is read is held up at the sender, and every wait ends. Knows no boards.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, PeerStream } from '../../network/index.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import type { BoardMessage } from './codec.ts';

/** One side of a conversation, which is over after a throw. */
export interface SyncConversation {
  readonly peer: PeerId;
  /** Sends a message, feeling back-pressure. */
  send(message: BoardMessage): Promise<void>;
  /**
   * The next message, whole. @throws STARLING_TIMEOUT, STARLING_PROTOCOL_VIOLATION,
   * STARLING_LIMIT_EXCEEDED, or why the stream ended
   */
  next<T extends BoardMessage['t']>(...kinds: readonly T[]): Promise<BoardMessage & { t: T }>;
  /** Sends what is queued and ends. */
  close(): Promise<void>;
  abort(error: Error): void;
}

/** Bounds of a conversation. */
export interface SyncConversationInit {
  /** Longest wait for a message or for the peer to read ours. */
  readonly idleTimeoutMs: number;
  /** Bytes of all updates that the peer may send. */
  readonly updateBytesMax: number;
}

/** A state vector takes about ten bytes for each process that ever wrote. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** From so many messages that wait to be asked for the stream is not read. */
const WAITING_PAUSE = 4;
/** What has come at once may hold more, as small as messages may be. */
const WAITING_MAX = 1024;

/** Begins a conversation on `stream`, which nobody else may read. */
export function createSyncConversation(
  stream: PeerStream,
  clock: Clock,
  init: SyncConversationInit,
): SyncConversation {
  return new StreamConversation(stream, clock, init);
}

interface Waiter {
  resolve(message: BoardMessage): void;
  reject(error: Error): void;
}

class StreamConversation implements SyncConversation {
  readonly peer: PeerId;
  readonly #stream: MessageStream;
  readonly #clock: Clock;
  readonly #init: SyncConversationInit;
  readonly #peerStream: PeerStream;
  readonly #waiting: BoardMessage[] = [];
  #updateBytes = 0;
  #isPaused = false;
  #waiter: Waiter | undefined;
  #ended: Error | undefined;

  constructor(peerStream: PeerStream, clock: Clock, init: SyncConversationInit) {
    const stream = createMessageStream(peerStream, { maxBytes: MESSAGE_BYTES_MAX });
    this.peer = stream.peer;
    this.#peerStream = peerStream;
    this.#stream = stream;
    this.#clock = clock;
    this.#init = init;
    stream.onEnd((error) =>
      this.#end(
        error ??
          new StarlingError('STARLING_PEER_UNREACHABLE', `${this.peer} ended the conversation`),
      ),
    );
    stream.onMessage((bytes) => this.#receive(bytes));
  }

  async next<T extends BoardMessage['t']>(
    ...kinds: readonly T[]
  ): Promise<BoardMessage & { t: T }> {
    const message = this.#shift() ?? (await this.#arrival());
    if (isOneOf(message, kinds)) return message;
    const error = violation(`${this.peer} sent '${message.t}' where ${kinds.join(' or ')} belongs`);
    this.abort(error);
    throw error;
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  abort(error: Error): void {
    this.#end(error);
    this.#stream.abort(error);
  }

  async send(message: BoardMessage): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#stream.send(encodeMessage(message))) return;
    const cancel = this.#timeout(`${this.peer} does not read what it asked for`);
    try {
      await this.#stream.drained();
    } finally {
      cancel();
    }
  }

  #arrival(): Promise<BoardMessage> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const cancel = this.#timeout(`${this.peer} does not answer about a board`);
    return new Promise<BoardMessage>((resolve, reject) => {
      this.#waiter = { resolve, reject };
    }).finally(cancel);
  }

  #timeout(text: string): () => void {
    return this.#clock.schedule(this.#init.idleTimeoutMs, () =>
      this.abort(new StarlingError('STARLING_TIMEOUT', text)),
    );
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended !== undefined) return;
    const message = decodeMessage(bytes);
    if (message === undefined) {
      this.abort(violation(`${this.peer} sent what is no message about a board`));
    } else if (message.t === 'update' && this.#isTooMuch(message.update.length)) {
      this.abort(
        new StarlingError('STARLING_LIMIT_EXCEEDED', `an update of ${this.peer} is too long`),
      );
    } else this.#deliver(message);
  }

  #isTooMuch(bytes: number): boolean {
    this.#updateBytes += bytes;
    return this.#updateBytes > this.#init.updateBytesMax;
  }

  #shift(): BoardMessage | undefined {
    const message = this.#waiting.shift();
    if (this.#isPaused && this.#waiting.length < WAITING_PAUSE) {
      this.#isPaused = false;
      this.#peerStream.resume();
    }
    return message;
  }

  #deliver(message: BoardMessage): void {
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve(message);
    } else if (this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(message);
      if (this.#waiting.length < WAITING_PAUSE || this.#isPaused) return;
      this.#isPaused = true;
      this.#peerStream.pause();
    } else this.abort(violation(`${this.peer} sends more than it was asked for`));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(error);
  }
}

function isOneOf<T extends BoardMessage['t']>(
  message: BoardMessage,
  kinds: readonly T[],
): message is BoardMessage & { t: T } {
  return kinds.some((kind) => kind === message.t);
}

function violation(text: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', text);
}
