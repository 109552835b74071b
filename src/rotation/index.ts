/** Changing a node's key. */
export { previousKeyOf } from './previous-key.ts';
export { keysIn } from './audit-keys.ts';
export { finishRotation, rotateIdentity } from './rotation.ts';
export type { Rotation, RotationComponents } from './rotation.ts';
