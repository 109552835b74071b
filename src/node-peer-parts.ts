/** The parts of a node that stand on knowing its peers: who offers what, and what peers saw of audit logs. */
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
