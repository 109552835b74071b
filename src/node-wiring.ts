/** Joins the events of a node's rooms: what happens in one of them, and who hears of it. */
import type { EventEmitter } from 'node:events';
import { StarlingError, messageOf, unawaited } from './core/index.ts';
import type { Did, PeerId, Warning } from './core/index.ts';
import { auditKeys, auditPins } from './gateway/index.ts';
import type { UpstreamStatus } from './gateway/index.ts';
import type { Base, OpenState } from './open-state.ts';
import type { Grant, GrantBook } from './grants/index.ts';
import { auditGovernance, auditGrants } from './guard/index.ts';
import type { PolicyChange } from './guard/index.ts';
import { peerIdFromDid, shortId } from './identity/index.ts';
import { namePeer, tellVersions } from './membership/index.ts';
import type { Membership, PeerView } from './membership/index.ts';
import type { Knock, Mesh, NeighbourMesh } from './mesh/index.ts';
import type { Parts } from './node-rooms.ts';

/** Newcomers that were let in and not heard of yet, at the same time. */
const NEWCOMERS_MAX = 100;

/** What a changed configuration has done to a running node. */
export interface ConfigChanges {
  /** Servers by name. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly restarted: readonly string[];
  /** Other keys that were taken up: `list`, `views`. */
  readonly keys: readonly string[];
}

/** What a node tells. */
export interface NodeEvents {
  /** Somebody has let this node into a mesh by a ticket. */
  joined: [mesh: Mesh];
  /** Peers and clients can reach this node; its servers are on their way. Once a start. */
  serving: [];
  /** One of this node's servers is in another state, or offers another number of tools. */
  server: [server: UpstreamStatus];
  /**
   * `peer` has come in by a ticket that was made at `invitedAt` (ms since the epoch), or that this node's operator
   * gave to who knocked; `by` names the member that made the ticket, where that is another. `holdsGrants`: a grant
   * that this node gave it before is valid. Comes before `peer`.
   */
  newcomer: [
    peer: PeerView,
    invitedAt: number,
    hasKnocked: boolean,
    by: string | undefined,
    holdsGrants: boolean,
  ];
  /** A lasting trouble has begun, or is another than before. */
  trouble: [warning: Warning];
  /** A changed configuration was taken up. */
  reloaded: [changes: ConfigChanges];
  /** A changed policy file is in force. */
  policy: [changes: readonly PolicyChange[]];
  /** A peer appeared or changed. A heartbeat that changes nothing is not told. */
  peer: [peer: PeerView, before: PeerView | undefined];
  /** A node of this LAN asks to be let into the mesh: `starling members admit` answers it. */
  knock: [knock: Knock];
  /** Another mesh is on this LAN; told once a run. `mayGo`: this node could go over to it as it is. */
  neighbour: [found: NeighbourMesh, mayGo: boolean];
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
  wirePeers(state, parts, events);
  wireServers(parts, events);
  events.on('reloaded', ({ keys }) => {
    if (!keys.includes('models')) return;
    unawaited(parts.keyAges.look(), base.logger, 'ages of keys were not looked at');
  });
  wireRevocations(base, state);
  const { documents, gateway, governance, keys, knocks, membership, neighbours, network } = parts;
  const { renewalTimer, runs, spreads } = parts;
  knocks.events.on('knock', (knock) => events.emit('knock', knock));
  neighbours.events.on('mesh', (found) => events.emit('neighbour', found, state.ownMesh.mayGo()));
  // What somebody has spawned ends with that one's right.
  keys.events.on('change', ({ name }, what) => {
    const isGone = what === 'revoked' && !keys.list().some((key) => key.name === name);
    if (!isGone) return;
    runs.spawnerGone(`client:${name}`);
    const left = parts.batches.disown(`client:${name}`);
    unawaited(left, base.logger.child('models'), 'batches of a key that was revoked stay its own');
  });
  gateway.onCaller((caller) => renewalTimer.returned(caller));
  gateway.onCatalogChange(() => membership.announce());
  gateway.onListingChange(() => documents.changed());
  const recheckParts = (): void =>
    unawaited(spreads.recheck(), base.logger.child('agents'), 'parts of agents were not looked at');
  state.grants.events.on('change', recheckParts);
  governance.policy.events.on('change', (_, changes) => {
    gateway.recheck();
    recheckParts();
    events.emit('policy', changes);
  });
  tellVersions({ ...base, network, membership });
  base.health.onRaise((warning) => events.emit('trouble', warning));
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
  auditKeys(keys, audit);
  auditPins(pins, audit);
}

function wirePeers(
  { admission, grants, identity }: OpenState,
  { blackboard, knocks, membership, renewalTimer }: Parts,
  events: EventEmitter<NodeEvents>,
): void {
  const newcomers = new Map<PeerId, { readonly invitedAt: number; readonly maker: Did }>();
  admission.events.on('redeemed', (newcomer, invitedAt, maker) => {
    const [oldest] = newcomers.size < NEWCOMERS_MAX ? [] : newcomers.keys();
    if (oldest !== undefined) newcomers.delete(oldest);
    newcomers.set(newcomer, { invitedAt, maker });
  });
  membership.events.on('boards', ({ peerId }, digests) => blackboard.compare(peerId, digests));
  membership.events.on('change', (peer, before) => {
    const isBack = peer.state === 'alive' && before?.state !== 'alive';
    if (isBack) renewalTimer.returned(peer.did);
    const invite = newcomers.get(peer.peerId);
    // Also of a member that had forgotten the mesh, and so used its ticket for nothing.
    const isAdmitted = (isBack || invite !== undefined) && knocks.cameIn(peer.peerId);
    if (invite !== undefined) {
      newcomers.delete(peer.peerId);
      const { invitedAt, maker } = invite;
      const isOwn = maker === identity.did;
      const by = isOwn ? undefined : (membership.nameOf(peerIdFromDid(maker)) ?? shortId(maker));
      const hasKnocked = isOwn && isAdmitted;
      const holdsGrants = grants.issued().some((grant) => isHeldBy(peer.did, grant, grants));
      events.emit('newcomer', peer, invitedAt, hasKnocked, by, holdsGrants);
    }
    events.emit('peer', peer, before);
  });
  membership.events.on('evicted', (reason, hint) => events.emit('evicted', reason, hint));
}

/** Whether `did` may use something by `grant`; a membership gives nothing to use. */
function isHeldBy(did: Did, grant: Grant, grants: Pick<GrantBook, 'state'>): boolean {
  const { aud, cap } = grant.claims;
  const isOfMesh = cap.every(({ resource }) => resource.startsWith('mesh:'));
  return aud === did && !isOfMesh && grants.state(grant) === 'valid';
}

/** Servers change often in ways that nobody sees; what is shown of one is told once, and that it is ready once it can be called. */
function wireServers({ gateway, upstreams }: Parts, events: EventEmitter<NodeEvents>): void {
  const told = new Map<string, string>();
  const tell = (name: string): void => {
    const status = upstreams.get(name)?.status();
    if (status === undefined) {
      told.delete(name);
      return;
    }
    const { state, tools, error } = status;
    const shown = JSON.stringify([state, tools, error]);
    if (told.get(name) === shown) return;
    told.set(name, shown);
    events.emit('server', status);
  };
  upstreams.events.on('change', (name) => {
    if (upstreams.get(name)?.status().state !== 'ready') tell(name);
    else {
      const now = (): void => tell(name);
      // After this turn, in which others hear of the same change.
      void Promise.resolve()
        .then(() => gateway.listed())
        .then(now, now);
    }
  });
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
