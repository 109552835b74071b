/** Access tokens of an authorization server: which let somebody in, and which attacks do not. */
import { createHmac, createPublicKey, randomBytes } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair, importJWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createAccessTokens } from '../../../src/gateway/door/oauth.ts';
import type { AccessTokens } from '../../../src/gateway/door/oauth.ts';
import { isRefusal } from '../../../src/gateway/door/types.ts';
import type { Verdict } from '../../../src/gateway/door/types.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { AUDIENCE, NOW, serveHttp, startAuthority } from './arrange.ts';
import type { Authority } from './arrange.ts';

const SCOPES = { read: ['tool:files/read_*', 'resource:files/**'], odd: ['tool:'] };

interface Fixture {
  readonly authority: Authority;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly tokens: AccessTokens;
}

async function fixture(init: { jwksUri?: string } = {}): Promise<Fixture> {
  const authority = await startAuthority();
  const clock = createTestClock(NOW);
  const tokens = createAccessTokens(
    { clock, logger: silentLogger },
    { issuer: authority.issuer, audience: AUDIENCE, scopes: SCOPES, ...init },
  );
  return { authority, clock, tokens };
}

function whyNot(verdict: Verdict): string {
  if (!isRefusal(verdict)) throw new Error('it let somebody in');
  return `${verdict.status} ${verdict.error.message}`;
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

describe('an access token', () => {
  it('makes its subject a client with the scopes that it has here', async () => {
    const { authority, tokens } = await fixture();
    const token = await authority.sign({ scope: 'openid read tool:git/* tool: odd email' });
    expect(await tokens.verify(token)).toEqual({
      id: `jwt:${authority.issuer} ann`,
      principal: {
        kind: 'client',
        name: 'oauth:ann',
        scopes: ['tool:files/read_*', 'resource:files/**', 'tool:git/*'],
      },
      expiresAt: NOW + 630_000,
    });
  });

  it.each(['at+jwt', 'application/at+jwt', 'AT+JWT', 'JWT', undefined])(
    'may be of type %s',
    async (typ) => {
      const { authority, tokens } = await fixture();
      const token = await authority.sign(
        {},
        typ === undefined ? { typ: undefined as never } : { typ },
      );
      expect(isRefusal(await tokens.verify(token))).toBe(false);
    },
  );

  it.each([
    ['of another issuer', { iss: 'https://evil.example' }, /its iss is missing or not/],
    ['without issuer', { iss: undefined }, /its iss is missing/],
    ['for another audience', { aud: 'https://other.example/mcp' }, /its aud is missing or not/],
    ['for a part of our audience', { aud: 'https://mcp.example' }, /its aud/],
    ['without audience', { aud: undefined }, /its aud/],
    ['that has expired', { exp: NOW / 1000 - 31 }, /it has expired/],
    ['without end', { exp: undefined }, /its exp is missing/],
    ['that is not valid yet', { nbf: NOW / 1000 + 31 }, /its nbf/],
    ['without subject', { sub: undefined }, /its sub is missing/],
    ['with an endless subject', { sub: 'a'.repeat(257) }, /its sub can not be used/],
    ['that is bound to a key', { cnf: { jkt: 'x' } }, /bound to a key/],
  ])('%s is refused', async (_, claims, why) => {
    const { authority, tokens } = await fixture();
    const token = await authority.sign(claims as Record<string, unknown>);
    const verdict = await tokens.verify(token);
    expect(whyNot(verdict)).toMatch(/^401/);
    expect(whyNot(verdict)).toMatch(why);
  });

  it('may be off by half a minute, as clocks are', async () => {
    const { authority, tokens } = await fixture();
    const late = await authority.sign({ exp: NOW / 1000 - 29 });
    const early = await authority.sign({ nbf: NOW / 1000 + 29 });
    expect(isRefusal(await tokens.verify(late))).toBe(false);
    expect(isRefusal(await tokens.verify(early))).toBe(false);
  });

  it.each(['logout+jwt', 'starling-grant+jwt', 'dpop+jwt', 'secevent+jwt'])(
    'that is a %s is refused',
    async (typ) => {
      const { authority, tokens } = await fixture();
      expect(whyNot(await tokens.verify(await authority.sign({}, { typ })))).toMatch(/by its typ/);
    },
  );

  it.each(['openid email', '', undefined, ['tool:files/*'], '* **'])(
    'with the scope %j is told that this is not enough',
    async (scope) => {
      const { authority, tokens } = await fixture();
      const verdict = await tokens.verify(await authority.sign({ scope }));
      expect(whyNot(verdict)).toMatch(/^403/);
      expect(isRefusal(verdict) && verdict.headers?.['www-authenticate']).toContain(
        'error="insufficient_scope"',
      );
    },
  );
});

describe('a forged access token', () => {
  it('of algorithm none is refused', async () => {
    const { authority, tokens } = await fixture();
    const [, body = ''] = (await authority.sign()).split('.');
    for (const alg of ['none', 'None', 'NONE']) {
      const forged = `${encode({ alg, typ: 'at+jwt' })}.${body}.`;
      expect(whyNot(await tokens.verify(forged))).toMatch(/^401/);
    }
  });

  it('made with the public key as a shared secret is refused', async () => {
    const { authority, tokens } = await fixture();
    const [jwk] = authority.keys;
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
    const [, body = ''] = (await authority.sign()).split('.');
    for (const secret of [
      key.export({ type: 'spki', format: 'pem' }),
      key.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk),
    ]) {
      const signed = `${encode({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' })}.${body}`;
      const mac = createHmac('sha256', secret).update(signed).digest('base64url');
      expect(whyNot(await tokens.verify(`${signed}.${mac}`))).toMatch(/algorithm is not allowed/);
    }
  });

  it('with a shared secret that the issuer publishes by mistake is refused', async () => {
    const { authority, tokens } = await fixture();
    const secret = randomBytes(32);
    authority.keys.push({ kty: 'oct', k: secret.toString('base64url'), kid: 'k2', alg: 'HS256' });
    const token = await new SignJWT({ scope: 'tool:files/*' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k2' })
      .setIssuer(authority.issuer)
      .setAudience(AUDIENCE)
      .setSubject('ann')
      .setExpirationTime(NOW / 1000 + 60)
      .sign(secret);
    expect(whyNot(await tokens.verify(token))).toMatch(/algorithm is not allowed/);
  });

  it('signed by a stranger is refused, whatever it says of its key', async () => {
    const { authority, tokens } = await fixture();
    const stranger = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(stranger.publicKey);
    const evil = await serveHttp((_, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'evil' }] }));
    });
    let asked = 0;
    const headers = [
      { kid: 'k1' },
      { kid: 'evil' },
      { kid: '../../keys' },
      { kid: 'k1', jwk },
      { kid: 'evil', jku: `${evil}/keys` },
      { kid: 'evil', x5u: `${evil}/cert` },
      { kid: 'k1', crit: ['b64'], b64: true },
    ];
    for (const header of headers) {
      const token = await new SignJWT({ scope: 'tool:files/*' })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
        .setIssuer(authority.issuer)
        .setAudience(AUDIENCE)
        .setSubject('ann')
        .setExpirationTime(NOW / 1000 + 60)
        .sign(stranger.privateKey);
      expect(whyNot(await tokens.verify(token))).toMatch(/^401/);
    }
    expect(asked).toBe(0);
  });

  it('that names the key of another algorithm is refused', async () => {
    const { authority, tokens } = await fixture();
    const rsa = await generateKeyPair('RS256', { extractable: true });
    authority.keys.push({ ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' });
    const confused = await authority.sign({}, { kid: 'rsa' });
    expect(whyNot(await tokens.verify(confused))).toMatch(/none of the issuer/);
    const key = await importJWK(await exportJWK(rsa.privateKey), 'PS256');
    const other = await new SignJWT({ scope: 'tool:files/*' })
      .setProtectedHeader({ alg: 'PS256', kid: 'rsa', typ: 'at+jwt' })
      .setIssuer(authority.issuer)
      .setAudience(AUDIENCE)
      .setSubject('ann')
      .setExpirationTime(NOW / 1000 + 60)
      .sign(key);
    expect(whyNot(await tokens.verify(other))).toMatch(/none of the issuer/);
  });

  it('with any byte changed is refused', async () => {
    const { authority, tokens } = await fixture();
    const [head = '', body = '', signature = ''] = (await authority.sign()).split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
    for (const forged of [
      [head, encode({ ...claims, sub: 'root' }), signature],
      [head, encode({ ...claims, scope: 'read tool:**' }), signature],
      [
        head,
        body,
        `${signature.slice(0, 20)}${signature.slice(20).replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`,
      ],
      [head, body, ''],
      ['e30', body, signature],
      ['x', 'y', 'z'],
    ]) {
      expect(whyNot(await tokens.verify(forged.join('.')))).toMatch(/^401/);
    }
  });
});

