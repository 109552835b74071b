/**
 * What a change of a strong key costs all its replicas together, in counts, which say the same on a busy machine: one caller at
 * a replica that has proposed the key's changes before, all nodes in this process, over memory.
 */
import type { Did } from '../../../src/index.ts';
import { atMost } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { costsOf, costsSoFar } from './costs.ts';
import { NAME, withNodes } from './nodes.ts';

/** Of one change, on average. */
export interface StrongCounts {
  /** Questions and answers, with whatever else nodes tell each other meanwhile. */
  readonly messages: number;
  /** Rows on all disks. */
  readonly rows: number;
}

/** From so many changes of its own on a replica proposes the key's changes itself. */
const WARM_UP = 12;

/** Counts over so many changes, one after the other. */
export function countStrong(replicas: number, changes: number): Promise<StrongCounts> {
  return withNodes(replicas, async (mesh) => {
    const [first] = mesh.nodes;
    if (first === undefined) throw new Error('no replica');
    const board = await first.board(NAME);
    await board.create({ strong: mesh.nodes.map((node) => node.status().did as Did) });
    const cas = async (version: number): Promise<void> => {
      const request = { t: 'cas', value: `value ${version}`, version } as const;
      const { ok } = await board.strong('key', { request });
      if (!ok) throw new Error('nobody else writes the key');
    };
    for (let version = 0; version < WARM_UP; version += 1) await cas(version);
    const before = costsSoFar(mesh.chunks());
    for (let at = 0; at < changes; at += 1) await cas(WARM_UP + at);
    const { chunks: messages, rows } = costsOf(before, costsSoFar(mesh.chunks()), changes);
    return { messages, rows };
  });
}

/**
 * As many replicas are asked as make a majority: of n that is n - 1 messages, and a row more than half of n. All would be 2 (n -
 * 1) and n. Between these is room for what goes on meanwhile, as the others are told once a second.
 */
export function barsOfCounts(replicas: number, { messages, rows }: StrongCounts): readonly Bar[] {
  return [
    atMost(`strong cas, messages, ${replicas} replicas`, replicas, messages),
    atMost(`strong cas, rows on disks, ${replicas} replicas`, replicas / 2 + 1, rows),
  ];
}
