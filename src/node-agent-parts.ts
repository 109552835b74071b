/** The parts of a node that its agents stand on, those that it runs among them. */
import {
  EVENTS_ALLOWANCE,
  createAgentMemory,
  createAgents,
  createRemoteAgents,
  createRuns,
  createSpreads,
  findLimitMeans,
  runPrincipal,
} from './agents/index.ts';
import type {
  AgentMemory,
  Agents,
  AgentsComponents,
  RemoteAgents,
  Runs,
  RunsComponents,
  Spreads,
} from './agents/index.ts';
import type { Funds } from './budget/index.ts';
import { CLIENT_LOCAL, CLIENT_TCP } from './config/index.ts';
import type { Blackboard } from './blackboard/index.ts';
import { createClientBoards } from './builtin/index.ts';
import type { Contexts } from './contexts/index.ts';
import type { Did, PeerId } from './core/index.ts';
import { OFFER_KIND } from './directory/index.ts';
import type { CatalogDocuments, Providers } from './directory/index.ts';
import type { ApiKeys, AttachedClients, Gateway, Sandbox, TokenClients } from './gateway/index.ts';
import { OPERATOR, attachedClient, keyOf } from './guard/index.ts';
import type { Governance, Guard, Link, Principal } from './guard/index.ts';
import { boxOpenerOf, closeBox } from './identity/index.ts';
import type { Learning } from './learning/index.ts';
import type { Membership } from './membership/index.ts';
import type { Batches } from './models/index.ts';
import type { Network } from './network/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { createCollaborations, createOrchestrations } from './orchestration/index.ts';
import type { Collaborations, Orchestrations } from './orchestration/index.ts';
import {
  createNodeContexts,
  createNodeLearning,
  createThinkingParts,
} from './node-thinking-parts.ts';
import type { ThinkingRooms } from './node-thinking-parts.ts';
import { createSwarms } from './swarms/index.ts';
import type { Swarms } from './swarms/index.ts';
import { createTasks } from './tasks/index.ts';
import type { Tasks } from './tasks/index.ts';
import { proposePhases } from './thinking/index.ts';

/** The gossip topic of what agents tell to all. */
const EVENTS_TOPIC = 'events';

/** What agents stand on. */
export interface AgentRooms
  extends Pick<RunsComponents, 'config'>, Omit<ThinkingRooms, 'contexts' | 'gateway' | 'learning'> {
  readonly governance: Pick<Governance, 'callerRules' | 'guard' | 'sourceZones'>;
  readonly network: Network;
  readonly providers: Pick<Providers, 'find' | 'lacking'>;
  readonly membership: Membership;
  readonly documents: Pick<CatalogDocuments, 'agentsOf' | 'changed'>;
  readonly blackboard: Blackboard;
  readonly sandbox: Pick<Sandbox, 'means'>;
  readonly clients: Pick<AttachedClients, 'holderOf'>;
  readonly tokens: Pick<TokenClients, 'scopesOf'>;
  readonly keys: Pick<ApiKeys, 'list'>;
  /** Gives what is made its budgets. */
  readonly funds: Funds;
  /** Both are made later. */
  readonly batches: () => Pick<Batches, 'disown'>;
  readonly gateway: () => Pick<
    Gateway,
    'callPeer' | 'clear' | 'forgetAgent' | 'innerCaller' | 'relayToPeer' | 'startAgent'
  >;
}

