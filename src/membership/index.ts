/** Who is alive: heartbeats, the failure detector, and what peers know of each other's audit logs. */
export { namePeer } from './peers/name-peer.ts';
export { createCheckpointExchange } from './audit/checkpoint-exchange.ts';
export type {
  CheckpointExchange,
  CheckpointExchangeComponents,
  PeerWitness,
} from './audit/checkpoint-exchange.ts';
export { createMembership } from './membership.ts';
export type { MembershipComponents, MembershipInit } from './membership.ts';
export { readPeers } from './peers/saved-peers.ts';
export type {
  PreviousKey,
  Membership,
  MembershipEvents,
  PeerAspect,
  PeerState,
  PeerView,
  Presence,
} from './types.ts';
export { deedsOf } from './conduct-words.ts';
export { tellVersions, versionWords } from './tell-versions.ts';
export { createConductTeller } from './tell-conduct.ts';
export type { ConductTeller } from './tell-conduct.ts';
