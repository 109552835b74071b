/** The gateway of a node: opens sessions for whoever comes in, by whatever transport. */
import { createHash } from 'node:crypto';
import type { Audit } from '../audit/index.ts';
import type { Config } from '../config/index.ts';
import {
  BUILTIN_SERVER,
  StarlingError,
  VERSION,
  messageOf,
  printable,
  stopAll,
} from '../core/index.ts';
import type { Clock, Did, JsonObject, Logger, Random } from '../core/index.ts';
import type { Directory, ServerCatalog } from '../directory/index.ts';
import type { GrantBook } from '../grants/index.ts';
import type { Approvals, Guard, Principal } from '../guard/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Membership } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { Store } from '../store/index.ts';
import { createApprovalPrompter } from './clearance/approval-prompter.ts';
import type { ApprovalPrompter } from './clearance/approval-prompter.ts';
import { createCertifier } from './clearance/on-behalf-of.ts';
import type { Certifier } from './clearance/on-behalf-of.ts';
import { createPeerCatalogs } from './upstreams/peer-catalogs.ts';
import type { PeerCatalogs } from './upstreams/peer-catalogs.ts';
import { createClearance } from './clearance/clearance.ts';
import type { Clearance } from './clearance/clearance.ts';
import type { ApiKeys } from './door/api-keys.ts';
import type { AttachedClients } from './door/attached-clients.ts';
import { OPERATOR_ID, createDoor } from './door/door.ts';
import { createRateLimit } from './door/rate-limit.ts';
import type { RateLimit } from './door/rate-limit.ts';
import { createAddressCheck } from './door/origin-check.ts';
import { isRefusal } from './door/types.ts';
import type { Door } from './door/types.ts';
import type { Pins } from './pins/pins.ts';
import { createViews } from './catalog/views.ts';
import { createSearchMode } from './catalog/search/mode.ts';
import type { Views, ViewSpec } from './catalog/types.ts';
import { createSession } from './session/session.ts';
import type { Session, SessionComponents } from './session/types.ts';
import type { NodeToken } from './door/token-file.ts';
import { createHttpTransport } from './transports/http.ts';
import type { HttpTransport } from './transports/http.ts';
import { createPeerTransport } from './transports/libp2p.ts';
import type { PeerTransport } from './transports/libp2p.ts';
import { createSocketTransport } from './transports/socket.ts';
import { createTcpTransport } from './transports/tcp.ts';
import type { TcpTransport } from './transports/tcp.ts';
import type {
  Gateway,
  GatewayEndpoints,
  ServerChannel,
  ServerChannelInit,
  ServerChanges,
  ServerTarget,
  SessionDoor,
  UpstreamStatus,
  Upstreams,
} from './types.ts';
import { openPeerChannel } from './upstreams/peer.ts';
import type { PeerChannelComponents, PeerChannelInit } from './upstreams/peer.ts';

/** Sessions that the operator has besides those that clients may fill. */
const OPERATOR_SESSIONS = 100;

