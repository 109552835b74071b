/**
 * Streamable HTTP, 2025-03-26 to 2025-11-25 (MCP `transports`), on node:http itself. A request gets a
 * JSON answer; only when something comes before its answer does the response become an event stream.
 * Every request carries the node's token; Host and Origin are checked, so that no web page gets in.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope, Startable } from '../../core/index.ts';
import { errorBytes, errorOf, parseFrame } from '../frame.ts';
import type { Reply, Session } from '../session.ts';
import type { Frame, FrameId, RequestFrame } from '../types.ts';
import { PROTOCOL_VERSIONS } from '../handshake.ts';
import { createDoor } from './door.ts';
import type { Door, DoorInit } from './door.ts';
import { createHttpReply, startEvents, writeComment, writeEvent } from './http-reply.ts';
import type { HttpReply } from './http-reply.ts';

const PATH = '/mcp';
const SESSION_HEADER = 'mcp-session-id';
const VERSION_HEADER = 'mcp-protocol-version';
const KEEP_ALIVE_MS = 15_000;
const REAP_MS = 10_000;
/** Messages that wait for a client whose event stream is not open. */
const BACKLOG_MAX = 100;
/** Bytes of a message over the limit that are read before the connection is cut. */
const EXCESS_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that may wait for a client that does not read its event stream. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;

/** What the HTTP transport works with. */
export interface HttpTransportComponents {
  /** Opens a session of the operator. @throws STARLING_LIMIT_EXCEEDED */
  open(push: (message: Buffer) => void): Session;
  ended(session: Session): void;
  /** True when the node is ready to serve. */
  ready(): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where and for whom it listens. */
export interface HttpTransportInit extends DoorInit {
  readonly port: number;
  readonly messageBytes: number;
  readonly sessionIdleMs: number;
}

/** The HTTP transport. */
export interface HttpTransport extends Startable {
  /** `http://127.0.0.1:4100/mcp`; undefined until started. */
  url(): string | undefined;
}

/** Makes the transport. `start` @throws STARLING_LISTEN_FAILED */
export function createHttpTransport(
  components: HttpTransportComponents,
  init: HttpTransportInit,
): HttpTransport {
  return new HttpEdge(components, init);
}

/** One client's session, and the event stream by which it hears what answers no request. */
interface Client {
  readonly session: Session;
  stream: ServerResponse | undefined;
  backlog: Buffer[];
  /** Requests without an answer yet. */
  readonly replies: Set<HttpReply>;
}

class HttpEdge implements HttpTransport {
  readonly #components: HttpTransportComponents;
  readonly #init: HttpTransportInit;
  readonly #door: Door;
  readonly #clients = new Map<string, Client>();
  #server: Server | undefined;
  #scope: Scope | undefined;
  #url: string | undefined;

  constructor(components: HttpTransportComponents, init: HttpTransportInit) {
    this.#components = components;
    this.#init = init;
    this.#door = createDoor(init);
  }

  url(): string | undefined {
    return this.#url;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((request, response) => this.#handle(request, response));
    server.keepAliveTimeout = 60_000;
    server.requestTimeout = 60_000;
    await listen(server, this.#init);
    // Too many open files and the like: one client less, and no reason for the node to end.
    server.on('error', (error) =>
      this.#components.logger.error({ error: messageOf(error) }, 'HTTP client not accepted'),
    );
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    const host = this.#init.host.includes(':') ? `[${this.#init.host}]` : this.#init.host;
    this.#url = `http://${host}:${port}${PATH}`;
    this.#scope = createScope(this.#components.clock);
    this.#scope.every(REAP_MS, () => this.#reap());
    this.#scope.every(KEEP_ALIVE_MS, () => this.#keepAlive());
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#url = undefined;
    this.#scope?.close();
    for (const id of this.#clients.keys()) this.#close(id);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) =>
      this.#components.logger.debug({ error: messageOf(error) }, 'HTTP client went'),
    );
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') return sendText(response, 200, 'ok');
    if (path === '/readyz') {
      return this.#components.ready()
        ? sendText(response, 200, 'ready')
        : sendText(response, 503, 'starting');
    }
    const misplaced = this.#door.checkPlace(request);
    if (misplaced !== undefined) return refuse(response, misplaced.status, misplaced.error);
    const { origin } = request.headers;
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === 'OPTIONS') return preflight(response);
    const refused = this.#door.checkToken(request);
    if (refused !== undefined)
      return refuse(response, refused.status, refused.error, refused.headers);
    if (path !== PATH)
      return refuse(response, 404, notFound(`nothing is at ${path}; MCP is at ${PATH}`));
    switch (request.method) {
      case 'POST':
        return this.#post(request, response);
      case 'GET':
        return this.#listen(request, response);
      case 'DELETE':
        return this.#delete(request, response);
      default:
        return refuse(response, 405, usage('allowed: POST, GET, DELETE'), {
          allow: 'POST, GET, DELETE',
        });
    }
  }

