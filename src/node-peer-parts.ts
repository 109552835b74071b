/** The parts of a node that stand on knowing its peers: agents, who offers what, and what peers saw of audit logs. */
import { createAgents } from './agents/index.ts';
import type { Agents, AgentsComponents } from './agents/index.ts';
import { createCheckpointStore } from './audit/index.ts';
import type { Audit } from './audit/index.ts';
import { createProviders } from './directory/index.ts';
import type { Providers } from './directory/index.ts';
import { createCheckpointExchange } from './membership/index.ts';
import type { CheckpointExchange, Membership } from './membership/index.ts';
import type { Network } from './network/index.ts';
import type { Base, OpenState } from './open-state.ts';

/** What these parts stand on. */
export interface PeerRooms {
  readonly audit: Audit;
  readonly network: Network;
  readonly membership: Membership;
}

/** Makes who is an agent here, and the road to those elsewhere. */
export function createNodeAgents(
  { config, clock, random, logger }: Base,
  { store, identity }: OpenState,
  rooms: Pick<AgentsComponents, 'callPeer' | 'guard' | 'membership'>,
): Agents {
  return createAgents({
    ...rooms,
    table: store.table('agents'),
    self: { name: config.name, did: identity.did, peerId: identity.peerId },
    clock,
    random,
    logger: logger.child('agents'),
  });
}

/** Makes what finds out who offers which kind of capability. */
export function createNodeProviders(
  base: Base,
  { admission, identity }: OpenState,
  { network, membership }: PeerRooms,
): Providers {
  return createProviders({
    ...base,
    network,
    membership,
    identity,
    isMember: (peer) => admission.isMember(peer),
    offers: () => base.config.offers,
    logger: base.logger.child('directory'),
  });
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
