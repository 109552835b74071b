/**
 * The event stream by which one client of Streamable HTTP hears what answers no request of it (MCP
 * 2025-11-25 `transports`). While the client has none open, the latest messages wait for it.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../core/index.ts';
import { startEvents, writeComment, writeEvent } from './http-reply.ts';

/** Messages that wait for a client whose event stream is not open. */
const BACKLOG_MAX = 100;
/** What they may have together: thousands of sessions may have one. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** Bytes that may wait for a client that does not read its event stream. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** One client's stream. */
export interface EventStream {
  readonly isOpen: boolean;
  /** When the stream was last closed, ms since the epoch; 0 when it never was. */
  readonly closedAt: number;
  /** Answers a GET with the stream. The stream that was open before ends. */
  open(response: ServerResponse): void;
  push(message: Buffer): void;
  keepAlive(): void;
  close(): void;
}

/** Makes a stream that is not open. */
export function createEventStream(clock: Clock): EventStream {
  return new ClientStream(clock);
}

class ClientStream implements EventStream {
  readonly #clock: Clock;
  #response: ServerResponse | undefined;
  #closedAt = 0;
  #backlog: Buffer[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#response !== undefined;
  }

  get closedAt(): number {
    return this.#closedAt;
  }

  open(response: ServerResponse): void {
    // A client that comes again has lost its old one, even where we can't see that yet.
    this.#response?.end();
    startEvents(response);
    this.#response = response;
    for (const message of this.#backlog.splice(0)) writeEvent(response, message);
    response.once('close', () => {
      if (this.#response !== response) return;
      this.#response = undefined;
      this.#closedAt = this.#clock.now();
    });
  }

  push(message: Buffer): void {
    if (this.#response === undefined) this.#keep(message);
    else if (this.#response.writableLength > QUEUE_BYTES_MAX) this.#response.destroy();
    else writeEvent(this.#response, message);
  }

  keepAlive(): void {
    if (this.#response !== undefined) writeComment(this.#response);
  }

  close(): void {
    this.#response?.end();
  }

  #keep(message: Buffer): void {
    // That a list has changed is news once.
    if (this.#backlog.some((waiting) => waiting.equals(message))) return;
    this.#backlog.push(message);
    let waitingBytes = this.#backlog.reduce((sum, { length }) => sum + length, 0);
    while (this.#backlog.length > BACKLOG_MAX || waitingBytes > BACKLOG_BYTES_MAX) {
      waitingBytes -= this.#backlog.shift()?.length ?? 0;
    }
  }
}
