/** The gateway of a node: opens sessions for whoever comes in, by whatever transport. */
import type { Config } from '../config/index.ts';
import { BUILTIN_SERVER, VERSION, messageOf, stopAll } from '../core/index.ts';
import type { Did, JsonObject, PeerId } from '../core/index.ts';
import { createLacking } from '../directory/index.ts';
import type { ServerCatalog } from '../directory/index.ts';
import { DASHBOARD, OPERATOR, WATCHING, chainOf, hasPerson } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { PeerView } from '../membership/index.ts';
import { createCallTasks } from './call-tasks/call-tasks.ts';
import type { CallTasks } from './call-tasks/types.ts';
import { createApprovalPrompter } from './clearance/approval-prompter.ts';
import type { ApprovalPrompter } from './clearance/approval-prompter.ts';
import { createCertifier } from './clearance/on-behalf-of.ts';
import { createPeerCatalogs } from './upstreams/peer-catalogs.ts';
import type { PeerCatalogs } from './upstreams/peer-catalogs.ts';
import { createClearance } from './clearance/clearance.ts';
import type { Clearance } from './clearance/clearance.ts';
import { clearAction } from './clearance/own-action.ts';
import { OPERATOR_ID } from './door/door.ts';
import { createRateLimit } from './door/rate-limit.ts';
import type { RateLimit } from './door/rate-limit.ts';
import { createCatalogDigest } from './catalog/catalog-digest.ts';
import type { CatalogDigest } from './catalog/catalog-digest.ts';
import { createListedServers } from './catalog/listed-servers.ts';
import type { ListedServers } from './catalog/listed-servers.ts';
import { createViews } from './catalog/views.ts';
import { createSearchMode } from './catalog/search/mode.ts';
import { SEPARATOR } from './catalog/tool-names.ts';
import type { Views, ViewSpec } from './catalog/types.ts';
import { createLocalDoors } from './transports/local-doors.ts';
import type { LocalDoors } from './transports/local-doors.ts';
import { createInnerCaller } from './session/inner-caller.ts';
import type { InnerSessionsComponents } from './session/inner-sessions.ts';
import { createOpenSessions } from './session/open-sessions.ts';
import type { OpenSessions } from './session/open-sessions.ts';
import { withRetries } from './session/call/retries.ts';
import { createOwnCalls } from './session/call/own-call.ts';
import type { OwnCalls } from './session/call/own-call.ts';
import { createSession } from './session/session.ts';
import type { Session, SessionComponents } from './session/types.ts';
import { createPeerTransport } from './transports/libp2p.ts';
import type { PeerTransport } from './transports/libp2p.ts';
import type {
  AgentProcess,
  AgentStart,
  ClearedAction,
  Gateway,
  GatewayEndpoints,
  OwnAction,
  OwnCallOptions,
  SessionDoor,
  UpstreamStatus,
  ServerTrial,
  TriedTool,
} from './types.ts';
import type { InnerCaller } from './inner-types.ts';
import type { ServerChanges } from './server-condition.ts';
import { startAgentProcess } from './upstreams/agent-process.ts';
import { tryServer } from './upstreams/server-trial.ts';
import { createChannelOpener } from './upstreams/channel-opener.ts';
import { createPeerTools } from './upstreams/peer-tools.ts';
import type { PeerTools } from './upstreams/peer-tools.ts';
import { createSessionHints } from './upstreams/session-hints.ts';
import type { SessionHints } from './upstreams/session-hints.ts';
import type { ChannelOpener } from './upstreams/channel-opener.ts';
import { createPeerAllowances } from './wire/peers/peer-allowances.ts';
import type { GatewayComponents, GatewayInit } from './gateway-components.ts';

/** What one session is opened with. */
type NewSession = Pick<
  SessionComponents,
  'principal' | 'push' | 'initializing' | 'notification' | 'lists'
> & {
  readonly spec?: ViewSpec;
  /** True when the rate of its requests is bounded here; Streamable HTTP counts them at its edge. */
  readonly isLimited?: boolean;
};

