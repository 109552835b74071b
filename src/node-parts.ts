/**
 * Makes the rooms of one node, in the order in which they need one another. Only this file and those that it imports
 * (`node-peer-parts.ts`, `node-agent-parts.ts`, `node-model-parts.ts`, `node-tools.ts`, `node-gateway-parts.ts`) call the rooms' constructors.
 * Nothing runs yet: `node.ts` starts and stops the parts, `node-wiring.ts` joins their events.
 */
import { join } from 'node:path';
import { OPEN_AGENT_TOOLS } from './agents/index.ts';
import { createAuditFromConfig } from './audit/index.ts';
import type { Audit } from './audit/index.ts';
import { createBlackboard } from './blackboard/index.ts';
import type { Blackboard, BlackboardComponents } from './blackboard/index.ts';
import { OPEN_RESOURCES, offeredTools } from './builtin/index.ts';
import { tokenFile } from './config/index.ts';
import { Secret, messageOf } from './core/index.ts';
import type { Did } from './core/index.ts';
import { createDashboard } from './dashboard/index.ts';
import {
  createApiKeys,
  createAttachedClients,
  createTokenClients,
  createLogins,
  createNodeToken,
  createPins,
} from './gateway/index.ts';
import type { ApiKeys, BuiltinTool, Gateway } from './gateway/index.ts';
import { createRenewalTimer } from './grants/index.ts';
import type { RenewalTimer } from './grants/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { meshOf } from './open-state.ts';
import { createGovernance } from './guard/index.ts';
import type { ClientAccess, Governance, GovernanceComponents } from './guard/index.ts';
import { peerIdFromDid, sealerOf } from './identity/index.ts';
import { createConductTeller } from './membership/index.ts';
import {
  askWho,
  auditAdmission,
  createKnocks,
  createNeighbours,
  exchangeInvites,
  serveKnocks,
} from './mesh/index.ts';
import { createNetwork } from './network/index.ts';
import type { Network } from './network/index.ts';
import { createAgentParts } from './node-agent-parts.ts';
import { createModelParts } from './node-model-parts.ts';
import { createNodeGateway, createNodeUpstreams } from './node-gateway-parts.ts';
import {
  createNodeBudgets,
  createNodeSpendings,
  createNodeCheckpoints,
  createNodeMembership,
  createOffers,
  presenceOf,
} from './node-peer-parts.ts';
import type { Parts, PartsInit } from './node-rooms.ts';
import { createNodeFigures } from './node-metrics.ts';
import { createNodeProposals } from './node-proposal-parts.ts';
import type { ProposalRooms } from './node-proposal-parts.ts';
import { createNodeChildren, createNodeSandbox } from './node-process-parts.ts';
import { createNodeTools } from './node-tools.ts';
import { createLoginStore } from './secrets/index.ts';
import { OPEN_TASK_TOOLS } from './tasks/index.ts';

/** Makes the parts. Those that are made first ask the later ones only once all are made. */
export function createParts(base: Base, state: OpenState, init: PartsInit): Parts {
  const audit = createNodeAudit(base, state);
  const network = createNodeNetwork(base, state, audit);
  const { knocks, neighbours } = createNodeKnocks(base, state, network);
  const blackboard = createNodeBlackboard(base, state, {
    network,
    audit,
    nameOf: (did) => membership.find(did)?.alias,
    members: () => membership.peers().filter(({ state: now }) => now === 'alive'),
  });
  const membership = createNodeMembership(base, state, {
    network,
    boards: () => blackboard.digests(),
    load: () => gateway.load(),
    catalog: () => gateway.catalogDigest(),
    audit: () => checkpoints.presence(),
    agents: () => ({ ...presenceOf(base, ofAgents.agents), ...offered.documents.presence() }),
    isSpokenOf: (alias) => `peer:${alias}` in governance.policy.current().file.callers,
  });
  const offered = createOffers(base, state, {
    network,
    membership,
    agents: () => ofAgents.agents,
    gateway: () => gateway,
  });
  const checkpoints = createNodeCheckpoints(base, state, { network, membership, audit });
  const budgets = createNodeBudgets(base, state, { network, membership, gateway: () => gateway });
  const stores = createNodeStores(base, state, init);
  const sandbox = createNodeSandbox(base, init);
  const governance = createNodeGovernance(base, state, {
    membership,
    isExposed: (file) => sandbox.isExposed(file),
    tools: () => offeredTools(upstreams, stores.pins),
    clientAccess: (name) => accessTo(tools, name),
    mayHold: (budget, did) => budgets.mayHold(budget, did),
  });
  const peerRooms = { audit, network, knocks, neighbours, membership };
  const made = { ...peerRooms, ...offered, checkpoints, blackboard, budgets, ...stores };
  const ofBudgets = createNodeSpendings(base, { budgets, governance, made: () => ofAgents });
  const decided = { ...ofBudgets, governance };
  const ofAgents = createAgentParts(base, state, {
    ...made,
    ...decided,
    sandbox,
    ...laterModels(() => ofModels),
    modelConfig: init.modelConfig,
    config: init.agentConfig,
    gateway: () => gateway,
  });
  const shown = createShown(base, state, { ...made, ...init, sandbox, gateway: () => gateway });
  const own = { ...made, ...init, ...ofAgents, ...shown };
  const ofModels = createModelParts(base, state, { ...own, ...decided });
  const tools = createNodeTools(base, state, {
    ...own,
    ...ofModels,
    ...decided,
    secretsChanged: () => upstreams.secretsChanged(),
    gateway: () => gateway,
    upstreams: () => upstreams,
    metrics: () => told.metrics,
  });
  const below = { ...own, sandbox, children: createNodeChildren(base), ...ofModels };
  const upstreams = createNodeUpstreams(base, state, { ...below, tools });
  const renewalTimer = createNodeRenewalTimer(base, state, { membership, gateway: () => gateway });
  const told = createNodeFigures(base, state, { ...below, gateway: () => gateway });
  const gateway = createNodeGateway(base, state, { ...below, ...decided, ...told, upstreams });
  const conductTeller = createConductTeller({ ...base, network, membership, audit });
  const later = { conductTeller, governance, sandbox, tools, upstreams, renewalTimer, gateway };
  return { ...made, ...ofAgents, ...ofModels, ...later, ...told, ...shown };
}

