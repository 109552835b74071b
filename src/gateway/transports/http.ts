/**
 * The HTTP edge: one server for every transport that begins as HTTP. It asks the door who comes in,
 * reads which part of the mesh the path names, and hands the request to its transport: Streamable HTTP
 * with sessions, the stateless era, HTTP+SSE of 2024-11-05, or WebSocket.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Config } from '../../config/index.ts';
import { SECOND_NODE, createScope, messageOf, stopAll } from '../../core/index.ts';
import type { Clock, Logger, Scope, Startable } from '../../core/index.ts';
import { createHttpServer } from '../door/http-server.ts';
import { pathOf } from '../door/request-path.ts';
import { isRefusal } from '../door/types.ts';
import type {
  DashboardFace,
  Door,
  Credential,
  MetricsFace,
  ModelsFace,
  Verdict,
} from '../door/types.ts';
import type { RateLimit } from '../door/rate-limit.ts';
import type { ViewSpec } from '../catalog/types.ts';
import type { Session } from '../session/types.ts';
import type { A2aDoor, A2aDoorComponents } from './a2a/a2a-door.ts';
import { bareTargetOf, serveBareCall } from './bare-calls.ts';
import type { BareTarget } from './bare-calls.ts';
import { notFound, refuse, sendText, usage } from './http-reply.ts';
import { listen } from './listen.ts';
import { createLongLivedConnections } from './long-lived.ts';
import type { LongLivedConnections } from './long-lived.ts';
import { METRICS_PATH, serveMetrics } from './metrics-page.ts';
import { createSseTransport } from './sse.ts';
import type { SseTransport } from './sse.ts';
import { createStatelessTransport, isModern } from './stateless.ts';
import type { StatelessTransport } from './stateless.ts';
import { createStreamableTransport } from './streamable.ts';
import type { StreamableTransport } from './streamable.ts';
import { bearerOfUpgrade, createWebSocketTransport, refuseUpgrade } from './websocket.ts';
import type { WebSocketTransport } from './websocket.ts';

const PATH = '/mcp';
/** Below it are the APIs of language models. */
const MODELS_ROOT = '/v1/';
/** Where the card of an agent is, below its endpoint. */
const CARD_PATH = '/.well-known/agent-card.json';
/** How often idle sessions are looked for; sooner where they may not be idle for long. */
const REAP_MS = 10_000;

/** Whom a session is opened for, at which part of the mesh, and where its messages go. */
export interface HttpSessionInit {
  readonly credential: Credential;
  readonly spec: ViewSpec;
  /** True when its requests are not counted on their way to the session. */
  readonly isLongLived?: boolean;
  push(message: Buffer): void;
}

/** What the HTTP edge works with. */
export interface HttpTransportComponents {
  readonly door: Door;
  readonly rateLimit: RateLimit;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(init: HttpSessionInit): Session;
  ended(session: Session): void;
  /** True when the part of the mesh that a path names exists. */
  exists(spec: ViewSpec): boolean;
  /** Agents that A2A shows, and who signs their cards; absent: none. */
  readonly a2a?: A2aFace;
  /** Serves the APIs of language models; absent: nothing is there. */
  readonly models?: ModelsFace;
  /** Tells the node's figures; absent: nothing is there. */
  readonly metrics?: MetricsFace;
  /** The page of the operator; absent: nothing is there. */
  readonly dashboard?: Pick<DashboardFace, 'handle'>;
  /** Why the node is not ready to serve, in words that anybody may read; undefined when it is. */
  unready(): string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where it listens. */
export interface HttpTransportInit {
  readonly host: string;
  readonly port: number;
  readonly tls?: NonNullable<Config['http']['tls']>;
  readonly messageBytes: number;
  readonly sessionIdleMs: number;
  /** A silent WebSocket client is pinged this often; event streams get a comment twice as often. */
  readonly keepAliveMs: number;
  /** The node's name, on cards of its agents. */
  readonly node: string;
  readonly hasOauth: boolean;
}

/** What A2A needs besides what the edge has. */
export type A2aFace = Pick<A2aDoorComponents, 'agent' | 'signer' | 'toolName'> & {
  /** Whether cards are shown to whoever asks. */
  isPublic(): boolean;
};

/** The HTTP edge. */
export interface HttpTransport extends Startable {
  /** `http://127.0.0.1:4100/mcp`; undefined until started. */
  url(): string | undefined;
  /** Ends the sessions of a credential that holds no longer. */
  evict(credential: string): void;
}

/** Makes the edge. `start` @throws STARLING_LISTEN_FAILED, STARLING_CONFIG_INVALID */
export function createHttpTransport(
  components: HttpTransportComponents,
  init: HttpTransportInit,
): HttpTransport {
  return new HttpEdge(components, init);
}

class HttpEdge implements HttpTransport {
  readonly #components: HttpTransportComponents;
  readonly #init: HttpTransportInit;
  readonly #streamable: StreamableTransport;
  readonly #stateless: StatelessTransport;
  readonly #sse: SseTransport;
  readonly #webSocket: WebSocketTransport;
  readonly #lasting: LongLivedConnections;
  #server: Server | undefined;
  #scope: Scope | undefined;
  #url: string | undefined;
  #a2a: Promise<A2aDoor> | undefined;
  /** What the last path meant: clients ask at one path over and over. */
  #place: Place = placeOf('');
  readonly #clientWent = (error: Error): void =>
    this.#components.logger.debug({ error: messageOf(error) }, 'HTTP client went');