/** Makes who is an agent here, the road to those elsewhere, and what runs those that are this node's own. */
export function createAgentParts(
  base: Base,
  state: OpenState,
  rooms: AgentRooms,
): {
  readonly agents: Agents;
  readonly contexts: Contexts;
  readonly learning: Learning;
  readonly memory: AgentMemory;
  readonly remote: RemoteAgents;
  readonly runs: Runs;
  readonly spreads: Spreads;
  readonly tasks: Tasks;
  readonly swarms: Swarms;
  readonly orchestrations: Orchestrations;
  readonly collaborations: Collaborations;
} {
  const { blackboard, gateway, governance, membership, network, providers } = rooms;
  const guard = (): Guard => governance.guard;
  const agents = createNodeAgents(base, state, {
    network,
    membership,
    lacking: providers.lacking,
    guard,
    callPeer: (...call) => gateway().callPeer(...call),
    relayToPeer: (...onward) => gateway().relayToPeer(...onward),
    runOf: (name) => runs.viewOf(name),
    spreadOf: (name) => spreads.view(name),
    callerOf: (link) => runs.callerOf(link),
    trustOf: (principal) => governance.callerRules.of(principal).trust,
    blackboard,
    eventsBoard: () => rooms.config().events,
    listedBy: (peer) => rooms.documents.agentsOf(peer),
    beyond: (kind) => beyondRoster(providers, kind),
    listingChanged: () => rooms.documents.changed(),
    retiring: retiring(() => ({ ...together, tasks, batches: rooms.batches() })),
  });
  const contexts = createNodeContexts(base, state, rooms);
  const memory = createNodeMemory(state, blackboard, (agent, taint) =>
    runs.running(agent)?.heard(taint),
  );
  const learning = createNodeLearning(base, state, { governance, runs: () => runs });
  const runs: Runs = createNodeRuns(base, state, {
    ...rooms,
    memory: forgetting({ contexts, gateway, learning, memory }),
    ...createThinkingParts(base, state, { ...rooms, contexts, learning }),
    guard,
    agents,
    startProcess: (start) => gateway().startAgent(start),
  });
  const spreads = createNodeSpreads(base, state, { ...rooms, guard, runs });
  const remote = createNodeRemote(base, state, agents);
  const tasks = createNodeTasks(base, state, { ...rooms, agents, runs });
  const together = createSwarmParts(base, state, { ...rooms, agents, learning, runs, tasks });
  return { agents, contexts, learning, memory, remote, runs, spreads, tasks, ...together };
}

/** Makes what agents here are given to do, by the rights of whoever has submitted it. */
function createNodeTasks(
  { clock, config, logger, random }: Base,
  { identity, store }: OpenState,
  {
    agents,
    blackboard,
    funds,
    gateway,
    governance,
    membership,
    runs,
  }: Pick<AgentRooms, 'blackboard' | 'funds' | 'gateway' | 'governance' | 'membership'> & {
    readonly agents: Agents;
    readonly runs: Runs;
  },
): Tasks {
  return createTasks({
    table: store.table('tasks'),
    signer: identity,
    self: { name: config.name, did: identity.did },
    blackboard,
    agents,
    membership,
    callPeer: (...call) => gateway().callPeer(...call),
    clear: (action) => gateway().clear(action),
    funds,
    principalOf: (key) => runs.callerOf(key) ?? OPERATOR,
    zoneOf: (principal) => governance.callerRules.of(principal).zone,
    clock,
    random,
    logger: logger.child('tasks'),
  });
}

/** Makes the swarms of the node's agents, and what they do by plans. */
function createSwarmParts(
  { clock, config, logger, random }: Base,
  { grants, identity, store }: OpenState,
  {
    agents,
    blackboard,
    learning,
    membership,
    models,
    runs,
    tasks,
    ...rooms
  }: AgentRooms & {
    readonly agents: Agents;
    readonly learning: Learning;
    readonly runs: Runs;
    readonly tasks: Tasks;
  },
): {
  readonly swarms: Swarms;
  readonly orchestrations: Orchestrations;
  readonly collaborations: Collaborations;
} {
  const swarms = createSwarms({
    agents,
    runs,
    kinds: () => Object.keys(rooms.config().kinds),
    funds: rooms.funds,
    blackboard,
    membership,
    grants,
    self: identity.did,
    node: { name: config.name, did: identity.did },
    table: store.table('swarms'),
    clock,
    random,
    logger: logger.child('swarms'),
  });
  const orchestrations = createOrchestrations({
    agents,
    swarms,
    tasks,
    funds: rooms.funds,
    // Of agents elsewhere nobody here keeps anything.
    found: async ({ agent, did, ...found }) => {
      if (did === identity.did) await learning.found(agent, found);
    },
    propose: (asked) =>
      proposePhases({ models: models(), messageBytes: config.limits.messageBytes }, asked),
    table: store.table('plans'),
    principalOf: (key) => runs.callerOf(key) ?? OPERATOR,
    zoneOf: (principal) => rooms.governance.callerRules.of(principal).zone,
    clock,
    random,
    logger: logger.child('orchestration'),
  });
  const clientBoards = createClientBoards({ table: store.table('client-boards') });
  const collaborations = createCollaborations({
    agents,
    blackboard,
    membership,
    letRead: (board, client) => clientBoards.give(board, { client, ability: 'read', prefix: '' }),
    node: { name: config.name, did: identity.did },
    clock,
    random,
  });
  return { swarms, orchestrations, collaborations };
}

