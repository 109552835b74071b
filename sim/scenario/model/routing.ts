/**
 * Look-ups by XOR distance (Maymounkov and Mazières, "Kademlia", 2002) without a table for each node: identifiers
 * are sorted, so that all who share a prefix stand side by side, and who is in a bucket is drawn from there by a hash
 * of node and bucket: the same each time.
 */
import type { Chance } from '../random.ts';

/** What one look-up took. */
export interface Lookup {
  /** Rounds of questions, one after the other. */
  readonly rounds: number;
  readonly questions: number;
  /** Questions to who did not answer. */
  readonly unanswered: number;
  /** Whether the nearest node that lives was found. */
  readonly isFound: boolean;
}

/** Looks up. */
export interface Routing {
  lookup(from: number, isUp: (node: number) => boolean, chance: Chance): Lookup;
}

const BITS = 32;
const ROUNDS_MAX = 40;

/** Makes the identifiers of so many nodes. */
export function createRouting(nodes: number, k: number, alpha: number, chance: Chance): Routing {
  const ids = Uint32Array.from({ length: nodes }, () => chance.bits()).sort();
  /** The first index whose identifier is not below `id`. */
  const from = (id: number): number => {
    let low = 0;
    let high = nodes;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ids[middle] as number) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const idOf = (node: number): number => ids[node] as number;
  /** The up to `k` nodes nearest to `target` that `node` knows: of its bucket for it, and those nearer to itself. */
  const known = (node: number, target: number): readonly number[] => {
    const own = idOf(node);
    const distance = (own ^ target) >>> 0;
    const found: number[] = [];
    for (
      let bit = distance === 0 ? 0 : 31 - Math.clz32(distance);
      bit >= 0 && bit < BITS && found.length < k;
      bit -= 1
    ) {
      // Who differs from the node first at this bit.
      const base = ((((own ^ (2 ** bit)) >>> 0) / 2 ** bit) | 0) * 2 ** bit;
      const start = from(base >>> 0);
      const end = from((base >>> 0) + 2 ** bit - 1 + 1);
      const count = Math.max(0, end - start);
      for (let at = 0; at < Math.min(k, count); at += 1) {
        found.push(start + (count <= k ? at : mixed(own, bit, at) % count));
      }
    }
    return found;
  };
  const far = (node: number, target: number): number => (idOf(node) ^ target) >>> 0;
  return {
    lookup(start, isUp, source) {
      const target = source.bits();
      const asked = new Set<number>([start]);
      let near = [...known(start, target)]
        .toSorted((a, b) => far(a, target) - far(b, target))
        .slice(0, k);
      let rounds = 0;
      let unanswered = 0;
      while (rounds < ROUNDS_MAX) {
        const next = near.filter((node) => !asked.has(node)).slice(0, alpha);
        if (next.length === 0) break;
        rounds += 1;
        const heard = new Set(near);
        for (const node of next) {
          asked.add(node);
          if (!isUp(node)) {
            unanswered += 1;
            heard.delete(node);
          } else
            for (const other of known(node, target))
              if (!asked.has(other) || isUp(other)) heard.add(other);
        }
        near = [...heard].toSorted((a, b) => far(a, target) - far(b, target)).slice(0, k);
      }
      const best = nearestUp(target, from(target), nodes, isUp, far);
      return {
        rounds,
        questions: asked.size - 1,
        unanswered,
        isFound: near[0] === best || start === best,
      };
    },
  };
}

/** The node nearest to `target` that is up: one of those around its place, since it shares the longest prefix. */
function nearestUp(
  target: number,
  place: number,
  nodes: number,
  isUp: (node: number) => boolean,
  far: (node: number, target: number) => number,
): number {
  let best = -1;
  for (let node = Math.max(0, place - 64); node < Math.min(nodes, place + 64); node += 1) {
    if (isUp(node) && (best === -1 || far(node, target) < far(best, target))) best = node;
  }
  return best;
}

/** A hash of three numbers (the finisher of MurmurHash3). */
function mixed(a: number, b: number, c: number): number {
  let z = (a ^ Math.imul(b + 1, 0x9e3779b1) ^ Math.imul(c + 1, 0x85ebca77)) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}
