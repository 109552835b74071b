/** Where a server may not send us, whatever it writes into its metadata. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/index.ts';
import { createGuardedFetch } from '../../../../src/gateway/upstreams/oauth/guarded-fetch.ts';
import type { GuardedFetch } from '../../../../src/gateway/upstreams/oauth/guarded-fetch.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { json, urlServer } from '../../support/url-server.ts';

useCleanup();

function fetchFor(serverUrl: string, chosen?: string): GuardedFetch {
  const guard = createGuardedFetch(
    { clock: systemClock },
    {
      serverUrl: new URL(serverUrl),
      ...(chosen === undefined ? {} : { chosen: new URL(chosen) }),
    },
  );
  defer(() => guard.close());
  return guard.fetch;
}

const refusal = { code: 'STARLING_UPSTREAM_INVALID' };

describe('a server out in the world', () => {
  it.each([
    'http://127.0.0.1:1/token',
    'https://127.0.0.1:1/token',
    'https://localhost:1/token',
    'https://[::1]:1/token',
    'https://[::ffff:127.0.0.1]:1/token',
    'https://10.1.2.3/token',
    'https://192.168.0.1/token',
    'https://100.64.0.1/token',
    'https://169.254.169.254/latest/meta-data',
    'https://[fe80::1]/token',
    'https://[fd00::1]/token',
    'https://0.0.0.0/token',
    'https://2130706433/token',
  ])('can not send us to %s', async (url) => {
    await expect(fetchFor('https://203.0.113.5/mcp')(url)).rejects.toMatchObject(refusal);
  });

  it.each(['http://198.51.100.7/token', 'file:///etc/passwd', 'ftp://198.51.100.7/x'])(
    'can not have us use %s',
    async (url) => {
      await expect(fetchFor('https://203.0.113.5/mcp')(url)).rejects.toMatchObject(refusal);
    },
  );
});

describe('an address that the operator has chosen', () => {
  it('may be in a network that the server is not in, and opens nothing else there', async () => {
    const inside = await urlServer((_, response) => json(response, { ok: true }));
    // By its name, so that the network of the name is looked up.
    const chosen = `${inside.origin.replace('127.0.0.1', 'localhost')}/token`;
    const ask = fetchFor('https://203.0.113.5/mcp', chosen);
    expect((await ask(chosen)).status).toBe(200);
    await expect(ask(`${inside.origin}/other`)).rejects.toMatchObject(refusal);
    expect(inside.asked.map(({ url }) => url.pathname)).toEqual(['/token']);
  });
});

describe('a server inside', () => {
  it('can not send us to this machine or to the metadata of its cloud', async () => {
    const inside = fetchFor('https://10.0.0.5/mcp');
    for (const url of ['https://127.0.0.1:1/x', 'https://169.254.169.254/x']) {
      await expect(inside(url)).rejects.toMatchObject(refusal);
    }
  });
});

describe('a server on this machine', () => {
  it('may send us to this machine, by POST as by GET', async () => {
    const server = await urlServer((asked, response) => json(response, { got: asked.text }, 201));
    const reply = await fetchFor(server.url)(`${server.origin}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ a: '1' }),
    });
    expect([reply.status, await reply.json()]).toEqual([201, { got: 'a=1' }]);
  });

  it('can not lead us on by a redirect, nor with an endless answer', async () => {
    const server = await urlServer((asked, response) => {
      if (asked.url.pathname === '/away') response.writeHead(302, { location: '/big' }).end();
      else response.end('x'.repeat(2 * 1024 * 1024));
    });
    const ask = fetchFor(server.url);
    const reply = await ask(`${server.origin}/away`);
    expect([reply.status, reply.headers.get('location')]).toEqual([302, null]);
    await expect(ask(`${server.origin}/big`)).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
  });
});