/** Takes what is known by the name of an agent here with it: whoever takes the name later has none of it. */
function retiring(
  rooms: () => {
    readonly swarms: Pick<Swarms, 'retired'>;
    readonly orchestrations: Pick<Orchestrations, 'retired'>;
    readonly tasks: Pick<Tasks, 'retired'>;
    readonly batches: Pick<Batches, 'disown'>;
  },
): (name: string) => Promise<void> {
  return async (name) => {
    const { batches, orchestrations, swarms, tasks } = rooms();
    const whom = runPrincipal(name, []);
    await swarms.retired(name, whom);
    await orchestrations.retired(whom);
    await tasks.retired(whom);
    await batches.disown(keyOf(whom));
  };
}

/** Whose name is given up has learned nothing any more, either, is shown no conversation, and has no calls that are tasks. */
function forgetting({
  contexts,
  gateway,
  learning,
  memory,
}: {
  readonly contexts: Pick<Contexts, 'hideFrom'>;
  readonly gateway: () => Pick<Gateway, 'forgetAgent'>;
  readonly learning: Pick<Learning, 'forgetAgent'>;
  readonly memory: Pick<AgentMemory, 'forget'>;
}): Pick<AgentMemory, 'forget'> {
  return {
    async forget(name) {
      await memory.forget(name);
      await learning.forgetAgent(name);
      await contexts.hideFrom(`client:agent:${name}`);
      gateway().forgetAgent(name);
    },
  };
}

function sealingOf(identity: OpenState['identity']): AgentsComponents['sealing'] {
  const open = boxOpenerOf(identity);
  return {
    seal: (did, text) => Buffer.from(closeBox(did, Buffer.from(text))).toString('base64'),
    open: (sealed) => Buffer.from(open(Buffer.from(sealed, 'base64'))).toString('utf8'),
  };
}

/** Who was found in the DHT, and has said by its signature that it offers this; bounded by the time that a search takes. */
async function beyondRoster(
  providers: Pick<Providers, 'find'>,
  kind: string,
): Promise<readonly PeerId[]> {
  if (!OFFER_KIND.test(kind)) return [];
  const { signal } = new AbortController();
  const found = await providers.find(kind, { signal });
  return found.filter(({ by }) => by === 'dht').map(({ peer }) => peer);
}

function createNodeAgents(
  { config, clock, random, logger }: Base,
  { store, identity }: OpenState,
  rooms: Pick<
    AgentsComponents,
    | 'beyond'
    | 'blackboard'
    | 'callPeer'
    | 'callerOf'
    | 'eventsBoard'
    | 'guard'
    | 'lacking'
    | 'listedBy'
    | 'listingChanged'
    | 'membership'
    | 'relayToPeer'
    | 'retiring'
    | 'runOf'
    | 'spreadOf'
    | 'trustOf'
  > & {
    readonly network: Network;
  },
): Agents {
  return createAgents({
    ...rooms,
    topic: rooms.network.topic(EVENTS_TOPIC, EVENTS_ALLOWANCE),
    table: store.table('agents'),
    sealing: sealingOf(identity),
    self: { name: config.name, did: identity.did, peerId: identity.peerId },
    clock,
    random,
    logger: logger.child('agents'),
  });
}

function createNodeMemory(
  { store, identity }: OpenState,
  blackboard: Blackboard,
  recalled: NonNullable<Parameters<typeof createAgentMemory>[0]['recalled']>,
): AgentMemory {
  const table = store.table('agents');
  return createAgentMemory({ blackboard, table, self: identity.did, recalled });
}

