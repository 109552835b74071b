/** Boards of whole nodes, whatever happens to what they write, to their links, disks, rights and lives. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { upTo } from '../long/extent.ts';
import { BOARDS, KINDS, story } from './board-events.ts';
import type { BoardEvent, Story } from './board-events.ts';
import { BoardWorld } from './board-world.ts';
import type { Happened } from './board-world.ts';
import { pinChance } from './chance.ts';

/** Of the long form, which runs many of these worlds. */
const TIMEOUT_MS = 3_600_000;

it(
  'nodes are equal with equal digests after any interleaving, what was acknowledged is there, and nothing that was deleted, has ended, was refused or lies beyond a cut',
  async () => {
    const total: Partial<Happened> = {};
    const kinds = new Set<string>();
    const sizes = new Set<number>();
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        const { happened } = await live(told);
        sizes.add(told.nodes);
        for (const { kind } of told.events) kinds.add(kind);
        for (const [what, times] of Object.entries(happened)) {
          const one = what as keyof Happened;
          total[one] = (total[one] ?? 0) + times;
        }
      }),
      { seed: 17, endOnFailure: true, numRuns: upTo(12, 300) },
    );
    // All of it happens, or else this shows nothing.
    const never = Object.entries(total).filter(([, times]) => times === 0);
    expect(never).toEqual([]);
    expect([...kinds].toSorted()).toEqual(KINDS.toSorted());
    expect([...sizes].toSorted()).toEqual([3, 4, 5]);
  },
  TIMEOUT_MS,
);

it('a world is the same each time, so that one that fell can be seen again', async () => {
  const [one] = fc.sample(story, { seed: 17, numRuns: 1 });
  if (one === undefined) throw new Error('no story');
  const first = await live(one);
  expect(await live(one)).toEqual(first);
  // It is not the same by whatever chance.
  expect(await live({ ...one, chance: one.chance + 1 })).not.toEqual(first);
});

it('what a client read of whom the right was taken back then may be gone, a deletion as well', async () => {
  const [ann, , cyd] = [0, 1, 2];
  const event = (kind: string, more: object): BoardEvent =>
    ({ kind, who: ann, turns: 6, ...more }) as BoardEvent;
  const events = [
    event('set', { who: cyd, board: 'plan', key: 'a', ttlMs: 0 }),
    event('split', { sides: 4 }),
    event('delete', { who: cyd, board: 'plan', key: 'a' }),
    event('reads', { who: cyd, board: 'plan' }),
    event('revoke', { who: cyd, isUnseen: false, fails: false }),
    event('heal', {}),
    event('reads', { board: 'plan' }),
  ];
  const { happened } = await live({ nodes: 3, events, chance: 1 });
  expect(happened).toMatchObject({ served: 2, revoked: 1, beyond: 1 });
});

/** Has a story happen; gives what came of it, which is as it should be. */
async function live({ nodes, events, chance }: Story): Promise<{
  readonly happened: Happened;
  readonly contents: readonly unknown[];
}> {
  const free = pinChance(chance);
  const world = new BoardWorld(nodes);
  try {
    await world.start();
    for (const event of events) await world.happen(event);
    expect(await world.settle()).toBe(true);
    expect([...world.faults, ...(await world.judge())]).toEqual([]);
    const contents = await contentsOf(world);
    await world.restartAll();
    // From their disks alone all show the same.
    expect(await contentsOf(world)).toEqual(contents);
    return { happened: world.happened, contents };
  } finally {
    await world.stop();
    free();
  }
}

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
