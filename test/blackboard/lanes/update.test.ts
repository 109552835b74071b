/** Updates as peers send them and as the log keeps them: what is none is refused as a whole, and costs nothing. */
import { encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Did } from '../../../src/core/index.ts';
import {
  decodeUpdate,
  decodeVector,
  encodeUpdate,
  encodeVector,
  joinParts,
} from '../../../src/blackboard/lanes/update.ts';
import type { LanePart } from '../../../src/blackboard/lanes/update.ts';
import { contentOf, makeDocument } from '../support.ts';
import { upTo } from '../../long/extent.ts';

const DID = 'did:key:z6MkEve' as Did;
const HEAD = { b: 1, r: [], a: [] };

const place = fc.record({
  client: fc.nat(2 ** 31),
  gen: fc.nat(99),
  clock: fc.nat(2 ** 31),
});
const lane = fc.record({
  did: fc.constantFrom(DID, 'did:key:z6MkBob' as Did),
  client: fc.nat(2 ** 31),
  gen: fc.nat(99),
});
const part = fc.oneof(
  fc.record({ lane, update: fc.uint8Array() }).map(({ lane: id, update }) => ({ ...id, update })),
  fc
    .record({
      lane,
      head: fc.record({
        base: fc.integer({ min: 1, max: 9999 }),
        replaces: fc.array(place),
        after: fc.array(place),
        adopts: fc.array(place.map((at) => ({ ...at, did: DID }))),
      }),
      sources: fc.array(
        fc.record({
          place,
          leftOut: fc.uniqueArray(fc.nat(9999)).map((clocks) => clocks.toSorted((a, b) => a - b)),
        }),
      ),
    })
    .map(({ lane: id, head, sources }) => ({
      ...id,
      making: { head, sources: sources.map(({ place: at, leftOut }) => ({ ...at, leftOut })) },
    })),
);

describe('an update', () => {
  it('is read as it was written, with and without the name of who sends it', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), fc.boolean(), (parts, isWhole) => {
        const written = { isWhole, parts: parts as readonly LanePart[] };
        const plain = (bytes: Uint8Array, author?: Did): unknown => {
          const update = decodeUpdate(bytes, author);
          return update?.parts.map((one) => ({ ...one, ...bytesOf(one) }));
        };
        const wanted = parts.map((one) => ({ ...one, ...bytesOf(one) }));
        expect(plain(encodeUpdate(written))).toEqual(wanted);
        expect(plain(encodeUpdate(written, DID), DID)).toEqual(wanted);
        expect(decodeUpdate(encodeUpdate(written))?.isWhole).toBe(isWhole);
      }),
      { seed: 1, numRuns: upTo(60, 400) },
    );
  });

  it('of a lane without a writer is none, unless it is known who sends it', () => {
    const bytes = encodeUpdate(
      { isWhole: false, parts: [{ did: DID, client: 1, gen: 1, update: new Uint8Array(2) }] },
      DID,
    );
    expect(decodeUpdate(bytes)).toBeUndefined();
    expect(decodeUpdate(bytes, DID)?.parts).toMatchObject([{ did: DID }]);
  });

  it.each(
    Object.entries({
      'no array': 7,
      'another format': [4, []],
      'no parts': [2],
      'no did': [2, [['z6MkEve', 1, 1, new Uint8Array(1)]]],
      'no client': [2, [[DID, -1, 1, new Uint8Array(1)]]],
      'a client beyond 32 bits': [2, [[DID, 2 ** 32, 1, new Uint8Array(1)]]],
      'a part that is a text': [2, [[DID, 1, 1, 'update']]],
      'a head that is none': [2, [[DID, 1, 1, {}, []]]],
      'a source that is none': [2, [[DID, 1, 1, HEAD, [[1, 1, 1]]]]],
      'half a clock': [2, [[DID, 1, 1, HEAD, [[1, 1, 1.5, []]]]]],
      'too many sources': [
        2,
        [[DID, 1, 1, HEAD, Array.from({ length: 257 }, () => [1, 1, 1, []])]],
      ],
    }),
  )('is refused with %s', (_, value) => {
    expect(decodeUpdate(encode(value))).toBeUndefined();
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
      { seed: 3, numRuns: upTo(150, 1000) },
    );
  });

  it('of several ticks is one of Yjs, which says the same', () => {
    const source = makeDocument([], {}, { self: DID });
    const parts: LanePart[] = [];
    source.onUpdate((bytes) => parts.push(...(decodeUpdate(bytes)?.parts ?? [])));
    for (let i = 0; i < 5; i++) source.set({ key: `k${i % 2}`, value: i });
    const joined = joinParts(parts);
    expect(joined).toHaveLength(1);
    const other = makeDocument();
    expect(other.apply(encodeUpdate({ isWhole: false, parts: joined }))).toBe('applied');
    expect([contentOf(other), other.digest()]).toEqual([contentOf(source), source.digest()]);
  });

  it('asks with a vector that is read as it was written', () => {
    const vector = [{ did: DID, client: 5, gen: 2, clock: 77 }];
    expect(decodeVector(encodeVector(vector))).toEqual(vector);
    expect(decodeVector(Uint8Array.of(1, 2, 3))).toBeUndefined();
  });
});

/** Byte arrays in one form, as decoding gives views. */
function bytesOf({ update }: LanePart): object {
  return update === undefined ? {} : { update: [...update] };
}
