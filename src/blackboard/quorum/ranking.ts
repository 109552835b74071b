/** In which order replicas are asked for a key, and who of them looks after it: a hash that all nodes compute alike. */
import { createHash } from 'node:crypto';
import type { Did } from '../../core/index.ts';
import type { Cell } from './format.ts';

/** Replicas in the order in which they are asked: who is there first, of these by the hash. */
export function rankedFor(
  { board, key }: Cell,
  replicas: readonly Did[],
  isThere: (replica: Did) => boolean,
): readonly Did[] {
  const weight = (replica: Did): string =>
    createHash('sha256').update(`${board}/${key} ${replica}`).digest('hex');
  return replicas
    .map((replica) => ({ replica, rank: `${isThere(replica) ? 0 : 1}${weight(replica)}` }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ replica }) => replica);
}