/** What tools of the node itself begin with in lists. */
const OWN_TOOLS = BUILTIN_SERVER + SEPARATOR;
/** What calls of tools of peers share sessions by: no name of a tool. */
const PEERS_POOL = '@';

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
  readonly #approvalPrompter: ApprovalPrompter;
  readonly #hints: SessionHints;
  readonly #catalogs: PeerCatalogs;
  readonly #peerTransport: PeerTransport;
  readonly #rateLimit: RateLimit;
  readonly #sessions: OpenSessions;
  readonly #digest: CatalogDigest;
  readonly #listed: ListedServers;
  readonly #channels: ChannelOpener;
  readonly #callTasks: CallTasks;
  readonly #peerTools: PeerTools;
  readonly #ownCalls: OwnCalls;
  #doors: LocalDoors | undefined;
  /** Whoever comes in is served. */
  #isOpen = false;
  readonly #keyRevoked = (credential: string): void => this.#doors?.evict(credential);
  readonly #tokenRotated = (): void => this.#keyRevoked(OPERATOR_ID);
  readonly #grantsChanged = (holder: Did): void => {
    const { grants } = this.#components;
    const isOurs = grants
      .received()
      .some(({ claims }) => grants.successions.follows(holder, claims.aud));
    if (isOurs) {
      this.#channels.present();
      this.#catalogs.look();
    }
    this.#sessions.recheckAgent(holder);
    this.#callTasks.recheck();
  };

  constructor(components: GatewayComponents, init: GatewayInit) {
    this.#components = components;
    this.#init = init;
    this.#sessions = createOpenSessions(components.logger, init.limits.sessions);
    this.#digest = createCatalogDigest(components.upstreams);
    this.#listed = createListedServers(components);
    this.#rateLimit = createRateLimit(components.clock, init.limits.requestsPerSecond);
    const allowances = createPeerAllowances(components);
    this.#channels = createChannelOpener(
      { ...components, allowances, certifier: createCertifier(components) },
      { self: init.name, limits: init.limits },
    );
    this.#callTasks = createCallTasks({
      table: components.callTable,
      peerOf: (peer) => components.membership.peer(peer),
      clock: components.clock,
      logger: components.logger.child('call-tasks'),
    });
    this.#peerTools = createPeerTools({ channels: this.#channels, clock: components.clock });
    this.#ownCalls = createOwnCalls({
      open: () => this.#session('socket', { principal: OPERATOR, push: () => undefined }),
      ended: (session) => this.#sessions.forget(session),
      poolOf: (tool) => poolOf(tool, components.membership.peers()),
      callsMax: init.limits.callsPerSession,
      clock: components.clock,
    });
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
      lacking: components.lacking ?? createLacking(components.clock),
      coming: () => this.#catalogs.coming(),
      isAnyArriving: () => this.#catalogs.isAnyArriving(),
    });
    this.#hints = createSessionHints({
      ...components,
      logger: components.logger.child('hints'),
    });
    this.#catalogs = createPeerCatalogs({
      changesTooOften: (peer, times) => components.network.report(peer, 'catalogs', times),
      ...components,
      isConnected: (peer) => components.network.isConnected(peer),
      isSpare: (peer) => components.network.isSpare(peer),
      isWanted: ({ peerId, did }) =>
        this.#hints.isAsked(peerId) || components.grants.toPresent(did).length > 0,
      listed: (peer) => this.#hints.taken(peer),
      open: (peer, notification) => this.#channels.toPeer(peer, notification),
      logger: components.logger.child('catalogs'),
    });
    this.#peerTransport = createPeerTransport(
      {
        ...components,
        allowances,
        open: (opening) => this.#session('peer', { ...opening, isLimited: true }),
        ended: (session) => this.#sessions.forget(session),
        logger: components.logger.child('libp2p'),
      },
      { messageBytes: init.limits.messageBytes },
    );
  }

  clear(action: OwnAction): Promise<ClearedAction> {
    return clearAction(this.#clearance, action);
  }

  endpoints(): GatewayEndpoints {
    return {
      ...this.#doors?.addresses(),
      socket: this.#init.socketPath,
      tokenFile: this.#init.tokenFile,
    };
  }

  recheck(): void {
    this.#views.refresh();
    this.#sessions.recheck();
    // Of some of these the sessions are over.
    this.#callTasks.recheck();
  }

  forgetAgent(name: string): void {
    const [link = ''] = chainOf({ kind: 'client', name: `agent:${name}`, scopes: [] });
    this.#callTasks.forgetAllOf(link);
  }

  catalogsComing(): readonly PeerId[] {
    return this.#catalogs.coming();
  }

  upstreams(): readonly UpstreamStatus[] {
    return this.#components.upstreams.all().map((upstream) => upstream.status());
  }

  async settled(): Promise<void> {
    await this.#components.upstreams.settled();
    await this.listed();
  }

  async listed(): Promise<void> {
    await this.#views.settled();
    // What servers list is offered once its pins are on disk.
    await this.#components.pins.keeping();
  }

  configure(config: Pick<Config, 'mcpServers' | 'list' | 'views'>): Promise<ServerChanges> {
    this.#views.configure(config);
    return this.#components.upstreams.configure(config.mcpServers);
  }

  serves(caller: Did): boolean {
    return this.#sessions.serves(caller);
  }

  onCaller(listener: (caller: Did) => void): () => void {
    return this.#sessions.onCaller(listener);
  }

  callPeer(...call: Parameters<Gateway['callPeer']>): ReturnType<Gateway['callPeer']> {
    return this.#peerTools.call(...call);
  }

  relayToPeer(...onward: Parameters<Gateway['relayToPeer']>): ReturnType<Gateway['relayToPeer']> {
    return this.#peerTools.relay(...onward);
  }

  callTool(name: string, args: JsonObject, options: OwnCallOptions): Promise<JsonObject> {
    return withRetries(this.#components, options, () => this.#ownCalls.call(name, args, options));
  }

  startAgent(init: AgentStart): Promise<AgentProcess> {
    const { logger } = this.#components;
    return startAgentProcess(
      {
        ...this.#components,
        ...this.#inner(),
        logger: logger.child('agents'),
      },
      init,
      { messageBytes: this.#init.limits.messageBytes },
    );
  }

  tryServer(init: ServerTrial): Promise<readonly TriedTool[]> {
    return tryServer(this.#components, init);
  }

  innerCaller(principal: () => Principal): InnerCaller {
    return createInnerCaller(this.#inner(), principal);
  }

  #inner(): InnerSessionsComponents {
    return {
      open: (principal) =>
        this.#session('socket', { principal, push: () => undefined, isLimited: true }),
      ended: (session) => this.#sessions.forget(session),
    };
  }

  catalogDigest(): string {
    return this.#digest.current();
  }

  onCatalogChange(listener: () => void): () => void {
    return this.#digest.onChange(listener);
  }

  listing(): readonly ServerCatalog[] | undefined {
    return this.#listed.current();
  }

  onListingChange(listener: () => void): () => void {
    return this.#listed.onChange(listener);
  }

  load(): number {
    return this.#sessions.load();
  }

  sessions(): Readonly<Record<SessionDoor, number>> {
    return this.#sessions.counts();
  }

  async start(): Promise<void> {
    if (this.#isOpen) return;
    const { upstreams, keys, clients, token } = this.#components;
    await keys.load();
    await clients.load();
    await token.load();
    await this.#callTasks.load();
    this.#doors = createLocalDoors(
      {
        ...this.#components,
        rateLimit: this.#rateLimit,
        views: this.#views,
        open: (door, opening) => this.#session(door, opening),
        ended: (session) => this.#sessions.forget(session),
        unready: () => this.#unready(),
      },
      this.#init,
    );
    await this.#doors.start();
    this.#isOpen = true;
    await upstreams.start();
    this.#listed.start();
    this.#peerTransport.start();
    keys.events.on('revoked', this.#keyRevoked);
    token.events.on('rotated', this.#tokenRotated);
    this.#components.dashboard?.events.on('ended', this.#keyRevoked);
    this.#components.grants.events.on('change', this.#grantsChanged);
    this.#hints.start((peer) => this.#catalogs.look(peer));
    this.#catalogs.start();
  }

  async stop(): Promise<void> {
    this.#components.grants.events.off('change', this.#grantsChanged);
    this.#components.keys.events.off('revoked', this.#keyRevoked);
    this.#components.token.events.off('rotated', this.#tokenRotated);
    this.#components.dashboard?.events.off('ended', this.#keyRevoked);
    this.#hints.stop();
    this.#listed.stop();
    this.#catalogs.stop();
    this.#peerTools.stop();
    this.#ownCalls.stop();
    this.#peerTransport.stop();
    this.#isOpen = false;
    await stopAll([...(this.#doors?.parts ?? []), { stop: () => this.#stopInside() }], (error) =>
      this.#components.logger.error({ error: messageOf(error) }, 'a part did not stop'),
    );
  }

  /** Once nobody comes in any more: sessions, and then the servers that they use. */
  async #stopInside(): Promise<void> {
    this.#callTasks.stop();
    this.#sessions.end();
    const { upstreams } = this.#components;
    try {
      await upstreams.stop();
    } finally {
      this.#views.stop();
      this.#digest.stop();
    }
  }

  /** Why the node takes no calls, in words for anybody; undefined when it does. */
  #unready(): string | undefined {
    const { audit, state } = this.#components;
    if (!this.#isOpen) return 'the node is starting or stopping';
    if (!audit.healthy()) return 'its audit log can not be written';
    return state?.healthy() === false ? 'its database can not be written' : undefined;
  }

  #session(door: SessionDoor, { spec, isLimited = false, ...own }: NewSession): Session {
    const { limits, name } = this.#init;
    this.#sessions.checkRoom(door, own.principal);
    const { clock, logger, metrics, sampling, tracer } = this.#components;
    // What an operator who watches asks again and again would hide all else.
    const isSeen = own.principal !== DASHBOARD && own.principal !== WATCHING;
    const caller = this.#sessions.nextId();
    const session = createSession(
      {
        ...own,
        views: this.#views,
        channels: this.#channels,
        clearance: this.#clearance,
        callTasks: this.#callTasks,
        search: this.#search,
        ...(sampling === undefined ? {} : { sampling }),
        ...(metrics === undefined || !isSeen ? {} : { meter: metrics.calls }),
        ...(tracer === undefined || !isSeen ? {} : { tracer }),
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
    this.#sessions.add(session, door);
    return session;
  }
}

/** Whose sessions calls of the tool share: all tools of peers, as lists name these, have the same, and each of the node its own. */
function poolOf(tool: string, peers: readonly PeerView[]): string | undefined {
  if (tool.startsWith(OWN_TOOLS)) return tool;
  return peers.some(({ alias }) => tool.startsWith(alias + SEPARATOR)) ? PEERS_POOL : undefined;
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
