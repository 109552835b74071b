/**
 * Composition: builds the rooms of one node in order, starts them from the ground up and stops them
 * from the roof down. Only this file calls the rooms' constructors; beyond wiring one room's events
 * to another's ears it decides just one thing, which mesh the node starts in.
 */
import './core/node20.ts';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { createAuditFromConfig, createCheckpointStore } from './audit/index.ts';
import type { Audit } from './audit/index.ts';
import { createBlackboard } from './blackboard/index.ts';
import type { Blackboard, Board } from './blackboard/index.ts';
import {
  auditTools,
  OPEN_RESOURCES,
  boardTools,
  governanceTools,
  grantResources,
  grantTools,
  keyTools,
  loginTools,
  offeredTools,
  pinTools,
  secretTools,
  statusTools,
} from './builtin/index.ts';
import type { GrantSummary, InviteResult, StatusResult } from './builtin/index.ts';
import { socketPath, tokenFile } from './config/index.ts';
import type { Config } from './config/index.ts';
import { StarlingError, VERSION, messageOf } from './core/index.ts';
import type { JsonObject, PeerId, Startable } from './core/index.ts';
import { createDirectory } from './directory/index.ts';
import {
  bindSecrets,
  auditDoor,
  createApiKeys,
  createGateway,
  createLogins,
  createPins,
  createUpstreams,
} from './gateway/index.ts';
import type { ApiKeys, BuiltinTool, Gateway, Logins, Pins, Upstreams } from './gateway/index.ts';
import {
  OPERATOR,
  auditGovernance,
  auditGrants,
  createApprovalAccess,
  createGovernance,
} from './guard/index.ts';
import type { ApprovalAccess, Governance } from './guard/index.ts';
import { createRenewer } from './grants/index.ts';
import type { Renewer } from './grants/index.ts';
import { peerIdFromDid, sealerOf } from './identity/index.ts';
import { createCheckpointExchange, createMembership } from './membership/index.ts';
import type { CheckpointExchange, Membership, PeerView } from './membership/index.ts';
import { createNetwork } from './network/index.ts';
import type { Network } from './network/index.ts';
import { closeGround, openGround } from './ground.ts';
import type { Base, Ground, NodeComponents } from './ground.ts';
import { auditAdmission, joinMesh } from './mesh/index.ts';
import { previousKeyOf } from './rotation/index.ts';
import { createTokenStore } from './secrets/index.ts';

const CATALOG_BYTES_MAX = 16 * 1024 * 1024;
const SETTLE_TIMEOUT_MS = 31_000;

/** Parts of the configuration that a running node takes on. */
const RELOADED: readonly string[] = ['mcpServers', 'list', 'views'];

/** What a node tells. */
export interface NodeEvents {
  /** A peer appeared or changed. */
  peer: [peer: PeerView, before: PeerView | undefined];
  /** An address could not be dialled, or whoever is there refused us. */
  'dial:failed': [address: string, error: Error];
  /** This node's membership was revoked, or its key was replaced elsewhere. */
  evicted: [reason: string, hint: string];
}

/** What to grant. */
export interface GrantInit {
  /** Alias, PeerId or did:key. */
  readonly peer: string;
  /** Patterns like `files/*`. */
  readonly tools: readonly string[];
  /** Default: until revoked, renewed daily while the peer is there. */
  readonly expiresInMs?: number;
}

/** A node of the mesh. */
export interface StarlingNode extends Startable {
  readonly peerId: PeerId;
  readonly events: EventEmitter<NodeEvents>;
  /** What waits for a person, for a dashboard: whoever holds the node answers as its operator. */
  readonly approvals: ApprovalAccess;
  status(): StatusResult;
  peers(): readonly PeerView[];
  /** Opens a shared board. @throws STARLING_BOARD_INVALID */
  board(name: string): Promise<Board>;
  /** Lets a peer call tools of this node. @throws STARLING_PEER_UNKNOWN, STARLING_USAGE */
  grant(init: GrantInit): Promise<GrantSummary>;
  /**
   * Takes on what of a new configuration a running node can: its servers, lists and views. Sessions
   * stay. Resolves with the keys that differ and need a restart.
   */
  reload(config: Config): Promise<readonly string[]>;
  /** Makes a one-use ticket; default 24 hours. */
  createTicket(init?: { readonly expiresInMs?: number }): Promise<InviteResult>;
}

/**
 * Makes a node from its configuration: opens its state folder and identity, and settles which mesh it
 * is in. `start` joins and serves. A node that could not be made or started leaves nothing running.
 * @throws STARLING_STATE_LOCKED, STARLING_KEY_UNUSABLE, STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH, …
 */
