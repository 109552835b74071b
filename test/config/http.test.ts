/** What the configuration of the HTTP endpoint may say: addresses, TLS and OAuth. */
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { Config } from '../../src/config/index.ts';

type Http = NonNullable<NonNullable<Parameters<typeof loadConfig>[0]['flags']>['http']>;

const load = (http: Http): Promise<Config> =>
  loadConfig({ env: { HOME: '/nowhere' }, flags: { name: 'alice', http } });

const TLS = { cert: 'cert.pem', key: '/tls/key.pem' };
const OAUTH = { issuer: 'https://id.example', audience: 'https://mcp.example/mcp' };

describe('the HTTP endpoint', () => {
  it('takes addresses and blocks of both families', async () => {
    const allowedAddresses = ['192.0.2.7', '10.0.0.0/8', '::1', '2001:db8::/32', '0.0.0.0/0'];
    expect((await load({ allowedAddresses })).http.allowedAddresses).toEqual(allowedAddresses);
  });

  it.each(['192.0.2', '192.0.2.0/33', '::/129', '10.0.0.0/8/8', 'localhost', 'fe80::1%eth0', ''])(
    'refuses %j as an address',
    async (address) => {
      await expect(load({ allowedAddresses: [address] })).rejects.toThrow(
        /http\.allowedAddresses\.0: .*allowed: an IP address like/,
      );
    },
  );

  it('makes the paths of certificate and key absolute', async () => {
    const { tls } = (await load({ tls: TLS })).http;
    expect(tls).toEqual({ cert: resolve('cert.pem'), key: '/tls/key.pem' });
  });

  it('needs an authority to ask clients for certificates', async () => {
    await expect(load({ tls: { ...TLS, clientAuth: 'require' } })).rejects.toThrow(
      /http\.tls\.ca: it is missing/,
    );
  });

  it('takes an authorization server, and no scopes when none are mapped', async () => {
    expect((await load({ oauth: OAUTH })).http.oauth).toEqual({ ...OAUTH, scopes: {} });
    const loopback = { ...OAUTH, issuer: 'http://127.0.0.1:8080/realms/a' };
    expect((await load({ oauth: loopback })).http.oauth?.issuer).toBe(loopback.issuer);
  });

  it.each([
    ['issuer', 'http://id.example', /http\.oauth\.issuer: .*https:\/\//],
    ['issuer', 'https://id.example/?a=b', /http\.oauth\.issuer/],
    ['issuer', 'http://localhost.evil.example', /http\.oauth\.issuer/],
    ['issuer', 'http://127.0.0.1@evil.example', /http\.oauth\.issuer/],
    ['jwksUri', 'file:///etc/passwd', /http\.oauth\.jwksUri/],
    ['audience', 'api://mcp', /http\.oauth\.audience: .*URL of the MCP endpoint/],
  ])('refuses %s %j', async (key, value, problem) => {
    await expect(load({ oauth: { ...OAUTH, [key]: value } })).rejects.toThrow(problem);
  });

  it('refuses a mapped scope that is no resource', async () => {
    await expect(load({ oauth: { ...OAUTH, scopes: { read: ['files'] } } })).rejects.toThrow(
      /http\.oauth\.scopes\.read\.0: .*a pattern like tool:files/,
    );
  });
});
