/**
 * Streamable HTTP, 2025-03-26 to 2025-11-25 (MCP `transports`). `initialize` opens a session; a request
 * gets a JSON answer, and only when something comes before its answer does the response become an event
 * stream. A session belongs to who opened it, at the path where it was opened.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { parseIncoming, receiveBatch } from '../wire/batch.ts';
import type { BatchFrames } from '../wire/batch.ts';
import type { RateLimit } from '../door/rate-limit.ts';
import { MODERN_RPC, eraOf } from '../wire/era.ts';
import { isFrameId, keyOfId } from '../wire/frame-id.ts';
import { NO_REPLY } from '../wire/reply.ts';
import type { Frame, FrameId, RequestFrame } from '../frame-types.ts';
import { createEventStream } from './client-event-stream.ts';
import { readJsonBody, takesEvents } from './http-body.ts';
import { createHttpReply, notFound, refuse, usage } from './http-reply.ts';
import type { AnswerForm, HttpReply } from './http-reply.ts';
import { createHttpSessions } from './http-sessions.ts';
import type {
  HttpCaller,
  HttpClient,
  HttpSessions,
  HttpSessionsComponents,
} from './http-sessions.ts';
import { withTraceOf, withTraceOfAll } from './trace-headers.ts';

const SESSION_HEADER = 'mcp-session-id';

/** What a transport of single HTTP requests works with. */
export interface StreamableComponents extends HttpSessionsComponents {
  readonly rateLimit: RateLimit;
}

/** Bounds of such a transport. */
export interface StreamableInit {
  readonly messageBytes: number;
  readonly sessionIdleMs: number;
}

/** The transport: has no port of its own. */
export interface StreamableTransport {
  readonly sessions: HttpSessions;
  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
  /** Opens the stream of what answers no request. */
  listen(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
  /** Ends a session because its client wants to. */
  delete(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
}

/** Streamable HTTP of MCP 2025-03-26 to 2025-11-25: POSTs of a session, with its id in a header. */
export function createStreamableTransport(
  components: StreamableComponents,
  init: StreamableInit,
): StreamableTransport {
  return new SessionEdge(components, init);
}

/** One POST, and the form of answer that its client takes. */
interface Exchange {
  readonly form: AnswerForm;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: HttpCaller;
}

class SessionEdge implements StreamableTransport {
  readonly sessions: HttpSessions;
  readonly #components: StreamableComponents;
  readonly #init: StreamableInit;

  constructor(components: StreamableComponents, init: StreamableInit) {
    this.#components = components;
    this.#init = init;
    this.sessions = createHttpSessions(components, { idleMs: init.sessionIdleMs });
  }

  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    this.#named(request, caller)?.arrives(request);
    readJsonBody(request, response, this.#init.messageBytes, (body, form) =>
      this.#received(body, { form, request, response, caller }),
    );
  }

  listen(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    if (!takesEvents(request)) {
      refuse(response, 406, usage('Accept must name text/event-stream'));
      return;
    }
    this.#clientOf(request, response, caller)?.events?.open(response);
  }

  delete(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    if (this.#clientOf(request, response, caller) === undefined) return;
    this.sessions.close(String(request.headers[SESSION_HEADER]));
    response.writeHead(204).end();
  }

  #received(bytes: Buffer, exchange: Exchange): void {
    const { request, response, caller } = exchange;
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
    const isOpen = typeof session === 'string' && this.sessions.get(session) !== undefined;
    const key = isOpen ? session : caller.credential.id;
    const limited = this.#components.rateLimit.take(key);
    if (limited !== undefined) {
      return refuse(response, limited.status, limited.error, limited.headers, id);
    }
    if (incoming.kind === 'request') {
      if (eraOf(incoming) === 'modern') return refuse(response, 400, headerMissing(), {}, id);
      if (incoming.method === 'initialize') return this.#open(incoming, exchange);
    }
    const client = this.#clientOf(request, response, caller, id);
    if (client === undefined) return undefined;
    if (incoming.kind === 'batch') return this.#answerBatch(client, incoming, exchange);
    if (incoming.kind === 'request') return this.#answer(client, incoming, exchange);
    client.session.receive(incoming, NO_REPLY);
    response.writeHead(202).end();
    return undefined;
  }

  #answer(client: HttpClient, frame: RequestFrame, { form, request, response }: Exchange): void {
    const reply = replyIn(response, form, client);
    client.waits(reply, response, {
      gone: () => client.session.abandon(keyOfId(frame.id), 'the HTTP client closed its request'),
    });
    client.session.receive(withTraceOf(request.headers, frame), reply);
  }

  #answerBatch(
    client: HttpClient,
    batch: BatchFrames,
    { form, request, response }: Exchange,
  ): void {
    const reply = replyIn(response, form, client);
    const { frames } = withTraceOfAll(request.headers, batch);
    const running = receiveBatch(client.session, frames, reply);
    client.waits(reply, response, {
      gone: () => running.cancel('the HTTP client closed its request'),
    });
  }

  #open(frame: RequestFrame, { form, request, response, caller }: Exchange): void {
    if (request.headers[SESSION_HEADER] !== undefined) {
      const error = usage('initialize opens a session: send it without Mcp-Session-Id');
      refuse(response, 400, error, {}, frame.id);
      return;
    }
    const id = randomBytes(24).toString('base64url');
    let client: HttpClient;
    try {
      client = this.sessions.open(id, caller, createEventStream(this.#components.clock));
    } catch (error) {
      refuse(response, 503, error, { 'retry-after': '10' }, frame.id);
      return;
    }
    response.setHeader('Mcp-Session-Id', id);
    client.session.receive(frame, replyIn(response, form, client));
  }

  /** The session that the request names, if it is the caller's: one of somebody else is not told apart. */
  #named(request: IncomingMessage, caller: HttpCaller): HttpClient | undefined {
    const id = request.headers[SESSION_HEADER];
    const client = typeof id === 'string' ? this.sessions.get(id) : undefined;
    return client?.isOf(caller) === true ? client : undefined;
  }

  /** The session that the request names, with the rights that the request brings; without one it is answered here. */
  #clientOf(
    request: IncomingMessage,
    response: ServerResponse,
    caller: HttpCaller,
    frameId: FrameId | null = null,
  ): HttpClient | undefined {
    const client = this.#named(request, caller);
    if (client !== undefined) {
      client.present(caller.credential);
      return client;
    }
    if (request.headers[SESSION_HEADER] === undefined) {
      refuse(response, 400, usage('Mcp-Session-Id is missing: send initialize first'), {}, frameId);
    } else {
      refuse(response, 404, notFound('this session is over; send initialize again'), {}, frameId);
    }
    return undefined;
  }
}

/** What a server asks of a client that takes JSON alone goes by the client's own stream. */
function replyIn(response: ServerResponse, form: AnswerForm, client: HttpClient): HttpReply {
  return createHttpReply(response, { form, aside: (message) => client.events?.push(message) });
}

function headerMissing(): StarlingError {
  return new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    'the header MCP-Protocol-Version is missing, or is not the version in "_meta"',
    { data: { rpc: MODERN_RPC.headerMismatch } },
  );
}