export async function createNode(
  config: Config,
  components: NodeComponents = {},
): Promise<StarlingNode> {
  const { base, ground } = await openGround(config, components);
  try {
    return new Node(base, ground);
  } catch (error) {
    await closeGround(ground);
    throw error;
  }
}

class Node implements StarlingNode {
  readonly peerId: PeerId;
  readonly events = new EventEmitter<NodeEvents>();
  readonly approvals: ApprovalAccess;
  readonly #base: Base;
  readonly #ground: Ground;
  readonly #audit: Audit;
  readonly #network: Network;
  readonly #membership: Membership;
  readonly #checkpoints: CheckpointExchange;
  readonly #blackboard: Blackboard;
  readonly #gateway: Gateway;
  readonly #tools: readonly BuiltinTool[];
  readonly #keys: ApiKeys;
  readonly #logins: Logins;
  readonly #pins: Pins;
  readonly #governance: Governance;
  readonly #upstreams: Upstreams;
  readonly #renewer: Renewer;
  readonly #startedAt: number;
  #running: Startable[] = [];
  #servers: Config['mcpServers'];

  constructor(base: Base, ground: Ground) {
    this.#base = base;
    this.#ground = ground;
    this.peerId = ground.identity.peerId;
    this.#startedAt = base.clock.now();
    const { clock, random, logger, config } = base;
    const { store, identity, secrets, grants, counters, meshBook, successions } = ground;
    this.#servers = bindSecrets(config.mcpServers, (name) => secrets.lookup(name));
    const mesh = this.#mesh();
    this.#audit = createAuditFromConfig(
      { identity, clock, logger: logger.child('audit'), health: base.health },
      {
        ...config.audit,
        folder: join(config.stateDir, 'audit'),
        formerly: successions.lineage(identity.did).slice(1),
      },
    );
    this.#network = createNetwork(
      {
        identity,
        admission: auditAdmission(meshBook.admission, this.#audit, clock),
        clock,
        random,
        logger,
        transports: base.transports,
      },
      {
        meshId: mesh.id,
        name: config.name,
        listen: config.listen,
        announce: config.announce,
        bootstrap: meshBook.isMember() ? ground.dial : [],
        mdns: config.mdns,
        relay: config.relay,
        connections: config.limits.connections,
      },
    );
    this.#membership = createMembership(
      {
        network: this.#network,
        meshBook,
        table: store.table('peers'),
        presence: () => ({
          name: config.name,
          version: VERSION,
          addresses: this.#network.addresses(),
          load: this.#gateway.load(),
          catalog: this.#gateway.catalogDigest(),
          ...this.#checkpoints.presence(),
        }),
        boards: () => this.#blackboard.digests(),
        clock,
        random,
        logger: logger.child('membership'),
      },
      config.heartbeat,
    );
    this.#checkpoints = createCheckpointExchange({
      ...base,
      network: this.#network,
      membership: this.#membership,
      audit: this.#audit,
      checkpoints: createCheckpointStore({ table: store.table('checkpoints'), clock }),
      self: identity.did,
      lineage: (did) => successions.lineage(did),
    });
    this.#blackboard = createBlackboard({
      network: this.#network,
      table: store.table('boards'),
      self: identity.did,
      clock,
      random,
      logger: logger.child('blackboard'),
      health: base.health,
    });
    this.#keys = createApiKeys({
      table: store.table('api-keys'),
      clock,
      logger: logger.child('keys'),
    });
    this.#logins = createLogins({
      servers: () => this.#servers,
      tokens: createTokenStore({
        table: store.table('logins'),
        sealer: sealerOf(identity, 'logins'),
        logger,
      }),
      clock,
      logger: logger.child('logins'),
    });
    this.#pins = createPins(
      {
        table: store.table('pins'),
        successions,
        clock,
        logger: logger.child('pins'),
        health: base.health,
      },
      { mode: config.pins, perServerMax: config.limits.tools },
    );
    this.#governance = createGovernance(
      {
        ...base,
        grants,
        counters,
        table: store.table('approvals'),
        membership: this.#membership,
        isOpen: () => this.#mesh().open,
        tools: () => offeredTools(this.#upstreams, this.#pins),
      },
      {
        self: { name: config.name, did: identity.did },
        policy: config.policy,
        open: OPEN_RESOURCES,
      },
    );
    this.approvals = createApprovalAccess(this.#governance.approvals);
    this.#tools = [
      ...statusTools({ membership: this.#membership, status: () => this.status() }),
      ...grantTools({
        clock,
        grants,
        counters,
        meshBook,
        membership: this.#membership,
        createTicket: (init) => this.#createTicket(init.expiresInMs, init.canInvite),
      }),
      ...boardTools({ blackboard: this.#blackboard, clock }),
      ...keyTools({ clock, keys: this.#keys }),
      ...loginTools({ logins: this.#logins }),
      ...secretTools({
        secrets,
        servers: () => this.#servers,
        changed: () => this.#upstreams.secretsChanged(),
      }),
      ...auditTools({
        audit: this.#audit,
        checkpoints: this.#checkpoints,
        peers: () => this.#membership.peers(),
        self: identity.did,
      }),
      ...pinTools({ pins: this.#pins, membership: this.#membership }),
      ...governanceTools({
        governance: this.#governance,
        grants,
        membership: this.#membership,
        keys: this.#keys,
        clock,
      }),
    ];
    this.#upstreams = this.#createUpstreams();
    this.#renewer = createRenewer({
      grants,
      self: identity.did,
      clock,
      logger: logger.child('grants'),
      isLive: (holder) =>
        this.#gateway.serves(holder) ||
        this.#membership.peer(peerIdFromDid(holder))?.state === 'alive',
    });
    this.#gateway = this.#createGateway();
    this.#wire();
  }

  status(): StatusResult {
    const { config, health } = this.#base;
    const { identity, successions } = this.#ground;
    const peers = { alive: 0, suspect: 0, dead: 0, left: 0 };
    for (const peer of this.#membership.peers()) peers[peer.state] += 1;
    return {
      name: config.name,
      version: VERSION,
      peerId: identity.peerId,
      did: identity.did,
      ...previousKeyOf(successions, identity.did, this.#membership.peers()),
      pid: process.pid,
      stateDir: config.stateDir,
      startedAt: this.#startedAt,
      mesh: this.#mesh(),
      addresses: this.#network.addresses(),
      endpoints: this.#gateway.endpoints(),
      peers,
      upstreams: this.#gateway.upstreams(),
      sessions: this.#gateway.sessions(),
      boards: this.#blackboard.names(),
      routingTable: this.#network.routingTableSize(),
      warnings: health.warnings(),
    };
  }

  peers(): readonly PeerView[] {
    return this.#membership.peers();
  }

  board(name: string): Promise<Board> {
    return this.#blackboard.board(name);
  }

  async grant(init: GrantInit): Promise<GrantSummary> {
    const args: JsonObject = {
      peer: init.peer,
      tools: [...init.tools],
      ...(init.expiresInMs === undefined ? {} : { expires_s: init.expiresInMs / 1000 }),
    };
    const tool = this.#tools.find((candidate) => candidate.definition.name === 'grant_create');
    const result = await tool?.call(args, {
      principal: OPERATOR,
      signal: new AbortController().signal,
    });
    return (result as unknown as { readonly grant: GrantSummary }).grant;
  }

  createTicket(init: { readonly expiresInMs?: number } = {}): Promise<InviteResult> {
    return this.#createTicket(init.expiresInMs ?? 86_400_000, true);
  }

  async reload(config: Config): Promise<readonly string[]> {
    const { secrets } = this.#ground;
    this.#servers = bindSecrets(config.mcpServers, (name) => secrets.lookup(name));
    await this.#gateway.configure({ ...config, mcpServers: this.#servers });
    await this.#governance.policy.reload();
    const keys = Object.keys(config) as (keyof Config)[];
    return keys.filter(
      (key) =>
        !RELOADED.includes(key) &&
        JSON.stringify(config[key]) !== JSON.stringify(this.#base.config[key]),
    );
  }

  async start(): Promise<void> {
    if (this.#running.length > 0) return;
    const { progress, logger } = this.#base;
    const { meshBook, dial } = this.#ground;
    const network = this.#network;
    try {
      await this.#startOne(this.#audit);
      await this.#startOne(this.#governance);
      await this.#startOne(this.#network);
      if (!meshBook.isMember()) await joinMesh({ ...this.#base, network, meshBook }, { dial });
      await this.#startOne(this.#membership);
      await this.#startOne(this.#checkpoints);
      await this.#startOne(this.#blackboard);
      await this.#startOne(this.#pins);
      await this.#startOne(this.#ground.counters);
      await this.#startOne(this.#gateway);
      await this.#startOne(this.#renewer);
      const waiting = this.#gateway.upstreams().filter((upstream) => upstream.state === 'starting');
      if (waiting.length > 0) progress(`starting ${waiting.map((one) => one.server).join(', ')}`);
      await this.#settled();
      logger.info({ peer: this.peerId }, 'node started');
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const part of this.#running.splice(0).toReversed()) await part.stop();
    this.#logins.stop();
    await closeGround(this.#ground);
  }

  async #startOne(part: Startable): Promise<void> {
    this.#running.push(part);
    await part.start();
  }

  /** Until each upstream is ready or has failed; at most as long as one may take to start. */
  async #settled(): Promise<void> {
    let cancel: () => void = () => undefined;
    const timeout = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SETTLE_TIMEOUT_MS);
      cancel = () => clearTimeout(timer);
    });
    await Promise.race([this.#gateway.settled(), timeout]);
    cancel();
  }

  #createUpstreams(): Upstreams {
    const { config, clock, random, logger, health } = this.#base;
    const { limits } = config;
    return createUpstreams(
      {
        servers: this.#servers,
        builtin: this.#tools,
        builtinResources: grantResources({ audit: this.#audit, grants: this.#ground.grants }),
        logins: this.#logins,
        clock,
        random,
        logger: logger.child('upstream'),
        health,
      },
      {
        messageBytes: limits.messageBytes,
        callTotalMs: limits.callTotalMs,
        callsMax: limits.callsPerSession * 4,
        instancesMax: limits.instances,
        retry: config.retry,
        catalog: { tools: limits.tools, bytes: CATALOG_BYTES_MAX },
      },
    );
  }

  #createGateway(): Gateway {
    const { config, clock, random, logger } = this.#base;
    const { identity, grants } = this.#ground;
    const { limits } = config;
    return createGateway(
      {
        upstreams: this.#upstreams,
        directory: createDirectory(
          { logger: logger.child('directory') },
          { tools: limits.tools, bytes: CATALOG_BYTES_MAX },
        ),
        guard: this.#governance.guard,
        approvals: this.#governance.approvals,
        audit: this.#audit,
        grants,
        keys: this.#keys,
        pins: this.#pins,
        self: identity.did,
        signer: identity,
        network: this.#network,
        membership: this.#membership,
        clock,
        random,
        logger: logger.child('gateway'),
      },
      {
        name: config.name,
        http: config.http,
        tcp: config.tcp,
        limits,
        keepAlive: config.keepAlive,
        list: config.list,
        views: config.views,
        socketPath: socketPath(config.stateDir),
        tokenFile: tokenFile(config.stateDir),
      },
    );
  }

  #wire(): void {
    const { grants, meshBook } = this.#ground;
    const logger = this.#base.logger.child('node');
    auditGovernance(this.#governance, this.#audit);
    this.#gateway.onCaller((caller) => this.#renewer.returned(caller));
    this.#governance.policy.events.on('change', () => this.#gateway.rejudge());
    auditGrants({ grants, self: this.#ground.identity.did }, this.#audit);
    auditDoor({ keys: this.#keys, pins: this.#pins }, this.#audit);
    this.#gateway.onCatalogChange(() => this.#membership.announce());
    this.#membership.events.on('boards', ({ peerId }, digests) =>
      this.#blackboard.compare(peerId, digests),
    );
    this.#membership.events.on('change', (peer, before) => {
      if (peer.state === 'alive' && before?.state !== 'alive') this.#renewer.returned(peer.did);
      this.events.emit('peer', peer, before);
    });
    this.#membership.events.on('evicted', (reason, hint) => {
      this.events.emit('evicted', reason, hint);
    });
    this.#network.events.on('dial:failed', (address, error) =>
      this.events.emit('dial:failed', address, error),
    );
    grants.passOn((jws) => meshBook.records().publish(jws));
    grants.events.on('revocation', (jws) => {
      meshBook
        .records()
        .add(jws)
        .catch((error: unknown) =>
          logger.error({ error: messageOf(error) }, 'revocation not passed on'),
        );
    });
  }

  async #createTicket(expiresInMs: number, canInvite: boolean): Promise<InviteResult> {
    const { ticket, expiresAt } = await this.#ground.meshBook.invite({
      addresses: this.#network.addresses(),
      expiresInMs,
      canInvite,
    });
    const mesh = this.#mesh();
    return { ticket: ticket.reveal(), mesh: mesh.name, fingerprint: mesh.fingerprint, expiresAt };
  }

  #mesh(): StatusResult['mesh'] {
    const mesh = this.#ground.meshBook.mesh();
    if (mesh === undefined)
      throw new StarlingError('STARLING_STOPPED', 'this node is in no mesh yet');
    return mesh;
  }
}