  constructor(components: HttpTransportComponents, init: HttpTransportInit) {
    this.#components = components;
    this.#init = init;
    const makingRoom = {
      ...components,
      open: (init: HttpSessionInit): Session => this.#open(init),
    };
    this.#streamable = createStreamableTransport(makingRoom, init);
    this.#stateless = createStatelessTransport(makingRoom, init);
    this.#sse = createSseTransport(components, init);
    this.#webSocket = createWebSocketTransport(components, init);
    this.#lasting = createLongLivedConnections(components.clock);
  }

  url(): string | undefined {
    return this.#url;
  }

  evict(credential: string): void {
    this.#streamable.sessions.evict(credential);
    this.#stateless.sessions.evict(credential);
    this.#lasting.evict(credential);
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { logger, clock } = this.#components;
    const { tls } = this.#init;
    const server = await createHttpServer(tls === undefined ? {} : { tls }, (request, response) =>
      this.#handle(request, response),
    );
    server.on('upgrade', (request, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    const { host, port } = this.#init;
    await listen(
      server,
      { host, port },
      {
        failure: `can't serve HTTP on ${host}:${port}`,
        hint: `choose another with --http-port or http.port (0 picks a free one), or --no-http; ${SECOND_NODE}`,
      },
    );
    // Too many open files and the like: one client less, and no reason for the node to end.
    server.on('error', (error) =>
      logger.error({ error: messageOf(error) }, 'HTTP client not accepted'),
    );
    this.#server = server;
    const { port: bound } = server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    this.#url = `${tls === undefined ? 'http' : 'https'}://${name}:${bound}${PATH}`;
    this.#scope = createScope(clock);
    this.#scope.every(Math.min(REAP_MS, this.#init.sessionIdleMs / 2), () => {
      this.#streamable.sessions.reap();
      this.#stateless.sessions.reap();
    });
    // Twice as often as other connections: proxies cut an event stream that says nothing for a minute.
    this.#scope.every(this.#init.keepAliveMs / 2, () => {
      this.#streamable.sessions.keepAlive();
      this.#stateless.sessions.keepAlive();
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#url = undefined;
    this.#scope?.close();
    const parts = [
      { stop: async () => this.#streamable.sessions.stop() },
      { stop: async () => this.#stateless.sessions.stop() },
      { stop: async () => this.#sse.stop() },
      this.#webSocket,
      { stop: () => closed(server) },
    ];
    await stopAll(parts, (error) =>
      this.#components.logger.error({ error: messageOf(error) }, 'a part of HTTP did not stop'),
    );
  }

  /**
   * Clients that never say goodbye are common: where no more fit, the longest idle one goes, by
   * whatever transport it came.
   */
  #open(init: HttpSessionInit): Session {
    try {
      return this.#components.open(init);
    } catch (error) {
      const [idlest] = [this.#streamable.sessions, this.#stateless.sessions, this.#sse]
        .map((sessions) => sessions.idlest())
        .filter((one) => one !== undefined)
        .sort((a, b) => a.activeAt - b.activeAt);
      if (idlest === undefined) throw error;
      idlest.close();
      return this.#components.open(init);
    }
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', this.#clientWent);
    const path = pathOf(request);
    if (path === '/healthz') return sendText(response, 200, 'ok');
    if (path === '/readyz') {
      const why = this.#components.unready();
      return why === undefined
        ? sendText(response, 200, 'ready')
        : sendText(response, 503, `not ready: ${why}`);
    }
    const { door } = this.#components;
    const refusal = door.checkOrigin(request);
    if (refusal !== undefined) {
      return refuse(response, refusal.status, refusal.error, refusal.headers);
    }
    const { origin } = request.headers;
    if (origin !== undefined) allowOrigin(response, origin);
    if (request.method === 'OPTIONS') return preflight(response);
    if (this.#components.dashboard?.handle(request, response) === true) return undefined;
    if (door.handle(request, response)) return undefined;
    if (this.#isPublicCard(request, path)) return this.#serveA2a(request, response, path);
    if (this.#isForModels(path)) takeApiKey(request);
    const verdict = door.authenticate(request);
    if (!(verdict instanceof Promise)) return this.#enter(request, response, verdict, path);
    verdict
      .then((known) => this.#enter(request, response, known, path))
      .catch((error: unknown) => this.#notServed(error, request.socket));
    return undefined;
  }

  #enter(request: IncomingMessage, response: ServerResponse, verdict: Verdict, path: string): void {
    // The client may have gone while its token was checked: nobody would hear of that any more.
    if (request.socket.destroyed) return undefined;
    if (this.#isForModels(path)) return this.#serveModels(request, response, verdict, path);
    if (isRefusal(verdict)) {
      return refuse(response, verdict.status, verdict.error, verdict.headers);
    }
    const { metrics } = this.#components;
    if (path === METRICS_PATH && metrics !== undefined) {
      return serveMetrics({ ...this.#components, metrics }, request, response, verdict);
    }
    if (this.#place.path !== path) this.#place = placeOf(path);
    const { root, segments, spec } = this.#place;
    if (root === 'messages') return this.#sse.post(request, response, verdict);
    if (root === 'a2a' && segments.length > 0) {
      return this.#serveA2a(request, response, path, verdict);
    }
    const bare = segments.length > 1 && root === 'mcp' ? bareTargetOf(segments) : undefined;
    // A peer or a server may be called so, too.
    if (bare !== undefined && (spec === undefined || !this.#components.exists(spec))) {
      return this.#serveBare(bare, request, response, verdict);
    }
    const isKnown = root === 'mcp' || root === 'sse';
    if (!isKnown || spec === undefined || !this.#components.exists(spec)) {
      return refuse(response, 404, notFound(`nothing is at ${path.slice(0, 128)}; see ${PATH}`));
    }
    if (root === 'sse') return this.#openSse(request, response, verdict, spec);
    switch (request.method) {
      case 'POST':
        return isModern(request)
          ? this.#stateless.post(request, response, { credential: verdict, spec })
          : this.#streamable.post(request, response, { credential: verdict, spec });
      case 'GET':
        return this.#streamable.listen(request, response, { credential: verdict, spec });
      case 'DELETE':
        return this.#streamable.delete(request, response, { credential: verdict, spec });
      default:
        return refuse(response, 405, usage('allowed: POST, GET, DELETE'), {
          allow: 'POST, GET, DELETE',
        });
    }
  }

  /** A card that is asked for without a credential, where cards are shown to all. */
  #isPublicCard(request: IncomingMessage, path: string): boolean {
    const isBare = request.headers.authorization === undefined;
    const isCard = path.startsWith('/a2a/') && path.endsWith(CARD_PATH);
    return isBare && isCard && this.#components.a2a?.isPublic() === true;
  }

  #isForModels(path: string): boolean {
    return this.#components.models !== undefined && path.startsWith(MODELS_ROOT);
  }

  /** The APIs of language models have errors of their own form; a stream ends with its credential. */
  #serveModels(
    request: IncomingMessage,
    response: ServerResponse,
    verdict: Verdict,
    path: string,
  ): void {
    const { models, rateLimit } = this.#components;
    const refusal = isRefusal(verdict) ? verdict : rateLimit.take(verdict.id);
    if (refusal !== undefined) return models?.refuse(request, response, path, refusal);
    if (isRefusal(verdict)) return undefined;
    response.once('close', this.#lasting.keep(response, verdict));
    return models?.serve(request, response, path, verdict);
  }

  /** What speaks A2A is loaded when somebody first asks for it. */
  #serveA2a(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    credential?: Credential,
  ): void {
    const { a2a } = this.#components;
    if (a2a === undefined) return refuse(response, 404, notFound('no agent is here for A2A'));
    this.#a2a ??= this.#loadA2a(a2a);
    void this.#a2a.then(
      (door) => door.serve(request, response, segmentsOf(path).slice(1), credential),
      (error: unknown) => refuse(response, 500, error),
    );
    return undefined;
  }

  async #loadA2a(face: A2aFace): Promise<A2aDoor> {
    const { createA2aDoor } = await import('./a2a/a2a-door.ts');
    const { tls, ...init } = this.#init;
    return createA2aDoor(
      {
        ...this.#components,
        ...face,
        open: (credential) =>
          this.#open({ credential, spec: { kind: 'all' }, push: () => undefined }),
      },
      { ...init, isTls: tls !== undefined },
    );
  }

  #serveBare(
    bare: BareTarget,
    request: IncomingMessage,
    response: ServerResponse,
    credential: Credential,
  ): void {
    const { messageBytes } = this.#init;
    const open = (): Session =>
      this.#open({ credential, spec: { kind: 'all' }, push: () => undefined });
    const ended = (session: Session): void => this.#components.ended(session);
    const components = { rateLimit: this.#components.rateLimit, ended, open };
    serveBareCall(components, bare, { request, response, credential, messageBytes });
  }

  #openSse(
    request: IncomingMessage,
    response: ServerResponse,
    credential: Credential,
    spec: ViewSpec,
  ): void {
    if (request.method !== 'GET') {
      return refuse(response, 405, usage('allowed: GET'), { allow: 'GET' });
    }
    response.once('close', this.#lasting.keep(response, credential));
    return this.#sse.get(request, response, {
      path: '/messages',
      credential,
      renewed: (newer) => this.#lasting.renew(response, newer),
      open: (push) => this.#open({ credential, spec, push, isLongLived: true }),
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { door, logger } = this.#components;
    socket.on('error', (error) => logger.debug({ error: messageOf(error) }, 'upgrade broke'));
    const refusal = door.checkOrigin(request);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal.status, refusal.error, refusal.headers);
      return;
    }
    const token = bearerOfUpgrade(request);
    if (token !== undefined) request.headers.authorization = `Bearer ${token}`;
    const proceed = (verdict: Verdict): void => {
      if (socket.destroyed) return;
      const [root, ...segments] = segmentsOf(pathOf(request));
      const spec = specOf(segments);
      if (isRefusal(verdict)) {
        refuseUpgrade(socket, verdict.status, verdict.error, verdict.headers);
      } else if (root !== 'mcp' || spec === undefined || !this.#components.exists(spec)) {
        refuseUpgrade(socket, 404, notFound(`no WebSocket is here; see ${PATH}`));
      } else {
        socket.once('close', this.#lasting.keep(socket, verdict));
        this.#webSocket.upgrade(request, socket, head, (push) =>
          this.#open({ credential: verdict, spec, push, isLongLived: true }),
        );
      }
    };
    const verdict = door.authenticate(request);
    if (!(verdict instanceof Promise)) return proceed(verdict);
    verdict.then(proceed).catch((error: unknown) => this.#notServed(error, socket));
    return undefined;
  }

  /** Whoever asked must not wait for ever. */
  #notServed(error: unknown, socket: Duplex): void {
    this.#components.logger.error({ error: messageOf(error) }, 'HTTP request not served');
    socket.destroy();
  }
}

/** Clients of the Anthropic API send their key in a header of its own. */
function takeApiKey({ headers }: IncomingMessage): void {
  const key = headers['x-api-key'];
  if (headers.authorization === undefined && typeof key === 'string') {
    headers.authorization = `Bearer ${key}`;
  }
}

/** What a path means, as far as the path alone tells. */
interface Place {
  readonly path: string;
  readonly root: string | undefined;
  /** What follows the root. */
  readonly segments: readonly string[];
  /** The part of the mesh, where it can be one. */
  readonly spec: ViewSpec | undefined;
}

function placeOf(path: string): Place {
  const [root, ...segments] = segmentsOf(path);
  return { path, root, segments, spec: specOf(segments) };
}

/** The decoded segments of a path; none when one is not decodable. */
function segmentsOf(path: string): readonly string[] {
  try {
    return path
      .replace(/^\/|\/$/g, '')
      .split('/')
      .map((segment) => decodeURIComponent(segment));
  } catch (error) {
    if (error instanceof URIError) return [];
    throw error;
  }
}

/** `/mcp`, `/mcp/<server>`, `/mcp/<peer>/<server>`, `/mcp/view/<name>`. */
function specOf(segments: readonly string[]): ViewSpec | undefined {
  const [first, second, ...others] = segments;
  if (others.length > 0) return undefined;
  if (first === undefined) return { kind: 'all' };
  if (second === undefined) return { kind: 'server', server: first };
  if (first === 'view') return { kind: 'all', view: second };
  return { kind: 'server', peer: first, server: second };
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
        'authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, x-api-key, anthropic-version, anthropic-beta, traceparent, tracestate',
      'access-control-max-age': '600',
    })
    .end();
}

/** Ends the server and all its connections. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
