/** The keys that a node had before, as its hellos tell them. */
import type { Did, MeshId } from '../core/index.ts';
import type { Successions } from '../grants/index.ts';

/** Room for successions in a hello, which has 64 KiB in all. */
const HELLO_SUCCESSIONS_BYTES = 24 * 1024;

/** The successions that led to `did` in `mesh`, oldest first; of a long line the newest, as many as a hello holds. */
export function ownSuccessions(
  successions: Successions,
  did: Did,
  mesh: MeshId,
): readonly string[] {
  const texts: string[] = [];
  let sizeBytes = 0;
  for (const before of successions.lineage(did).slice(1)) {
    const succession = successions.of(before);
    // What was told to a mesh that this node has left counts in no other.
    if (succession?.claims.mesh !== mesh) break;
    const { jws } = succession;
    sizeBytes += jws.length;
    if (sizeBytes > HELLO_SUCCESSIONS_BYTES) break;
    texts.unshift(jws);
  }
  return texts;
}
