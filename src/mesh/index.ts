/** Who belongs to the mesh: admission, tickets, and the signed records that every member keeps. */
export { auditAdmission } from './audit-events.ts';
export { chooseMesh, endOr } from './choose-mesh.ts';
export type { ChooseMeshComponents } from './choose-mesh.ts';
export { joinMesh } from './join.ts';
export type { JoinComponents } from './join.ts';
export { meshesHere } from './knocks/knock.ts';
export { createKnocks } from './knocks/knocks.ts';
export type { Knock, Knocks } from './knocks/knocks.ts';
export { serveKnocks } from './knocks/knock-service.ts';
export { askWho, createNeighbours } from './knocks/neighbours.ts';
export type { NeighbourMesh, Neighbours } from './knocks/neighbours.ts';
export { createMeshAdmission } from './admission.ts';
export type {
  Invitation,
  InvitationInit,
  MayMove,
  MeshAdmission,
  MeshAdmissionComponents,
} from './admission.ts';
export { exchangeInvites } from './invite-exchange.ts';
export { INVITE_USES_MAX } from './records/invites.ts';
export { createMembers } from './members.ts';
export type { Member, Members, OpenTicket, PutOut } from './members.ts';
export { ENDED_HINT, describeEnd } from './records/membership-end.ts';
export type { MembershipEnd } from './records/membership-end.ts';
export { hasMeshToForget, readMembershipEnd, writeMeshForgotten } from './mesh-state.ts';
export { createOwnMesh } from './mesh.ts';
export type { OwnMesh, OwnMeshComponents } from './mesh.ts';
export { createRecordSync } from './records/record-sync.ts';
export type { RecordSync } from './records/record-sync.ts';
export { RETIRED_HINT } from './types.ts';
export type { Mesh } from './types.ts';
