import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createChurnMap } from '../../src/core/index.ts';

describe('a churn map', () => {
  it('is a map: any sequence of changes leaves what a Map has, in its order', () => {
    const change = fc.oneof(
      fc.record({ op: fc.constant('set' as const), key: fc.nat(8), value: fc.nat() }),
      fc.record({ op: fc.constant('delete' as const), key: fc.nat(8) }),
      fc.record({ op: fc.constant('clear' as const) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const ours = createChurnMap<number, number>();
        const oracle = new Map<number, number>();
        for (const made of changes) {
          if (made.op === 'set') {
            ours.set(made.key, made.value);
            oracle.set(made.key, made.value);
          } else if (made.op === 'delete') {
            expect(ours.delete(made.key)).toBe(oracle.delete(made.key));
          } else {
            ours.clear();
            oracle.clear();
          }
          expect([...ours.entries()]).toEqual([...oracle]);
          expect([...ours.values()]).toEqual([...oracle.values()]);
          expect(ours.size).toBe(oracle.size);
          for (let key = 0; key <= 8; key += 1) {
            expect(ours.get(key)).toBe(oracle.get(key));
            expect(ours.has(key)).toBe(oracle.has(key));
          }
        }
      }),
      { seed: 20_261_121 },
    );
  });

  it('lets entries go while somebody looks at them', () => {
    const map = createChurnMap<string, number>();
    for (const [index, key] of ['a', 'b', 'c'].entries()) map.set(key, index);
    const seen: number[] = [];
    for (const value of map.values()) {
      seen.push(value);
      map.delete('b');
    }
    expect(seen).toEqual([0, 2]);
  });
});
