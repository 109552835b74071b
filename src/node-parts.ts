/**
 * Makes the rooms of one node, in the order in which they need one another. Only this file,
 * `node-peer-parts.ts` and `node-agent-parts.ts` call the rooms' constructors. Nothing runs yet: `node.ts` starts and stops the parts, `node-wiring.ts` joins
 * their events.
 */
import { join } from 'node:path';
import { OPEN_AGENT_TOOLS, agentTools, eventTools, runTools } from './agents/index.ts';
import type { Agents, Runs } from './agents/index.ts';
import { createAuditFromConfig } from './audit/index.ts';
import type { Audit } from './audit/index.ts';
import { createBlackboard } from './blackboard/index.ts';
import type { Blackboard } from './blackboard/index.ts';
import {
  OPEN_RESOURCES,
  auditTools,
  boardResources,
  boardRoomTools,
  createClientBoards,
  clientTools,
  peerSummary,
  governanceTools,
  grantResources,
  grantTools,
  keyTools,
  knockTools,
  loginTools,
  memberTools,
  offeredTools,
  pinTools,
  secretTools,
  pingTool,
  statusTools,
} from './builtin/index.ts';
import type { InviteResult, LeaveResult, StatusResult } from './builtin/index.ts';
import { socketPath, tokenFile } from './config/index.ts';
import type { Config } from './config/index.ts';
import type { Did } from './core/index.ts';
import { createDirectory } from './directory/index.ts';
import type { Providers } from './directory/index.ts';
import {
  createApiKeys,
  createAttachedClients,
  createGateway,
  createLogins,
  createNodeToken,
  createPins,
  createUpstreams,
} from './gateway/index.ts';
import type {
  ApiKeys,
  AttachedClients,
  Children,
  NodeToken,
  BuiltinTool,
  Gateway,
  Logins,
  Pins,
  Sandbox,
  Upstreams,
} from './gateway/index.ts';
import { createRenewalTimer } from './grants/index.ts';
import type { RenewalTimer } from './grants/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { meshOf } from './open-state.ts';
import { createGovernance } from './guard/index.ts';
import type { ClientAccess, Governance, GovernanceComponents, Principal } from './guard/index.ts';
import { peerIdFromDid, sealerOf } from './identity/index.ts';
import { createConductTeller } from './membership/index.ts';
import type { CheckpointExchange, ConductTeller, Membership } from './membership/index.ts';
import {
  askWho,
  auditAdmission,
  createKnocks,
  createNeighbours,
  exchangeInvites,
  serveKnocks,
} from './mesh/index.ts';
import type { InvitationInit, Knocks, Neighbours } from './mesh/index.ts';
import { createNetwork } from './network/index.ts';
import type { Network } from './network/index.ts';
import { createAgentParts, createNodeChildren, createNodeSandbox } from './node-agent-parts.ts';
import {
  createNodeCheckpoints,
  createNodeMembership,
  createNodeProviders,
  presenceOf,
} from './node-peer-parts.ts';
import { createLoginStore } from './secrets/index.ts';

/** Bytes of the catalog of one peer or server. */
const CATALOG_BYTES_MAX = 16 * 1024 * 1024;
/** Calls under way at one server, as a multiple of what one session may have. */
const CALLS_PER_SERVER = 4;

/** The rooms of a node. */
export interface Parts {
  readonly audit: Audit;
  readonly network: Network;
  /** Who asks to be let in. */
  readonly knocks: Knocks;
  readonly neighbours: Neighbours;
  readonly membership: Membership;
  readonly providers: Providers;
  readonly checkpoints: CheckpointExchange;
  readonly conductTeller: ConductTeller;
  readonly blackboard: Blackboard;
  readonly agents: Agents;
  /** The agents that this node runs. */
  readonly runs: Runs;
  readonly keys: ApiKeys;
  readonly clients: AttachedClients;
  readonly token: NodeToken;
  readonly logins: Logins;
  readonly pins: Pins;
  readonly governance: Governance;
  readonly sandbox: Sandbox;
  readonly tools: readonly BuiltinTool[];
  readonly upstreams: Upstreams;
  readonly renewalTimer: RenewalTimer;
  readonly gateway: Gateway;
}

