/** The parts of a node that stand on knowing its peers: who offers what, and what peers saw of audit logs. */
import type { Agents, Runs } from './agents/index.ts';
import { createCheckpointStore } from './audit/index.ts';
import type { Audit } from './audit/index.ts';
import { createBudgets, createFunds, createSpendings, readPrices } from './budget/index.ts';
import type { Budgets, Funds, Spendings } from './budget/index.ts';
import {
  OFFERS_MAX,
  createCatalogDocuments,
  createDirectory,
  createProviders,
  soundListing,
} from './directory/index.ts';
import type { CatalogDocuments, Directory, KeptListing, Providers } from './directory/index.ts';
import { VERSION } from './core/index.ts';
import type { PeerId } from './core/index.ts';
import { createCheckpointExchange, createMembership } from './membership/index.ts';
import type { CheckpointExchange, Membership, Presence } from './membership/index.ts';
import { peerIdFromDid } from './identity/index.ts';
import type { Governance, Guard, Principal } from './guard/index.ts';
import type { Gateway } from './gateway/index.ts';
import { OPERATOR } from './guard/index.ts';
import type { Network } from './network/index.ts';
import type { Base, OpenState } from './open-state.ts';
import type { Swarms } from './swarms/index.ts';
import type { Tasks } from './tasks/index.ts';

/** Bytes of the catalog of one peer or server. */
export const CATALOG_BYTES_MAX = 16 * 1024 * 1024;
const NO_BUDGETS: readonly string[] = [];

/** What these parts stand on. */
export interface PeerRooms {
  readonly audit: Audit;
  readonly network: Network;
  readonly membership: Membership;
}

/** What the configuration says that this node offers, and what its agents do, as far as every member may see them. */
function offersOf(
  { config }: Pick<Base, 'config'>,
  agents: Pick<Agents, 'offers'>,
): readonly string[] {
  return [...new Set([...config.offers, ...agents.offers()])].slice(0, OFFERS_MAX);
}

/** What heartbeats say of the agents and the offers of this node. */
export function presenceOf(
  base: Pick<Base, 'config'>,
  agents: Agents,
): Pick<Presence, 'agents' | 'offers'> {
  const offers = offersOf(base, agents);
  return { ...agents.presence(), ...(offers.length === 0 ? {} : { offers }) };
}

/** Makes the view of who is there. */
export function createNodeMembership(
  { config, clock, random, logger, health }: Base,
  { store, ownMesh, identity }: OpenState,
  rooms: {
    readonly network: Network;
    readonly boards: () => Readonly<Record<string, string>>;
    readonly load: () => number;
    readonly catalog: () => string;
    readonly audit: CheckpointExchange['presence'];
    readonly agents: () => Pick<Presence, 'agents' | 'lists' | 'offers'>;
    readonly isSpokenOf: (alias: string) => boolean;
  },
): Membership {
  const { network, boards, load, catalog, audit, agents, isSpokenOf } = rooms;
  return createMembership(
    {
      network,
      ownMesh,
      // Each that joins has several of every node's: by tweetnacl, 4 ms each, they were the greater part of joining.
      identity: { sign: (message) => identity.signOften(message) },
      table: store.table('peers'),
      runs: store.table('runs'),
      health,
      presence: () => ({
        name: config.name,
        version: VERSION,
        addresses: network.addresses(),
        load: load(),
        catalog: catalog(),
        ...audit(),
        ...agents(),
      }),
      boards,
      isSpokenOf,
      clock,
      random,
      logger: logger.child('membership'),
    },
    config.heartbeat,
  );
}

/** Makes what is known of what peers offer. */
function createNodeDirectory(
  { config, logger, health }: Base,
  { membership }: Pick<PeerRooms, 'membership'>,
): Directory {
  return createDirectory(
    {
      logger: logger.child('directory'),
      health,
      nameOf: (peer) => membership.peer(peer)?.alias ?? peer,
    },
    { tools: config.limits.tools, bytes: CATALOG_BYTES_MAX },
  );
}

/** Makes what brings the catalogs that nodes list to all members, from hand to hand. */
function createNodeDocuments(
  { clock, random, logger, health }: Base,
  { store, identity }: OpenState,
  rooms: Omit<PeerRooms, 'audit'> & {
    readonly directory: Directory;
    readonly gateway: () => Pick<Gateway, 'listing'>;
    readonly agents: () => Pick<Agents, 'announced'>;
  },
): CatalogDocuments {
  const { agents, network, membership, directory, gateway } = rooms;
  return createCatalogDocuments({
    network,
    membership,
    table: store.table('catalog'),
    identity: { sign: (message) => identity.signOften(message) },
    listed() {
      const servers = gateway().listing();
      return servers === undefined ? undefined : { servers, agents: agents().announced() };
    },
    show: (owner, { servers }) => directory.setListed(owner, servers),
    announce: () => membership.announce(),
    clock,
    random,
    logger: logger.child('documents'),
    health,
  });
}

