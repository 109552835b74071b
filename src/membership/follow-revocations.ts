/**
 * Keeps the view true to who belongs to the mesh: a peer whose key was replaced goes on under the new
 * one, and whoever is no member any more is put out, this node as well.
 */
import { messageOf } from '../core/index.ts';
import type { Did, Health, Logger } from '../core/index.ts';
import { retiredBy } from '../grants/index.ts';
import type { Succession } from '../grants/index.ts';
import { didFromPeerId, peerIdFromDid, shortId } from '../identity/index.ts';
import { ENDED_HINT, RETIRED_HINT, describeEnd } from '../mesh/index.ts';
import type { OwnMesh } from '../mesh/index.ts';
import type { Network } from '../network/index.ts';
import type { PeerTable } from './peers/peer-table.ts';
import type { PeerView } from './types.ts';

/**
 * How long a node that is put out keeps the links to those who are out with it: by these they are told, and nobody
 * else may be there to tell them.
 */
const PASS_ON_MS = 1000;

/** What changes of membership are followed with. */
export interface FollowRevocationsComponents {
  readonly network: Pick<Network, 'self'>;
  readonly ownMesh: OwnMesh;
  readonly peers: PeerTable;
  /** Hears once, and again after this node was a member in between, why it is none any more. */
  readonly evicted: (reason: string, hint: string) => void;
  /** Runs `work` once, so much later, unless the node is stopped before. */
  readonly after: (delayMs: number, work: () => void) => void;
  readonly health: Pick<Health, 'raise' | 'clear'>;
  readonly logger: Logger;
}

type Ended = NonNullable<PeerView['ended']>;

/** Health warning while this node is no member of its mesh any more. */
const ENDED = 'membership-ended';

/** Follows successions and revocations from now on. Returns a function that stops it. */
export function followRevocations(components: FollowRevocationsComponents): () => void {
  const { after, ownMesh, peers, logger } = components;
  const { successions } = ownMesh;
  const succeeded = ({ claims }: Succession): void => {
    peers.move(claims.iss, successions.current(claims.iss));
    ownMesh
      .reissue()
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'memberships not issued anew for a new key'),
      );
  };
  const removeOthers = (): void => {
    for (const peer of peers.all()) {
      if (ownMesh.hasMember(peer.view.peerId)) continue;
      peers.remove(peer, 'membership revoked', endedOf(peer.view.did, components));
    }
  };
  let wasEvicted = false;
  const enforce = (): void => {
    const isEvicted = !ownMesh.isMember();
    // First of all: whoever let this node in may be out as well, and is still known by its name.
    if (isEvicted && !wasEvicted) tellEviction(components);
    if (!isEvicted && wasEvicted) components.health.clear(ENDED);
    wasEvicted = isEvicted;
    if (isEvicted) after(PASS_ON_MS, removeOthers);
    else removeOthers();
  };
  successions.events.on('added', succeeded);
  const stopHearing = ownMesh.records().onAdded(enforce);
  // A member that was dialled before this may have told it already.
  enforce();
  return () => {
    successions.events.off('added', succeeded);
    stopHearing();
  };
}

/** Who put out whoever has `did`, by the name that people know here; nobody where it left. */
function endedOf(did: Did, { network, ownMesh, peers }: FollowRevocationsComponents): Ended {
  const end = ownMesh.records().endOf(did);
  if (end === undefined || (end.by === end.of && !end.isAbove)) return {};
  const by = peerIdFromDid(end.by);
  return { by: by === network.self ? 'this node' : (peers.nameOf(by) ?? shortId(by)) };
}

function tellEviction(components: FollowRevocationsComponents): void {
  const { network, ownMesh, peers, evicted, health, logger } = components;
  const retired = retiredBy(didFromPeerId(network.self), ownMesh.successions);
  if (retired !== undefined) return evicted(retired.text, RETIRED_HINT);
  const end = ownMesh.ended();
  const isOwnWill = end !== undefined && end.by === end.of && !end.isAbove;
  if (isOwnWill) return;
  const text =
    end === undefined
      ? 'the membership of this node is over'
      : describeEnd(end, ownMesh.require(), (did) => peers.nameOf(peerIdFromDid(did)));
  health.raise({ code: ENDED, text, hint: ENDED_HINT });
  ownMesh
    .noteEnd(text)
    .catch((error: unknown) => logger.warn({ error: messageOf(error) }, 'the end is not kept'));
  evicted(text, ENDED_HINT);
}
