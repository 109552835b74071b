/**
 * The peers that this node knows, each under one alias and its newest key: found by either in constant
 * time, saved over restarts, and told of when something about them changes.
 */
import { StarlingError, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Did, Logger, PeerId } from '../../core/index.ts';
import type { Successions } from '../../grants/index.ts';
import { didFromPeerId, parseDid, parsePeerId, peerIdFromDid } from '../../identity/index.ts';
import type { Network } from '../../network/index.ts';
import type { Table } from '../../store/index.ts';
import { chooseAlias, fitAlias, isAlias } from '../aliases.ts';
import { createDetector } from '../detection/phi-accrual.ts';
import type { Detector, DetectorInit } from '../detection/phi-accrual.ts';
import type { Heartbeat } from '../heartbeats/heartbeat-format.ts';
import type { Told } from '../detection/send-times.ts';
import { createPeerIndex } from './peer-index.ts';
import { RENAME_SHOWN_MS, claimantsOf } from './peer-names.ts';
import { movePeer, readPeers } from './saved-peers.ts';
import type { SavedPeer } from './saved-peers.ts';
import { createPeerRows } from './peer-rows.ts';
import type { PeerRows } from './peer-rows.ts';
import type { PeerAspect, PeerView } from '../types.ts';
import { changesOf } from './peer-diff.ts';

/** Peers that are known at the same time; members beyond that are not heard. */
const PEERS_MAX = 10_000;

/** One peer, and what its liveness is decided by. */
export interface Peer {
  readonly view: PeerView;
  readonly detector: Detector;
  /** The rhythm of what comes on the control stream of its link; undefined while there is none. */
  linkDetector: Detector | undefined;
  /** It is suspect, or dead, because of what this node has seen itself; since when, ms since the epoch. */
  accusedAtMs: number | undefined;
  /** Since when it is suspect, ms since the epoch. */
  suspectAtMs: number | undefined;
  /** Since when it is suspect or dead for what has been seen in this run, ms since the epoch. */
  missedAtMs: number | undefined;
  /** Its suspicion is being probed. */
  isProbed: boolean;
  /**
   * Others have brought its heartbeat while this node, which suspected it, does not reach it, or they miss it while this
   * neighbour has no link to it.
   */
  isDoubted: boolean;
  /** How many such heartbeats came since it was last reached, or had a link here. */
  doubts: number;
  /** How often this node has looked for it because others miss it, since it was last heard or had a link here. */
  searches: number;
  /** When its process started, and the number of its last heartbeat: older ones are not taken. */
  incarnation: number;
  sequence: number;
  /** What it said last, but for pulses; undefined before. */
  said: Heartbeat | undefined;
  /** Its last heartbeat with a signature of its own; `isChecked` when the bytes are those with its signature alone. */
  last: { readonly bytes: Uint8Array; readonly isChecked: boolean } | undefined;
  /** How far its clock was from ours, by its last heartbeats, ms. */
  clockSamples: readonly number[];
  /** When it said what was heard last; undefined until it has told its time. */
  told: Told | undefined;
  /** When it was last told that it says an older incarnation, ms since the epoch. */
  correctedAtMs: number;
  /** Where it was last. */
  addresses: readonly string[];
  /** The disk did not take what is to be saved of it: the next heartbeat tries again. */
  isUnsaved: boolean;
  /** What it calls itself, by its last heartbeat; undefined until that is known. */
  name: string | undefined;
  /** When it took that name in place of another, ms since the epoch. */
  renamedAtMs: number | undefined;
  /** The operator has chosen the alias. */
  isChosen: boolean;
  /** What it calls this node, once it has said so. */
  callsUs: string | undefined;
}

