/** How soon all know who is gone where one packet in twenty is lost: whole views over lossy links, by seeds. */
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { LossyMesh } from '../lossy-mesh.ts';
import { upTo } from '../../long/extent.ts';

const NODES = 10;
const LOSS = 0.05;
const INTERVAL_MS = 5000;
const SEEDS = [1, 2, 3, 4, 5, 6].slice(0, upTo(2, 6));

/** When all others suspected the one that went, and when they had it dead, ms; and who else was had dead. */
async function gone(
  seed: number,
  how: 'kill' | 'silence',
  linksOfLast?: number,
): Promise<{
  readonly knownMs: number;
  readonly deadMs: number;
  readonly falsely: readonly unknown[];
}> {
  const mesh = new LossyMesh(seed, { nodes: NODES, loss: LOSS });
  await mesh.start(linksOfLast);
  // All say heartbeats in each interval: it goes while its last one is under way.
  await mesh.run(2 * INTERVAL_MS + ((seed * 37) % 300));
  const [whom = '' as PeerId, ...others] = mesh.ids.toReversed();
  const sinceMs = mesh.now();
  mesh[how](whom);
  await mesh.run(10_000);
  const last = (states: readonly string[]): number =>
    Math.max(
      ...others.map((by) => {
        const isIt = (one: (typeof mesh.seen)[number]): boolean =>
          one.by === by && one.whom === whom && one.atMs >= sinceMs && states.includes(one.state);
        return (mesh.seen.find(isIt)?.atMs ?? Infinity) - sinceMs;
      }),
    );
  const falsely = mesh.seen.filter(
    (one) => one.state === 'dead' && one.whom !== whom && one.by !== whom,
  );
  await mesh.stop();
  return { knownMs: last(['suspect', 'dead']), deadMs: last(['dead']), falsely };
}

describe('of ten nodes that lose a packet in twenty', () => {
  it('one whose process ends is known by all within 3 s and dead within 6 s, its last words still under way', async () => {
    for (const seed of SEEDS) {
      const { knownMs, deadMs, falsely } = await gone(seed, 'kill');
      expect([seed, knownMs <= 3000, deadMs <= 6000, falsely]).toEqual([seed, true, true, []]);
    }
  });

  it('one that falls silent is known by all within 4 s and dead within 8 s', async () => {
    for (const seed of SEEDS.slice(0, upTo(1, 3))) {
      const { knownMs, deadMs, falsely } = await gone(seed, 'silence');
      expect([seed, knownMs <= 4000, deadMs <= 8000, falsely]).toEqual([seed, true, true, []]);
    }
  });

  it('one that has a link to one alone, as who came a moment ago, is dead for all as soon', async () => {
    for (const seed of SEEDS.slice(0, upTo(1, 3))) {
      const killed = await gone(seed, 'kill', 1);
      expect([seed, killed.deadMs <= 8000, killed.falsely]).toEqual([seed, true, []]);
      const silent = await gone(seed, 'silence', 1);
      expect([seed, silent.deadMs <= 10_000, silent.falsely]).toEqual([seed, true, []]);
    }
  });
});
