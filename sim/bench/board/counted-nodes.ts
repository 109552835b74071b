/**
 * Nodes of this process, over memory, whose messages and rows are counted while one caller changes a strong key: at a replica
 * that has proposed the key's changes before.
 */
import type { Did } from '../../../src/index.ts';
import { costsOf, costsSoFar } from './costs.ts';
import { NAME, withNodes } from './nodes.ts';
import type { StrongCounts } from './strong-counts.ts';

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
