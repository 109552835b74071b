/** What stands in hellos besides records: proofs of invites, and the keys that somebody had before. */
import type { Did, MeshId, PeerId } from '../core/index.ts';
import type { Successions } from '../grants/index.ts';
import { parseDid } from '../identity/index.ts';

/** Room for successions in a hello, which has 64 KiB in all. */
const HELLO_SUCCESSIONS_BYTES = 24 * 1024;

/** What the holder of an invite signs, bound to this pair of peers. */
export function proofOf(newcomer: PeerId, member: PeerId, mesh: MeshId, time: number): Uint8Array {
  return Buffer.from(['starling-hello-1', newcomer, member, mesh, String(time)].join('\n'), 'utf8');
}

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

/** Whom a grant is for, unverified; undefined when it can't be read. */
export function audienceOf(jws: string): Did | undefined {
  try {
    const payload: unknown = JSON.parse(
      Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'),
    );
    if (typeof payload !== 'object' || payload === null || !('aud' in payload)) return undefined;
    return parseDid(String(payload.aud));
  } catch {
    // Hostile or damaged: whoever asks refuses it by name.
    return undefined;
  }
}
