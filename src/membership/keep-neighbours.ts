/**
 * Keeps this node connected to its neighbours, and to nobody else: says to the network which peers to keep, and
 * which need no link because others are connected to them. `neighbours.ts` has the choice.
 *
 * Chosen are the neighbours among those that are there, and those among all that are known, so that somebody
 * dials whoever seems to be dead: that is how two parts of a mesh find each other again. A node without any
 * link looks for whomever it knows.
 *
 * While many come, each of them changes the neighbours of ten others: beyond the first few, who are enough to miss this
 * node, a neighbour is connected once it has been one for {@link CALM_MS} in which nobody has come or gone,
 * {@link BUSY_MS} at the latest. Until then everybody knows everybody by roster all the same.
 */
import type { Clock, PeerId, Random, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { accusersNeeded } from './detection/accusations.ts';
import { createNeighbourChoice } from './neighbours.ts';
import type { Rings } from './neighbours.ts';
import type { Peer } from './peers/peer-table.ts';

/** Changes that come close together are looked at together. More = less work while many start, later links. */
const LOOK_DELAY_MS = 100;
/**
 * Neighbours that are connected at once, or as many as must miss a node before all believe that it is gone, where that is
 * more. More = sooner watched by more; less = fewer links that are of use for seconds.
 */
const FIRST_LINKS = 3;
/**
 * How long a further neighbour must have been one, and nobody have come or gone. More = fewer dials while many come,
 * later links.
 */
const CALM_MS = 3000;
/** How often it is looked whether it is calm, while there are such neighbours. */
const CALM_LOOK_MS = 1000;
/** Where somebody comes or goes all the time: how long a further neighbour must have been one then. */
const BUSY_MS = 30_000;
/** How often it is looked whether this node is alone. */
const ALONE_LOOK_MS = 5000;
/** Peers that a node without links looks for at a time; each dial in vain costs little, and takes seconds. */
const SOUGHT_MAX = 64;

/** What is worked with. */
export interface NeighbourKeeperComponents {
  readonly network: Pick<Network, 'connected' | 'keep' | 'know' | 'self' | 'unkeep'>;
  /** All peers that are known. */
  readonly peers: () => Iterable<Placed>;
  readonly clock: Clock;
  readonly random: Random;
}

/** What is asked of a peer. */
type Placed = Pick<Peer, 'addresses' | 'view'>;

/** Keeps neighbours connected. */
export interface NeighbourKeeper {
  /** Works until `scope` closes. */
  start(scope: Scope): void;
  /** A peer is known, or has other addresses. */
  placed(peer: Placed): void;
  /** A peer has come, has gone, or is in another state. */
  changed(): void;
  /** The neighbours of `node`, this one or another, among the peers that are there. */
  of(node: PeerId): ReadonlySet<PeerId>;
}

/** The network is told of nobody before `start`. */
export function createNeighbourKeeper(components: NeighbourKeeperComponents): NeighbourKeeper {
  return new Keeper(components);
}

/** What the network was told of a peer. */
interface Told {
  readonly as: 'kept' | 'spare' | 'gone';
  readonly addresses: readonly string[];
}

class Keeper implements NeighbourKeeper {
  readonly #components: NeighbourKeeperComponents;
  readonly #choice = createNeighbourChoice();
  readonly #told = new Map<PeerId, Told>();
  /** Since when a peer has been a neighbour, ms since the epoch. */
  readonly #chosenAt = new Map<PeerId, number>();
  /** Neighbours that have been so for long enough: connected from then on. */
  readonly #standing = new Set<PeerId>();
  /** The rings of those who are there, this node included, and those of all who are known. */
  readonly #here: Rings;
  readonly #known: Rings;
  /** Whether somebody may have come or gone since these were made, and when somebody did last, ms since the epoch. */
  #isStale = true;
  #movedAt = 0;
  #scope: Scope | undefined;
  #isDue = false;
  #isDueLater = false;
  #isAlone = false;

  constructor(components: NeighbourKeeperComponents) {
    this.#components = components;
    this.#here = this.#choice.rings([]);
    this.#known = this.#choice.rings([]);
  }

  start(scope: Scope): void {
    this.#scope = scope;
    this.#isDue = false;
    this.#isDueLater = false;
    this.#isAlone = false;
    this.#chosenAt.clear();
    this.#standing.clear();
    scope.add(() => (this.#scope = undefined));
    scope.every(ALONE_LOOK_MS, () => this.#lookAround());
    this.changed();
  }

  placed(peer: Placed): void {
    const { peerId } = peer.view;
    const told = this.#told.get(peerId);
    if (told !== undefined) this.#tell(peer, told.as);
    this.changed();
  }

  changed(): void {
    this.#isStale = true;
    this.#lookSoon();
  }

  of(node: PeerId): ReadonlySet<PeerId> {
    if (this.#isStale) {
      this.#isStale = false;
      const { clock, network, peers } = this.#components;
      const here = [...peers()].filter(isHere).map(({ view }) => view.peerId);
      if (this.#here.become([...here, network.self])) this.#movedAt = clock.now();
    }
    return this.#here.of(node);
  }

  #lookLater(): void {
    if (this.#isDueLater || this.#scope === undefined) return;
    this.#isDueLater = true;
    this.#scope.after(CALM_LOOK_MS, () => {
      this.#isDueLater = false;
      this.#lookSoon();
    });
  }

  #lookSoon(): void {
    if (this.#isDue || this.#scope === undefined) return;
    this.#isDue = true;
    this.#scope.after(LOOK_DELAY_MS, () => this.#look());
  }

  #look(): void {
    this.#isDue = false;
    const { network, peers } = this.#components;
    const all = [...peers()];
    const known = all.map(({ view }) => view.peerId);
    this.#known.become(known);
    const chosen = new Set([...this.of(network.self), ...this.#known.of(network.self)]);
    const wanted = this.#ofLongStanding(chosen);
    if (this.#isAlone) for (const peer of this.#sought(known)) wanted.add(peer);
    for (const peer of all) {
      if (wanted.has(peer.view.peerId)) this.#tell(peer, 'kept');
      else this.#tell(peer, isHere(peer) ? 'spare' : 'gone');
    }
    const isKnown = new Set(known);
    for (const peer of this.#told.keys()) if (!isKnown.has(peer)) this.#told.delete(peer);
  }

  /**
   * Of `chosen` those that have been chosen for a while in which it was calm or are connected, and a few others; looks
   * again for the rest.
   */
  #ofLongStanding(chosen: ReadonlySet<PeerId>): Set<PeerId> {
    const { clock, network } = this.#components;
    const now = clock.now();
    for (const peer of this.#chosenAt.keys()) {
      if (chosen.has(peer)) continue;
      this.#chosenAt.delete(peer);
      this.#standing.delete(peer);
    }
    for (const peer of chosen) if (!this.#chosenAt.has(peer)) this.#chosenAt.set(peer, now);
    const connected = new Set(network.connected());
    const isCalm = Math.abs(now - this.#movedAt) >= CALM_MS;
    const wanted = new Set<PeerId>();
    const others: PeerId[] = [];
    for (const peer of chosen) {
      const sinceMs = Math.abs(now - (this.#chosenAt.get(peer) ?? now));
      if (sinceMs >= (isCalm ? CALM_MS : BUSY_MS)) this.#standing.add(peer);
      if (this.#standing.has(peer) || connected.has(peer)) wanted.add(peer);
      else others.push(peer);
    }
    // By whom one came in is mostly no neighbour: what that one misses counts nothing.
    const linked = [...chosen].filter((peer) => connected.has(peer)).length;
    const atOnce = Math.max(0, Math.max(FIRST_LINKS, accusersNeeded(chosen.size)) - linked);
    // Whoever is being dialled already comes first: others would come on top of them.
    const isUnderWay = (peer: PeerId): boolean => this.#told.get(peer)?.as === 'kept';
    const inTurn = [...others.filter(isUnderWay), ...others.filter((peer) => !isUnderWay(peer))];
    for (const peer of inTurn.slice(0, atOnce)) wanted.add(peer);
    if (inTurn.length > atOnce) this.#lookLater();
    return wanted;
  }

  #tell({ view, addresses }: Placed, as: Told['as']): void {
    const { network } = this.#components;
    const { peerId } = view;
    const told = this.#told.get(peerId);
    if (told?.as === as && isSame(told.addresses, addresses)) return;
    this.#told.set(peerId, { as, addresses });
    if (as === 'kept') network.keep(peerId, addresses);
    else network.know(peerId, addresses);
    if (as === 'gone') network.unkeep(peerId);
  }

  /** A few at a time, others each time. */
  #sought(known: readonly PeerId[]): readonly PeerId[] {
    const { random } = this.#components;
    return known
      .map((peer) => ({ peer, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .slice(0, SOUGHT_MAX)
      .map(({ peer }) => peer);
  }

  #lookAround(): void {
    const isAlone = this.#components.network.connected().length === 0;
    if (isAlone || this.#isAlone) this.changed();
    this.#isAlone = isAlone;
  }
}

/** Mostly they are the very same. */
function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some === others || some.join() === others.join();
}

function isHere({ view }: Placed): boolean {
  return view.state === 'alive' || view.state === 'suspect';
}
