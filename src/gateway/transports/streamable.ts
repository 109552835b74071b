/**
 * Streamable HTTP, 2025-03-26 to 2025-11-25 (MCP `transports`). `initialize` opens a session; a request
 * gets a JSON answer, and only when something comes before its answer does the response become an event
 * stream. A session belongs to who opened it, at the path where it was opened.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { parseIncoming, receiveBatch } from '../wire/batch.ts';
import type { BatchFrames } from '../wire/batch.ts';
import type { RateLimit } from '../door/rate-limit.ts';
import type { Credential } from '../door/types.ts';
import { MODERN_RPC, eraOf } from '../wire/era.ts';
import { isFrameId } from '../wire/frame.ts';
import type { ViewSpec } from '../catalog/types.ts';
import { NO_REPLY } from '../wire/reply.ts';
import type { Session } from '../session/types.ts';
import type { Frame, FrameId, RequestFrame } from '../types.ts';
import { readJsonBody } from './http-body.ts';
import {
  createHttpReply,
  notFound,
  refuse,
  startEvents,
  usage,
  writeComment,
  writeEvent,
} from './http-reply.ts';
import type { HttpReply } from './http-reply.ts';

const SESSION_HEADER = 'mcp-session-id';
/** Messages that wait for a client whose event stream is not open. */
const BACKLOG_MAX = 100;
/** What they may have together: thousands of sessions may have one. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** Bytes that may wait for a client that does not read its event stream. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** A session that may end to make room for another one. */
export interface IdleSession {
  /** When it was last used, ms since the epoch. */
  readonly activeAt: number;
  close(): void;
}

/** Who asks, and at which part of the mesh. */
export interface HttpCaller {
  readonly credential: Credential;
  readonly spec: ViewSpec;
}