  #post(request: IncomingMessage, response: ServerResponse): void {
    const type = request.headers['content-type'] ?? '';
    if (!/^application\/json\b/i.test(type)) {
      return refuse(response, 415, usage('Content-Type must be application/json'));
    }
    const accept = request.headers.accept ?? '';
    const both = accept.includes('application/json') && accept.includes('text/event-stream');
    if (!both && !accept.includes('*/*')) {
      return refuse(
        response,
        406,
        usage('Accept must name application/json and text/event-stream'),
      );
    }
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    request.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= this.#init.messageBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (sizeBytes > this.#init.messageBytes + EXCESS_BYTES_MAX) request.destroy();
    });
    request.on('end', () => {
      if (sizeBytes > this.#init.messageBytes) {
        refuse(response, 413, tooLarge(sizeBytes, this.#init.messageBytes));
      } else this.#received(Buffer.concat(chunks, sizeBytes), request, response);
    });
    return undefined;
  }

  #received(bytes: Buffer, request: IncomingMessage, response: ServerResponse): void {
    let frame: Frame;
    try {
      frame = parseFrame(bytes);
    } catch (error) {
      const { id } = error instanceof StarlingError ? error.data : {};
      return refuse(response, 400, error, {}, isId(id) ? id : null);
    }
    if (frame.kind === 'request' && frame.method === 'initialize') {
      return this.#open(frame, request, response);
    }
    const client = this.#clientOf(request, response, frame);
    if (client === undefined) return undefined;
    if (frame.kind !== 'request') {
      client.session.receive(frame, NO_REPLY);
      response.writeHead(202).end();
      return undefined;
    }
    return this.#answer(client, frame, response);
  }

  #answer(client: Client, frame: RequestFrame, response: ServerResponse): void {
    const reply = createHttpReply(response);
    client.replies.add(reply);
    response.once('close', () => {
      client.replies.delete(reply);
      if (!reply.done) client.session.receive(cancelled(frame.id), NO_REPLY);
    });
    client.session.receive(frame, reply);
  }

  #open(frame: RequestFrame, request: IncomingMessage, response: ServerResponse): void {
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
      session = this.#openSession((message) => this.#push(id, message));
    } catch (error) {
      return refuse(response, 503, error, { 'retry-after': '10' }, frame.id);
    }
    this.#clients.set(id, { session, stream: undefined, backlog: [], replies: new Set() });
    response.setHeader('Mcp-Session-Id', id);
    session.receive(frame, createHttpReply(response));
    return undefined;
  }

  /** Clients that never say goodbye are common: where no more fit, the longest idle one goes. */
  #openSession(push: (message: Buffer) => void): Session {
    try {
      return this.#components.open(push);
    } catch (error) {
      const idle = [...this.#clients]
        .filter(([, client]) => isIdle(client))
        .reduce<[string, Client] | undefined>(
          (least, one) =>
            least === undefined || one[1].session.activeAt < least[1].session.activeAt
              ? one
              : least,
          undefined,
        );
      if (idle === undefined) throw error;
      this.#close(idle[0]);
      return this.#components.open(push);
    }
  }

  #listen(request: IncomingMessage, response: ServerResponse): void {
    if (!(request.headers.accept ?? '').includes('text/event-stream')) {
      return refuse(response, 406, usage('Accept must name text/event-stream'));
    }
    const client = this.#clientOf(request, response);
    if (client === undefined) return undefined;
    // A client that comes again has lost its old one, even where we can't see that yet.
    client.stream?.end();
    startEvents(response);
    client.stream = response;
    for (const message of client.backlog.splice(0)) writeEvent(response, message);
    response.once('close', () => {
      if (client.stream === response) client.stream = undefined;
    });
    return undefined;
  }

  #delete(request: IncomingMessage, response: ServerResponse): void {
    const client = this.#clientOf(request, response);
    if (client === undefined) return undefined;
    this.#close(String(request.headers[SESSION_HEADER]));
    response.writeHead(204).end();
    return undefined;
  }

  /** The session that the request names; without one it is answered here. */
  #clientOf(request: IncomingMessage, response: ServerResponse, frame?: Frame): Client | undefined {
    const id = request.headers[SESSION_HEADER];
    const client = typeof id === 'string' ? this.#clients.get(id) : undefined;
    const version = request.headers[VERSION_HEADER];
    const isKnown = version === undefined || PROTOCOL_VERSIONS.some((known) => known === version);
    if (client !== undefined && isKnown) return client;
    const frameId = frame?.kind === 'request' ? frame.id : null;
    if (!isKnown) refuse(response, 400, unsupported(version), {}, frameId);
    else if (id === undefined) {
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
      if (client.backlog.length > BACKLOG_MAX) client.backlog.shift();
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

  #reap(): void {
    const oldest = this.#components.clock.now() - this.#init.sessionIdleMs;
    for (const [id, client] of this.#clients) {
      if (isIdle(client) && client.session.activeAt < oldest) this.#close(id);
    }
  }

  #keepAlive(): void {
    for (const { stream, replies } of this.#clients.values()) {
      if (stream !== undefined) writeComment(stream);
      for (const reply of replies) reply.keepAlive();
    }
  }
}