/** What the parts need of the node that they are of. */
export interface PartsInit {
  /** MCP servers as the configuration has them now, their secrets bound. */
  readonly servers: () => Config['mcpServers'];
  /** Agents as the configuration has them now, their secrets bound. */
  readonly agentConfig: () => Config['agents'];
  readonly status: () => StatusResult;
  readonly createTicket: (init: Omit<InvitationInit, 'addresses'>) => Promise<InviteResult>;
  readonly leave: () => Promise<LeaveResult>;
}

/** Makes the parts. Those that are made first ask the later ones only once all are made. */
export function createParts(base: Base, state: OpenState, init: PartsInit): Parts {
  const audit = createNodeAudit(base, state);
  const network = createNodeNetwork(base, state, audit);
  const { knocks, neighbours } = createNodeKnocks(base, state, network);
  const blackboard = createNodeBlackboard(
    base,
    state,
    network,
    (did) => membership.peers().find((peer) => peer.did === did)?.alias,
  );
  const membership = createNodeMembership(base, state, {
    network,
    boards: () => blackboard.digests(),
    load: () => gateway.load(),
    catalog: () => gateway.catalogDigest(),
    audit: () => checkpoints.presence(),
    agents: () => presenceOf(base, ofAgents.agents),
  });
  const providers = createNodeProviders(
    base,
    state,
    { network, membership },
    () => ofAgents.agents,
  );
  const checkpoints = createNodeCheckpoints(base, state, { network, membership, audit });
  const stores = createNodeStores(base, state, init);
  const sandbox = createNodeSandbox(base);
  const governance = createNodeGovernance(base, state, {
    membership,
    isExposed: (file) => sandbox.isExposed(file),
    tools: () => offeredTools(upstreams, stores.pins),
    clientAccess: (name) => accessTo(tools, name),
  });
  const peerRooms = { audit, network, knocks, neighbours, membership };
  const made = { ...peerRooms, providers, checkpoints, blackboard, ...stores };
  const ofAgents = createAgentParts(base, state, {
    network,
    membership,
    sandbox,
    keys: stores.keys,
    providers,
    guard: () => governance.guard,
    config: init.agentConfig,
    gateway: () => gateway,
  });
  const tools = createNodeTools(base, state, {
    ...made,
    ...init,
    ...ofAgents,
    governance,
    secretsChanged: () => upstreams.secretsChanged(),
    offers: { all: () => upstreams.all() },
  });
  const around = { sandbox, children: createNodeChildren(base) };
  const upstreams = createNodeUpstreams(base, state, { ...made, ...init, ...around, tools });
  const renewalTimer = createNodeRenewalTimer(base, state, { membership, gateway: () => gateway });
  const gateway = createNodeGateway(base, state, {
    ...made,
    ...around,
    governance,
    upstreams,
    callerOf: (link) => ofAgents.runs.callerOf(link),
  });
  const conductTeller = createConductTeller({ ...base, network, membership, audit });
  const later = { conductTeller, governance, sandbox, tools, upstreams, renewalTimer, gateway };
  return { ...made, ...ofAgents, ...later };
}

function createNodeRenewalTimer(
  { clock, logger }: Base,
  { grants, identity }: OpenState,
  rooms: Pick<Parts, 'membership'> & { readonly gateway: () => Gateway },
): RenewalTimer {
  const own = { grants, self: identity.did, clock, logger: logger.child('grants') };
  const isAlive = (did: Did): boolean =>
    rooms.membership.peer(peerIdFromDid(did))?.state === 'alive';
  return createRenewalTimer({
    ...own,
    isLive: (holder) => rooms.gateway().serves(holder) || isAlive(holder),
  });
}

function createNodeAudit({ config, clock, logger, health }: Base, state: OpenState): Audit {
  const { identity, successions } = state;
  return createAuditFromConfig(
    { identity, clock, logger: logger.child('audit'), health },
    {
      ...config.audit,
      folder: join(config.stateDir, 'audit'),
      formerly: successions.lineage(identity.did).slice(1),
    },
  );
}

function createNodeNetwork(
  { config, clock, random, logger, transports, tally }: Base,
  state: OpenState,
  audit: Audit,
): Network {
  const { identity, ownMesh } = state;
  const admission = auditAdmission(state.admission, audit, clock);
  const network = createNetwork(
    { identity, admission, clock, random, logger, transports, tally },
    {
      meshId: meshOf(state).id,
      name: config.name,
      listen: config.listen,
      announce: config.announce,
      bootstrap: ownMesh.isMember() ? state.dial : [],
      mdns: config.mdns,
      relay: config.relay,
      connections: config.limits.connections,
    },
  );
  exchangeInvites({ network, admission: state.admission, clock, logger: logger.child('mesh') });
  return network;
}

