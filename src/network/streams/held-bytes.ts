/** How much of unfinished messages a peer has in this node's memory, over all its streams. */
import { StarlingError } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';

/** The sums of all peers. */
export interface HeldBytes {
  /**
   * What is held of `peer` grows or shrinks by so many bytes.
   * @throws STARLING_LIMIT_EXCEEDED when it would be too much; then nothing is counted
   */
  change(peer: PeerId, byBytes: number): void;
}

/** Makes the sums, all 0. A peer may have `perPeerMax` bytes held. */
export function createHeldBytes(perPeerMax: number): HeldBytes {
  const sums = new Map<PeerId, number>();
  return {
    change(peer, byBytes) {
      const sum = (sums.get(peer) ?? 0) + byBytes;
      if (byBytes > 0 && sum > perPeerMax) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `${peer} has begun messages of more than ${perPeerMax} bytes together and ended none`,
          { data: { peer } },
        );
      }
      if (sum <= 0) sums.delete(peer);
      else sums.set(peer, sum);
    },
  };
}
