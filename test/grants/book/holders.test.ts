/** What counts now, by holder: a cache that must be right wherever the clock goes. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { createHolderIndex, windowOf } from '../../../src/grants/book/holders.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { NOW_MS, NOW_S, alice, bob, grantOf, owner } from '../arrange.ts';

/** An index with a grant to alice for each pair of seconds from now: from when, and to when. */
function indexOf(...times: readonly (readonly [fromS: number, toS: number])[]) {
  const index = createHolderIndex();
  const grants = times.map(([fromS, toS]) =>
    grantOf(owner, alice, { notBefore: NOW_S + fromS, expiresAt: NOW_S + toS }),
  );
  for (const grant of grants) {
    index.add('issued', { leaf: grant, links: [grant], ...windowOf([grant], () => true) });
  }
  const heldAt = (second: number): readonly Grant[] =>
    index.held([alice.did], NOW_MS + second * 1000);
  return { index, grants, heldAt };
}

describe('what a holder may use', () => {
  it('starts and ends to the second', () => {
    const { heldAt, grants } = indexOf([10, 20]);
    const [grant] = grants;
    expect(heldAt(9.999)).toEqual([]);
    expect(heldAt(10)).toEqual([grant]);
    expect(heldAt(19.999)).toEqual([grant]);
    expect(heldAt(20)).toEqual([]);
  });

  it('is the same array while nothing starts or ends, and another one after that', () => {
    const { heldAt } = indexOf([0, 20], [10, 30]);
    const first = heldAt(1);
    expect(heldAt(9)).toBe(first);
    expect(heldAt(10)).not.toBe(first);
    expect(heldAt(10)).toBe(heldAt(19));
  });

  it('does not hold before its start when the clock goes back, although it held a moment ago', () => {
    const { heldAt, grants } = indexOf([10, 20]);
    expect(heldAt(15)).toEqual(grants);
    expect(heldAt(5)).toEqual([]);
    expect(heldAt(15)).toEqual(grants);
  });

  it('holds again when the clock goes back before its end', () => {
    const { heldAt, grants } = indexOf([10, 20]);
    expect(heldAt(25)).toEqual([]);
    expect(heldAt(15)).toEqual(grants);
  });

  it('is the same with the cache as without, wherever the clock goes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 50 })), { maxLength: 4 }),
        fc.array(fc.nat(110), { minLength: 1, maxLength: 20 }),
        (windows, moments) => {
          const times = windows.map(([from, length]) => [from, from + length] as const);
          const { heldAt, grants } = indexOf(...times);
          for (const moment of moments) {
            const expected = grants.filter((_, at) => {
              const [from, to] = times[at] ?? [0, 0];
              return from <= moment && moment < to;
            });
            expect(heldAt(moment)).toEqual(expected);
          }
        },
      ),
      { numRuns: 60, seed: 4 },
    );
  });

  it('is told of at its next start or end, and once a minute for a clock that is set', () => {
    const { index } = indexOf([10, 20], [200, 300]);
    const at = (second: number): number => NOW_MS + second * 1000;
    expect(index.nextLook(at(0), at(0))).toBe(10_000);
    expect(index.nextLook(at(10), at(12))).toBe(8000);
    expect(index.nextLook(at(20), at(20))).toBe(60_000);
    expect(index.nextLook(at(300), at(300))).toBe(60_000);
    // What should have been told already is told at once.
    expect(index.nextLook(at(0), at(15))).toBe(0);
    expect(createHolderIndex().nextLook(at(0), at(0))).toBeUndefined();
    expect(index.changedBetween(at(0), at(9))).toEqual([]);
    expect(index.changedBetween(at(0), at(10))).toEqual([alice.did]);
    expect(index.changedBetween(at(10), at(19))).toEqual([]);
    expect(index.changedBetween(at(10), at(20))).toEqual([alice.did]);
  });

  it('that ended goes with the next look if it was presented, and stays if we issued it', () => {
    const { index, heldAt, grants } = indexOf([0, 20]);
    const shown = grantOf(owner, bob, { notBefore: NOW_S, expiresAt: NOW_S + 20 });
    index.add('presented', { leaf: shown, links: [shown], ...windowOf([shown], () => true) });
    expect(index.presenters()).toBe(1);
    index.dropEnded(NOW_MS + 19_999);
    expect(index.presenters()).toBe(1);
    index.dropEnded(NOW_MS + 20_000);
    expect(index.presenters()).toBe(0);
    // The clock may go back: what we issued counts again then.
    expect(heldAt(5)).toEqual(grants);
  });

  it('of another clock is forgiven a minute at both ends, of our own nothing', () => {
    const grant = grantOf(owner, alice, { notBefore: NOW_S, expiresAt: NOW_S + 20 });
    const own = { startsAtMs: NOW_MS, endsAtMs: NOW_MS + 20_000 };
    expect(windowOf([grant], () => true)).toEqual(own);
    const foreign = { startsAtMs: NOW_MS - 60_000, endsAtMs: NOW_MS + 80_000 };
    expect(windowOf([grant], () => false)).toEqual(foreign);
  });
});
