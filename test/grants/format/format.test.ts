/** The text of a grant: what we write, any JOSE library reads; what is forged, nobody accepts. */
import { CompactSign, compactVerify, importJWK } from 'jose';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError, parseStrictJson } from '../../../src/core/index.ts';
import { decodeJws, signerFromSeed } from '../../../src/identity/index.ts';
import {
  issueGrant,
  issueRevocation,
  parseGrant,
  parseRevocation,
  parseSuccession,
} from '../../../src/grants/index.ts';
import { refusalOf } from '../../../src/grants/format/grant.ts';
import {
  ALL_FILES,
  NOW_MS,
  NOW_S,
  alice,
  bob,
  forge,
  grantOf,
  owner,
  privateKeyOf,
} from '../arrange.ts';
import { anyText } from '../../fixtures/any-text.ts';

const grant = grantOf(owner, alice);
const [HEADER = '', PAYLOAD = '', SIGNATURE = ''] = grant.jws.split('.');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StarlingError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('why a text is refused', () => {
  it('has a rule, and is malformed where the error names none', () => {
    const of = (data: Record<string, unknown>): string =>
      refusalOf(new StarlingError('STARLING_GRANT_INVALID', 'no', { data })).rule;
    expect(of({ rule: 'signature' })).toBe('signature');
    expect([of({}), of({ rule: 7 })]).toEqual(['malformed', 'malformed']);
  });

  it('is nothing that we did wrong ourselves: that stays an error', () => {
    expect(() => refusalOf(new RangeError('a slip'))).toThrow(RangeError);
  });
});

const MALFORMED = 'STARLING_GRANT_MALFORMED';
const INVALID = 'STARLING_GRANT_INVALID';

/** The verdict on a payload with some claims changed, signed as it should be. */
function codeWith(claims: object): string {
  return codeOf(() => parseGrant(forge(owner, { ...grant.claims, ...claims })));
}

describe('a grant', () => {
  it('is read back with all that it said', () => {
    const read = parseGrant(grant.jws);
    expect(read).toEqual(grant);
    expect(read.claims).toMatchObject({ iss: owner.did, aud: alice.did, cap: [ALL_FILES] });
    expect(Buffer.from(read.claims.jti, 'base64url')).toHaveLength(16);
  });

  it('signed by the node with tweetnacl verifies', () => {
    const signer = signerFromSeed(Buffer.alloc(32, 1));
    const signed = grantOf(signer, alice);
    expect(parseGrant(signed.jws).claims.iss).toBe(owner.did);
  });

  it('verifies with jose', async () => {
    const jwk = { ...publicJwk(1), alg: 'EdDSA' };
    const { payload, protectedHeader } = await compactVerify(grant.jws, await importJWK(jwk));
    expect(protectedHeader).toEqual({ alg: 'EdDSA', typ: 'starling-grant+jwt' });
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(grant.claims);
  });

  it('that jose signed is accepted', async () => {
    const jws = await new CompactSign(Buffer.from(JSON.stringify(grant.claims)))
      .setProtectedHeader({ alg: 'EdDSA', typ: 'starling-grant+jwt' })
      .sign(privateKeyOf(1));
    expect(parseGrant(jws).claims).toEqual(grant.claims);
  });

  it('keeps claims that this version does not know', () => {
    const read = parseGrant(forge(owner, { ...grant.claims, zone: { name: 'local' } }));
    expect(read.claims).toHaveProperty('zone.name', 'local');
  });

  it('is not issued when it would break the format', () => {
    const issue = (init: object): string => codeOf(() => grantOf(owner, alice, init));
    expect(issue({ cap: [] })).toBe(MALFORMED);
    expect(issue({ cap: [{ resource: 'tool:../x', ability: 'tool/call' }] })).toBe(MALFORMED);
    expect(issue({ expiresAt: NOW_S + 0.5 })).toBe(MALFORMED);
    expect(issue({ maxDepth: 32 })).toBe(MALFORMED);
    const long = Array.from({ length: 30 }, (_, index) => ({
      resource: `tool:files/${'x'.repeat(400)}${index}`,
      ability: 'tool/call',
    }));
    expect(issue({ cap: long })).toBe(MALFORMED);
  });

  it('takes its jti from the given randomness', () => {
    const init = { aud: alice.did, sub: owner.did, cap: [ALL_FILES], expiresAt: NOW_S + 1 };
    const made = issueGrant(owner, init, NOW_MS, (size) => new Uint8Array(size).fill(7));
    expect(made.claims.jti).toBe(Buffer.alloc(16, 7).toString('base64url'));
  });

  it('says the second in which it was made, and only what it was told to say', () => {
    const init = { aud: alice.did, sub: owner.did, cap: [ALL_FILES], expiresAt: NOW_S + 60 };
    const { claims } = issueGrant(owner, init, NOW_MS + 999);
    expect(claims.iat).toBe(NOW_S);
    expect(Object.keys(claims).toSorted()).toEqual(
      ['aud', 'cap', 'exp', 'iat', 'iss', 'jti', 'max_depth', 'sub'].toSorted(),
    );
  });

  it('begins with the last of its parents, unless told when', () => {
    const parents = [10, 30, 20].map((later) =>
      grantOf(owner, alice, { notBefore: NOW_S + later, maxDepth: 1 }),
    );
    expect(grantOf(alice, bob, { parents }).claims.nbf).toBe(NOW_S + 30);
    expect(grantOf(alice, bob, { parents, notBefore: NOW_S + 40 }).claims.nbf).toBe(NOW_S + 40);
  });

  it('has an id that no command takes for an option, whatever the randomness', () => {
    const init = { aud: alice.did, sub: owner.did, cap: [ALL_FILES], expiresAt: NOW_S + 1 };
    for (let byte = 0; byte < 256; byte += 1) {
      const made = issueGrant(owner, init, NOW_MS, (size) => new Uint8Array(size).fill(byte));
      expect(made.claims.jti).toMatch(/^[A-Za-z0-9_][\w-]{21}$/);
      expect(Buffer.from(made.claims.jti, 'base64url')).toHaveLength(16);
    }
  });
});

