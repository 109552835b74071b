/** Who may come in, and as whom. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { timingSafeEqual } from 'node:crypto';
import { digestOf } from '../../../src/gateway/door/bearer.ts';
import { createApiKeys } from '../../../src/gateway/door/api-keys.ts';
import type { ApiKeys } from '../../../src/gateway/door/api-keys.ts';
import { challengeText } from '../../../src/gateway/door/challenge.ts';
import { createDoor } from '../../../src/gateway/door/door.ts';
import type { TokenClients } from '../../../src/gateway/door/token-clients.ts';
import type { DoorInit } from '../../../src/gateway/door/door.ts';
import { createRateLimit } from '../../../src/gateway/door/rate-limit.ts';
import { isRefusal } from '../../../src/gateway/door/types.ts';
import type { Door, DoorRefusal, Verdict } from '../../../src/gateway/door/types.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { AUDIENCE, NOW, bearing, requestOf, serveHttp, startAuthority } from './arrange.ts';

const TOKEN = randomBytes(32).toString('base64url');
const node = createIdentity(Buffer.alloc(32, 1));
const alice = createIdentity(Buffer.alloc(32, 2));

interface Fixture {
  readonly door: Door;
  readonly keys: ApiKeys;
  readonly clock: ReturnType<typeof createTestClock>;
}

function fixture(
  init: Partial<DoorInit> = {},
  perSecond = 100,
  tokenCame: TokenClients['came'] = () => undefined,
): Fixture {
  const clock = createTestClock(NOW);
  const keys = createApiKeys({ table: memoryTable(), clock, logger: silentLogger });
  const door = createDoor(
    {
      self: node.did,
      keys,
      token: { matches: (digest) => timingSafeEqual(digest, digestOf(TOKEN)), count: 1 },
      rateLimit: createRateLimit(clock, perSecond),
      tokens: { came: tokenCame },
      clock,
      logger: silentLogger,
    },
    {
      host: '127.0.0.1',
      allowedOrigins: [],
      allowedHosts: [],
      allowedAddresses: [],
      ...init,
    },
  );
  return { door, keys, clock };
}

function refusalOf(verdict: Verdict | Promise<Verdict>): DoorRefusal {
  if (verdict instanceof Promise || !isRefusal(verdict)) throw new Error('not refused at once');
  return verdict;
}

describe('a caller', () => {
  it('with the token of the node is its operator', () => {
    const { door } = fixture();
    const operator = { id: 'operator', principal: { kind: 'operator' } };
    expect(door.authenticate(bearing(TOKEN))).toEqual(operator);
    expect(door.authenticate(requestOf({ authorization: `bearer  ${TOKEN}` }))).toEqual(operator);
  });

  it('with an API key is a client until the key is revoked', async () => {
    const { door, keys } = fixture();
    const { key } = await keys.create({ name: 'ci', scopes: ['tool:files/*'] });
    expect(door.authenticate(bearing(key.reveal()))).toMatchObject({
      principal: { kind: 'client', name: 'ci' },
    });
    await keys.revoke('ci');
    expect(refusalOf(door.authenticate(bearing(key.reveal()))).status).toBe(401);
  });

  it.each([
    '',
    'Bearer',
    `Basic ${Buffer.from(`operator:${TOKEN}`).toString('base64')}`,
    TOKEN,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Bearer ${TOKEN},`,
    `Bearer ${'a'.repeat(20_000)}`,
    'Bearer a.b.c',
    'Bearer starling_000000000000_x',
  ])('that sends Authorization: %.40s stays outside', (authorization) => {
    const { door } = fixture();
    const refusal = refusalOf(door.authenticate(requestOf({ authorization })));
    expect(refusal.status).toBe(401);
    expect(refusal.headers?.['www-authenticate']).toMatch(/^Bearer realm="starling"/);
    expect(JSON.stringify(refusal)).not.toContain(TOKEN);
  });

  it('is told how to come in, and from nowhere where a token lies', () => {
    const { door } = fixture();
    const hintFrom = (address: string): string | undefined =>
      refusalOf(door.authenticate(requestOf({}, address))).error.hint;
    expect(hintFrom('::ffff:127.0.0.1')).toBe(hintFrom('192.0.2.1'));
    expect(hintFrom('192.0.2.1')).toContain('starling key create');
    expect(hintFrom('192.0.2.1')).not.toContain('/');
  });
});

describe('a caller with an access token', () => {
  it('is verified once, and known from then on until the token ends', async () => {
    const authority = await startAuthority();
    const oauth = { issuer: authority.issuer, audience: AUDIENCE, scopes: {} };
    const came: unknown[] = [];
    const { door, clock } = fixture({ oauth }, 100, (...who) => came.push(who));
    const token = await authority.sign({ exp: NOW / 1000 + 60 });
    const [first, second] = [door.authenticate(bearing(token)), door.authenticate(bearing(token))];
    expect(second).toBe(first);
    const credential = await first;
    expect(credential).toMatchObject({ principal: { kind: 'client', name: 'oauth:ann' } });
    expect(door.authenticate(bearing(token))).toBe(credential);
    expect(came).toEqual([['oauth:ann', { scopes: expect.any(Array), expiresAt: NOW + 90_000 }]]);
    clock.advance(90_000);
    expect(await door.authenticate(bearing(token))).toMatchObject({ status: 401 });
  });

  it('is checked against new keys every five minutes', async () => {
    const authority = await startAuthority();
    const oauth = { issuer: authority.issuer, audience: AUDIENCE, scopes: {} };
    const { door, clock } = fixture({ oauth });
    const token = await authority.sign({ exp: NOW / 1000 + 86_400 });
    await door.authenticate(bearing(token));
    clock.advance(5 * 60_000);
    expect(door.authenticate(bearing(token))).toBeInstanceOf(Promise);
  });

  it('can not make the node verify without end', async () => {
    const authority = await startAuthority();
    const oauth = { issuer: authority.issuer, audience: AUDIENCE, scopes: {} };
    const { door } = fixture({ oauth }, 5);
    const verdicts: Verdict[] = [];
    for (let call = 0; call < 20; call += 1) {
      verdicts.push(await door.authenticate(bearing(`e30.${call}.x`)));
    }
    const statuses = verdicts.map((verdict) => isRefusal(verdict) && verdict.status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(10);
  });

  it('is nobody where no authorization server is configured', async () => {
    const authority = await startAuthority();
    const { door } = fixture();
    expect(refusalOf(door.authenticate(bearing(await authority.sign()))).status).toBe(401);
    expect(authority.asked).toEqual([]);
  });
});

describe('over HTTP', () => {
  const open = async (
    init: Partial<DoorInit> = {},
    perSecond = 100,
  ): Promise<Fixture & { url: string }> => {
    const made = fixture(init, perSecond);
    const url = await serveHttp((request, response) => {
      if (!made.door.handle(request, response)) response.writeHead(404).end();
    });
    return { ...made, url };
  };
  const post = (
    url: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  it('an agent turns its key into a session, and comes in with it', async () => {
    const { url, door } = await open();
    const asked = await post(`${url}/auth/challenge`, { did: alice.did });
    expect(asked.status).toBe(200);
    expect(asked.headers.get('cache-control')).toBe('no-store');
    const { nonce } = (await asked.json()) as { nonce: string };
    const audience = new URL(url).host;
    const text = challengeText({ node: node.did, audience, did: alice.did, nonce });
    const signature = Buffer.from(alice.sign(text)).toString('base64url');
    const opened = await post(`${url}/auth/session`, { did: alice.did, nonce, signature });
    const { token, expiresAt } = (await opened.json()) as { token: string; expiresAt: number };
    expect(expiresAt).toBe(NOW + 900_000);
    expect(door.authenticate(bearing(token))).toMatchObject({
      id: `agent:${alice.did}`,
      principal: { kind: 'agent', did: alice.did },
    });
    const again = await post(`${url}/auth/session`, { did: alice.did, nonce, signature });
    expect(again.status).toBe(401);
    expect(await again.text()).toContain('STARLING_UNAUTHORIZED');
  });

  it.each<[string, unknown, number]>([
    ['challenge', '{', 400],
    ['challenge', 'null', 400],
    ['challenge', {}, 400],
    ['challenge', { did: 7 }, 400],
    ['challenge', { did: 'did:web:evil.example' }, 400],
    ['challenge', { did: 'x'.repeat(5000) }, 413],
    ['session', { did: alice.did, nonce: 'x', signature: 'y' }, 401],
    ['session', { did: alice.did, nonce: 'x' }, 400],
  ])('POST /auth/%s with %.60j is refused', async (path, body, status) => {
    const { url } = await open();
    const answer = await post(`${url}/auth/${path}`, body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({
      jsonrpc: '2.0',
      error: { code: expect.any(Number) },
    });
  });

  it('nothing else than a POST of JSON is taken', async () => {
    const { url } = await open();
    expect((await fetch(`${url}/auth/challenge`)).status).toBe(405);
    const plain = await post(`${url}/auth/challenge`, '{}', { 'content-type': 'text/plain' });
    expect(plain.status).toBe(415);
    expect((await post(`${url}/auth/other`, {})).status).toBe(404);
  });

  it('who asks too often is told when to come again', async () => {
    const { url } = await open({}, 1);
    const statuses: number[] = [];
    for (let call = 0; call < 4; call += 1) {
      statuses.push((await post(`${url}/auth/challenge`, { did: alice.did })).status);
    }
    expect(statuses).toEqual([200, 200, 429, 429]);
    const last = await post(`${url}/auth/challenge`, { did: alice.did });
    expect(last.headers.get('retry-after')).toBe('1');
  });

  it('tells where access tokens come from, where there is such a place', async () => {
    const oauth = { issuer: 'https://id.example', audience: AUDIENCE, scopes: {} };
    const { url } = await open({ oauth });
    for (const path of ['', '/mcp', '/mcp/files']) {
      const answer = await fetch(`${url}/.well-known/oauth-protected-resource${path}`);
      expect(await answer.json()).toMatchObject({
        resource: AUDIENCE,
        authorization_servers: ['https://id.example'],
      });
    }
    const posted = await post(`${url}/.well-known/oauth-protected-resource`, {});
    expect(posted.status).toBe(405);
    const { url: plain } = await open();
    expect((await fetch(`${plain}/.well-known/oauth-protected-resource`)).status).toBe(404);
  });
});