/** What a peer lists to all members, or listed last where it is away, as far as it is sound. */
export function listingOf(
  { config, logger }: Pick<Base, 'config' | 'logger'>,
  documents: Pick<CatalogDocuments, 'kept'>,
  peer: PeerId,
): KeptListing | undefined {
  const kept = documents.kept(peer);
  const limits = { tools: config.limits.tools, bytes: CATALOG_BYTES_MAX };
  return kept === undefined ? undefined : soundListing(kept, limits, logger.child('directory'));
}

/** Makes what finds out who offers which kind of capability. */
function createNodeProviders(
  base: Base,
  { admission, identity }: OpenState,
  { network, membership }: Omit<PeerRooms, 'audit'>,
  agents: () => Pick<Agents, 'offers'>,
): Providers {
  return createProviders({
    ...base,
    network,
    membership,
    identity,
    isMember: (peer) => admission.isMember(peer),
    offers: () => offersOf(base, agents()),
    logger: base.logger.child('directory'),
  });
}

/** Makes the parts that know who offers what. */
export function createOffers(
  base: Base,
  state: OpenState,
  rooms: Omit<PeerRooms, 'audit'> & {
    readonly agents: () => Pick<Agents, 'announced' | 'offers'>;
    readonly gateway: () => Pick<Gateway, 'listing'>;
  },
): {
  readonly directory: Directory;
  readonly documents: CatalogDocuments;
  readonly providers: Providers;
} {
  const directory = createNodeDirectory(base, rooms);
  const documents = createNodeDocuments(base, state, { ...rooms, directory });
  const providers = createNodeProviders(base, state, rooms, rooms.agents);
  return { directory, documents, providers };
}

/** Makes the exchange of what peers saw of one another's audit logs. */
export function createNodeCheckpoints(
  base: Base,
  { store, identity, successions }: OpenState,
  rooms: PeerRooms,
): CheckpointExchange {
  return createCheckpointExchange({
    ...base,
    ...rooms,
    checkpoints: createCheckpointStore({ ...base, table: store.table('checkpoints') }),
    self: identity.did,
    lineage: (did) => successions.lineage(did),
  });
}

/** Makes the budgets of this node, whose rights move over the gateway like any call of a peer's tool. */
export function createNodeBudgets(
  { config, clock, logger, health }: Base,
  { store, identity, successions, ownMesh }: OpenState,
  rooms: Omit<PeerRooms, 'audit'> & { readonly gateway: () => Pick<Gateway, 'callPeer'> },
): Budgets {
  const { network, membership, gateway } = rooms;
  return createBudgets({
    table: store.table('budgets'),
    history: store.table('budget-history'),
    signer: identity,
    successions,
    network,
    selfName: config.name,
    peers: () => membership.peers(),
    nameOf: (did) => membership.nameOf(peerIdFromDid(did)),
    isPutOut: (did) =>
      ownMesh.mesh() !== undefined &&
      ownMesh.records().endOf(successions.current(did)) !== undefined,
    callPeer: (peer, tool, args, timeoutMs) =>
      gateway().callPeer(peer, { tool, args, principal: OPERATOR, timeoutMs }),
    clock,
    logger: logger.child('budget'),
    health,
  });
}

/** What the work of agents counts against, in three rooms that are made later. */
interface Works {
  readonly runs: Pick<Runs, 'budgetsOf'>;
  readonly tasks: Pick<Tasks, 'budgetsOf'>;
  readonly swarms: Pick<Swarms, 'budgetsOf'>;
}

/** Makes what decides against which budgets calls and uses count, and what gives agents, tasks and swarms theirs. */
export function createNodeSpendings(
  { config, clock, health, logger }: Base,
  {
    budgets,
    governance,
    made,
  }: {
    readonly budgets: Budgets;
    readonly governance: Governance;
    readonly made: () => Works;
  },
): { readonly spendings: Spendings; readonly funds: Funds } {
  const priced = readPrices(config.prices);
  const workOf = (principal: Principal): readonly string[] => {
    const { runs, tasks, swarms } = made();
    const ofRuns = runs.budgetsOf(principal);
    const ofTasks = tasks.budgetsOf(principal);
    const ofSwarms = swarms.budgetsOf(principal);
    // No list is made for most callers, who work for nothing that has a budget: each call asks.
    if (ofRuns.length + ofTasks.length + ofSwarms.length === 0) return NO_BUDGETS;
    return [...ofRuns, ...ofTasks, ...ofSwarms];
  };
  const spendings = createSpendings({
    budgets,
    rulesOf: (principal) => governance.callerRules.of(principal),
    prices: () => priced,
    workOf,
    clock,
    health,
  });
  const guard = (): Guard => governance.guard;
  const funds = createFunds({ budgets, guard, workOf, logger: logger.child('budget') });
  return { spendings, funds };
}
