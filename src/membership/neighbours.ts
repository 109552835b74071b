/**
 * Which peers a node keeps connected when there are too many to keep all. Pure. Everybody who knows the same
 * members comes to the same result, so that both ends of a link want it: members stand in a few rings, ordered in
 * each by a hash of ring and PeerId. Neighbours are the three before and the three after in the first ring,
 * and the next on either side in the others.
 *
 * ```
 *   rings(N) = 1 + ⌊(clamp(⌈log2 N⌉ + 2, 6, 16) - 6) / 2⌋        links of a node: 6 to 4 + 2 · rings(N), 16 at the most
 * ```
 *
 * The first ring alone keeps the mesh whole while fewer than three nodes that follow one another are gone; each
 * further ring is a random cycle, so that news goes round in about log N steps. One member that comes or goes
 * changes about six links of the first ring and two of each other.
 *
 * So each of 10 to 32 nodes has six links, of 33 to 128 eight, of a thousand twelve.
 */
import { createHash } from 'node:crypto';
import type { PeerId } from '../core/index.ts';

/**
 * Peers that are all kept connected. More = small meshes stay as simple and quick as can be; each link costs
 * both ends 1 ms of CPU a second, and a dial 50 ms, so that N nodes cost N · (N - 1) / 2 of that.
 */
export const FULL_MESH_PEERS = 8;
/** Neighbours on either side in the first ring. More = more nodes that follow one another may fail at once. */
const REACH = 3;
/**
 * Bounds of what is aimed at, and never passed: `⌈log2 N⌉ + MORE`. More = shorter ways and less harm by loss, at more cost
 * a node: a link costs both ends 30 ms of CPU while joining, and 1 ms each second then.
 */
const LINKS_MIN = 2 * REACH;
const LINKS_MAX = 16;
const MORE = 2;

/** Chooses neighbours. */
export interface NeighbourChoice {
  /** The rings of `members`: to be asked again and again while nobody comes or goes. */
  rings(members: Iterable<PeerId>): Rings;
  /** The neighbours of `node` among `members`, of which `node` need not be one. */
  of(node: PeerId, members: Iterable<PeerId>): ReadonlySet<PeerId>;
}

/** Members in their rings. */
export interface Rings {
  /** The neighbours of `node`, one of the members or not. */
  of(node: PeerId): ReadonlySet<PeerId>;
  /** These are the members from now on: true when somebody has come or gone. Who stays costs one look. */
  become(members: Iterable<PeerId>): boolean;
}

/** Makes the choice; places in the rings are reckoned once for each member. */
export function createNeighbourChoice(): NeighbourChoice {
  const places = new Map<PeerId, readonly string[]>();
  const placesOf = (peer: PeerId): readonly string[] => {
    let known = places.get(peer);
    if (known === undefined) {
      known = Array.from({ length: ringsOf(2 ** 30) }, (_, ring) =>
        createHash('sha256').update(`${ring} ${peer}`).digest('hex'),
      );
      places.set(peer, known);
    }
    return known;
  };
  const rings = (members: Iterable<PeerId>): Rings => new MemberRings(members, placesOf);
  return { rings, of: (node, members) => rings(members).of(node) };
}

class MemberRings implements Rings {
  #members: ReadonlySet<PeerId> = new Set();
  readonly #placesOf: (peer: PeerId) => readonly string[];
  /** Members in the order of each ring that was asked for. */
  readonly #orders = new Map<number, PeerId[]>();

  constructor(members: Iterable<PeerId>, placesOf: (peer: PeerId) => readonly string[]) {
    this.#placesOf = placesOf;
    this.become(members);
  }

  become(members: Iterable<PeerId>): boolean {
    const before = this.#members;
    const now = new Set(members);
    const gone = [...before].filter((peer) => !now.has(peer));
    const come = [...now].filter((peer) => !before.has(peer));
    if (gone.length === 0 && come.length === 0) return false;
    this.#members = now;
    // Where most are others the orders are made anew when they are asked for.
    if (gone.length + come.length > before.size / 4) this.#orders.clear();
    for (const [ring, order] of this.#orders) {
      for (const peer of gone) order.splice(this.#placeIn(order, ring, peer), 1);
      for (const peer of come) order.splice(this.#placeIn(order, ring, peer), 0, peer);
    }
    return true;
  }

  of(node: PeerId): ReadonlySet<PeerId> {
    const isMember = this.#members.has(node);
    const others = this.#members.size - (isMember ? 1 : 0);
    if (others <= FULL_MESH_PEERS) {
      return new Set([...this.#members].filter((peer) => peer !== node));
    }
    const chosen = new Set<PeerId>();
    for (let ring = 0; ring < ringsOf(others + 1); ring += 1) {
      const order = this.#order(ring);
      const at = this.#placeIn(order, ring, node);
      for (let step = 1; step <= (ring === 0 ? REACH : 1); step += 1) {
        // Who is no member stands before the one at its place.
        for (const to of [isMember ? at + step : at + step - 1, at - step]) {
          const peer = order[(to + order.length) % order.length];
          if (peer !== undefined && peer !== node) chosen.add(peer);
        }
      }
    }
    return chosen;
  }

  #order(ring: number): readonly PeerId[] {
    let order = this.#orders.get(ring);
    if (order === undefined) {
      order = [...this.#members].toSorted((a, b) =>
        this.#place(a, ring) < this.#place(b, ring) ? -1 : 1,
      );
      this.#orders.set(ring, order);
    }
    return order;
  }

  /** How many of `order` stand before `node`. */
  #placeIn(order: readonly PeerId[], ring: number, node: PeerId): number {
    const place = this.#place(node, ring);
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const peer = order[middle];
      if (peer !== undefined && this.#place(peer, ring) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #place(peer: PeerId, ring: number): string {
    return this.#placesOf(peer)[ring] ?? '';
  }
}

/** How many rings there are for so many members. */
function ringsOf(members: number): number {
  const target = Math.ceil(Math.log2(Math.max(2, members))) + MORE;
  const links = Math.min(LINKS_MAX, Math.max(LINKS_MIN, target));
  return 1 + Math.floor((links - LINKS_MIN) / 2);
}
