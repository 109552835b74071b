/** How one HTTP response carries MCP messages: as JSON, or as an event stream (WHATWG HTML §9.2). */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { errorBytes, errorOf } from '../wire/frame.ts';
import type { Reply } from '../wire/reply.ts';
import type { FrameId } from '../frame-types.ts';

/** Progress is left out while this much waits for a client that does not read. */
const INTERIM_BYTES_MAX = 1024 * 1024;
/** How long the reader of what may be kept does not ask again, s. */
const KEPT_S = 60;
/**
 * An answer of at most this many bytes leaves as text. Node joins that to the head, and both are one write; bytes are a
 * second one, with a list of both for the system. More = one copy more of larger answers.
 */
const TEXT_BYTES_MAX = 4096;
const EVENT_START = Buffer.from('event: message\ndata: ');
const EVENT_END = Buffer.from('\n\n');

/** The reply to one POSTed request. */
export interface HttpReply extends Reply {
  /** True once there is an answer, or there will be none. */
  readonly done: boolean;
  /** Writes a comment, so that nobody between takes a long call for a dead one. */
  keepAlive(): void;
}

/** The forms of an answer that a client takes: JSON, an event stream, or either. */
export type AnswerForm = 'either' | 'json' | 'events';

/** How a reply is written. */
export interface HttpReplyInit {
  /** Default `either`: JSON when the answer comes first; an event stream from the first other thing on. */
  readonly form?: AnswerForm;
  /** The HTTP status of an answer in JSON; default 200. */
  readonly statusOf?: (message: Buffer) => number;
  /** Takes what must not be left out, and does not fit in a response in JSON. */
  readonly aside?: (message: Buffer) => void;
}

/** Makes the reply that `response` carries. */
export function createHttpReply(response: ServerResponse, init: HttpReplyInit = {}): HttpReply {
  return new ResponseReply(response, init);
}

/** Begins an event stream. */
export function startEvents(response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
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

/** Answers with a JSON-RPC error. */
export function refuse(
  response: ServerResponse,
  status: number,
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
  id: FrameId | null = null,
): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(errorBytes(id, errorOf(error)));
}

/** Answers with JSON that is written already. */
export function sendJsonText(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(text);
}

/**
 * Answers a GET with JSON that its reader may keep for a minute, and then ask whether there is another one (RFC 9110 §13.1.2,
 * RFC 9111 §5.2): what is for whoever has a key is kept by nobody between.
 */
export function sendKeptJson(
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
): void {
  const etag = `"${createHash('sha256').update(text).digest('base64url')}"`;
  const headers = { 'cache-control': `private, max-age=${KEPT_S}`, vary: 'authorization', etag };
  const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim());
  if (known.includes(etag) || known.includes('*')) response.writeHead(304, headers).end();
  else response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(text);
}

/** Answers with a line of text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}

/** The request is not one that the transport takes. */
export function usage(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what);
}

/** Nothing is there. */
export function notFound(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { data: { rpc: -32_001 } });
}

class ResponseReply implements HttpReply {
  readonly #response: ServerResponse;
  readonly #init: HttpReplyInit;
  #streaming = false;
  #done = false;

  constructor(response: ServerResponse, init: HttpReplyInit) {
    this.#response = response;
    this.#init = init;
  }

  get done(): boolean {
    return this.#done;
  }

  interim(message: Buffer): void {
    const isFull = this.#response.writableLength > INTERIM_BYTES_MAX;
    if (!isFull && this.#init.form !== 'json') this.urgent(message);
  }

  urgent(message: Buffer): void {
    if (this.#done) return;
    if (this.#init.form === 'json') {
      this.#init.aside?.(message);
      return;
    }
    this.#stream();
    writeEvent(this.#response, message);
  }

  final(message: Buffer): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#init.form === 'events') this.#stream();
    if (this.#streaming) {
      writeEvent(this.#response, message);
      this.#response.end();
      return;
    }
    this.#response.writeHead(this.#init.statusOf?.(message) ?? 200, {
      'content-type': 'application/json',
      'content-length': message.length,
    });
    if (message.length > TEXT_BYTES_MAX) this.#response.end(message);
    // Each byte is one character of this encoding, so that the bytes stay what they are.
    else this.#response.end(message.toString('latin1'), 'latin1');
  }

  dropped(): void {
    if (this.#done) return;
    this.#done = true;
    if (this.#streaming) this.#response.end();
    else this.#response.writeHead(202).end();
  }

  keepAlive(): void {
    if (this.#done || this.#init.form === 'json') return;
    this.#stream();
    writeComment(this.#response);
  }

  #stream(): void {
    if (this.#streaming) return;
    this.#streaming = true;
    startEvents(this.#response);
  }
}