/** What the gateway works with. */
export interface GatewayComponents {
  /** This node: what agents sign at the door names it. */
  readonly self: Did;
  /** Certifies on whose behalf the node calls peers. */
  readonly signer: Signer;
  readonly upstreams: Upstreams;
  readonly directory: Directory;
  readonly guard: Guard;
  readonly approvals: Pick<Approvals, 'ask' | 'attach'>;
  readonly audit: Pick<Audit, 'append' | 'healthy' | 'isOn' | 'note'>;
  /** Whether what the node keeps can be written; default: always. */
  readonly state?: Pick<Store, 'healthy'>;
  readonly grants: GrantBook;
  readonly keys: ApiKeys;
  readonly clients: AttachedClients;
  readonly token: NodeToken;
  readonly pins: Pins;
  readonly network: Pick<Network, 'open' | 'handle' | 'report'>;
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'byAlias' | 'inStep' | 'events'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Names, places and bounds of the gateway. */
export interface GatewayInit {
  /** This node's name. */
  readonly name: string;
  readonly http: Config['http'];
  readonly tcp: Config['tcp'];
  readonly limits: Config['limits'];
  readonly keepAlive: Config['keepAlive'];
  readonly list: Config['list'];
  readonly views: Config['views'];
  readonly socketPath: string;
  readonly tokenFile: string;
}

/** What one session is opened with. */
type NewSession = Pick<
  SessionComponents,
  'principal' | 'push' | 'initializing' | 'notification'
> & {
  readonly spec?: ViewSpec;
  /** True when the rate of its requests is bounded here; Streamable HTTP counts them at its edge. */
  readonly isLimited?: boolean;
};

/** Makes the gateway of a node. `start` @throws STARLING_LISTEN_FAILED, STARLING_STATE_UNUSABLE */
export function createGateway(components: GatewayComponents, init: GatewayInit): Gateway {
  return new NodeGateway(components, init);
}

class NodeGateway implements Gateway {
  readonly #components: GatewayComponents;
  readonly #init: GatewayInit;
  readonly #views: Views;
  readonly #clearance: Clearance;
  readonly #search = createSearchMode();
  readonly #certifier: Certifier;
  readonly #approvalPrompter: ApprovalPrompter;
  readonly #catalogs: PeerCatalogs;
  readonly #peerTransport: PeerTransport;
  readonly #rateLimit: RateLimit;
  readonly #open = new Map<Session, SessionDoor>();
  readonly #counts: Record<SessionDoor, number> = { socket: 0, http: 0, tcp: 0, peer: 0 };
  readonly #catalogListeners = new Set<() => void>();
  readonly #callerListeners = new Set<(caller: Did) => void>();
  readonly #presenters = new Set<() => void>();
  #sessionCount = 0;
  #http: HttpTransport | undefined;
  #tcp: TcpTransport | undefined;
  #socket: ReturnType<typeof createSocketTransport> | undefined;
  #catalogDigest = '';
  /** Digests of the catalogs of single servers. */
  readonly #digests = new WeakMap<ServerCatalog, Buffer>();
  readonly #upstreamChanged = (): void => this.#compareCatalog();
  readonly #keyRevoked = (credential: string): void => {
    this.#http?.evict(credential);
    this.#tcp?.evict(credential);
  };
  readonly #tokenRotated = (): void => this.#keyRevoked(OPERATOR_ID);
  readonly #grantsChanged = (holder: Did): void => {
    const { grants } = this.#components;
    const isOurs = grants
      .received()
      .some(({ claims }) => grants.successions.follows(holder, claims.aud));
    if (isOurs) for (const present of this.#presenters) present();
    for (const session of this.#open.keys()) {
      const { principal } = session;
      if (principal.kind === 'agent' && principal.did === holder) session.recheck();
    }
  };

