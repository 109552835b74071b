/** Which of several connections to a peer is used: both ends must agree. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareConnections } from '../../../src/network/links/links.ts';
import type { Candidate } from '../../../src/network/links/links.ts';

const link = (direct: boolean, direction: Candidate['direction'], open: number): Candidate => ({
  direct,
  direction,
  timeline: { open },
});

describe('the choice among connections', () => {
  it('prefers a direct one to a relayed one, whoever dialled it and when', () => {
    const direct = link(true, 'inbound', 9);
    const relayed = link(false, 'outbound', 1);
    expect(compareConnections(direct, relayed, { self: 'a', peer: 'b' })).toBeLessThan(0);
    expect(compareConnections(relayed, direct, { self: 'b', peer: 'a' })).toBeGreaterThan(0);
  });

  it('is the same at both ends', () => {
    const side = fc.record({
      direct: fc.boolean(),
      dialledByA: fc.boolean(),
      open: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(side, side, (first, second) => {
        const [atA, atB] = [true, false].map((isA) =>
          [first, second].map(({ direct, dialledByA, open }) =>
            link(direct, dialledByA === isA ? 'outbound' : 'inbound', open),
          ),
        );
        const sign = (pair: Candidate[] | undefined, self: string, peer: string): number => {
          const [x, y] = pair ?? [];
          if (x === undefined || y === undefined) throw new Error('a pair');
          return Math.sign(compareConnections(x, y, { self, peer }));
        };
        expect(sign(atA, 'a', 'b')).toBe(sign(atB, 'b', 'a'));
      }),
    );
  });
});
