/**
 * A conversation of {@link BoardMessage}s with one peer: one message at a time is awaited, long
 * updates travel in parts, and every wait ends. Knows no boards.
 */
import { StarlingError } from '../core/index.ts';
import type { Clock, PeerId } from '../core/index.ts';
import { createMessageStream } from '../network/index.ts';
import type { MessageStream, PeerStream } from '../network/index.ts';
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
  /** Longest update, in all its parts. */
  readonly updateBytesMax: number;
}

/** Size of a part; what is longer is cut. */
const PART_BYTES = 256 * 1024;
/** A state vector takes about ten bytes for each process that ever wrote. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Whole messages that may wait to be asked for: the protocol needs two. */
const WAITING_MAX = 4;

/** Begins a conversation on `stream`, which nobody else may read. */
export function createSyncConversation(
  stream: PeerStream,
  clock: Clock,
  init: SyncConversationInit,
): SyncConversation {
  return new StreamConversation(
    createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX }),
    clock,
    init,
  );
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
  readonly #waiting: BoardMessage[] = [];
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #waiter: Waiter | undefined;
  #ended: Error | undefined;

  constructor(stream: MessageStream, clock: Clock, init: SyncConversationInit) {
    this.peer = stream.peer;
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

  async send(message: BoardMessage): Promise<void> {
    if (message.t !== 'update') return this.#sendOne(message);
    let { update } = message;
    while (update.length > PART_BYTES) {
      await this.#sendOne({ t: 'part', bytes: update.subarray(0, PART_BYTES) });
      update = update.subarray(PART_BYTES);
    }
    return this.#sendOne({ t: 'update', update });
  }

  async next<T extends BoardMessage['t']>(
    ...kinds: readonly T[]
  ): Promise<BoardMessage & { t: T }> {
    const message = this.#waiting.shift() ?? (await this.#arrival());
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

  async #sendOne(message: BoardMessage): Promise<void> {
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
    } else if (message.t === 'part') this.#addPart(message.bytes);
    else if (message.t === 'update') this.#finish(message.update);
    else this.#deliver(message);
  }

  #addPart(bytes: Uint8Array): void {
    this.#partBytes += bytes.length;
    if (this.#partBytes > this.#init.updateBytesMax || bytes.length === 0) {
      this.abort(
        new StarlingError('STARLING_LIMIT_EXCEEDED', `an update of ${this.peer} is too long`),
      );
      return;
    }
    this.#parts.push(bytes);
  }

  #finish(last: Uint8Array): void {
    const parts = this.#parts;
    this.#parts = [];
    this.#partBytes = 0;
    const update = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    this.#deliver({ t: 'update', update });
  }

  #deliver(message: BoardMessage): void {
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve(message);
    } else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(message);
    else this.abort(violation(`${this.peer} sends more than it was asked for`));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#parts = [];
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
