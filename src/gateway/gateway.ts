/** The gateway of a node: opens sessions for whoever comes in, by whatever transport. */
import { createHash } from 'node:crypto';
import type { Config } from '../config/index.ts';
import { StarlingError, VERSION } from '../core/index.ts';
import type { Clock, Did, JsonObject, Logger, Random } from '../core/index.ts';
import type { Directory } from '../directory/index.ts';
import { printable } from '../grants/index.ts';
import type { GrantBook } from '../grants/index.ts';
import type { Guard } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import { createCatalogs } from './catalogs.ts';
import type { Catalogs } from './catalogs.ts';
import { RPC, errorBytes } from './frame.ts';
import { createRouter } from './router.ts';
import type { Router, ViewSpec } from './router.ts';
import { createSession } from './session.ts';
import type { Session, SessionComponents } from './session.ts';
import { loadToken } from './token-file.ts';
import { createHttpTransport } from './transports/http.ts';
import type { HttpTransport } from './transports/http.ts';
import { createPeerTransport } from './transports/libp2p.ts';
import type { PeerTransport } from './transports/libp2p.ts';
import { createSocketTransport } from './transports/socket.ts';
import type {
  Gateway,
  GatewayEndpoints,
  LinkEars,
  ServerLink,
  ServerLinkInit,
  ServerTarget,
  UpstreamStatus,
  Upstreams,
} from './types.ts';
import { openPeerLink } from './upstreams/peer.ts';
import type { PeerLinkComponents, PeerLinkInit } from './upstreams/peer.ts';
import { BUILTIN } from './upstreams/builtin.ts';

/** What the gateway works with. */
export interface GatewayComponents {
  readonly upstreams: Upstreams;
  readonly directory: Directory;
  readonly guard: Guard;
  readonly grants: GrantBook;
  readonly network: Pick<Network, 'open' | 'handle'>;
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'events'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Names, places and bounds of the gateway. */
export interface GatewayInit {
  /** This node's name. */
  readonly name: string;
  readonly http: Config['http'];
  readonly limits: Config['limits'];
  readonly socketPath: string;
  readonly tokenFile: string;
}

type Door = 'socket' | 'http' | 'peer';
type Opening = Pick<SessionComponents, 'principal' | 'push' | 'initializing' | 'notification'>;

const OPERATOR = { kind: 'operator' } as const;

/** Makes the gateway of a node. `start` @throws STARLING_LISTEN_FAILED, STARLING_STATE_UNUSABLE */
export function createGateway(components: GatewayComponents, init: GatewayInit): Gateway {
  return new NodeGateway(components, init);
}

class NodeGateway implements Gateway {
  readonly #components: GatewayComponents;
  readonly #init: GatewayInit;
  readonly #router: Router;
  readonly #catalogs: Catalogs;
  readonly #peerTransport: PeerTransport;
  readonly #open = new Map<Session, Door>();
  readonly #catalogListeners = new Set<() => void>();
  readonly #presenters = new Set<() => void>();
  #http: HttpTransport | undefined;
  #socket: ReturnType<typeof createSocketTransport> | undefined;
  #catalogDigest = '';
  readonly #upstreamChanged = (): void => this.#compareCatalog();
  readonly #grantsChanged = (holder: Did): void => {
    const isOurs = this.#components.grants.received().some(({ claims }) => claims.aud === holder);
    if (isOurs) for (const present of this.#presenters) present();
  };