describe("the authorization server's keys", () => {
  it('are found by its metadata, and asked for once', async () => {
    const { authority, tokens } = await fixture();
    for (let call = 0; call < 3; call += 1) await tokens.verify(await authority.sign());
    expect(authority.asked).toEqual(['/.well-known/oauth-authorization-server', '/keys']);
  });

  it('are not asked for again by tokens that name unknown ones', async () => {
    const { authority, tokens } = await fixture();
    for (let call = 0; call < 20; call += 1) {
      await tokens.verify(await authority.sign({}, { kid: `k${call + 2}` }));
    }
    expect(authority.asked.filter((path) => path === '/keys')).toHaveLength(1);
  });

  it.each([
    [{ issuer: 'https://evil.example', jwks_uri: 'https://evil.example/keys' }],
    [{}],
    [[]],
    [{ issuer: 'ISSUER', jwks_uri: 'http://192.0.2.1/keys' }],
    [{ issuer: 'ISSUER', jwks_uri: 'file:///etc/passwd' }],
  ])('are not believed by metadata like %j, and the caller may try again', async (metadata) => {
    const { authority, clock, tokens } = await fixture();
    const text = JSON.stringify(metadata).replace('ISSUER', authority.issuer);
    authority.metadata = JSON.parse(text) as object;
    const verdict = await tokens.verify(await authority.sign());
    expect(whyNot(verdict)).toMatch(/^503 the authorization server's keys can't be had/);
    expect(isRefusal(verdict) && verdict.headers?.['retry-after']).toBe('10');
    const asked = authority.asked.length;
    authority.metadata = undefined;
    expect(whyNot(await tokens.verify(await authority.sign()))).toMatch(/^503/);
    expect(authority.asked).toHaveLength(asked);
    clock.advance(10_000);
    expect(isRefusal(await tokens.verify(await authority.sign()))).toBe(false);
  });

  it('are asked for again where the clock was a year ahead when they were not had', async () => {
    const { authority, clock, tokens } = await fixture();
    authority.metadata = {};
    const asked = async (): Promise<number> => {
      const before = authority.asked.length;
      expect(whyNot(await tokens.verify(await authority.sign()))).toMatch(/^503/);
      return authority.asked.length - before;
    };
    expect(await asked()).toBeGreaterThan(0);
    expect(await asked()).toBe(0);
    clock.sleep(-365 * 86_400_000);
    expect(await asked()).toBeGreaterThan(0);
    expect(await asked()).toBe(0);
  });

  it('may be named in the configuration instead', async () => {
    const keys: object[] = [];
    const uri = await serveHttp((_, response) => void response.end(JSON.stringify({ keys })));
    const { authority, tokens } = await fixture({ jwksUri: uri });
    keys.push(...authority.keys);
    expect(isRefusal(await tokens.verify(await authority.sign()))).toBe(false);
    expect(authority.asked).toEqual([]);
  });
});

