/** Messages about boards as bytes. */
import { encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeGossip,
  decodeMessage,
  digestsOf,
  encodeGossip,
  encodeMessage,
} from '../../../src/blackboard/sync/codec.ts';
import type { BoardMessage } from '../../../src/blackboard/sync/codec.ts';
import { upTo } from '../../long/extent.ts';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const digest = fc.stringMatching(/^[0-9a-f]{0,32}$/);
const bytes = fc.uint8Array({ maxLength: 64 });

const message: fc.Arbitrary<BoardMessage> = fc.oneof(
  fc.record({
    t: fc.constant('digests' as const),
    digests: fc.array(fc.tuple(name, digest), { maxLength: 64 }).map((pairs) => new Map(pairs)),
  }),
  fc.record({ t: fc.constant('state' as const), board: name, vector: bytes, digest }),
  fc.record(
    {
      t: fc.constant('update' as const),
      update: bytes,
      more: fc.boolean(),
      of: fc.nat().map((n) => n + 1),
    },
    { requiredKeys: ['t', 'update', 'more'] },
  ),
  fc.record({ t: fc.constant('done' as const), digest }),
);

describe('a message about a board', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(message, (written) => {
        expect(decodeMessage(encodeMessage(written))).toEqual(written);
      }),
      { seed: 5 },
    );
    fc.assert(
      fc.property(name, bytes, (board, update) => {
        expect(decodeGossip(encodeGossip({ board, update }))).toEqual({ board, update });
      }),
      { seed: 6 },
    );
  });

  it('is nothing when its bytes are anything else', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, fc.anything().map(encoded)), (any) => {
        const read = decodeMessage(any);
        if (read !== undefined) expect(decodeMessage(encodeMessage(read))).toEqual(read);
        decodeGossip(any);
      }),
      { seed: 7, numRuns: upTo(500, 5000) },
    );
  });

  it.each([
    { t: 'state', board: '../b', vector: new Uint8Array(), digest: '' },
    { t: 'state', board: 'b', vector: 'no bytes', digest: '' },
    { t: 'state', board: 'b', vector: new Uint8Array(), digest: 'x'.repeat(129) },
    { t: 'update', update: [1] },
    { t: 'part' },
    { t: 'done' },
    { t: 'digests', digests: null },
    { t: 'other' },
    null,
    [],
  ])('is refused as %j', (value) => {
    expect(decodeMessage(encode(value))).toBeUndefined();
  });
});

describe("a peer's digests", () => {
  it('are read as far as they are well-formed, and not beyond 128', () => {
    expect(digestsOf({ b: 'x', '../b': 'x', n: 7, long: 'x'.repeat(129) })).toEqual(
      new Map([['b', 'x']]),
    );
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`b${i}`, 'x']));
    expect(digestsOf(many)?.size).toBe(128);
  });
});

function encoded(value: unknown): Uint8Array {
  try {
    return encode(value);
  } catch {
    // Not everything is CBOR.
    return new Uint8Array();
  }
}