  constructor(components: GatewayComponents, init: GatewayInit) {
    this.#components = components;
    this.#init = init;
    this.#router = createRouter({
      ...components,
      self: init.name,
      facts: { serverInfo: serverInfoOf(init.name), instructions: instructionsOf(init.name) },
    });
    this.#catalogs = createCatalogs({
      ...components,
      open: (peer, notification) =>
        openPeerLink(this.#linkComponents(), this.#linkInit(), peer, {
          ears: { notification, request: refuseQuestion },
        }),
      logger: components.logger.child('catalogs'),
    });
    this.#peerTransport = createPeerTransport(
      {
        ...components,
        open: (opening) => this.#session('peer', opening),
        ended: (session) => this.#open.delete(session),
        logger: components.logger.child('libp2p'),
      },
      { messageBytes: init.limits.messageBytes },
    );
    components.upstreams.events.on('change', this.#upstreamChanged);
  }

  endpoints(): GatewayEndpoints {
    const url = this.#http?.url();
    return {
      ...(url === undefined ? {} : { url }),
      socket: this.#init.socketPath,
      tokenFile: this.#init.tokenFile,
    };
  }

  upstreams(): readonly UpstreamStatus[] {
    return this.#components.upstreams.all().map((upstream) => upstream.status());
  }

  settled(): Promise<void> {
    return this.#components.upstreams.settled();
  }

  catalogDigest(): string {
    if (this.#catalogDigest === '') this.#catalogDigest = this.#digest();
    return this.#catalogDigest;
  }

  onCatalogChange(listener: () => void): () => void {
    this.#catalogListeners.add(listener);
    return () => this.#catalogListeners.delete(listener);
  }

  load(): number {
    return [...this.#open.keys()].reduce((sum, session) => sum + session.inFlight, 0);
  }

  sessions(): Readonly<Record<Door, number>> {
    const counts = { socket: 0, http: 0, peer: 0 };
    for (const door of this.#open.values()) counts[door] += 1;
    return counts;
  }

  async start(): Promise<void> {
    if (this.#socket !== undefined) return;
    const { logger, clock, upstreams } = this.#components;
    const { http, limits, socketPath, tokenFile } = this.#init;
    const token = await loadToken(tokenFile);
    this.#socket = createSocketTransport(
      {
        open: (push) => this.#session('socket', { principal: OPERATOR, push }),
        ended: (session) => this.#open.delete(session),
        clock,
        logger: logger.child('socket'),
      },
      { path: socketPath, messageBytes: limits.messageBytes },
    );
    this.#http = createHttpTransport(
      {
        open: (push) => this.#session('http', { principal: OPERATOR, push }),
        ended: (session) => this.#open.delete(session),
        ready: () => this.#socket !== undefined,
        clock,
        logger: logger.child('http'),
      },
      {
        ...http,
        token,
        tokenFile,
        messageBytes: limits.messageBytes,
        sessionIdleMs: limits.sessionIdleMs,
      },
    );
    // The port first: it is what most often fails, and then nothing else needs undoing.
    if (http.enabled) await this.#http.start();
    await this.#socket.start();
    await upstreams.start();
    this.#peerTransport.start();
    this.#components.grants.events.on('change', this.#grantsChanged);
    this.#catalogs.start();
  }

  async stop(): Promise<void> {
    this.#components.grants.events.off('change', this.#grantsChanged);
    this.#catalogs.stop();
    this.#peerTransport.stop();
    await this.#http?.stop();
    await this.#socket?.stop();
    this.#socket = undefined;
    for (const session of this.#open.keys()) session.end();
    this.#open.clear();
    await this.#components.upstreams.stop();
    this.#router.stop();
    this.#components.upstreams.events.off('change', this.#upstreamChanged);
  }

  #session(door: Door, opening: Opening, spec: ViewSpec = { kind: 'all' }): Session {
    const { limits, name } = this.#init;
    // By door, so that neither peers nor forgetful HTTP clients can lock the operator out.
    if (this.sessions()[door] >= limits.sessions) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${limits.sessions} ${door} sessions are open (limits.sessions)`,
        { hint: 'close some, or try again later', data: { limit: 'limits.sessions' } },
      );
    }
    const { clock, logger } = this.#components;
    const session = createSession(
      {
        ...opening,
        router: this.#router,
        links: { open: (target, wish) => this.#openLink(target, wish) },
        clock,
        logger: logger.child('session'),
      },
      {
        spec,
        callsMax: limits.callsPerSession,
        callTotalMs: limits.callTotalMs,
        self: name,
      },
    );
    this.#open.set(session, door);
    return session;
  }

  /** A session's link to a server: here, or at the peer that owns it. */
  #openLink(target: ServerTarget, wish: ServerLinkInit): ServerLink | Promise<ServerLink> {
    const { server, peer } = target;
    if (peer !== undefined) {
      const { client, ears } = wish;
      return openPeerLink(this.#linkComponents(), this.#linkInit(), peer, { server, client, ears });
    }
    const upstream = this.#components.upstreams.get(server);
    if (upstream !== undefined) return upstream.open(wish);
    throw new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `${this.#init.name} has no server '${printable(server)}'`,
      { hint: 'see what there is: starling status', data: { server: server.slice(0, 64) } },
    );
  }

  #linkComponents(): PeerLinkComponents {
    const { network, grants, clock, logger } = this.#components;
    return { network, grants, presenters: this.#presenters, clock, logger: logger.child('link') };
  }

  #linkInit(): PeerLinkInit {
    const { messageBytes, callTimeoutMs, callTotalMs, callsPerSession } = this.#init.limits;
    return { messageBytes, callTimeoutMs, callTotalMs, callsMax: callsPerSession };
  }

  #digest(): string {
    const offered = this.#components.upstreams
      .all()
      .filter((upstream) => upstream.server !== BUILTIN)
      .map((upstream) => upstream.catalog());
    return createHash('sha256').update(JSON.stringify(offered)).digest('hex').slice(0, 16);
  }

  #compareCatalog(): void {
    const digest = this.#digest();
    if (digest === this.#catalogDigest) return;
    this.#catalogDigest = digest;
    for (const listener of this.#catalogListeners) listener();
  }
}

function serverInfoOf(name: string): JsonObject {
  return { name: 'starling', title: `Starling node ${name}`, version: VERSION };
}

/** Nobody stands behind the node's own sessions at its peers. */
const refuseQuestion: LinkEars['request'] = (frame, answer) =>
  answer(
    errorBytes(frame.id, {
      code: RPC.methodNotFound,
      message: `this client does not serve ${frame.method}`,
    }),
  );

function instructionsOf(name: string): string {
  return [
    `This is the Starling node '${name}', a peer of a mesh that shares MCP servers between machines.`,
    "Tools are named <server>__<tool> for this machine's own servers, and",
    '<peer>__<server>__<tool> for those that other peers have granted to this node.',
    'starling__peers lists the peers; a refused call says how to ask for a grant.',
  ].join(' ');
}