function createNodeRemote(
  { clock, logger }: Base,
  { secrets, store }: OpenState,
  agents: Agents,
): RemoteAgents {
  return createRemoteAgents({
    agents,
    table: store.table('agents'),
    secret: (name) => secrets.lookup(name),
    clock,
    logger: logger.child('agents'),
  });
}

function createNodeSpreads(
  { clock, config, health, logger }: Base,
  { identity }: OpenState,
  {
    blackboard,
    config: agentConfig,
    gateway,
    guard,
    membership,
    runs,
  }: Pick<AgentRooms, 'blackboard' | 'config' | 'gateway' | 'membership'> & {
    readonly guard: () => Guard;
    readonly runs: Runs;
  },
): Spreads {
  return createSpreads({
    runs,
    guard,
    blackboard,
    membership,
    callPeer: (...call) => gateway().callPeer(...call),
    config: agentConfig,
    signer: identity,
    self: { name: config.name, did: identity.did },
    health,
    clock,
    logger: logger.child('agents'),
  });
}

interface RunRooms extends Pick<
  RunsComponents,
  | 'agents'
  | 'config'
  | 'funds'
  | 'guard'
  | 'memory'
  | 'modelScopes'
  | 'requireModelThere'
  | 'startMind'
  | 'startProcess'
> {
  readonly keys: Pick<ApiKeys, 'list'>;
  readonly clients: Pick<AttachedClients, 'holderOf'>;
  readonly tokens: Pick<TokenClients, 'scopesOf'>;
  readonly membership: Pick<Membership, 'find'>;
  readonly sandbox: Pick<Sandbox, 'means'>;
}

function createNodeRuns(
  { clock, random, logger, health }: Base,
  { store, identity }: OpenState,
  rooms: RunRooms,
): Runs {
  return createRuns({
    ...rooms,
    table: store.table('agents'),
    async noSandbox() {
      const means = await rooms.sandbox.means();
      return means.kind === 'none' ? means : undefined;
    },
    self: identity.did,
    principalOf: (link) => principalOf(link, { ...rooms, self: identity.did, now: clock.now() }),
    limits: findLimitMeans(),
    clock,
    random,
    logger: logger.child('agents'),
    health,
  });
}

/** Whom a link means now: whoever is nobody any more has no rights. Undefined for the operator of this node. */
export function principalOf(
  { client, did, node }: Link,
  rooms: Pick<RunRooms, 'clients' | 'keys' | 'membership' | 'tokens'> & {
    readonly self: Did;
    readonly now: number;
  },
): Principal | undefined {
  const { membership, self } = rooms;
  const isElsewhere = node !== undefined && node !== self;
  if (client !== undefined && !isElsewhere) return clientOf(client, rooms, rooms.now);
  if (did === self && node === undefined) return undefined;
  // What somebody may do for whom a peer vouches is what that peer may.
  const holder = isElsewhere ? node : did;
  if (holder === undefined) return { kind: 'client', name: 'nobody', scopes: [] };
  const peer = node === self ? undefined : membership.find(holder);
  if (peer === undefined) return { kind: 'agent', did: holder, name: 'an agent' };
  const { peerId, alias } = peer;
  const known = { kind: 'peer', peerId, did: peer.did, alias } as const;
  if (!isElsewhere) return known;
  return { ...known, onBehalfOf: did === undefined ? { name: client ?? '' } : { did } };
}

function clientOf(
  name: string,
  { keys, clients, tokens }: Pick<RunRooms, 'keys' | 'clients' | 'tokens'>,
  now: number,
): Principal {
  const held = keys.list().find((one) => one.name === name);
  if (held !== undefined) {
    const isOver = held.expiresAt !== undefined && held.expiresAt <= now;
    return { kind: 'client', name, scopes: isOver ? [] : held.scopes };
  }
  const byToken = tokens.scopesOf(name, now);
  if (byToken !== undefined) return { kind: 'client', name, scopes: byToken };
  // A key that was revoked leaves a name that anybody could have had.
  const isAttached =
    name === CLIENT_LOCAL || name === CLIENT_TCP || clients.holderOf(name) !== undefined;
  return isAttached ? attachedClient(name) : { kind: 'client', name, scopes: [] };
}