  constructor(components: GatewayComponents, init: GatewayInit) {
    this.#components = components;
    this.#init = init;
    this.#rateLimit = createRateLimit(components.clock, init.limits.requestsPerSecond);
    this.#certifier = createCertifier(components);
    this.#clearance = createClearance(
      { ...components, logger: components.logger.child('clearance') },
      { self: init.name },
    );
    this.#approvalPrompter = createApprovalPrompter(components, { self: init.name });
    this.#views = createViews({
      ...components,
      clearance: this.#clearance,
      self: init.name,
      config: init,
      facts: { serverInfo: serverInfoOf(init.name), instructions: instructionsOf(init.name) },
    });
    this.#catalogs = createPeerCatalogs({
      changesTooOften: (peer) => components.network.report(peer, 'catalogs'),
      ...components,
      open: (peer, notification) =>
        openPeerChannel(this.#peerChannelComponents(), this.#peerChannelInit(), peer, {
          notification,
        }),
      logger: components.logger.child('catalogs'),
    });
    this.#peerTransport = createPeerTransport(
      {
        ...components,
        open: (opening) => this.#session('peer', { ...opening, isLimited: true }),
        ended: (session) => this.#forget(session),
        logger: components.logger.child('libp2p'),
      },
      { messageBytes: init.limits.messageBytes },
    );
    components.upstreams.events.on('change', this.#upstreamChanged);
  }

  endpoints(): GatewayEndpoints {
    const url = this.#http?.url();
    const tcp = this.#tcp?.address();
    return {
      ...(url === undefined ? {} : { url }),
      ...(tcp === undefined ? {} : { tcp }),
      socket: this.#init.socketPath,
      tokenFile: this.#init.tokenFile,
    };
  }

  recheck(): void {
    this.#views.refresh();
    for (const session of this.#open.keys()) session.recheck();
  }

  upstreams(): readonly UpstreamStatus[] {
    return this.#components.upstreams.all().map((upstream) => upstream.status());
  }

  settled(): Promise<void> {
    return this.#components.upstreams.settled();
  }

  configure(config: Pick<Config, 'mcpServers' | 'list' | 'views'>): Promise<ServerChanges> {
    this.#views.configure(config);
    return this.#components.upstreams.configure(config.mcpServers);
  }

  serves(caller: Did): boolean {
    for (const { principal } of this.#open.keys()) {
      if (principal.kind === 'agent' && principal.did === caller) return true;
    }
    return false;
  }

  onCaller(listener: (caller: Did) => void): () => void {
    this.#callerListeners.add(listener);
    return () => this.#callerListeners.delete(listener);
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
    let sum = 0;
    for (const session of this.#open.keys()) sum += session.inFlight;
    return sum;
  }

  sessions(): Readonly<Record<SessionDoor, number>> {
    return { ...this.#counts };
  }

  async start(): Promise<void> {
    if (this.#socket !== undefined) return;
    const { logger, clock, upstreams, keys, clients, token } = this.#components;
    const { http, tcp, limits, socketPath } = this.#init;
    await keys.load();
    await clients.load();
    await token.load();
    const door = createDoor(
      { ...this.#components, rateLimit: this.#rateLimit, logger: logger.child('door') },
      http,
    );
    this.#socket = createSocketTransport(
      {
        principalOf: (as) => this.#components.clients.principalOf(as),
        open: (principal, push) => this.#session('socket', { principal, push }),
        ended: (session) => this.#forget(session),
        clock,
        logger: logger.child('socket'),
      },
      { path: socketPath, messageBytes: limits.messageBytes },
    );
    this.#http = this.#createHttp(door);
    this.#tcp = this.#createTcp(door);
    // The ports first: they are what most often fails, and then nothing else needs undoing.
    if (http.enabled) await this.#http.start();
    if (tcp.enabled) await this.#tcp.start();
    await this.#socket.start();
    await upstreams.start();
    this.#peerTransport.start();
    keys.events.on('revoked', this.#keyRevoked);
    token.events.on('rotated', this.#tokenRotated);
    this.#components.grants.events.on('change', this.#grantsChanged);
    this.#catalogs.start();
  }

  async stop(): Promise<void> {
    this.#components.grants.events.off('change', this.#grantsChanged);
    this.#components.keys.events.off('revoked', this.#keyRevoked);
    this.#components.token.events.off('rotated', this.#tokenRotated);
    this.#catalogs.stop();
    this.#peerTransport.stop();
    const doors = [this.#http, this.#tcp, this.#socket].filter((door) => door !== undefined);
    this.#socket = undefined;
    await stopAll([...doors, { stop: () => this.#stopInside() }], (error) =>
      this.#components.logger.error({ error: messageOf(error) }, 'a part did not stop'),
    );
  }

  /** Once nobody comes in any more: sessions, and then the servers that they use. */
  async #stopInside(): Promise<void> {
    for (const session of this.#open.keys()) session.end();
    this.#open.clear();
    const { upstreams } = this.#components;
    try {
      await upstreams.stop();
    } finally {
      this.#views.stop();
      upstreams.events.off('change', this.#upstreamChanged);
    }
  }

  /** Why the node takes no calls, in words for anybody; undefined when it does. */
  #unready(): string | undefined {
    const { audit, state } = this.#components;
    if (this.#socket === undefined) return 'the node is starting or stopping';
    if (!audit.healthy()) return 'its audit log can not be written';
    return state?.healthy() === false ? 'its database can not be written' : undefined;
  }

  #createHttp(door: Door): HttpTransport {
    const { clock, logger } = this.#components;
    const { http, limits } = this.#init;
    return createHttpTransport(
      {
        door,
        rateLimit: this.#rateLimit,
        open: (opening) =>
          this.#session('http', {
            principal: opening.credential.principal,
            spec: opening.spec,
            isLimited: opening.isLongLived === true,
            push: (message) => opening.push(message),
          }),
        ended: (session) => this.#forget(session),
        exists: (spec) => this.#views.exists(spec),
        unready: () => this.#unready(),
        clock,
        logger: logger.child('http'),
      },
      {
        ...http,
        messageBytes: limits.messageBytes,
        sessionIdleMs: limits.sessionIdleMs,
        keepAliveMs: this.#init.keepAlive.intervalMs,
      },
    );
  }

  #createTcp(door: Door): TcpTransport {
    const { clock, logger } = this.#components;
    const { http, tcp, limits } = this.#init;
    return createTcpTransport(
      {
        isAllowed: createAddressCheck(http.allowedAddresses),
        async credentialOf(token, address) {
          const verdict = await door.byToken(token, address);
          return isRefusal(verdict) ? undefined : verdict;
        },
        nobody: this.#components.clients.tcp,
        open: (principal, push) => this.#session('tcp', { principal, push, isLimited: true }),
        ended: (session) => this.#forget(session),
        clock,
        logger: logger.child('tcp'),
      },
      {
        ...tcp,
        messageBytes: limits.messageBytes,
        keepAliveMs: this.#init.keepAlive.intervalMs,
      },
    );
  }

  #session(door: SessionDoor, { spec, isLimited = false, ...own }: NewSession): Session {
    const { limits, name } = this.#init;
    // By door, so that neither peers nor forgetful clients can lock the operator out.
    const isOwn = door === 'socket' && own.principal.kind === 'operator';
    if (this.#counts[door] >= limits.sessions + (isOwn ? OPERATOR_SESSIONS : 0)) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${limits.sessions} ${door} sessions are open (limits.sessions)`,
        { hint: 'close some, or try again later', data: { limit: 'limits.sessions' } },
      );
    }
    const { clock, logger } = this.#components;
    this.#sessionCount += 1;
    const caller = `session:${this.#sessionCount}`;
    const session = createSession(
      {
        ...own,
        views: this.#views,
        channels: { open: (target, needs) => this.#openChannel(target, needs) },
        clearance: this.#clearance,
        search: this.#search,
        ...(hasPerson(own.principal)
          ? { ready: (client) => this.#approvalPrompter.attach(client, own.principal) }
          : {}),
        ...(isLimited ? { admit: () => this.#rateLimit.take(caller)?.error } : {}),
        clock,
        logger: logger.child('session'),
      },
      {
        id: caller,
        spec: spec ?? { kind: 'all' },
        callsMax: limits.callsPerSession,
        callTotalMs: limits.callTotalMs,
        self: name,
      },
    );
    this.#open.set(session, door);
    this.#counts[door] += 1;
    const { principal } = own;
    if (principal.kind === 'agent') this.#tellCaller(principal.did);
    return session;
  }

  /** A listener that throws must not keep the caller out: nobody would end the session then. */
  #tellCaller(caller: Did): void {
    for (const listener of this.#callerListeners) {
      try {
        listener(caller);
      } catch (error) {
        this.#components.logger.error({ error: messageOf(error) }, 'a listener to callers threw');
      }
    }
  }

  #forget(session: Session): void {
    const door = this.#open.get(session);
    if (door === undefined) return;
    this.#open.delete(session);
    this.#counts[door] -= 1;
  }

  /** A session's channel to a server: here, or at the peer that owns it. */
  #openChannel(
    target: ServerTarget,
    needs: ServerChannelInit,
  ): ServerChannel | Promise<ServerChannel> {
    const { server, peer } = target;
    if (peer !== undefined) {
      const { client, listener } = needs;
      return openPeerChannel(this.#peerChannelComponents(), this.#peerChannelInit(), peer, {
        ...listener,
        server,
        client,
        certificate: this.#certifier.certify(needs.principal),
      });
    }
    const upstream = this.#components.upstreams.get(server);
    if (upstream !== undefined) return upstream.open(needs);
    throw new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `${this.#init.name} has no server '${printable(server)}'`,
      { hint: 'see what there is: starling status', data: { server: server.slice(0, 64) } },
    );
  }

  #peerChannelComponents(): PeerChannelComponents {
    const { network, membership, grants, clock, logger } = this.#components;
    return {
      network,
      membership,
      grants,
      presenters: this.#presenters,
      clock,
      logger: logger.child('channel'),
    };
  }

  #peerChannelInit(): PeerChannelInit {
    const { messageBytes, callTimeoutMs, callTotalMs, callsPerSession } = this.#init.limits;
    return { messageBytes, callTimeoutMs, callTotalMs, callsMax: callsPerSession };
  }

  #digest(): string {
    const hash = createHash('sha256');
    for (const upstream of this.#components.upstreams.all()) {
      if (upstream.server !== BUILTIN_SERVER) hash.update(this.#digestOf(upstream.catalog()));
    }
    return hash.digest('hex').slice(0, 16);
  }

  /** Made once for each catalog: they are large, and seldom change. */
  #digestOf(catalog: ServerCatalog): Buffer {
    const known = this.#digests.get(catalog);
    if (known !== undefined) return known;
    const digest = createHash('sha256').update(JSON.stringify(catalog)).digest();
    this.#digests.set(catalog, digest);
    return digest;
  }

  #compareCatalog(): void {
    const digest = this.#digest();
    if (digest === this.#catalogDigest) return;
    this.#catalogDigest = digest;
    for (const listener of this.#catalogListeners) listener();
  }
}

/** True where the person who owns the node sits before whoever calls. */
function hasPerson(principal: Principal): boolean {
  return (
    principal.kind === 'operator' || (principal.kind === 'client' && principal.person === true)
  );
}

function serverInfoOf(name: string): JsonObject {
  return { name: 'starling', title: `Starling node ${name}`, version: VERSION };
}

function instructionsOf(name: string): string {
  return [
    `This is the Starling node '${name}', a peer of a mesh that shares MCP servers between machines.`,
    "Tools are named <server>__<tool> for this machine's own servers, and",
    '<peer>__<server>__<tool> for those that other peers have granted to this node.',
    'starling__peers lists the peers; a refused call says how to ask for a grant.',
  ].join(' ');
}