/** What the table works with. */
export interface PeerTableComponents {
  readonly network: Pick<Network, 'disconnect' | 'route' | 'self'>;
  /** Hears of each peer that is known from now on, or has other addresses. */
  readonly placed: (peer: Peer) => void;
  readonly successions: Successions;
  /** What this node calls itself. */
  readonly self: () => string;
  /** True for an alias by which the operator has said what a peer may do; default: there is none. */
  readonly isSpokenOf?: ((alias: string) => boolean) | undefined;
  /** Where peers are saved. */
  readonly table: Table;
  /** Hears of each change; `before` is absent for a new peer. */
  readonly changed: (
    peer: PeerView,
    before: PeerView | undefined,
    what: ReadonlySet<PeerAspect>,
  ) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The peers of a node. */
export interface PeerTable {
  /** Recalls the peers of the last run that are members still: they are dead until they are heard. */
  load(isMember: (peer: PeerId) => boolean): Promise<void>;
  all(): Iterable<Peer>;
  readonly size: number;
  get(peer: PeerId): Peer | undefined;
  byAlias(alias: string): Peer | undefined;
  /** The peer with this alias, PeerId or did:key, also one that it had before. */
  find(reference: string): PeerView | undefined;
  /** The peers that a person may mean by `reference`. */
  claimants(reference: string): readonly PeerView[];
  /** The alias of whoever has, or had, the key `peer`, also of one that was removed. */
  nameOf(peer: PeerId): string | undefined;
  /** Hears what a peer calls itself and, now and then, this node; the view shows that with the next `update`. */
  heardNames(peer: Peer, name: string, called: string | undefined): void;
  /** Gives a peer another alias. @throws STARLING_USAGE when it is none, or when another has it */
  rename(peer: Peer, alias: string): void;
  /** All peers by alias. The array stays the same object until a peer changes. */
  views(): readonly PeerView[];
  /**
   * Takes in a member that calls itself `name`, under an alias that neither a peer nor this node has;
   * undefined when there is no room. The change is told by the first `update`.
   */
  meet(peer: PeerId, name: string): Peer | undefined;
  /** Changes the view of a peer, looks anew at the way to it, and tells what is not as it was. */
  update(peer: Peer, changes: Partial<PeerView>): void;
  /** Saves a peer with the addresses that it names now, soon, together with others. */
  save(peer: Peer): void;
  /** Resolves once all that is to be saved is on disk, or was not taken. Never rejects. */
  saved(): Promise<void>;
  /** Moves what is known of the key `old`, its alias above all, to `current`, which took its place. */
  move(old: Did, current: Did): void;
  /** Forgets a peer, which is told as having left, or as `ended`, and ends its connections. */
  remove(peer: Peer, reason: string, ended?: PeerView['ended']): void;
}

/** Makes an empty table; `load` reads what was saved. */
export function createPeerTable(
  components: PeerTableComponents,
  detector: DetectorInit,
): PeerTable {
  return new Peers(components, detector);
}

interface Entry extends Peer {
  view: PeerView;
  /** It was met, and nobody has been told of it yet. */
  isUntold: boolean;
}

class Peers implements PeerTable {
  readonly #components: PeerTableComponents;
  readonly #detector: DetectorInit;
  readonly #rows: PeerRows;
  readonly #peers = createPeerIndex<Entry>();
  #sorted: readonly PeerView[] | undefined;
  /** Aliases of those that were put out, or had another key: lists still speak of them. */
  readonly #formerNames = new Map<PeerId, { readonly alias: string; readonly isChosen: boolean }>();

