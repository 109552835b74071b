/** The keys that a node had before, as its hellos tell them. */
import type { Did, MeshId } from '../core/index.ts';
import type { Successions } from '../grants/index.ts';

/**
 * Room for grants and successions in a hello or its answer, which have 64 KiB in all: a line of the 63 changes that
 * there may be takes 38, a membership at the greatest depth 22. More = less is left for names and frames.
 */
const HELLO_TEXTS_BYTES = 62 * 1024;

/**
 * The successions that led to `did` in `mesh`, oldest first; of a long line the newest, as many as there is room for
 * beside `others`, the other texts of the message.
 */
export function ownSuccessions(
  successions: Successions,
  { did, mesh, others }: { did: Did; mesh: MeshId; others: readonly string[] },
): readonly string[] {
  const roomBytes = HELLO_TEXTS_BYTES - others.reduce((sum, text) => sum + text.length, 0);
  const texts: string[] = [];
  let sizeBytes = 0;
  for (const before of successions.lineage(did).slice(1)) {
    const succession = successions.of(before);
    // What was told to a mesh that this node has left counts in no other.
    if (succession?.claims.mesh !== mesh) break;
    const { jws } = succession;
    sizeBytes += jws.length;
    if (sizeBytes > roomBytes) break;
    texts.unshift(jws);
  }
  return texts;
}