/** What the LAN brings besides members: other meshes, and who asks to join. Off with multicast DNS. */
function createNodeKnocks(
  { config, clock, logger, health, transports }: Base,
  state: OpenState,
  network: Network,
): Pick<Parts, 'knocks' | 'neighbours'> {
  const { ownMesh, admission } = state;
  const knocks = createKnocks({ clock, health });
  const shared = { network, clock, logger: logger.child('mesh') };
  if (config.mdns) {
    serveKnocks({ ...shared, knocks, mesh: () => ownMesh.mesh() }, { name: config.name });
  }
  const neighbours = createNeighbours({
    ...shared,
    isMember: (peer) => admission.isMember(peer),
    ownMesh: () => ownMesh.mesh()?.id,
    ask: askWho({ clock, transports }),
  });
  return { knocks, neighbours };
}

function createNodeBlackboard(
  { clock, random, logger, health }: Base,
  state: OpenState,
  network: Network,
  nameOf: (did: Did) => string | undefined,
): Blackboard {
  const { store, identity, successions } = state;
  return createBlackboard({
    network,
    table: store.table('boards'),
    history: store.table('board-history'),
    strong: store.table('board-quorum'),
    self: identity.did,
    signer: identity,
    successions,
    isOpenMesh: () => meshOf(state).open,
    nameOf,
    clock,
    random,
    logger: logger.child('blackboard'),
    health,
  });
}

function createNodeStores(
  { config, clock, logger, health }: Base,
  { store, identity, successions, grants }: OpenState,
  { servers }: PartsInit,
): Pick<Parts, 'keys' | 'clients' | 'token' | 'logins' | 'pins'> {
  const tokens = createLoginStore({
    table: store.table('logins'),
    sealer: sealerOf(identity, 'logins'),
    logger,
  });
  const keys: ApiKeys = createApiKeys({
    table: store.table('api-keys'),
    holderOf: (name) => clients.holderOf(name),
    clock,
    logger: logger.child('keys'),
  });
  const clients = createAttachedClients({
    table: store.table('clients'),
    keys,
    logger: logger.child('clients'),
  });
  return {
    keys,
    clients,
    token: createNodeToken(tokenFile(config.stateDir)),
    logins: createLogins({ servers, tokens, clock, logger: logger.child('logins') }),
    pins: createPins(
      {
        table: store.table('pins'),
        successions,
        grants,
        clock,
        logger: logger.child('pins'),
        health,
      },
      { mode: config.pins, perServerMax: config.limits.tools },
    ),
  };
}

function createNodeGovernance(
  base: Base,
  state: OpenState,
  rooms: Pick<Parts, 'membership'> &
    Pick<GovernanceComponents, 'tools' | 'clientAccess' | 'isExposed'>,
): Governance {
  const { grants, counters, store, identity } = state;
  const { name, policy } = base.config;
  return createGovernance(
    {
      ...base,
      ...rooms,
      grants,
      counters,
      table: store.table('approvals'),
      isOpen: () => meshOf(state).open,
    },
    {
      self: { name, did: identity.did },
      policy,
      open: new Set([...OPEN_RESOURCES, ...OPEN_AGENT_TOOLS]),
    },
  );
}

/** What clients may do with the tool of the built-in server that is called `name`. */
function accessTo(tools: readonly BuiltinTool[], name: string): ClientAccess {
  return tools.find(({ definition }) => definition.name === name)?.clients ?? 'no';
}

type ToolRooms = Pick<
  Parts,
  | 'agents'
  | 'runs'
  | 'audit'
  | 'blackboard'
  | 'checkpoints'
  | 'clients'
  | 'governance'
  | 'keys'
  | 'knocks'
  | 'logins'
  | 'membership'
  | 'network'
  | 'pins'
  | 'providers'
  | 'token'
> &
  PartsInit & {
    readonly secretsChanged: () => readonly string[];
    readonly offers: Pick<Upstreams, 'all'>;
  };

