/** What a node's status tells of the key that it had before. Pure. */
import type { Did } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import type { PreviousKey, PeerView } from '../membership/types.ts';

/**
 * The key that the node with `self` had before, and which of `peers` may not know of the change: a peer
 * that was heard of since has let us in by the new key, or has heard of it from one that did.
 */
export function previousKeyOf(
  successions: SuccessionView,
  self: Did,
  peers: readonly PeerView[],
): { readonly formerly?: PreviousKey } {
  const [, did] = successions.lineage(self);
  const succession = did === undefined ? undefined : successions.of(did);
  if (did === undefined || succession === undefined) return {};
  const until = succession.claims.iat * 1000;
  const untold = peers.filter(({ lastHeartbeatAt }) => lastHeartbeatAt < until);
  return { formerly: { did, until, untold: untold.map(({ alias }) => alias) } };
}