describe('a revocation', () => {
  it('says the second in which it was made, and why only where there is a reason', () => {
    const { claims } = issueRevocation(owner, grant, NOW_MS + 999);
    expect(claims).toMatchObject({ iat: NOW_S, jti: grant.claims.jti, exp: grant.claims.exp });
    expect(Object.keys(claims)).not.toContain('reason');
    expect(issueRevocation(owner, grant, NOW_MS, 'left').claims.reason).toBe('left');
  });

  it('is not made with a reason that nobody would read', () => {
    expect(codeOf(() => issueRevocation(owner, grant, NOW_MS, 'x'.repeat(501)))).toBe(MALFORMED);
    expect(codeOf(() => issueRevocation(owner, grant, NOW_MS, 'x'.repeat(500)))).toBe('accepted');
  });
});

describe('a forged grant is refused', () => {
  it('with a tampered payload', () => {
    const claims = { ...grant.claims, aud: bob.did };
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    expect(codeOf(() => parseGrant(`${HEADER}.${payload}.${SIGNATURE}`))).toBe(INVALID);
  });

  it('with a tampered header, even one that says the same', () => {
    const header = Buffer.from('{"typ":"starling-grant+jwt","alg":"EdDSA"}').toString('base64url');
    expect(codeOf(() => parseGrant(`${header}.${PAYLOAD}.${SIGNATURE}`))).toBe(INVALID);
  });

  it('with any bit of the signature flipped', () => {
    const bytes = Buffer.from(SIGNATURE, 'base64url');
    fc.assert(
      fc.property(fc.nat(511), (bit) => {
        const flipped = Buffer.from(bytes);
        const at = bit >> 3;
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
        const jws = `${HEADER}.${PAYLOAD}.${flipped.toString('base64url')}`;
        return codeOf(() => parseGrant(jws)) === INVALID;
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('signed by another key than its issuer', () => {
    expect(codeOf(() => parseGrant(forge(bob, grant.claims)))).toBe(INVALID);
  });

  it('with S of the signature raised by the group order (malleability, RFC 8032 §5.1.7)', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const bytes = Buffer.from(SIGNATURE, 'base64url');
    let s = 0n;
    for (let index = 63; index >= 32; index -= 1) s = (s << 8n) | BigInt(bytes[index] ?? 0);
    s += order;
    for (let index = 32; index < 64; index += 1) {
      bytes[index] = Number(s & 255n);
      s >>= 8n;
    }
    const jws = `${HEADER}.${PAYLOAD}.${bytes.toString('base64url')}`;
    expect(codeOf(() => parseGrant(jws))).toBe(INVALID);
  });

  it.each([
    ['alg none', { alg: 'none', typ: 'starling-grant+jwt' }],
    ['alg HS256', { alg: 'HS256', typ: 'starling-grant+jwt' }],
    ['alg in another case', { alg: 'eddsa', typ: 'starling-grant+jwt' }],
    ['no typ', { alg: 'EdDSA' }],
    ['typ JWT', { alg: 'EdDSA', typ: 'JWT' }],
    ['the typ of a revocation', { alg: 'EdDSA', typ: 'starling-revocation+jwt' }],
    ['a key of its own', { alg: 'EdDSA', typ: 'starling-grant+jwt', jwk: { kty: 'OKP' } }],
    ['a critical extension', { alg: 'EdDSA', typ: 'starling-grant+jwt', crit: ['b64'] }],
    ['alg twice', '{"alg":"none","alg":"EdDSA","typ":"starling-grant+jwt"}'],
    ['a list as header', []],
  ])('with %s', (_name, header) => {
    expect(codeOf(() => parseGrant(forge(owner, grant.claims, header)))).toBe(MALFORMED);
  });

  it('without a signature', () => {
    expect(codeOf(() => parseGrant(`${HEADER}.${PAYLOAD}.`))).toBe(MALFORMED);
    expect(codeOf(() => parseGrant(`${HEADER}.${PAYLOAD}`))).toBe(MALFORMED);
  });

  it('with padding, other alphabets, or loose bits at the end of base64url', () => {
    const last = SIGNATURE.slice(-1);
    const loose = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const next = loose[loose.indexOf(last) ^ 1] ?? '';
    for (const signature of [
      `${SIGNATURE}==`,
      `${SIGNATURE.slice(0, -1)}${next}`,
      ` ${SIGNATURE}`,
    ]) {
      expect(codeOf(() => parseGrant(`${HEADER}.${PAYLOAD}.${signature}`))).toBe(MALFORMED);
    }
  });

  it('with a claim that is there twice', () => {
    const text = JSON.stringify(grant.claims);
    const doubled = text.replace('{"iss"', `{"exp":${NOW_S + 9e6},"iss"`);
    const escaped = text.replace('{"iss"', `{"\\u0065xp":${NOW_S + 9e6},"iss"`);
    const nested = text.replace('"ability":', '"ability":"tool/call","ability":');
    for (const payload of [doubled, escaped, nested]) {
      expect(payload).not.toBe(text);
      expect(codeOf(() => parseGrant(forge(owner, payload)))).toBe(MALFORMED);
    }
  });

  it('that is huge or deeply nested', () => {
    const huge = { ...grant.claims, note: 'x'.repeat(8192) };
    const deep = `{"iss":${'['.repeat(2000)}${']'.repeat(2000)}}`;
    expect(codeOf(() => parseGrant(forge(owner, huge)))).toBe(MALFORMED);
    expect(codeOf(() => parseGrant(forge(owner, deep)))).toBe(MALFORMED);
    expect(codeOf(() => parseGrant('x.'.repeat(5_000_000)))).toBe(MALFORMED);
  });

  it('that is not UTF-8, or begins with a byte order mark', () => {
    const text = JSON.stringify({ ...grant.claims, note: '?' });
    const bytes = Buffer.from(text);
    bytes[bytes.indexOf('?')] = 0xff;
    const input = `${HEADER}.${bytes.toString('base64url')}`;
    const signature = Buffer.from(owner.sign(Buffer.from(input))).toString('base64url');
    expect(codeOf(() => parseGrant(`${input}.${signature}`))).toBe(MALFORMED);
    expect(codeOf(() => parseGrant(forge(owner, `\ufeff${text}`)))).toBe(MALFORMED);
  });

  it('with claims that are missing or of the wrong kind', () => {
    for (const claim of ['iss', 'aud', 'sub', 'cap', 'iat', 'exp', 'jti', 'max_depth']) {
      expect([claim, codeWith({ [claim]: undefined })]).toEqual([claim, MALFORMED]);
      expect([claim, codeWith({ [claim]: {} })]).toEqual([claim, MALFORMED]);
    }
    expect(codeWith({ exp: 1e300 })).toBe(MALFORMED);
    expect(codeWith({ exp: -1 })).toBe(MALFORMED);
    expect(codeWith({ nbf: grant.claims.exp })).toBe(MALFORMED);
    expect(codeWith({ max_depth: 1.5 })).toBe(MALFORMED);
    expect(codeWith({ jti: 'AAAA' })).toBe(MALFORMED);
    expect(codeWith({ aud: 'did:key:z6MkNot' })).toBe(MALFORMED);
    expect(codeWith({ aud: 'did:web:example.org' })).toBe(MALFORMED);
  });

  it('whose issuer claims a thing of somebody else without a parent', () => {
    const claims = { ...grant.claims, iss: bob.did };
    expect(codeOf(() => parseGrant(forge(bob, claims)))).toBe(MALFORMED);
  });

  it('with parents that are no hashes, too many, or named twice', () => {
    const prf = (value: unknown): string => codeWith({ sub: bob.did, prf: value });
    expect(prf([])).toBe(MALFORMED);
    expect(prf(['short'])).toBe(MALFORMED);
    expect(prf([grant.hash, grant.hash])).toBe(MALFORMED);
    expect(
      prf(Array.from({ length: 9 }, (_, at) => Buffer.alloc(32, at).toString('base64url'))),
    ).toBe(MALFORMED);
    expect(prf([grant.hash])).toBe('accepted');
  });

  it.each([
    ['an unknown member', { ...ALL_FILES, only: 'x' }],
    ['an ability of another scheme', { resource: 'tool:files/*', ability: 'mesh/join' }],
    ['an unknown ability', { resource: 'tool:files/*', ability: 'tool/own' }],
    ['an unknown scheme', { resource: 'house:files/*', ability: '*' }],
    ['a scheme of the language', { resource: 'constructor:x', ability: '*' }],
    ['caveats that are no object', { ...ALL_FILES, caveats: ['uses'] }],
    ['no resource', { ability: 'tool/call' }],
    ['a text instead of itself', 'tool/call'],
  ])('with a capability that has %s', (_name, capability) => {
    expect(codeWith({ cap: [capability] })).toBe(MALFORMED);
  });

  it('with the ability * anywhere but at a root', () => {
    const cap = [{ resource: 'tool:files/*', ability: '*' }];
    expect(codeWith({ cap })).toBe('accepted');
    expect(codeWith({ cap, sub: bob.did, prf: [grant.hash] })).toBe(MALFORMED);
  });
});

describe('a revocation', () => {
  it('is read back, and is no grant', () => {
    const revocation = issueRevocation(owner, grant, NOW_MS, 'left the team');
    expect(parseRevocation(revocation.jws)).toEqual(revocation);
    expect(revocation.claims).toEqual({
      iss: owner.did,
      jti: grant.claims.jti,
      iat: NOW_S,
      exp: grant.claims.exp,
      reason: 'left the team',
    });
    expect(codeOf(() => parseGrant(revocation.jws))).toBe(MALFORMED);
    expect(codeOf(() => parseRevocation(grant.jws))).toBe(MALFORMED);
  });

  it('is refused when forged', () => {
    const { claims } = issueRevocation(owner, grant, NOW_MS);
    const header = { alg: 'EdDSA', typ: 'starling-revocation+jwt' };
    expect(codeOf(() => parseRevocation(forge(bob, claims, header)))).toBe(INVALID);
    const long = { ...claims, reason: 'x'.repeat(501) };
    expect(codeOf(() => parseRevocation(forge(owner, long, header)))).toBe(MALFORMED);
  });
});

describe('whatever comes in', () => {
  it('is either a grant or refused with one of our codes, for any text', () => {
    const texts = fc.oneof(
      anyText(),
      fc
        .string()
        .map((text) => `${HEADER}.${Buffer.from(text).toString('base64url')}.${SIGNATURE}`),
      fc.json().map((text) => forge(owner, text)),
      fc.jsonValue().map((value) => forge(owner, { ...grant.claims, cap: value })),
    );
    fc.assert(
      fc.property(texts, (text) => codeOf(() => parseGrant(text)) !== 'accepted'),
      { numRuns: 300, seed: 2 },
    );
  });

  it('is the value that JSON.parse reads, when no member is doubled', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        if (text.includes('"__proto__"')) return;
        expect(parseStrictJson(text, 12)).toEqual(JSON.parse(text));
      }),
      { numRuns: 300, seed: 3 },
    );
    expect(() => parseStrictJson('{"a": {"b": 1, "b" : 2}}', 12)).toThrow(SyntaxError);
    expect(() => parseStrictJson('[[[]]]', 2)).toThrow(SyntaxError);
    expect(parseStrictJson('[{"a":"a\\":"},{"a":":"}]', 3)).toEqual([{ a: 'a":' }, { a: ':' }]);
  });

  it('says what was expected when it is something else', () => {
    expect(() => parseGrant('abc')).toThrow('not a grant of ours: it has 1 parts instead of 3');
    expect(() => parseRevocation('abc')).toThrow('not a revocation of ours: it has 1 parts');
    expect(() => parseRevocation(grant.jws)).toThrow('not a revocation of ours: its typ is');
    const typ = { alg: 'EdDSA', typ: 'starling-revocation+jwt' };
    expect(() => parseRevocation(forge(owner, { iss: owner.did, jti: 'abc' }, typ))).toThrow(
      'not a revocation of ours: its jti is not 16 bytes of base64url',
    );
    expect(() => parseSuccession('abc')).toThrow('not a succession of ours: ');
  });

  it('shows nothing invisible in its message', () => {
    const jws = forge(owner, grant.claims, { alg: '\u202eASd\nE' });
    expect(() => decodeJws(jws, 'x')).toThrow(/\\u\{202e\}/);
  });
});

function publicJwk(number: number): { kty: string; crv: string; x: string } {
  const { kty = '', crv = '', x = '' } = privateKeyOf(number).export({ format: 'jwk' });
  return { kty, crv, x };
}
