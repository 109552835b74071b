/**
 * Values as lib0 writes them. Goal: what is JSON is read as lib0 reads it, and nothing else is read at all. Method: values of every kind and
 * damaged bytes, through both.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { readAny } from '../../../src/blackboard/lanes/read-any.ts';
import { upTo } from '../../long/extent.ts';

const DEPTH = 10;

/** What an update of Yjs begins with that says nothing; values follow. */
const NOTHING = new Y.UpdateEncoderV2().toUint8Array();

function written(value: unknown): Uint8Array<ArrayBuffer> {
  const encoder = new Y.UpdateEncoderV2();
  encoder.writeAny(value);
  return new Uint8Array(encoder.toUint8Array().slice(NOTHING.length));
}

/** What Yjs reads, by lib0. */
function lib0Any(bytes: Uint8Array): unknown {
  return new Y.UpdateDecoderV2({ arr: Buffer.concat([NOTHING, bytes]), pos: 0 }).readAny();
}

/** What is read of bytes, and up to where; undefined where that is refused. */
function read(arr: Uint8Array<ArrayBuffer>, depth = DEPTH): readonly [unknown, number] | undefined {
  const rest = { arr, pos: 0 };
  try {
    return [readAny(rest, depth), rest.pos];
  } catch {
    return undefined;
  }
}

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.record({ m: fc.maxSafeNat(), n: fc.integer(), x: fc.double({ noNaN: true }) }),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
);

describe('a value', () => {
  it('is read as lib0 reads it', () => {
    fc.assert(
      fc.property(
        value.filter((one) => !JSON.stringify(one).includes('__proto__')),
        (one) => {
          const bytes = written(one);
          const isFinite = !JSON.stringify(one, (_, v: unknown) =>
            typeof v === 'number' && !Number.isFinite(v) ? 'endless' : v,
          ).includes('endless');
          fc.pre(isFinite);
          expect(read(bytes)).toEqual([lib0Any(bytes), bytes.length]);
        },
      ),
      { numRuns: upTo(500, 20_000) },
    );
  });

  it('is refused or read as lib0 reads it, whatever bytes come', () => {
    fc.assert(
      fc.property(
        value,
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
        (one, damage) => {
          const bytes = written(one);
          for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
          const found = read(bytes);
          if (found === undefined) return;
          expect(found[0]).toEqual(lib0Any(bytes));
          expect(found[1]).toBeLessThanOrEqual(bytes.length);
        },
      ),
      { numRuns: upTo(500, 20_000) },
    );
  });

  it('is refused where it is no JSON, too deep, cut off or would change what an object is', () => {
    for (const none of [undefined, 1n, new Uint8Array(3), Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(read(written(none))).toBeUndefined();
    }
    expect(read(written([[1]]), 2)).toEqual([[[1]], expect.any(Number)]);
    expect(read(written([[1]]), 1)).toBeUndefined();
    expect(read(written('a text').subarray(0, 4))).toBeUndefined();
    const named = written({ ['__proto__']: 1 });
    expect(
      read(
        named.length > 2 ? named : new Uint8Array([118, 1, 9, ...Buffer.from('__proto__'), 126]),
      ),
    ).toBeUndefined();
    // Invalid UTF-8, short and long.
    expect(read(new Uint8Array([119, 1, 0xff]))).toBeUndefined();
    expect(
      read(new Uint8Array([119, 40, ...Array.from({ length: 40 }, () => 0xff)])),
    ).toBeUndefined();
  });

  it('may say that a billion items follow: the end of its bytes is the end', () => {
    expect(read(new Uint8Array([117, 0xff, 0xff, 0xff, 0x7f, 126]))).toBeUndefined();
    expect(read(new Uint8Array([118, 0xff, 0xff, 0xff, 0x7f, 126]))).toBeUndefined();
  });
});
