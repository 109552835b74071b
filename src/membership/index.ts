/** Who is in the mesh, who is alive, and who may come in. */
export { auditAdmission } from './audited.ts';
export { openBooks } from './books.ts';
export type { BookComponents, Books } from './books.ts';
export { createCheckpointExchange } from './checkpoint-exchange.ts';
export type {
  CheckpointExchange,
  CheckpointExchangeComponents,
  PeerWitness,
} from './checkpoint-exchange.ts';
export { createMembership } from './membership.ts';
export type { MembershipComponents, MembershipInit } from './membership.ts';
export { createMeshBook } from './mesh-book.ts';
export type { Invitation, MeshBook, MeshBookComponents } from './mesh-book.ts';
export type {
  Formerly,
  Membership,
  MembershipEvents,
  Mesh,
  PeerState,
  PeerView,
  Presence,
} from './types.ts';
export { formerlyOf } from './formerly.ts';
export { joinMesh } from './join.ts';
export type { JoinComponents } from './join.ts';
export { finishRotation, keysIn, rotateIdentity } from './rotation.ts';
export type { Rotation, RotationComponents } from './rotation.ts';
export { settleMesh } from './settle.ts';
export type { SettleComponents } from './settle.ts';
