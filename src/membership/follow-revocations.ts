/**
 * Keeps the view true to who belongs to the mesh: a peer whose key was replaced goes on under the new
 * one, and whoever is no member any more is put out, this node as well.
 */
import { messageOf } from '../core/index.ts';
import type { Logger } from '../core/index.ts';
import { retiredBy } from '../grants/index.ts';
import type { Succession } from '../grants/index.ts';
import { didFromPeerId } from '../identity/index.ts';
import { RETIRED_HINT } from '../mesh/index.ts';
import type { OwnMesh } from '../mesh/index.ts';
import type { Network } from '../network/index.ts';
import type { PeerTable } from './peer-table.ts';

/** What changes of membership are followed with. */
export interface FollowRevocationsComponents {
  readonly network: Pick<Network, 'self'>;
  readonly ownMesh: OwnMesh;
  readonly peers: PeerTable;
  /** Hears once, and again after this node was a member in between, why it is none any more. */
  readonly evicted: (reason: string, hint: string) => void;
  readonly logger: Logger;
}

/** Follows successions and revocations from now on. Returns a function that stops it. */
export function followRevocations(components: FollowRevocationsComponents): () => void {
  const { ownMesh, peers, logger } = components;
  const { successions } = ownMesh;
  const succeeded = ({ claims }: Succession): void => {
    peers.move(claims.iss, successions.current(claims.iss));
    ownMesh
      .reissue()
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'memberships not issued anew for a new key'),
      );
  };
  let wasEvicted = false;
  const enforce = (): void => {
    for (const peer of peers.all()) {
      if (!ownMesh.hasMember(peer.view.peerId)) peers.remove(peer, 'membership revoked');
    }
    const isEvicted = !ownMesh.isMember();
    if (isEvicted && !wasEvicted) tellEviction(components);
    wasEvicted = isEvicted;
  };
  successions.events.on('added', succeeded);
  const stopHearing = ownMesh.records().onAdded(enforce);
  return () => {
    successions.events.off('added', succeeded);
    stopHearing();
  };
}

function tellEviction({ network, ownMesh, evicted }: FollowRevocationsComponents): void {
  const retired = retiredBy(didFromPeerId(network.self), ownMesh.successions);
  if (retired !== undefined) return evicted(retired.text, RETIRED_HINT);
  evicted(
    'the membership of this node was revoked',
    'ask a member for a new ticket, and start with: starling up --join <ticket>',
  );
}