function createNodeTools(
  { clock, config }: Base,
  { admission, grants, counters, members, secrets, identity, store }: OpenState,
  rooms: ToolRooms,
): readonly BuiltinTool[] {
  const { audit, blackboard, checkpoints, clients, governance, keys, logins, membership } = rooms;
  const { network, offers, pins, servers, status, token, createTicket } = rooms;
  const self = { did: identity.did, name: config.name };
  return [
    ...statusTools({ membership, network, providers: rooms.providers, status }),
    pingTool({ membership, network }),
    ...memberTools({
      grants,
      counters,
      admission,
      membership,
      members,
      network,
      self,
      summaryOf: (view) => peerSummary({ network }, view),
      leave: rooms.leave,
    }),
    ...grantTools({
      clock,
      grants,
      counters,
      admission,
      members,
      membership,
      offers,
      self,
      boards: { blackboard, self: identity.did },
      createTicket,
    }),
    ...knockTools({ knocks: rooms.knocks, createTicket }),
    ...agentTools({ agents: rooms.agents, end: (...how) => rooms.runs.end(...how) }),
    ...runTools({ runs: rooms.runs }),
    ...eventTools({ agents: rooms.agents }),
    ...boardRoomTools({
      blackboard,
      clock,
      membership,
      rights: createClientBoards({ table: store.table('client-boards') }),
      self: { did: identity.did, name: config.name },
    }),
    ...keyTools({ clock, keys }),
    ...clientTools({ clients, token }),
    ...loginTools({ logins }),
    ...secretTools({ secrets, servers, changed: rooms.secretsChanged }),
    ...auditTools({
      audit,
      checkpoints,
      peers: () => membership.peers(),
      self: identity.did,
    }),
    ...pinTools({ pins, membership }),
    ...governanceTools({ governance, grants, membership, keys, clock, self }),
  ];
}

function createNodeUpstreams(
  base: Base,
  { grants, store }: OpenState,
  {
    audit,
    blackboard,
    children,
    logins,
    sandbox,
    servers,
    tools,
  }: Pick<Parts, 'audit' | 'blackboard' | 'logins' | 'sandbox' | 'tools'> &
    PartsInit & { readonly children: Children },
): Upstreams {
  const { config, clock, random, logger, health } = base;
  const { limits } = config;
  return createUpstreams(
    {
      servers: servers(),
      builtin: tools,
      builtinResources: grantResources({ audit, grants }),
      builtinTemplates: boardResources({
        blackboard,
        rights: createClientBoards({ table: store.table('client-boards') }),
      }),
      logins,
      clock,
      random,
      logger: logger.child('upstream'),
      health,
      sandbox,
      children,
    },
    {
      messageBytes: limits.messageBytes,
      callTotalMs: limits.callTotalMs,
      callsMax: limits.callsPerSession * CALLS_PER_SERVER,
      instancesMax: limits.instances,
      retry: config.retry,
      catalog: { tools: limits.tools, bytes: CATALOG_BYTES_MAX },
    },
  );
}

function createNodeGateway(
  { config, clock, random, logger, health }: Base,
  { identity, grants, store }: OpenState,
  rooms: Omit<
    Parts,
    | 'agents'
    | 'blackboard'
    | 'checkpoints'
    | 'conductTeller'
    | 'gateway'
    | 'knocks'
    | 'logins'
    | 'neighbours'
    | 'renewalTimer'
    | 'runs'
    | 'tools'
  > & {
    readonly children: Children;
    callerOf(this: void, link: string): Principal | undefined;
  },
): Gateway {
  const { name, http, tcp, limits, keepAlive, list, views, stateDir } = config;
  const { audit, callerOf, children, clients, governance, keys, membership, network } = rooms;
  const { pins, providers, sandbox, token, upstreams } = rooms;
  return createGateway(
    {
      clients,
      token,
      upstreams,
      directory: createDirectory(
        {
          logger: logger.child('directory'),
          health,
          nameOf: (peer) => membership.peer(peer)?.alias ?? peer,
        },
        { tools: limits.tools, bytes: CATALOG_BYTES_MAX },
      ),
      lacking: providers.lacking,
      guard: governance.guard,
      approvals: governance.approvals,
      audit,
      state: store,
      grants,
      keys,
      callerOf,
      pins,
      sandbox,
      children,
      self: identity.did,
      signer: identity,
      network,
      membership,
      clock,
      random,
      logger: logger.child('gateway'),
    },
    {
      name,
      http,
      tcp,
      limits,
      keepAlive,
      list,
      views,
      socketPath: socketPath(stateDir),
      tokenFile: tokenFile(stateDir),
    },
  );
}