/** What the transport works with. */
export interface StreamableComponents {
  readonly rateLimit: RateLimit;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(opening: HttpCaller & { push(message: Buffer): void }): Session;
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The transport: has no port of its own. */
export interface StreamableTransport {
  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
  /** Opens the stream of what answers no request. */
  listen(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
  delete(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
  /** Ends the sessions of a credential that holds no longer. */
  evict(credential: string): void;
  /** Ends what was not used for long. */
  reap(): void;
  /** The session that nobody has used for longest, of those that nobody waits on. */
  idlest(): IdleSession | undefined;
  keepAlive(): void;
  stop(): void;
}

/** One client's session, and the event stream by which it hears what answers no request. */
interface Client {
  readonly caller: HttpCaller;
  readonly session: Session;
  stream: ServerResponse | undefined;
  /** When its event stream last ended, ms since the epoch. */
  listenedAt: number;
  backlog: Buffer[];
  /** Requests without an answer yet. */
  readonly replies: Set<HttpReply>;
}

/** Makes the transport. */
export function createStreamableTransport(
  components: StreamableComponents,
  init: { readonly messageBytes: number; readonly sessionIdleMs: number },
): StreamableTransport {
  return new StreamableEdge(components, init);
}

class StreamableEdge implements StreamableTransport {
  readonly #components: StreamableComponents;
  readonly #init: { readonly messageBytes: number; readonly sessionIdleMs: number };
  readonly #clients = new Map<string, Client>();

  constructor(
    components: StreamableComponents,
    init: { readonly messageBytes: number; readonly sessionIdleMs: number },
  ) {
    this.#components = components;
    this.#init = init;
  }

  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    readJsonBody(request, response, this.#init.messageBytes, (body) =>
      this.#received(body, request, response, caller),
    );
  }

  listen(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    if (!(request.headers.accept ?? '').includes('text/event-stream')) {
      return refuse(response, 406, usage('Accept must name text/event-stream'));
    }
    const client = this.#clientOf(request, response, caller);
    if (client === undefined) return undefined;
    // A client that comes again has lost its old one, even where we can't see that yet.
    client.stream?.end();
    startEvents(response);
    client.stream = response;
    for (const message of client.backlog.splice(0)) writeEvent(response, message);
    response.once('close', () => {
      if (client.stream !== response) return;
      client.stream = undefined;
      client.listenedAt = this.#components.clock.now();
    });
    return undefined;
  }

  delete(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    const client = this.#clientOf(request, response, caller);
    if (client === undefined) return;
    this.#close(String(request.headers[SESSION_HEADER]));
    response.writeHead(204).end();
  }

  evict(credential: string): void {
    for (const [id, { caller }] of this.#clients)
      if (caller.credential.id === credential) this.#close(id);
  }

  reap(): void {
    const now = this.#components.clock.now();
    for (const [id, client] of this.#clients) {
      const idle = isIdle(client) && usedAt(client) < now - this.#init.sessionIdleMs;
      if (idle || (client.caller.credential.expiresAt ?? Infinity) < now) this.#close(id);
    }
  }

  idlest(): IdleSession | undefined {
    let idle: [string, Client] | undefined;
    for (const one of this.#clients) {
      if (!isIdle(one[1])) continue;
      if (idle === undefined || usedAt(one[1]) < usedAt(idle[1])) idle = one;
    }
    if (idle === undefined) return undefined;
    const [id, client] = idle;
    return { activeAt: usedAt(client), close: () => this.#close(id) };
  }

  keepAlive(): void {
    for (const { stream, replies } of this.#clients.values()) {
      if (stream !== undefined) writeComment(stream);
      for (const reply of replies) reply.keepAlive();
    }
  }

  stop(): void {
    for (const id of this.#clients.keys()) this.#close(id);
  }

  #received(
    bytes: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    caller: HttpCaller,
  ): void {
    let incoming: Frame | BatchFrames;
    try {
      incoming = parseIncoming(bytes);
    } catch (error) {
      const { id } = error instanceof StarlingError ? error.data : {};
      return refuse(response, 400, error, {}, isFrameId(id) ? id : null);
    }
    const id = incoming.kind === 'request' ? incoming.id : null;
    const session = request.headers[SESSION_HEADER];
    // One that is not open would be a new measure for each word that a caller makes up.
    const isOpen = typeof session === 'string' && this.#clients.has(session);
    const key = isOpen ? session : caller.credential.id;
    const limited = this.#components.rateLimit.take(key);
    if (limited !== undefined) {
      return refuse(response, limited.status, limited.error, limited.headers, id);
    }
    if (incoming.kind === 'request') {
      if (eraOf(incoming) === 'modern') return refuse(response, 400, headerMissing(), {}, id);
      if (incoming.method === 'initialize') return this.#open(incoming, request, response, caller);
    }
    const client = this.#clientOf(request, response, caller, id);
    if (client === undefined) return undefined;
    if (incoming.kind === 'batch') return this.#answerBatch(client, incoming, response);
    if (incoming.kind === 'request') return this.#answer(client, incoming, response);
    client.session.receive(incoming, NO_REPLY);
    response.writeHead(202).end();
    return undefined;
  }

  #answer(client: Client, frame: RequestFrame, response: ServerResponse): void {
    const reply = createHttpReply(response);
    client.replies.add(reply);
    response.once('close', () => {
      client.replies.delete(reply);
      if (!reply.done) client.session.abandon(frame.id, 'the HTTP client closed its request');
    });
    client.session.receive(frame, reply);
  }

  #answerBatch(client: Client, batch: BatchFrames, response: ServerResponse): void {
    const reply = createHttpReply(response);
    client.replies.add(reply);
    const running = receiveBatch(client.session, batch.frames, reply);
    response.once('close', () => {
      client.replies.delete(reply);
      if (!reply.done) running.cancel('the HTTP client closed its request');
    });
  }

  #open(
    frame: RequestFrame,
    request: IncomingMessage,
    response: ServerResponse,
    caller: HttpCaller,
  ): void {
    if (request.headers[SESSION_HEADER] !== undefined) {
      return refuse(
        response,
        400,
        usage('initialize opens a session: send it without Mcp-Session-Id'),
        {},
        frame.id,
      );
    }
    const id = randomBytes(24).toString('base64url');
    let session: Session;
    try {
      const push = (message: Buffer): void => this.#push(id, message);
      session = this.#components.open({ ...caller, push });
    } catch (error) {
      return refuse(response, 503, error, { 'retry-after': '10' }, frame.id);
    }
    this.#clients.set(id, {
      caller,
      session,
      stream: undefined,
      listenedAt: 0,
      backlog: [],
      replies: new Set(),
    });
    response.setHeader('Mcp-Session-Id', id);
    session.receive(frame, createHttpReply(response));
    return undefined;
  }

  /** The session that the request names; without one it is answered here. */
  #clientOf(
    request: IncomingMessage,
    response: ServerResponse,
    caller: HttpCaller,
    frameId: FrameId | null = null,
  ): Client | undefined {
    const id = request.headers[SESSION_HEADER];
    const client = typeof id === 'string' ? this.#clients.get(id) : undefined;
    // One of somebody else is not told apart from one that does not exist.
    const isOwn =
      client !== undefined &&
      client.caller.credential.id === caller.credential.id &&
      isDeepStrictEqual(client.caller.spec, caller.spec);
    if (isOwn) return client;
    if (id === undefined) {
      refuse(response, 400, usage('Mcp-Session-Id is missing: send initialize first'), {}, frameId);
    } else {
      refuse(response, 404, notFound('this session is over; send initialize again'), {}, frameId);
    }
    return undefined;
  }

  #push(id: string, message: Buffer): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    if (client.stream === undefined) {
      // That the list has changed is news once.
      if (client.backlog.some((waiting) => waiting.equals(message))) return;
      client.backlog.push(message);
      let waitingBytes = client.backlog.reduce((sum, { length }) => sum + length, 0);
      while (client.backlog.length > BACKLOG_MAX || waitingBytes > BACKLOG_BYTES_MAX) {
        waitingBytes -= client.backlog.shift()?.length ?? 0;
      }
    } else if (client.stream.writableLength > QUEUE_BYTES_MAX) {
      client.stream.destroy();
    } else writeEvent(client.stream, message);
  }

  #close(id: string): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    client.session.end();
    client.stream?.end();
    this.#components.ended(client.session);
  }
}

/** When its client last asked or listened, ms since the epoch. */
function usedAt({ session, listenedAt }: Client): number {
  return Math.max(session.activeAt, listenedAt);
}

function isIdle(client: Client): boolean {
  return client.stream === undefined && client.replies.size === 0;
}

function headerMissing(): StarlingError {
  return new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    'the header MCP-Protocol-Version is missing, or is not the version in "_meta"',
    { data: { rpc: MODERN_RPC.headerMismatch } },
  );
}
