/** Updates as peers send them: what is none is refused as a whole, and costs nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Did, Json } from '../../src/core/index.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import {
  decodeUpdate,
  decodeVector,
  encodeUpdate,
  joinUpdates,
} from '../../src/blackboard/update.ts';
import type { LaneEntry, Update } from '../../src/blackboard/update.ts';
import { contentOf, makeDocument } from './support.ts';

const DID = 'did:key:z6MkEve' as Did;
const entry = (number: number, key: string, value?: Json): LaneEntry => {
  const valueBytes = value === undefined ? 0 : JSON.stringify(value).length;
  return { number, key, ms: 10, n: 0, value, until: 0, seen: [], valueBytes };
};
const update = (from: number, to: number, ...entries: LaneEntry[]): Update => {
  return { isWhole: false, parts: [{ did: DID, epoch: 1, from, to, entries }] };
};
const read = (text: string): Update | undefined => decodeUpdate(Buffer.from(text), LIMITS);
const lanes = (...rows: string[]): string => `[2,0,[["${DID}",1,0,9,[${rows.join()}]]]]`;

describe('an update', () => {
  it('is read as it was written, whatever its entries hold', () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    const key = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' });
    const row = fc.record({
      key,
      value: fc.option(json, { nil: undefined }),
      ms: fc.nat(1_000_000),
      n: fc.nat(9),
      until: fc.constantFrom(0, 77),
      by: fc.constantFrom(undefined, 'did:key:z6MkBob' as Did),
      seen: fc.constantFrom([], [1, 2], [1, 3, 4, 4]),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 8 }), (rows) => {
        const entries = rows.map((one, i): LaneEntry => {
          const text = one.value === undefined ? '' : JSON.stringify(one.value);
          const value = text === '' ? undefined : (JSON.parse(text) as Json);
          const until = value === undefined ? 0 : one.until;
          return { ...one, value, until, number: i + 3, valueBytes: text.length };
        });
        const written = update(2, rows.length + 2, ...entries);
        expect(decodeUpdate(encodeUpdate(written), LIMITS)).toEqual(written);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  it.each(
    Object.entries({
      'no JSON': 'x',
      'another format': '[3,0,[]]',
      'a lane twice': `[2,0,[["${DID}",1,0,9,[]],["${DID}",1,9,12,[]]]]`,
      'no did': '[2,0,[["z6MkEve",1,0,9,[]]]]',
      'an end before its beginning': `[2,0,[["${DID}",1,9,3,[]]]]`,
      'a number twice': lanes('[1,"k",1,0,1]', '[0,"l",1,0,1]'),
      'numbers beyond its end': lanes('[10,"k",1,0,1]'),
      'an empty key': lanes('[1,"",1,0,1]'),
      'a key that is too long': lanes(`[1,"${'k'.repeat(513)}",1,0,1]`),
      'half a surrogate pair': lanes('[1,"k",1,0,"\\ud800"]'),
      'a time before time': lanes('[1,"k",-5,0,1]'),
      'a time that is no number': lanes('[1,"k","5",0,1]'),
      'a value too large': lanes(`[1,"k",1,0,"${'x'.repeat(262_200)}"]`),
      'a number beyond all': lanes('[1,"k",1,0,1e400]'),
      'a value nested too deep': lanes(`[1,"k",1,0,${nested(66)}]`),
      'a value nested beyond the stack': lanes(`[1,"k",1,0,${nested(200_000)}]`),
      'a member that replaces the prototype': lanes('[1,"k",1,0,{"__proto__":{"a":1}}]'),
      'what this version does not know': lanes('[1,"k",1,0,1,{"new":1}]'),
      'a deletion with a value': lanes('[1,"k",1,0,5,{"gone":1}]'),
      'half of what was seen': lanes('[1,"k",1,0,5,{"seen":[1]}]'),
    }),
  )('is refused with %s', (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('never throws and leaves a board as it was when its bytes are damaged', () => {
    const source = makeDocument([], {}, { self: DID });
    for (let i = 0; i < 20; i++) source.set({ key: `k${i % 7}`, value: { i } });
    const [good = new Uint8Array()] = source.whole();
    const damage = fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(damage, fc.option(fc.nat()), (edits, cut) => {
        const document = makeDocument();
        document.set({ key: 'kept', value: 1 });
        const digest = document.digest();
        const bytes = new Uint8Array(good);
        for (const { at, to } of edits) bytes[at % bytes.length] = to;
        const result = document.apply(cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        decodeVector(bytes);
        expect(document.get('kept')?.value).toBe(1);
        if (result === 'malformed') expect(document.digest()).toBe(digest);
        // Whatever it took, it passes on as others read it.
        const copy = makeDocument(document.whole());
        expect([contentOf(copy), copy.digest()]).toEqual([contentOf(document), document.digest()]);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('counts of its author only', () => {
    const document = makeDocument();
    const bytes = encodeUpdate(update(0, 1, entry(1, 'k', 'forged')));
    expect(document.apply(bytes, 'did:key:z6MkMallory' as Did)).toBe('malformed');
    expect(document.get('k')).toBeUndefined();
    expect(document.apply(bytes, DID)).toBe('applied');
  });

  it('is kept for what comes before it, and not more of that than a bound', () => {
    const document = makeDocument();
    const piece = (i: number): Uint8Array =>
      encodeUpdate(update(i, i + 1, entry(i + 1, `k${i}`, 'x'.repeat(40_000))));
    document.apply(piece(1));
    expect([document.isWaiting, document.isBlank]).toEqual([true, true]);
    document.apply(piece(0));
    expect([document.isWaiting, document.size]).toEqual([false, 2]);
    const waits: boolean[] = [];
    for (let i = 3; i < 33; i++) {
      document.apply(piece(i));
      waits.push(document.isWaiting);
    }
    expect(waits).toContain(false);
    document.dropWaiting();
    for (let i = 2; i < 33; i++) document.apply(piece(i));
    expect(document.size).toBe(33);
  });

  it('of several ticks is one, with the newest of each key', () => {
    const ticks = [
      encodeUpdate(update(0, 2, entry(1, 'a', 1), entry(2, 'b', 1))),
      encodeUpdate(update(2, 3, entry(3, 'a', 2))),
    ];
    const one = joinUpdates(ticks, LIMITS);
    expect(decodeUpdate(one ?? new Uint8Array(), LIMITS)).toEqual(
      update(0, 3, entry(2, 'b', 1), entry(3, 'a', 2)),
    );
    expect(joinUpdates(ticks.toReversed(), LIMITS)).toBeUndefined();
  });
});
