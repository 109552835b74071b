/** Who belongs to the mesh: admission, tickets, and the signed records that every member keeps. */
export { auditAdmission } from './audit-events.ts';
export { chooseMesh, endOr } from './choose-mesh.ts';
export type { ChooseMeshComponents } from './choose-mesh.ts';
export { joinMesh } from './join.ts';
export type { JoinComponents } from './join.ts';
export { meshesHere } from './knock.ts';
export { createKnocks } from './knocks.ts';
export type { Knock, Knocks } from './knocks.ts';
export { serveKnocks } from './knock-service.ts';
export { askWho, createNeighbours } from './neighbours.ts';
export type { NeighbourMesh, Neighbours } from './neighbours.ts';
export { createMeshAdmission } from './admission.ts';
export type {
  Invitation,
  InvitationInit,
  MayMove,
  MeshAdmission,
  MeshAdmissionComponents,
} from './admission.ts';
export { exchangeInvites } from './invite-exchange.ts';
export { INVITE_USES_MAX } from './invites.ts';
export { createMembers } from './members.ts';
export type { Member, Members, OpenTicket, PutOut } from './members.ts';
export { ENDED_HINT, describeEnd } from './membership-end.ts';
export type { MembershipEnd } from './membership-end.ts';
export { hasMeshToForget, readMembershipEnd, writeMeshForgotten } from './mesh-state.ts';
export { createOwnMesh } from './mesh.ts';
export type { OwnMesh, OwnMeshComponents } from './mesh.ts';
export { createRecordSync } from './record-sync.ts';
export type { RecordSync } from './record-sync.ts';
export { RETIRED_HINT } from './types.ts';
export type { Mesh } from './types.ts';
