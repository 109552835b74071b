/** Changing a node's key, and the books that are opened over one identity. */
export { openIdentityState } from './identity-state.ts';
export type { IdentityStateComponents, IdentityState } from './identity-state.ts';
export { previousKeyOf } from './previous-key.ts';
export { keysIn } from './audit-keys.ts';
export { finishRotation, rotateIdentity } from './rotation.ts';
export type { Rotation, RotationComponents } from './rotation.ts';
