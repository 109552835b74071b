/** Joins the events of a node's rooms: what happens in one of them, and who hears of it. */
import type { EventEmitter } from 'node:events';
import { StarlingError, messageOf } from './core/index.ts';
import type { PeerId } from './core/index.ts';
import { auditKeysAndPins } from './gateway/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { auditGovernance, auditGrants } from './guard/index.ts';
import { namePeer } from './membership/index.ts';
import type { Membership, PeerView } from './membership/index.ts';
import type { Knock, Mesh, NeighbourMesh } from './mesh/index.ts';
import type { Parts } from './node-parts.ts';

/** What a node tells. */
export interface NodeEvents {
  /** A peer appeared or changed. A heartbeat that changes nothing is not told. */
  peer: [peer: PeerView, before: PeerView | undefined];
  /** A node of this LAN asks to be let into the mesh: `starling members admit` answers it. */
  knock: [knock: Knock];
  /** Another mesh is on this LAN; told once a run. */
  neighbour: [found: NeighbourMesh];
  /** An address could not be dialled, or whoever is there refused this node. */
  'dial:failed': [address: string, error: Error];
  /** This node's membership was revoked, or its key was replaced elsewhere. */
  evicted: [reason: string, hint: string];
  /** This node has left its mesh, as its operator wanted: it has nothing more to do. */
  left: [mesh: Mesh];
}

/** Joins the rooms; `events` are those of the node. For the life of the node: nothing is to be undone. */
export function wireParts(
  base: Base,
  state: OpenState,
  parts: Parts,
  events: EventEmitter<NodeEvents>,
): void {
  wireAudit(state, parts);
  wirePeers(parts, events);
  wireRevocations(base, state);
  const { gateway, governance, knocks, membership, neighbours, network, renewalTimer } = parts;
  knocks.events.on('knock', (knock) => events.emit('knock', knock));
  neighbours.events.on('mesh', (found) => events.emit('neighbour', found));
  gateway.onCaller((caller) => renewalTimer.returned(caller));
  gateway.onCatalogChange(() => membership.announce());
  governance.policy.events.on('change', () => gateway.recheck());
  network.events.on('dial:failed', (address, error) =>
    events.emit('dial:failed', address, named(error, membership)),
  );
}

function wireAudit(
  { grants, identity }: OpenState,
  { audit, governance, keys, pins }: Parts,
): void {
  auditGovernance(governance, audit);
  auditGrants({ grants, self: identity.did }, audit);
  auditKeysAndPins({ keys, pins }, audit);
}

function wirePeers(
  { blackboard, membership, renewalTimer }: Parts,
  events: EventEmitter<NodeEvents>,
): void {
  membership.events.on('boards', ({ peerId }, digests) => blackboard.compare(peerId, digests));
  membership.events.on('change', (peer, before) => {
    if (peer.state === 'alive' && before?.state !== 'alive') renewalTimer.returned(peer.did);
    events.emit('peer', peer, before);
  });
  membership.events.on('evicted', (reason, hint) => events.emit('evicted', reason, hint));
}

/** Revocations go to all members among the records of the mesh. */
function wireRevocations({ logger }: Base, { grants, ownMesh }: OpenState): void {
  grants.passOn((jws) => ownMesh.records().publish(jws));
  grants.events.on('revocation', (jws) => {
    ownMesh
      .records()
      .add(jws)
      .catch((error: unknown) =>
        logger.child('node').error({ error: messageOf(error) }, 'revocation not passed on'),
      );
  });
}

/** The same error, with the name by which people know the peer that it is about. */
function named(error: Error, membership: Pick<Membership, 'peer'>): Error {
  const id = error instanceof StarlingError ? error.data['peer'] : undefined;
  const peer = typeof id === 'string' ? membership.peer(id as PeerId) : undefined;
  return peer === undefined ? error : namePeer(error, peer);
}
