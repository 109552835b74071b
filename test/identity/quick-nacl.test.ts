import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import quick, { real } from '../fixtures/quick-nacl.ts';

describe('the quick signing of the other tests', () => {
  it('makes the keys and the signatures of tweetnacl, byte by byte', () => {
    expect(real).not.toBe(quick);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 300 }),
        (seed, message) => {
          const pair = real.sign.keyPair.fromSeed(seed);
          expect(quick.sign.keyPair.fromSeed(seed)).toEqual(pair);
          const signature = real.sign.detached(message, pair.secretKey);
          expect(quick.sign.detached(message, pair.secretKey)).toEqual(signature);
          expect(quick.sign.detached.verify(message, signature, pair.publicKey)).toBe(true);
        },
      ),
      { numRuns: 20, seed: 1 },
    );
  });

  it('refuses a seed of another length as tweetnacl does', () => {
    const short = new Uint8Array(31);
    expect(() => quick.sign.keyPair.fromSeed(short)).toThrow('bad seed size');
  });
});
