/** The codec of signed texts: one form, one signature, and errors that name what was expected. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import {
  decodeBase64url,
  decodeJws,
  encodeJws,
  malformedAs,
  signerFromSeed,
} from '../../src/identity/index.ts';
import { signAsBuilt } from '../fixtures/quick-nacl.ts';

signAsBuilt();

const signer = signerFromSeed(Buffer.alloc(32, 7));
const other = signerFromSeed(Buffer.alloc(32, 8));
const TYP = 'starling-note+jwt';
const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Code, rule and message of what `run` throws. */
function refusalOf(run: () => unknown): readonly [code: string, rule: unknown, message: string] {
  try {
    run();
  } catch (error) {
    if (error instanceof StarlingError) return [error.code, error.data['rule'], error.message];
    throw error;
  }
  throw new Error('it was taken');
}

describe('a signed text', () => {
  const jws = encodeJws(signer, TYP, { note: 'grüße' });
  const [header = '', payload = '', signature = ''] = jws.split('.');

  it('is read back with what it says, and by whom', () => {
    const decoded = decodeJws(jws, TYP);
    expect(decoded.payload).toEqual({ note: 'grüße' });
    expect(() => decoded.verify(signer.did)).not.toThrow();
  });

  it('is not taken for the word of another key, nor with one letter changed', () => {
    expect(refusalOf(() => decodeJws(jws, TYP).verify(other.did)).slice(0, 2)).toEqual([
      'STARLING_GRANT_INVALID',
      'signature',
    ]);
    const changed = [header, part({ note: 'grüsse' }), signature].join('.');
    expect(refusalOf(() => decodeJws(changed, TYP).verify(signer.did))[1]).toBe('signature');
  });

  it.each([
    ['format', 'one part', 'abc'],
    ['format', 'four parts', `${jws}.abc`],
    ['format', 'a signature of 63 bytes', [header, payload, part('x'.repeat(63))].join('.')],
    ['encoding', 'no base64url', [header, 'a+b', signature].join('.')],
    [
      'encoding',
      'base64url in another form',
      [header, payload, `${signature.slice(0, -1)}_`].join('.'),
    ],
    ['json', 'no JSON', [header, part('{'), signature].join('.')],
    ['json', 'a member twice', [header, part('{"a":1,"a":2}'), signature].join('.')],
    [
      'json',
      'bytes that are no UTF-8',
      [header, Buffer.from([0x22, 0xff, 0x22]).toString('base64url'), signature].join('.'),
    ],
    [
      'json',
      'a thirteenth level',
      [header, part('['.repeat(13) + ']'.repeat(13)), signature].join('.'),
    ],
    ['header', 'a header that is a list', [part([]), payload, signature].join('.')],
    [
      'header',
      'one more header member',
      [part({ alg: 'EdDSA', typ: TYP, kid: '1' }), payload, signature].join('.'),
    ],
    ['alg', 'another algorithm', [part({ alg: 'none', typ: TYP }), payload, signature].join('.')],
    ['typ', 'another type', [part({ alg: 'EdDSA', typ: 'JWT' }), payload, signature].join('.')],
    ['too-large', 'more than 8 KiB', 'x'.repeat(8193)],
  ])('is refused by the rule %s: %s', (rule, _what, text) => {
    const [code, found, message] = refusalOf(() => decodeJws(text, TYP));
    expect([code, found]).toEqual(['STARLING_GRANT_MALFORMED', rule]);
    expect(message).toMatch(/^not a signed text of ours: /);
  });

  it('of 8 KiB is the longest that is written', () => {
    const sized = (bytes: number): string => encodeJws(signer, TYP, { note: 'x'.repeat(bytes) });
    expect(decodeJws(sized(5900), TYP).payload).toEqual({ note: 'x'.repeat(5900) });
    expect(refusalOf(() => sized(6100)).slice(0, 2)).toEqual([
      'STARLING_GRANT_MALFORMED',
      'too-large',
    ]);
  });

  it('is called in messages what the reader expected', () => {
    const [, , message] = refusalOf(() => decodeJws('abc', TYP, 'a letter'));
    expect(message).toBe('not a letter of ours: it has 1 parts instead of 3');
    expect(refusalOf(() => decodeJws(`!.${payload}.${signature}`, TYP, 'a letter'))[2]).toBe(
      'not a letter of ours: its header is not base64url',
    );
    expect(refusalOf(() => decodeBase64url('a+b', 'stamp', 'a letter'))[2]).toBe(
      'not a letter of ours: its stamp is not base64url',
    );
    expect(malformedAs('a letter')('rule', 'x'.repeat(999)).message.length).toBeLessThan(350);
  });
});
