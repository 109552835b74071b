/** The mesh that a node belongs to. */
import type { MeshId } from '../core/index.ts';

/** The mesh that this node belongs to. */
export interface Mesh {
  readonly id: MeshId;
  readonly name: string;
  readonly open: boolean;
  /** Four words that both sides of a join can compare (44 bits of the mesh's key). */
  readonly fingerprint: string;
}

/** What to do with a node whose key was replaced. */
export const RETIRED_HINT =
  'this state folder is older than the change: stop this node, and start the one with the folder that has the new key';
