/** Who has just come and is gone again, and many who come at once among liars: whole views over lossy links, by seeds. */
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { someOf } from '../../long/extent.ts';
import { LossyMesh } from '../lossy-mesh.ts';

const NODES = 24;
const LOSS = 0.05;
/** All have said a heartbeat by their rhythm. */
const SETTLED_MS = 8000;

/** How a newcomer goes. */
interface Going {
  readonly seed: number;
  readonly how: 'kill' | 'silence';
  readonly ageMs: number;
  readonly loss?: number;
  readonly liars?: number;
  readonly watchedMs: number;
}

/** When all who are honest missed the one that went, and when they had it dead for good, ms; and who else was dead. */
async function gone({ seed, how, ageMs, loss = 0, liars = 0, watchedMs }: Going): Promise<{
  readonly knownMs: number;
  readonly deadMs: number;
  readonly falsely: readonly unknown[];
}> {
  const mesh = new LossyMesh(seed, { nodes: NODES, loss });
  await mesh.start();
  await mesh.run(SETTLED_MS + ((seed * 37) % 300));
  const before = mesh.ids;
  const honest = before.slice(liars);
  for (const id of before.slice(0, liars)) mesh.lie(id);
  const whom = await mesh.join(before[(seed * 5) % NODES] ?? ('' as PeerId));
  await mesh.run(ageMs);
  const sinceMs = mesh.now();
  mesh[how](whom);
  await mesh.run(watchedMs);
  const times = honest.map((by) => {
    const seen = mesh.seen.filter((one) => one.by === by && one.whom === whom);
    const missed = seen.find(({ atMs, state }) => atMs >= sinceMs && state !== 'alive');
    const last = seen.at(-1);
    // Who had not heard of it yet misses nothing.
    if (last === undefined) return { knownMs: 0, deadMs: 0 };
    const deadMs = last.state === 'dead' ? last.atMs - sinceMs : Infinity;
    return { knownMs: (missed?.atMs ?? Infinity) - sinceMs, deadMs };
  });
  const falsely = mesh.seen.filter(
    (one) => one.state === 'dead' && one.whom !== whom && honest.includes(one.by),
  );
  await mesh.stop();
  const knownMs = Math.max(...times.map((one) => one.knownMs));
  return { knownMs, deadMs: Math.max(...times.map((one) => one.deadMs)), falsely };
}

/** Ages of newcomers, ms, each with its seed: `npm test` has the one that went soonest, whom fewest have heard. */
const soonest = (ages: readonly (readonly [ageMs: number, seed: number])[]): typeof ages =>
  someOf(ages, (_, at) => at === 0);

describe('of twenty-five nodes, one that came a moment ago', () => {
  it.each(
    soonest([
      [500, 1],
      [2000, 3],
    ]),
  )(
    'and is killed after %i ms is known by all within 3 s and dead within 6 s',
    async (ageMs, seed) => {
      const killed = await gone({ seed, how: 'kill', ageMs, watchedMs: 7000 });
      expect(killed).toEqual({ knownMs: killed.knownMs, deadMs: killed.deadMs, falsely: [] });
      expect([killed.knownMs <= 3000, killed.deadMs <= 6000]).toEqual([true, true]);
    },
  );

  it('and is killed among four that vouch for it is dead for the others as soon', async () => {
    const killed = await gone({ seed: 2, how: 'kill', ageMs: 1000, liars: 4, watchedMs: 7000 });
    expect([killed.knownMs <= 3000, killed.deadMs <= 6000, killed.falsely]).toEqual([
      true,
      true,
      [],
    ]);
  });

  it.each(
    soonest([
      [500, 1],
      [1000, 4],
    ]),
  )('and falls silent after %i ms is dead for all within 10 s', async (ageMs, seed) => {
    const silent = await gone({ seed, how: 'silence', ageMs, watchedMs: 11_000 });
    expect([silent.knownMs <= 6500, silent.deadMs <= 10_000, silent.falsely]).toEqual([
      true,
      true,
      [],
    ]);
  });

  it('and falls silent is dead for good within 12 s where its last words come to one that had it dead', async () => {
    const silent = await gone({
      seed: 1,
      how: 'silence',
      ageMs: 2000,
      loss: LOSS,
      watchedMs: 13_000,
    });
    expect([silent.knownMs <= 6500, silent.deadMs <= 12_000, silent.falsely]).toEqual([
      true,
      true,
      [],
    ]);
  });
});

describe('of twenty-five nodes that come at once, four of whom accuse everybody', () => {
  it('all know all within two seconds, and nobody is dead for anybody', async () => {
    const mesh = new LossyMesh(1, { nodes: 4, loss: LOSS });
    await mesh.start();
    await mesh.run(SETTLED_MS);
    const first = mesh.ids;
    const liars: PeerId[] = [];
    for (let at = 0; at < 21; at += 1) {
      const id = await mesh.join(first[at % 4] ?? ('' as PeerId));
      if (at % 5 === 2) {
        liars.push(id);
        mesh.lie(id);
      }
      await mesh.run(50);
    }
    const all = mesh.ids;
    const honest = all.filter((id) => !liars.includes(id));
    const knows = (by: PeerId): number =>
      new Set(mesh.seen.filter((one) => one.by === by).map(({ whom }) => whom)).size;
    await mesh.run(2000);
    expect([liars.length, honest.map(knows)]).toEqual([4, honest.map(() => all.length - 1)]);
    await mesh.run(4000);
    const dead = mesh.seen.filter((one) => one.state === 'dead' && honest.includes(one.by));
    expect(dead).toEqual([]);
    await mesh.stop();
  });
});
