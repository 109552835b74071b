/** The bytes of the hello: what is written is read, what is hostile is refused. */
import { encode } from 'cborg';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
} from '../../src/network/hello-codec.ts';
import type { Hello } from '../../src/network/index.ts';
import { MESH, codeOf } from './support.ts';

const hello: Hello = {
  version: 1,
  mesh: MESH,
  name: 'workstation',
  time: 1_700_000_000_000,
  membership: ['leaf.jws.sig', 'root.jws.sig'],
  invite: { grants: ['g'], signature: Uint8Array.of(1, 2, 3) },
};

describe('a hello', () => {
  it('comes back as it was, with and without its optional fields', () => {
    expect(decodeHello(encodeHello(hello))).toEqual(hello);
    const { mesh: _mesh, invite: _invite, ...bare } = hello;
    expect(decodeHello(encodeHello(bare))).toEqual(bare);
    expect(decodeHelloAnswer(encodeHelloAnswer({ ok: true, hello, issued: ['x'] }))).toEqual({
      ok: true,
      hello,
      issued: ['x'],
    });
    const refusal = { ok: false as const, code: 'C', reason: 'r', mesh: MESH, meshName: 'm' };
    const whole = { ...refusal, open: true, succession: 'old.new.sig' };
    expect(decodeHelloAnswer(encodeHelloAnswer(refusal))).toEqual(refusal);
    expect(decodeHelloAnswer(encodeHelloAnswer(whole))).toEqual(whole);
  });

  it('is the same bytes whatever the order of its fields', () => {
    const turned = Object.fromEntries(Object.entries(hello).toReversed());
    expect(Buffer.from(encode(turned)).equals(encodeHello(hello))).toBe(true);
  });

  it('may carry fields that this version does not know', () => {
    expect(decodeHello(encode({ ...hello, later: { deep: [1] } }))).toEqual(hello);
  });

  it.each([
    ['a mesh that is no did:key', { ...hello, mesh: 'did:web:x' }],
    ['a name that is too long', { ...hello, name: 'x'.repeat(300) }],
    ['a time that is no whole number', { ...hello, time: 1.5 }],
    ['a chain that is too long', { ...hello, membership: Array.from({ length: 33 }, () => 'x') }],
    ['too many keys', { ...hello, successions: Array.from({ length: 65 }, () => 'x') }],
    ['a chain with numbers', { ...hello, membership: [1] }],
    ['a signature as text', { ...hello, invite: { grants: [], signature: 'x' } }],
    ['a list', []],
    ['nothing', null],
  ])('is refused with %s', (_what, value) => {
    expect(codeOf(() => decodeHello(encode(value)))).toBe('STARLING_PROTOCOL_VIOLATION');
  });

  it('of another version is refused as that', () => {
    expect(() => decodeHello(encode({ version: 2 }))).toThrowError(
      expect.objectContaining({ code: 'STARLING_VERSION_UNSUPPORTED' }),
    );
  });

  it('shows no control characters of a stranger', () => {
    const welcome = decodeHelloAnswer(
      encodeHelloAnswer({ ok: false, code: 'C', reason: '\u001B[2Jgone\nnew\u202Eline' }),
    );
    expect(welcome).toMatchObject({ reason: ' [2Jgone new line' });
  });

  it('of arbitrary bytes throws an error with a code, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [decodeHello, decodeHelloAnswer]) {
          expect(codeOf(() => decode(bytes))).toMatch(/^(none|STARLING_.*)$/);
        }
      }),
    );
  });

  it('of arbitrary CBOR throws an error with a code, and nothing else', () => {
    const value = fc.object({ values: [fc.string(), fc.integer(), fc.boolean()] });
    fc.assert(
      fc.property(value, (fields) => {
        expect(codeOf(() => decodeHello(encode({ ...hello, ...fields })))).toMatch(
          /^(none|STARLING_.*)$/,
        );
      }),
    );
  });
});
