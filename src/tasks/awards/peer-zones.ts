/** How far peers are trusted: what the policy says of each is looked up by one object for a peer, which it keeps it by. */
import type { Principal, Zone } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';

/** Peers that are remembered. */
const PEERS_MAX = 1000;

/** Looks up the zone of a peer by `zoneOf`, which answers for any caller. */
export function createPeerZones(
  zoneOf: (principal: Principal) => Zone,
): (peer: Pick<PeerView, 'alias' | 'did' | 'peerId'>) => Zone {
  const known = new Map<string, Principal>();
  return ({ alias, did, peerId }) => {
    const key = `${did} ${alias}`;
    const principal = known.get(key) ?? { kind: 'peer', alias, did, peerId };
    if (known.size >= PEERS_MAX) known.clear();
    known.set(key, principal);
    return zoneOf(principal);
  };
}
