/** What variables of the environment and options say beside the config file. */
import { describe, expect, it } from 'vitest';
import { ENVIRONMENT } from '../../src/config/env.ts';
import { problemsOf, useConfigFolder } from './config-folder.ts';

const PEER = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo';

const place = useConfigFolder();
const { load } = place;

describe('the environment', () => {
  const env = (more: NodeJS.ProcessEnv): { env: NodeJS.ProcessEnv } => ({
    env: { HOME: place.root, ...more },
  });

  it('sets every key that its table names', async () => {
    const config = await load(
      {},
      env({
        STARLING_NAME: 'env',
        STARLING_STATE_DIR: place.root,
        STARLING_LISTEN: '/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2/ws',
        STARLING_ANNOUNCE: '/dns4/a.example/tcp/3',
        STARLING_BOOTSTRAP: `/ip4/127.0.0.1/tcp/4/p2p/${PEER}`,
        STARLING_OPEN: 'true',
        STARLING_MESH_NAME: 'mesh',
        STARLING_MDNS: 'off',
        STARLING_UPNP: 'on',
        STARLING_RELAY: '0',
        STARLING_HTTP: 'FALSE',
        STARLING_HTTP_HOST: '127.0.0.9',
        STARLING_HTTP_PORT: '0',
        STARLING_HTTP_ALLOWED_HOSTS: 'mcp.example',
        STARLING_HTTP_ALLOWED_ORIGINS: 'https://app.example',
        STARLING_HTTP_ALLOWED_ADDRESSES: '192.0.2.0/24, ::1',
        STARLING_HTTP_TLS_CERT: '/tls/cert.pem',
        STARLING_HTTP_TLS_KEY: '/tls/key.pem',
        STARLING_HTTP_TLS_CA: '/tls/ca.pem',
        STARLING_HTTP_TLS_CLIENT_AUTH: 'require',
        STARLING_HTTP_OAUTH_ISSUER: 'https://id.example',
        STARLING_HTTP_OAUTH_AUDIENCE: 'https://mcp.example/mcp',
        STARLING_HTTP_OAUTH_JWKS_URI: 'https://id.example/keys',
        STARLING_REQUESTS_PER_SECOND: '7',
        STARLING_TCP: 'yes',
        STARLING_TCP_HOST: '::1',
        STARLING_TCP_PORT: '9501',
        STARLING_MAX_AGENTS: '5',
        STARLING_AGENT_TIMEOUT_MS: '60000',
        STARLING_AUDIT: 'no',
        STARLING_AUDIT_RETENTION: '12h',
        STARLING_AUDIT_SEGMENT_BYTES: '1048576',
        STARLING_AUDIT_SYNC: 'always',
        STARLING_HEARTBEAT_MS: '250',
        STARLING_KEEP_ALIVE_MS: '20000',
        STARLING_RETRY_ATTEMPTS: '3',
        STARLING_RETRY_DELAY_MS: '100',
        STARLING_RETRY_DELAY_MAX_MS: '5000',
        STARLING_MESSAGE_BYTES: '2048',
        STARLING_CALL_TIMEOUT_MS: '100',
        STARLING_LOG: 'debug,gateway=trace',
        STARLING_LOG_FILE: '/tmp/log',
      }),
    );
    expect(config).toMatchObject({
      name: 'env',
      stateDir: place.root,
      listen: ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2/ws'],
      announce: ['/dns4/a.example/tcp/3'],
      bootstrap: [`/ip4/127.0.0.1/tcp/4/p2p/${PEER}`],
      open: 'open',
      meshName: 'mesh',
      mdns: false,
      upnp: true,
      relay: false,
      http: {
        enabled: false,
        host: '127.0.0.9',
        port: 0,
        allowedHosts: ['mcp.example'],
        allowedOrigins: ['https://app.example'],
        allowedAddresses: ['192.0.2.0/24', '::1'],
        tls: {
          cert: '/tls/cert.pem',
          key: '/tls/key.pem',
          ca: '/tls/ca.pem',
          clientAuth: 'require',
        },
        oauth: {
          issuer: 'https://id.example',
          audience: 'https://mcp.example/mcp',
          jwksUri: 'https://id.example/keys',
          scopes: {},
        },
      },
      agents: { max: 5, timeoutMs: 60_000 },
      tcp: { enabled: true, host: '::1', port: 9501 },
      audit: {
        enabled: false,
        retentionMs: 43_200_000,
        segmentBytes: 1_048_576,
        sync: 'always',
      },
      heartbeat: { intervalMs: 250 },
      keepAlive: { intervalMs: 20_000 },
      retry: { attempts: 3, delayMs: 100, delayMaxMs: 5000 },
      limits: { messageBytes: 2048, callTimeoutMs: 100, requestsPerSecond: 7 },
      log: { level: 'debug,gateway=trace', file: '/tmp/log' },
    });
    const joined = await load({}, env({ STARLING_JOIN: 'starling1abc' }));
    expect(joined.join?.reveal()).toBe('starling1abc');
    // Those above, STARLING_JOIN, STARLING_CONFIG, STARLING_NODE, the two of the passphrase and those of OpenTelemetry.
    expect(ENVIRONMENT).toHaveLength(52);
  });

  it('says nothing by an empty variable, nor by one that is not ours', async () => {
    const config = await load({ name: 'file' }, env({ STARLING_NAME: '', STAR: 'x', PORT: 'y' }));
    expect(config.name).toBe('file');
  });

  it('may take back what the file says', async () => {
    expect((await load({ open: 'lab' }, env({ STARLING_OPEN: 'false' }))).open).toBeUndefined();
  });

  it.each([
    [
      'STARLING_NAM',
      'x',
      "STARLING_NAM: unknown environment variable; did you mean 'STARLING_NAME'?",
    ],
    ['STARLING_MDNS', 'maybe', 'STARLING_MDNS: "maybe" can\'t be used; allowed: true or false'],
    [
      'STARLING_HTTP_PORT',
      '80a',
      'STARLING_HTTP_PORT: "80a" can\'t be used; allowed: a whole number',
    ],
    [
      'STARLING_HTTP_PORT',
      '99999',
      "http.port (from STARLING_HTTP_PORT): 99999 can't be used; allowed: a whole number from 0 to 65535",
    ],
    [
      'STARLING_LISTEN',
      'localhost:80',
      'listen.0 (from STARLING_LISTEN): "localhost:80" can\'t be used; allowed: a multiaddr like /ip4/192.0.2.7/tcp/4040',
    ],
  ])('%s=%s is refused: %s', async (name, value, problem) => {
    expect(await problemsOf(load({}, env({ [name]: value })))).toEqual([problem]);
  });

  it('is not blamed for what a flag says', async () => {
    const sources = { ...env({ STARLING_HTTP_PORT: '1' }), flags: { http: { port: -1 } } };
    expect(await problemsOf(load({}, sources))).toEqual([
      "--http-port: -1 can't be used; allowed: a whole number from 0 to 65535",
    ]);
  });
});

describe('an option', () => {
  it('is blamed for its own value, and not the file, which may have no such key', async () => {
    const given = { name: 'my laptop' };
    await expect(load({ mdns: false }, { flags: given })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^the command line has a problem:\n {2}--name: "my laptop" can't be used; allowed: /,
      ) as string,
      hint: 'what each option takes: starling up --help',
    });
    const [fromOption, fromFile] = await problemsOf(load({ relay: 7 }, { flags: given }));
    expect(fromFile ?? '').toContain('relay: 7');
    expect(fromOption ?? '').toContain('name (from --name): "my laptop"');
  });
});