describe('the way to the keys of an authorization server', () => {
  /** An endless text, which is cut off by who reads it. */
  const endless = (response: ServerResponse): void => {
    const chunk = Buffer.alloc(64 * 1024, ' ');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more).on('error', () => response.destroy());
    more();
  };

  it.each([
    ['metadata', '/.well-known/oauth-authorization-server'],
    ['keys', '/keys'],
  ])('reads no more than 1 MiB of its %s', async (_, endlessPath) => {
    let sentBytes = 0;
    const origin = await serveHttp((request, response) => {
      if (request.url !== endlessPath) {
        response.end(JSON.stringify({ issuer: origin, jwks_uri: `${origin}/keys` }));
        return;
      }
      endless(response);
      response.once('close', () => (sentBytes = response.socket?.bytesWritten ?? sentBytes));
    });
    const authority = await startAuthority();
    const jwksUri = endlessPath === '/keys' ? { jwksUri: `${origin}/keys` } : {};
    const tokens = createAccessTokens(
      { clock: createTestClock(NOW), logger: silentLogger },
      { issuer: origin, audience: AUDIENCE, scopes: SCOPES, ...jwksUri },
    );
    const verdict = await tokens.verify(await authority.sign({ iss: origin }));
    expect(whyNot(verdict)).toMatch(/^503/);
    // What the system holds between the two ends comes on top of what was read.
    expect(sentBytes).toBeLessThan(32 * 1024 * 1024);
  });

  it.each([
    ['metadata', {}, ['oauth-authorization-server', 'openid-configuration']],
    ['keys', { jwksUri: '/keys' }, ['keys']],
  ] as const)(
    'waits 5 seconds for its %s at each place, and no longer',
    async (_, init, places) => {
      const silent: string[] = [];
      const origin = await serveHttp((request) => void silent.push(request.url ?? ''));
      const authority = await startAuthority();
      const clock = createTestClock(NOW);
      const jwksUri = 'jwksUri' in init ? { jwksUri: `${origin}${init.jwksUri}` } : {};
      const tokens = createAccessTokens(
        { clock, logger: silentLogger },
        { issuer: origin, audience: AUDIENCE, scopes: SCOPES, ...jwksUri },
      );
      const verdict = tokens.verify(await authority.sign({ iss: origin }));
      for (const [at, place] of places.entries()) {
        await expect.poll(() => silent[at]).toContain(place);
        clock.advance(4999);
        expect(silent).toHaveLength(at + 1);
        clock.advance(1);
      }
      expect(whyNot(await verdict)).toMatch(/^503/);
      expect(silent).toHaveLength(places.length);
    },
  );
});

describe('a client without a token', () => {
  it('is told where to get one', async () => {
    const { authority, tokens } = await fixture();
    expect(tokens.challenge()).toBe(
      'Bearer realm="starling", resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"',
    );
    expect(tokens.metadata).toEqual({
      resource: AUDIENCE,
      resource_name: 'Starling',
      authorization_servers: [authority.issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['read', 'odd'],
    });
  });
});
