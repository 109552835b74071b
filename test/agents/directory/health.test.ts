/** The health of an agent: the formula that docs/agents.md states, and what it is reckoned from. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { healthOf } from '../../../src/agents/directory/health.ts';
import { Metrics } from '../../../src/agents/directory/metrics.ts';
import { memoryShare } from '../../../src/agents/run/memory-use.ts';

const WELL = { isOver: false, silentMs: 0, failed: 0, down: 0 };

describe('the health of an agent', () => {
  it.each([
    ['nothing is wrong', {}, 100],
    ['it has been silent for half a minute', { silentMs: 30_000 }, 80],
    ['it has been silent for a day', { silentMs: 86_400_000 }, 60],
    ['five of its last 20 answers failed', { failed: 0.25 }, 90],
    ['one of its two processes does not run', { down: 0.5 }, 85],
    ['it has 90 % of its memory', { memory: 0.9 }, 100],
    ['it has 95 % of its memory', { memory: 0.95 }, 90],
    ['it has all of its memory', { memory: 1 }, 80],
    ['all of that', { silentMs: 60_000, failed: 1, down: 1, memory: 2 }, 0],
    ['it is over', { isOver: true }, 0],
  ])('when %s', (_, trouble, health) => {
    expect(healthOf({ ...WELL, ...trouble })).toBe(health);
  });

  it('is a whole number from 0 to 100, and no worse for a lesser trouble', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const trouble = fc.record({
      isOver: fc.constant(false),
      silentMs: fc.nat(200_000),
      failed: share,
      down: share,
      memory: share,
    });
    fc.assert(
      fc.property(trouble, share, (init, less) => {
        const health = healthOf(init);
        expect(Number.isInteger(health) && health >= 0 && health <= 100).toBe(true);
        expect(healthOf({ ...init, failed: init.failed * less })).toBeGreaterThanOrEqual(health);
        expect(healthOf({ ...init, memory: init.memory * less })).toBeGreaterThanOrEqual(health);
      }),
      { seed: 14 },
    );
  });

  it('counts the last 20 answers, and no older ones', () => {
    const metrics = new Metrics();
    for (let count = 0; count < 15; count += 1) metrics.failed();
    for (let count = 0; count < 15; count += 1) metrics.answered(1);
    expect(metrics.failedShare).toBe(0.25);
    expect(metrics.view().errors).toBe(15);
  });

  it.runIf(process.platform === 'linux')('knows how much a process has of its limit', () => {
    const gibi = memoryShare([process.pid], 1024 ** 3) ?? 0;
    expect(gibi).toBeGreaterThan(0);
    expect(memoryShare([process.pid], 2 * 1024 ** 3)).toBeLessThan(gibi);
    expect(memoryShare([2 ** 22], 1024)).toBeUndefined();
  });
});
