/** The bytes of the hello: what is written is read, what is hostile is refused. */
import { encode } from 'cborg';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as codec from '../../../src/network/admission/hello-codec.ts';
import type { PeerId } from '../../../src/core/index.ts';
import type { Hello, HelloAnswer } from '../../../src/network/index.ts';
import { MESH, codeOf } from '../support.ts';

const { encodeHello, encodeHelloAnswer, refusalError } = codec;
const PEER = 'the-peer' as PeerId;
const decodeHello = (bytes: Uint8Array): Hello => codec.decodeHello(bytes, PEER);
const decodeHelloAnswer = (bytes: Uint8Array): HelloAnswer => codec.decodeHelloAnswer(bytes, PEER);

const hello: Hello = {
  version: 2,
  release: '0.2.0',
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
    ['a version that is none', { ...hello, version: 'x' }],
    ['a release that is too long', { ...hello, release: 'x'.repeat(41) }],
    ['no release', { ...hello, release: null }],
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

  it.each([
    [{ ...hello, version: 1, release: undefined }, 1, 'Starling 0.1 (version 1 of the protocols)'],
    [{ version: 3 }, 3, 'another Starling (version 3 of the protocols)'],
    [{ version: 3, release: '0.9.1' }, 3, 'Starling 0.9.1 (version 3 of the protocols)'],
  ])('of another version is refused with both versions: %j', (fields, version, words) => {
    const bytes = encode(fields, { ignoreUndefinedProperties: true });
    expect(() => decodeHello(bytes)).toThrowError(
      expect.objectContaining({
        code: 'STARLING_VERSION_UNSUPPORTED',
        message: `the-peer runs ${words}, and this node Starling 0.2.0 (version 2 of the protocols): they form no mesh`,
        hint: `update Starling ${version < 2 ? 'at that node' : 'on this machine'}: its state folder is taken over as it is`,
        data: expect.objectContaining({ theirs: expect.objectContaining({ version }) as unknown }),
      }),
    );
  });

  it.each([
    ['of the first version, which names none', {}, 1],
    ['of a later one', { speaks: 3, release: '0.9.1' }, 3],
  ])('that a node %s refuses is refused with both versions', (_who, speaks, version) => {
    const refusal = { ok: false, code: 'STARLING_VERSION_UNSUPPORTED', reason: 'no', ...speaks };
    expect(() => decodeHelloAnswer(encode(refusal))).toThrowError(
      expect.objectContaining({
        code: 'STARLING_VERSION_UNSUPPORTED',
        message: expect.stringMatching(
          new RegExp(`\\(version ${version} of .*Starling 0\\.2\\.0 \\(version 2 of`),
        ) as unknown,
      }),
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

  it('is taken at its bounds, and one over them is not', () => {
    const read = (change: object): string =>
      codeOf(() => decodeHello(encode({ ...hello, ...change })));
    const signed = (size: number): object => ({
      invite: { grants: [], signature: new Uint8Array(size) },
    });
    expect([read({ name: 'x'.repeat(256) }), read({ name: 'x'.repeat(257) })]).toEqual([
      'none',
      'STARLING_PROTOCOL_VIOLATION',
    ]);
    expect(read({ membership: Array(32).fill('x') })).toBe('none');
    expect(read({ successions: Array(64).fill('x') })).toBe('none');
    expect([read(signed(128)), read(signed(129))]).toEqual(['none', 'STARLING_PROTOCOL_VIOLATION']);
    expect([read({ time: 0 }), read({ time: -1 })]).toEqual([
      'none',
      'STARLING_PROTOCOL_VIOLATION',
    ]);
    expect(read({ invite: [] })).toBe('STARLING_PROTOCOL_VIOLATION');
    expect(read({ invite: new Uint8Array(3) })).toBe('STARLING_PROTOCOL_VIOLATION');
  });

  it('is refused in CBOR that is not deterministic, or holds what JSON has not', () => {
    const hex = Buffer.from(encodeHello(hello)).toString('hex');
    const version = '6776657273696f6e';
    const asVersion = (value: string): string => hex.replace(`${version}02`, `${version}${value}`);
    const inField = (value: string): string =>
      `${(Number.parseInt(hex.slice(0, 2), 16) + 1).toString(16)}${hex.slice(2)}6678`.replace(
        /6678$/,
        `6c${Buffer.from('zzzzzzzzzzzz').toString('hex')}${value}`,
      );
    // 2 in two bytes; then a field that we do not know with: undefined, NaN, infinity, a big number,
    // an open list; and a key twice.
    for (const bytes of [
      asVersion('1802'),
      inField('f7'),
      inField('f97e00'),
      inField('f97c00'),
      inField('1b8000000000000000'),
      inField('9fff'),
      hex.replace(/^a7/, 'a8') + `${version}02`,
    ]) {
      expect(codeOf(() => decodeHello(Buffer.from(bytes, 'hex')))).toBe(
        'STARLING_PROTOCOL_VIOLATION',
      );
    }
    expect(codeOf(() => decodeHello(Buffer.from(inField('01'), 'hex')))).toBe('none');
  });
});

describe('the answer to a hello', () => {
  it('is one of two, and nothing else', () => {
    const read = (value: unknown): string => codeOf(() => decodeHelloAnswer(encode(value)));
    const refusal = { ok: false, code: 'C', reason: 'r' };
    expect(read(refusal)).toBe('none');
    expect(read({ ...refusal, ok: 1 })).toBe('STARLING_PROTOCOL_VIOLATION');
    expect(read({ ...refusal, ok: undefined })).toBe('STARLING_PROTOCOL_VIOLATION');
    expect(read({ ...refusal, open: 'yes' })).toBe('STARLING_PROTOCOL_VIOLATION');
    expect(read({ ok: true, hello, issued: 'x' })).toBe('STARLING_PROTOCOL_VIOLATION');
    const welcome = decodeHelloAnswer(encode({ ok: true, hello }));
    expect('issued' in welcome).toBe(false);
  });

  it('says no more than fits', () => {
    const long = encodeHelloAnswer({ ok: false, code: 'C', reason: 'x'.repeat(5000) });
    expect(decodeHelloAnswer(long)).toMatchObject({ reason: 'x'.repeat(1024) });
    expect(() => decodeHello(encode({ version: 'v'.repeat(500) }))).toThrowError(
      expect.objectContaining({ message: expect.stringMatching(/^.{1,120}$/) as string }) as Error,
    );
  });

  it('that refuses becomes an error with its code, and what to do next', () => {
    const refused = (code: string, more: object = {}): unknown =>
      refusalError({ ok: false, code, reason: 'no', ...more }, 'alice');
    expect(refused('STARLING_KEY_RETIRED', { mesh: MESH, meshName: 'home' })).toMatchObject({
      code: 'STARLING_KEY_RETIRED',
      message: 'alice refused us: no',
      hint: expect.stringContaining('state folder') as string,
      data: { reason: 'no', peer: 'alice', mesh: MESH, meshName: 'home' },
    });
    for (const code of ['MADE_UP', 'toString', 'STARLING_JOIN_REFUSED']) {
      expect(refused(code)).toMatchObject({
        code: 'STARLING_JOIN_REFUSED',
        hint: expect.stringContaining('--join') as string,
      });
      expect(refused(code, { open: true })).toMatchObject({
        hint: expect.stringContaining('--open') as string,
      });
      expect(refused(code, { open: false })).toMatchObject({
        hint: expect.stringContaining('--join') as string,
        data: { open: false },
      });
    }
    expect(refused('STARLING_MESH_MISMATCH', { open: true })).toMatchObject({
      hint: expect.stringContaining('--state') as string,
    });
    expect(refused('STARLING_TIMEOUT')).toMatchObject({ hint: undefined, data: { reason: 'no' } });
  });
});
