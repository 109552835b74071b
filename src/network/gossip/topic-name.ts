/** How gossipsub calls the topics of a mesh. */
import { createHash } from 'node:crypto';
import type { MeshId } from '../../core/index.ts';

/** Hexadecimal digits of the mesh's hash: each message and each offer of one carries its topic. */
const DIGITS = 16;

/** What all topics of a mesh begin with: `/starling/`, 16 hexadecimal digits of SHA-256 over the mesh's id, `/`. */
export function topicPrefix(meshId: MeshId): string {
  const hash = createHash('sha256').update(meshId).digest('hex').slice(0, DIGITS);
  return `/starling/${hash}/`;
}
