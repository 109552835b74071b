/** The keys that a node had before, as its hellos tell them. */
import type { Did } from '../core/index.ts';
import type { Successions } from '../grants/index.ts';

/** Room for successions in a hello, which has 64 KiB in all. */
const HELLO_SUCCESSIONS_BYTES = 24 * 1024;

/** The successions that led to `did`, oldest first; of a long line the newest, as many as a hello holds. */
export function ownSuccessions(successions: Successions, did: Did): readonly string[] {
  const texts: string[] = [];
  let sizeBytes = 0;
  for (const before of successions.lineage(did).slice(1)) {
    const jws = successions.of(before)?.jws ?? '';
    sizeBytes += jws.length;
    if (sizeBytes > HELLO_SUCCESSIONS_BYTES) break;
    texts.unshift(jws);
  }
  return texts;
}