/** What agents ask of the rooms of models, which are made after them. */
function laterModels(rooms: () => Pick<Parts, 'batches' | 'models'>): {
  readonly models: () => Parts['models'];
  readonly batches: () => Parts['batches'];
} {
  return { models: () => rooms().models, batches: () => rooms().batches };
}

/** What the operator looks at, and answers. */
function createShown(
  base: Base,
  state: OpenState,
  rooms: Omit<ProposalRooms, 'gateway'> & { readonly gateway: () => Gateway },
): Pick<Parts, 'dashboard' | 'proposals'> {
  return {
    dashboard: createDashboard({ ...base, endpoint: () => rooms.gateway().endpoints().url }),
    proposals: createNodeProposals(base, state, rooms),
  };
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
    // What this node has given to itself, edges of swarms, is in use.
    isLive: (holder) =>
      holder === identity.did || rooms.gateway().serves(holder) || isAlive(holder),
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
      upnp: config.upnp,
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
  const shared = { network, clock, logger: logger.child('mesh') };
  const endTicket = (ticket: string): void => {
    admission
      .endTicket(new Secret(ticket))
      .catch((error: unknown) => logger.warn({ error: messageOf(error) }, 'ticket not ended'));
  };
  const knocks = createKnocks({ clock, health, endTicket });
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
  {
    audit,
    ...others
  }: Pick<BlackboardComponents, 'nameOf' | 'members' | 'network'> & { readonly audit: Audit },
): Blackboard {
  const { store, identity, successions } = state;
  return createBlackboard({
    adopted: (board, owner) =>
      audit.note({
        kind: 'mesh',
        who: identity.did,
        what: { ability: 'board/adopt', resource: `board:${board}` },
        outcome: 'ok',
        reason: `what still counts of what ${owner} wrote, who is away, is carried by this node`,
      }),
    table: store.table('boards'),
    history: store.table('board-history'),
    strong: store.table('board-quorum'),
    self: identity.did,
    signer: identity,
    successions,
    isOpenMesh: () => meshOf(state).open,
    ...others,
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
): Pick<Parts, 'keys' | 'clients' | 'tokens' | 'token' | 'logins' | 'pins'> {
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
    tokens: createTokenClients(),
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
    Pick<GovernanceComponents, 'tools' | 'clientAccess' | 'isExposed' | 'mayHold'>,
): Governance {
  const { grants, counters, store, identity } = state;
  const { name, policy } = base.config;
  return createGovernance(
    {
      ...base,
      ...rooms,
      isCalled: (alias) => rooms.membership.byAlias(alias) !== undefined,
      grants,
      counters,
      table: store.table('approvals'),
      isOpen: () => meshOf(state).open,
    },
    {
      self: { name, did: identity.did },
      policy,
      open: new Set([...OPEN_RESOURCES, ...OPEN_AGENT_TOOLS, ...OPEN_TASK_TOOLS]),
    },
  );
}

/** What clients may do with the tool of the built-in server that is called `name`. */
function accessTo(tools: readonly BuiltinTool[], name: string): ClientAccess {
  return tools.find(({ definition }) => definition.name === name)?.clients ?? 'no';
}
