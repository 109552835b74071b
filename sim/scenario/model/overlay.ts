/** Who is linked to whom among very many: rings, each a random order of all nodes, in typed arrays. */
import { linksOf } from './parameters.ts';
import type { Protocol } from './parameters.ts';
import type { Chance } from '../random.ts';

/** Links of all nodes. */
export interface Overlay {
  readonly nodes: number;
  /** Links a node. */
  readonly links: number;
  /** The neighbour number `which` of `node`. */
  neighbour(node: number, which: number): number;
}

/** Makes the links of so many nodes. */
export function createOverlay(nodes: number, protocol: Protocol, chance: Chance): Overlay {
  const links = linksOf(nodes, protocol);
  if (links >= nodes - 1) {
    return {
      nodes,
      links,
      neighbour: (node, which) => (which < node ? which : which + 1),
    };
  }
  const reach = protocol.linksMin / 2;
  const rings = 1 + (links - protocol.linksMin) / 2;
  return ringed(nodes, stepsOf(reach, rings), chance);
}

/** The links by which gossip goes: a random graph in which each node has so many, rounded up to an even number. Links stand in pairs, there and back. */
export function createGossipMesh(nodes: number, degree: number, chance: Chance): Overlay {
  const rings = Math.max(1, Math.ceil(Math.min(degree, Math.max(2, nodes - 1)) / 2));
  return ringed(nodes, stepsOf(1, rings), chance);
}

/** Steps along the first ring, then one to either side in each other; always a pair, there and back. */
function stepsOf(reach: number, rings: number): readonly (readonly [number, number])[] {
  const steps: [number, number][] = [];
  for (let step = 1; step <= reach; step += 1) steps.push([0, step], [0, -step]);
  for (let ring = 1; ring < rings; ring += 1) steps.push([ring, 1], [ring, -1]);
  return steps;
}

function ringed(
  nodes: number,
  steps: readonly (readonly [number, number])[],
  chance: Chance,
): Overlay {
  const rings = 1 + Math.max(...steps.map(([ring]) => ring));
  const order = Array.from({ length: rings }, () => permutation(nodes, chance));
  // One row a node: who goes round by all links of a node reads one piece of memory.
  const table = new Int32Array(nodes * steps.length);
  for (const [way, [ring, step]] of steps.entries()) {
    const ordered = order[ring] as Int32Array;
    for (let at = 0; at < nodes; at += 1) {
      const to = ordered[(at + step + nodes) % nodes] as number;
      table[(ordered[at] as number) * steps.length + way] = to;
    }
  }
  return {
    nodes,
    links: steps.length,
    neighbour: (node, way) => table[node * steps.length + way] as number,
  };
}

function permutation(count: number, chance: Chance): Int32Array {
  const list = Int32Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = chance.below(at + 1);
    const held = list[at] as number;
    list[at] = list[other] as number;
    list[other] = held;
  }
  return list;
}
