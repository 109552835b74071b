/** The dashboard at the HTTP door: what a browser is sent, and what is refused to whoever is not the page. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDashboard } from '../../src/dashboard/index.ts';
import type { Dashboard } from '../../src/dashboard/index.ts';
import { DASHBOARD } from '../../src/guard/index.ts';
import { createTestClock } from '../core/test-clock.ts';

const FILE = { type: 'text/html', bytes: Buffer.from('page'), gzipped: gzipSync('page') };

let endpoint: string | undefined;
let dashboard: Dashboard;
let origin: string;
/** The last request that the door did not answer itself. */
let passed: IncomingMessage | undefined;

const server = createServer((request, response) => {
  if (dashboard.handle(request, response)) return;
  passed = request;
  const token = request.headers.authorization?.slice('Bearer '.length) ?? '';
  const known = dashboard.check(token, request);
  response.writeHead(known === undefined ? 401 : 200).end(JSON.stringify(known ?? {}));
});

beforeAll(async () => {
  dashboard = createDashboard({
    endpoint: () => endpoint,
    clock: createTestClock(),
    files: { has: (path) => path === '/dashboard/', read: async () => FILE },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  endpoint = `${origin}/mcp`;
});
afterAll(() => void server.close());

const codeOf = (): string => new URL(dashboard.link().url).hash.slice(1);

/** Sends what a page of `from` would send. */
function post(path: string, body: string, headers: Record<string, string> = { origin }) {
  return fetch(`${origin}${path}`, { method: 'POST', headers, body });
}

async function opened(): Promise<{ readonly token: string; readonly cookie: string }> {
  const response = await post('/dashboard/session', codeOf());
  const { token } = (await response.json()) as { readonly token: string };
  return { token, cookie: (response.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? '' };
}

describe('the page', () => {
  it('is sent so that nothing comes from elsewhere, nothing is framed and nothing is kept', async () => {
    const response = await fetch(`${origin}/dashboard/`);
    expect(await response.text()).toBe('page');
    const { headers } = response;
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('has no other files, however a path is written', async () => {
    for (const path of [
      '/dashboard/../token',
      '/dashboard/%2e%2e/token',
      '/dashboard/app.js/',
      '/dashboard//etc/passwd',
    ]) {
      expect((await fetch(`${origin}${path}`)).status, path).not.toBe(200);
    }
    expect((await fetch(`${origin}/dashboard`, { redirect: 'manual' })).status).toBe(308);
    expect((await post('/dashboard/', '')).status).toBe(405);
    expect((await fetch(`${origin}/dashboard/session`)).status).toBe(405);
  });
});

describe('a session', () => {
  it('is opened once by the code of a link, for /mcp of this page and browser alone', async () => {
    const { token, cookie } = await opened();
    const headers = { origin, cookie, authorization: `Bearer ${token}` };
    const response = await post('/mcp', '', headers);
    expect(await response.json()).toMatchObject({ principal: DASHBOARD });
    const refused: [string, Record<string, string>][] = [
      ['/mcp/toolbox', headers],
      ['/metrics', headers],
      ['/v1/models', headers],
      ['/mcp', { origin, authorization: headers.authorization }],
      ['/mcp', { cookie, authorization: headers.authorization }],
      ['/mcp', { ...headers, origin: 'http://127.0.0.1:1' }],
      ['/mcp', { ...headers, origin: 'null' }],
      ['/mcp', { ...headers, cookie: `${cookie}x` }],
      ['/mcp', { ...headers, 'sec-fetch-site': 'cross-site' }],
      ['/mcp', { ...headers, 'sec-fetch-site': 'same-site' }],
    ];
    for (const [path, sent] of refused) {
      expect((await post(path, '', sent)).status, JSON.stringify([path, sent])).toBe(401);
    }
    expect((await fetch(`${origin}/mcp`, { headers })).status).toBe(401);
    expect(passed).toBeDefined();
  });

  it('has a cookie that no script reads, no other site sends and no other path gets', async () => {
    const response = await post('/dashboard/session', codeOf());
    expect(response.headers.get('set-cookie')).toMatch(
      /^starling-dashboard-[\w-]{8}=[\w-]{43}; Path=\/mcp; HttpOnly; SameSite=Strict$/,
    );
  });

  it('is not opened by another page, and the link is good afterwards', async () => {
    const code = codeOf();
    for (const headers of [{}, { origin: 'http://evil.example' }, { origin: 'null' }]) {
      expect((await post('/dashboard/session', code, headers)).status).toBe(403);
    }
    expect((await post('/dashboard/session', code)).status).toBe(200);
    expect((await post('/dashboard/session', code)).status).toBe(401);
    expect((await post('/dashboard/session', 'x'.repeat(43))).status).toBe(401);
    expect((await post('/dashboard/session', '{}')).status).toBe(400);
    expect((await post('/dashboard/session', 'x'.repeat(5000))).status).toBe(413);
  });

  it('ends by the goodbye of its page, which no other can say', async () => {
    const { token, cookie } = await opened();
    const headers = { origin, cookie, authorization: `Bearer ${token}` };
    expect((await post('/dashboard/end', token, {})).status).toBe(403);
    expect((await post('/mcp', '', headers)).status).toBe(200);
    expect(await (await post('/dashboard/end', token)).json()).toEqual({ ended: true });
    expect((await post('/mcp', '', headers)).status).toBe(401);
  });
});

describe('a link', () => {
  it('is made only where nobody on the way can read what the page shows', () => {
    const places: [string | undefined, string | RegExp][] = [
      [undefined, /this node serves no HTTP/],
      ['http://192.0.2.7:4100/mcp', /without TLS/],
      ['http://[2001:db8::1]:4100/mcp', /without TLS/],
      ['https://192.0.2.7:4100/mcp', 'https://192.0.2.7:4100/dashboard/#'],
      ['http://0.0.0.0:4100/mcp', 'http://127.0.0.1:4100/dashboard/#'],
      ['http://[::1]:4100/mcp', 'http://[::1]:4100/dashboard/#'],
      ['http://localhost:4100/mcp', 'http://localhost:4100/dashboard/#'],
    ];
    const before = endpoint;
    for (const [at, expected] of places) {
      endpoint = at;
      if (typeof expected === 'string') expect(dashboard.link().url).toContain(expected);
      else expect(() => dashboard.link()).toThrow(expected);
    }
    endpoint = before;
  });
});
