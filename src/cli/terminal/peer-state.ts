/** How a peer is, in a word or two for lists. Pure. */
import type { PeerView } from '../../membership/types.ts';

/**
 * `stopped` for who said goodbye and is a member still; `left` and `put out` are of membership, as
 * `starling members` has them. JSON keeps the `left` of the detector for all three.
 */
export function stateWord({ state, ended }: Pick<PeerView, 'state' | 'ended'>): string {
  if (state !== 'left') return state;
  if (ended === undefined) return 'stopped';
  return ended.by === undefined ? 'left' : 'put out';
}