  constructor(components: PeerTableComponents, detector: DetectorInit) {
    this.#components = components;
    this.#detector = detector;
    this.#rows = createPeerRows({
      ...components,
      rowOf: (peerId) => {
        const peer = this.#peers.get(peerId);
        return peer === undefined ? undefined : this.#rowOf(peer);
      },
      unsaved: (peerId) => {
        const peer = this.#peers.get(peerId);
        if (peer !== undefined) peer.isUnsaved = true;
      },
    });
  }

  async load(isMember: (peer: PeerId) => boolean): Promise<void> {
    const { table, logger } = this.#components;
    for (const saved of await readPeers(table, logger)) this.#recall(saved, isMember);
  }

  get size(): number {
    return this.#peers.size;
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  get(peer: PeerId): Peer | undefined {
    return this.#peers.get(peer);
  }

  byAlias(alias: string): Peer | undefined {
    return this.#peers.byAlias(alias);
  }

  find(reference: string): PeerView | undefined {
    const named = this.#peers.byAlias(reference);
    if (named !== undefined) return named.view;
    const key = this.#currentKeyOf(reference);
    return key === undefined ? undefined : this.#peers.get(key)?.view;
  }

  claimants(reference: string): readonly PeerView[] {
    const key = this.#currentKeyOf(reference);
    const known = key === undefined ? undefined : this.#peers.get(key);
    return known === undefined ? claimantsOf(reference, this.#peers.values()) : [known.view];
  }

  nameOf(peerId: PeerId): string | undefined {
    const { successions } = this.#components;
    const current = peerIdFromDid(successions.current(didFromPeerId(peerId)));
    return this.#peers.get(current)?.view.alias ?? this.#formerNames.get(peerId)?.alias;
  }

  heardNames(peer: Peer, name: string, called: string | undefined): void {
    if (called !== undefined) peer.callsUs = called;
    if (peer.name === name) return;
    // Who goes back to the name by which it is known here has nothing new to be shown.
    const isNew = peer.name !== undefined && fitAlias(name) !== peer.view.alias;
    peer.renamedAtMs = isNew ? this.#components.clock.now() : undefined;
    peer.name = name;
    peer.isUnsaved = true;
  }

  rename(peer: Peer, alias: string): void {
    const self = this.#components.self();
    const entry = this.#peers.get(peer.view.peerId);
    if (entry !== peer) return;
    const owner = this.#peers.byAlias(alias);
    if (!isAlias(alias))
      throw unusable(`'${alias}' is no name`, 'a name is 1 to 32 of a-z, 0-9 and -');
    if (alias === self)
      throw unusable(`this node itself is called '${alias}'`, 'choose another name');
    if (owner !== undefined && owner !== entry) {
      const hint = `call that one otherwise first: starling peers rename ${alias} <name>`;
      throw unusable(`another peer is called '${alias}'`, hint);
    }
    const before = entry.view;
    entry.isChosen = true;
    entry.renamedAtMs = undefined;
    entry.view = { ...before, alias };
    this.#put(before.peerId, entry);
    entry.isUnsaved = false;
    // An operator chose it: it waits for nobody else.
    this.#rows.later(before.peerId);
    unawaited(this.#rows.now(), this.#components.logger, 'the name of a peer was not kept', {
      alias,
    });
    this.update(entry, {});
    this.#tell(entry.view, before);
  }

  views(): readonly PeerView[] {
    this.#sorted ??= [...this.#peers.values()]
      .map((peer) => peer.view)
      .sort((a, b) => (a.alias < b.alias ? -1 : 1));
    return this.#sorted;
  }

  meet(peerId: PeerId, name: string): Peer | undefined {
    if (this.#peers.size >= PEERS_MAX) return undefined;
    const isTaken = (alias: string): boolean =>
      alias === this.#components.self() ||
      this.#peers.byAlias(alias) !== undefined ||
      this.#isOfAnother(alias, peerId);
    // Who was put out and is let in again goes by the name that the operator has chosen.
    const former = this.#formerNames.get(peerId);
    const isChosen = former?.isChosen === true && !isTaken(former.alias);
    const peer = this.#newEntry({
      ...this.#identityOf(didFromPeerId(peerId)),
      alias: isChosen ? former.alias : chooseAlias(name, peerId, isTaken),
      state: 'alive',
      lastHeartbeatAt: this.#components.clock.now(),
    });
    this.#put(peerId, { ...peer, name, isChosen, isUntold: true });
    return this.#peers.get(peerId);
  }

  /**
   * Whether the operator has said by this alias what somebody may do who was put out or has left: that is not
   * whoever calls itself so next.
   */
  #isOfAnother(alias: string, peerId: PeerId): boolean {
    if (this.#components.isSpokenOf?.(alias) !== true) return false;
    return [...this.#formerNames].some(([id, one]) => id !== peerId && one.alias === alias);
  }

  update(peer: Peer, changes: Partial<PeerView>): void {
    const entry = this.#peers.get(peer.view.peerId);
    if (entry !== peer) return;
    const before = entry.view;
    const route = this.#components.network.route(before.peerId);
    const { route: _, newName: __, callsUs: ___, ...rest } = { ...before, ...changes };
    const address = route?.address ?? rest.presence?.addresses[0] ?? before.address;
    const newName = this.#newNameOf(entry);
    const { callsUs } = entry;
    entry.view = {
      ...rest,
      ...(newName === undefined ? {} : { newName }),
      ...(callsUs === undefined || callsUs === this.#components.self() ? {} : { callsUs }),
      ...(route === undefined ? {} : { route: route.kind }),
      ...(address === undefined ? {} : { address }),
    };
    this.#sorted = undefined;
    const isNew = entry.isUntold;
    entry.isUntold = false;
    this.#tell(entry.view, isNew ? undefined : before);
  }

  save(peer: Peer): void {
    peer.addresses = peer.view.presence?.addresses ?? [];
    this.#components.placed(peer);
    peer.isUnsaved = false;
    this.#rows.later(peer.view.peerId);
  }

  saved(): Promise<void> {
    return this.#rows.now();
  }

  move(old: Did, current: Did): void {
    const { network, table, logger } = this.#components;
    const [oldId, peerId] = [peerIdFromDid(old), peerIdFromDid(current)];
    const before = this.#peers.get(oldId);
    this.#disconnect(oldId, `its key is retired: ${peerId} took its place`);
    if (before === undefined || peerId === network.self) return;
    const { alias, lastHeartbeatAt } = before.view;
    const identity = this.#identityOf(current);
    const known = this.#peers.get(peerId);
    const was = known?.view;
    const entry = known ?? this.#newEntry({ ...identity, alias, state: 'left', lastHeartbeatAt });
    if (known === undefined) {
      entry.addresses = before.addresses.map((one) => withoutPeer(one, oldId));
    }
    this.#drop(oldId);
    entry.view = { ...entry.view, ...identity, alias };
    entry.name ??= before.name;
    entry.renamedAtMs ??= before.renamedAtMs;
    entry.isChosen = before.isChosen;
    this.#put(peerId, entry);
    if (known === undefined) this.#components.placed(entry);
    movePeer(table, oldId, { ...this.#rowOf(entry), lastHeartbeatAt }).catch((error: unknown) => {
      entry.isUnsaved = true;
      logger.warn({ peer: peerId, error: messageOf(error) }, 'new key of a peer not saved');
    });
    this.#tell({ ...before.view, state: 'left' }, before.view);
    this.#tell(entry.view, was);
  }

  remove({ view, isChosen }: Peer, reason: string, ended?: PeerView['ended']): void {
    this.#formerNames.set(view.peerId, { alias: view.alias, isChosen });
    if (this.#formerNames.size > PEERS_MAX) {
      for (const [oldest] of this.#formerNames) {
        this.#formerNames.delete(oldest);
        break;
      }
    }
    this.#drop(view.peerId);
    const more = ended === undefined ? {} : { ended };
    this.#tell({ ...view, ...more, state: 'left' }, view);
    this.#disconnect(view.peerId, reason);
  }

  /** A peer of the last run. Its key may have changed since, or when that was about to be saved. */
  #recall(saved: SavedPeer, isMember: (peer: PeerId) => boolean): void {
    const { network, successions } = this.#components;
    const did = didFromPeerId(saved.peerId);
    const current = successions.current(did);
    if (peerIdFromDid(current) === network.self) return;
    if (!isMember(peerIdFromDid(current))) {
      const { alias, isChosen = false } = saved;
      this.#formerNames.set(saved.peerId, { alias, isChosen });
      return;
    }
    const { alias, addresses, lastHeartbeatAt, name, renamedAt, isChosen = false } = saved;
    const [address] = addresses;
    const entry = this.#newEntry({
      ...this.#identityOf(did),
      alias,
      state: 'dead',
      lastHeartbeatAt,
      ...(address === undefined ? {} : { address }),
    });
    entry.addresses = addresses;
    entry.name = name;
    entry.renamedAtMs = renamedAt;
    entry.isChosen = isChosen;
    const newName = this.#newNameOf(entry);
    if (newName !== undefined) entry.view = { ...entry.view, newName };
    this.#put(saved.peerId, entry);
    if (current === did) this.#components.placed(entry);
    else this.move(did, current);
  }

  /** The key in use of whoever has `did`, or had it, and the keys before that. */
  #identityOf(did: Did): Pick<PeerView, 'peerId' | 'did' | 'formerly'> {
    const { successions } = this.#components;
    const current = successions.current(did);
    const formerly = successions.lineage(current).slice(1).map(peerIdFromDid);
    const own = { peerId: peerIdFromDid(current), did: current };
    return formerly.length === 0 ? own : { ...own, formerly };
  }

  /** The key in use of whoever has, or had, the key that `reference` names; undefined when it names none. */
  #currentKeyOf(reference: string): PeerId | undefined {
    try {
      const isDid = reference.startsWith('did:');
      const did = isDid ? parseDid(reference) : didFromPeerId(parsePeerId(reference));
      return peerIdFromDid(this.#components.successions.current(did));
    } catch {
      // A name that no peer has is no key either.
      return undefined;
    }
  }

  #rowOf({ view, addresses, name, renamedAtMs, isChosen }: Peer): SavedPeer {
    const { peerId, alias, lastHeartbeatAt } = view;
    return {
      peerId,
      alias,
      addresses,
      lastHeartbeatAt,
      ...(name === undefined ? {} : { name }),
      ...(renamedAtMs === undefined ? {} : { renamedAt: renamedAtMs }),
      ...(isChosen ? { isChosen } : {}),
    };
  }

  /** The name that is shown beside the alias: one that the peer took in place of another, not long ago. */
  #newNameOf({ name, renamedAtMs, view }: Peer): string | undefined {
    if (name === undefined || renamedAtMs === undefined || fitAlias(name) === view.alias)
      return undefined;
    const sinceMs = this.#components.clock.now() - renamedAtMs;
    return sinceMs < RENAME_SHOWN_MS ? fitAlias(name) : undefined;
  }

  #newEntry(view: PeerView): Entry {
    return {
      view,
      detector: createDetector(this.#detector, this.#components.clock.now()),
      linkDetector: undefined,
      accusedAtMs: undefined,
      suspectAtMs: undefined,
      missedAtMs: undefined,
      isProbed: false,
      isDoubted: false,
      doubts: 0,
      searches: 0,
      incarnation: 0,
      sequence: 0,
      said: undefined,
      last: undefined,
      clockSamples: [],
      told: undefined,
      correctedAtMs: -Infinity,
      addresses: [],
      isUnsaved: false,
      name: undefined,
      renamedAtMs: undefined,
      isChosen: false,
      callsUs: undefined,
      isUntold: false,
    };
  }

  #put(peerId: PeerId, entry: Entry): void {
    this.#peers.set(peerId, entry);
    this.#sorted = undefined;
  }

  #drop(peerId: PeerId): void {
    this.#peers.delete(peerId);
    this.#sorted = undefined;
  }

  #tell(view: PeerView, before: PeerView | undefined): void {
    const what = changesOf(view, before);
    if (what.size > 0) this.#components.changed(view, before, what);
  }

  #disconnect(peer: PeerId, reason: string): void {
    const { network, logger } = this.#components;
    network
      .disconnect(peer, reason)
      .catch((error: unknown) =>
        logger.warn({ peer, error: messageOf(error) }, 'peer not disconnected'),
      );
  }
}

function unusable(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_USAGE', what, { hint });
}

/** `address` without its last part, when that names `peer`. */
function withoutPeer(address: string, peer: PeerId): string {
  const end = `/p2p/${peer}`;
  return address.endsWith(end) ? address.slice(0, -end.length) : address;
}
