/**
 * Keeps this node connected to its neighbours, and to nobody else: says to the network which peers to keep, and
 * which need no link because others are connected to them. `neighbours.ts` has the choice.
 *
 * Chosen are the neighbours among those that are there, and those among all that are known, so that somebody
 * dials whoever seems to be dead: that is how two parts of a mesh find each other again. A node without any
 * link looks for whomever it knows.
 */
import type { PeerId, Random, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { FULL_MESH_PEERS, createNeighbourChoice } from './neighbours.ts';
import type { Peer } from './peer-table.ts';

/** Changes that come close together are looked at together. More = less work while many start, later links. */
const LOOK_DELAY_MS = 100;
/** How often it is looked whether this node is alone. */
const ALONE_LOOK_MS = 5000;
/** Peers that a node without links looks for at a time; each dial in vain costs little, and takes seconds. */
const SOUGHT_MAX = 64;

/** What is worked with. */
export interface NeighbourKeeperComponents {
  readonly network: Pick<Network, 'connected' | 'keep' | 'know' | 'self' | 'unkeep'>;
  /** All peers that are known. */
  readonly peers: () => Iterable<Placed>;
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

/** Makes the keeper. */
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
  #scope: Scope | undefined;
  #isDue = false;
  #isAlone = false;

  constructor(components: NeighbourKeeperComponents) {
    this.#components = components;
  }

  start(scope: Scope): void {
    this.#scope = scope;
    this.#isDue = false;
    this.#isAlone = false;
    scope.add(() => (this.#scope = undefined));
    scope.every(ALONE_LOOK_MS, () => this.#lookAround());
    this.changed();
  }

  placed(peer: Placed): void {
    const { peerId } = peer.view;
    const told = this.#told.get(peerId);
    if (told !== undefined) this.#tell(peer, told.as);
    else if (this.#isSmall()) this.#tell(peer, 'kept');
    this.changed();
  }

  changed(): void {
    if (this.#isDue || this.#scope === undefined) return;
    this.#isDue = true;
    this.#scope.after(LOOK_DELAY_MS, () => this.#look());
  }

  of(node: PeerId): ReadonlySet<PeerId> {
    const { network, peers } = this.#components;
    const here = [...peers()].filter(isHere).map(({ view }) => view.peerId);
    return this.#choice.of(node, [...here, network.self]);
  }

  #look(): void {
    this.#isDue = false;
    const { network, peers } = this.#components;
    const all = [...peers()];
    const known = all.map(({ view }) => view.peerId);
    const wanted = new Set([...this.of(network.self), ...this.#choice.of(network.self, known)]);
    if (this.#isAlone) for (const peer of this.#sought(known)) wanted.add(peer);
    for (const peer of all) {
      if (wanted.has(peer.view.peerId)) this.#tell(peer, 'kept');
      else this.#tell(peer, isHere(peer) ? 'spare' : 'gone');
    }
    const isKnown = new Set(known);
    for (const peer of this.#told.keys()) if (!isKnown.has(peer)) this.#told.delete(peer);
  }

  #tell({ view, addresses }: Placed, as: Told['as']): void {
    const { network } = this.#components;
    const { peerId } = view;
    const told = this.#told.get(peerId);
    if (told?.as === as && told.addresses.join() === addresses.join()) return;
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

  #isSmall(): boolean {
    let count = 0;
    for (const _ of this.#components.peers()) count += 1;
    return count <= FULL_MESH_PEERS;
  }

  #lookAround(): void {
    const isAlone = this.#components.network.connected().length === 0;
    if (isAlone || this.#isAlone) this.changed();
    this.#isAlone = isAlone;
  }
}

function isHere({ view }: Placed): boolean {
  return view.state === 'alive' || view.state === 'suspect';
}
