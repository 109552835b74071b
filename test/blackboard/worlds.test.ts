/** Boards of whole nodes, whatever happens to what they write, to their links, disks, rights and lives. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { upTo } from '../long/extent.ts';
import { BOARDS, story } from './board-events.ts';
import { BoardWorld } from './board-world.ts';
import type { Happened } from './board-world.ts';

/** Of the long form, which runs many of these worlds. */
const TIMEOUT_MS = 3_600_000;

it(
  'nodes are equal with equal digests after any interleaving, what was acknowledged is there, and nothing that was deleted, has ended, was refused or lies beyond a cut',
  async () => {
    const total: Partial<Happened> = {};
    await fc.assert(
      fc.asyncProperty(story, async ({ nodes, events }) => {
        const world = new BoardWorld(nodes);
        try {
          await world.start();
          for (const event of events) await world.happen(event);
          expect(await world.settle()).toBe(true);
          expect([...world.faults, ...(await world.judge())]).toEqual([]);
          const told = await contentsOf(world);
          await world.restartAll();
          // From their disks alone all show the same.
          expect(await contentsOf(world)).toEqual(told);
          for (const [what, times] of Object.entries(world.happened)) {
            const one = what as keyof Happened;
            total[one] = (total[one] ?? 0) + times;
          }
        } finally {
          await world.stop();
        }
      }),
      { seed: 17, endOnFailure: true, numRuns: upTo(20, 300) },
    );
    // All of it happens, or else this shows nothing.
    const never = Object.entries(total).filter(([, times]) => times === 0);
    expect(never).toEqual([]);
  },
  TIMEOUT_MS,
);

/** What all who may read a board show of it, which is one and the same. */
async function contentsOf(world: BoardWorld): Promise<readonly unknown[]> {
  const contents: unknown[] = [];
  for (const of of BOARDS) {
    const all = new Set<string>();
    for (const name of await world.readers(of)) {
      const digest = (await world.board(name, of)).digest();
      all.add(JSON.stringify([digest, await world.contents(name, of)]));
    }
    expect(all.size).toBe(1);
    contents.push(...all);
  }
  return contents;
}