const NO_REPLY: Reply = {
  interim: () => undefined,
  final: () => undefined,
  dropped: () => undefined,
};

function isIdle(client: Client): boolean {
  return client.stream === undefined && client.replies.size === 0;
}

/** Only for origins that the door lets in, each by its name: never a wildcard. */
function allowOrigin(response: ServerResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', 'mcp-session-id, www-authenticate');
  response.setHeader('vary', 'origin');
}

function preflight(response: ServerResponse): void {
  response
    .writeHead(204, {
      'access-control-allow-methods': 'POST, GET, DELETE',
      'access-control-allow-headers':
        'authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version',
      'access-control-max-age': '600',
    })
    .end();
}

function cancelled(requestId: FrameId): Frame {
  return {
    kind: 'notification',
    bytes: Buffer.alloc(0),
    method: 'notifications/cancelled',
    params: { requestId, reason: 'the HTTP client closed its request' },
  };
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${text}\n`);
}

function refuse(
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

function usage(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what);
}

function notFound(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { data: { rpc: -32001 } });
}

function unsupported(version: string | string[]): StarlingError {
  const text = `MCP-Protocol-Version ${JSON.stringify(version).slice(0, 64)} is not one that we speak`;
  return new StarlingError('STARLING_VERSION_UNSUPPORTED', text, {
    hint: `versions that we speak: ${PROTOCOL_VERSIONS.join(', ')}`,
  });
}

function tooLarge(sizeBytes: number, limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a message of ${sizeBytes} bytes is over the limit of ${limitBytes} (limits.messageBytes)`,
    { data: { limit: 'limits.messageBytes' } },
  );
}

function isId(value: unknown): value is FrameId {
  return typeof value === 'string' || typeof value === 'number';
}

function listen(server: Server, init: HttpTransportInit): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const taken = 'code' in error && error.code === 'EADDRINUSE';
      reject(
        new StarlingError(
          'STARLING_LISTEN_FAILED',
          `can't serve HTTP on ${init.host}:${init.port}: ${taken ? 'the port is taken' : messageOf(error)}`,
          {
            hint: 'choose another with --http-port or http.port (0 picks a free one), or --no-http',
            cause: error,
          },
        ),
      );
    };
    server.once('error', failed);
    server.listen(init.port, init.host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
