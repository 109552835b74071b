/** How one HTTP response carries MCP messages: as JSON, or as an event stream (WHATWG HTML §9.2). */
import type { ServerResponse } from 'node:http';
import type { Reply } from '../session.ts';

/** Progress is left out while this much waits for a client that does not read. */
const INTERIM_BYTES_MAX = 1024 * 1024;
const EVENT_START = Buffer.from('event: message\ndata: ');
const EVENT_END = Buffer.from('\n\n');

/** The reply to one POSTed request. */
export interface HttpReply extends Reply {
  /** True once there is an answer, or there will be none. */
  readonly done: boolean;
  /** Writes a comment, so that nobody between takes a long call for a dead one. */
  keepAlive(): void;
}

/** JSON when the answer comes first; an event stream from the first other thing on. */
export function createHttpReply(response: ServerResponse): HttpReply {
  return new ResponseReply(response);
}

/** Begins an event stream. */
export function startEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
}

/** Writes one message, which holds no line end, as an event. */
export function writeEvent(response: ServerResponse, message: Buffer): void {
  response.write(Buffer.concat([EVENT_START, message, EVENT_END]));
}

/** Writes a comment, which clients ignore. */
export function writeComment(response: ServerResponse): void {
  response.write(': keep-alive\n\n');
}

class ResponseReply implements HttpReply {
  readonly #response: ServerResponse;
  #streaming = false;
  #done = false;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get done(): boolean {
    return this.#done;
  }

  interim(message: Buffer): void {
    if (this.#done || this.#response.writableLength > INTERIM_BYTES_MAX) return;
    this.#stream();
    writeEvent(this.#response, message);
  }

  final(message: Buffer): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#streaming) {
      writeEvent(this.#response, message);
      this.#response.end();
      return;
    }
    this.#response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': message.length,
    });
    this.#response.end(message);
  }

  dropped(): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#streaming) this.#response.end();
    else this.#response.writeHead(202).end();
  }

  keepAlive(): void {
    if (this.#done) return;
    this.#stream();
    writeComment(this.#response);
  }

  #stream(): void {
    if (this.#streaming) return;
    this.#streaming = true;
    startEvents(this.#response);
  }
}
