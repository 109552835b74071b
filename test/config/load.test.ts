import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { ConfigSources } from '../../src/config/index.ts';
import { problemsOf, useConfigFolder } from './config-folder.ts';

const NONE = { contexts: {}, prices: {}, providers: {}, quotas: {}, routes: {} };
const MODELS = { ...NONE, sampling: {}, transcripts: {} };
const PEER = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo';

const place = useConfigFolder();
const { load } = place;

describe('a configuration', () => {
  // A pin: these defaults are promised in the README and the JSON Schema.
  it('has these values when nobody says anything', async () => {
    const config = await loadConfig({ env: { HOME: place.root }, flags: { name: 'alice' } });
    const MIB = 1024 * 1024;
    expect(config).toEqual({
      name: 'alice',
      isNameGiven: true,
      stateDir: expect.stringContaining(place.root),
      file: `${place.root}/.config/starling/starling.json`,
      listen: [
        '/ip4/0.0.0.0/tcp/4040',
        '/ip4/0.0.0.0/tcp/4041/ws',
        '/ip6/::/tcp/4040',
        '/ip6/::/tcp/4041/ws',
      ],
      announce: [],
      offers: [],
      bootstrap: [],
      mdns: true,
      models: { ...MODELS, cache: { bytes: 16 * MIB, ttlMs: 300_000 } },
      upnp: false,
      relay: true,
      http: {
        enabled: true,
        host: '127.0.0.1',
        port: 4100,
        allowedOrigins: [],
        allowedHosts: [],
        allowedAddresses: [],
      },
      tcp: { enabled: false, host: '127.0.0.1', port: 9500, requireToken: true },
      mcpServers: {},
      list: { tools: 'all', prefix: 'always', nameMax: 48, merge: false },
      views: {},
      pins: 'strict',
      agents: { kinds: {}, max: 20, timeoutMs: 300_000, a2a: 'private', unconfined: false },
      audit: {
        enabled: true,
        retentionMs: 90 * 86_400_000,
        segmentBytes: 16 * MIB,
        sync: 'batch',
      },
      policy: { file: join(place.root, '.config', 'starling', 'policy.yaml'), named: false },
      heartbeat: { intervalMs: 5000, phiSuspect: 8, deadAfterMs: 15_000 },
      keepAlive: { intervalMs: 30_000 },
      prices: {},
      retry: { attempts: 0, delayMs: 1000, delayMaxMs: 60_000 },
      limits: {
        messageBytes: 10 * MIB,
        callTimeoutMs: 60_000,
        callTotalMs: 3_600_000,
        callsPerSession: 1000,
        sessions: 1000,
        sessionIdleMs: 1_800_000,
        instances: 100,
        tools: 10_000,
        requestsPerSecond: 100,
        connections: 300,
      },
      telemetry: expect.any(Object) as object,
      log: { level: 'warn' },
    });
  });

  it('takes flags before the environment, and the environment before the file', async () => {
    const content = {
      name: 'from-file',
      meshName: 'from-file',
      relay: false,
      http: { port: 1, host: '127.0.0.2', enabled: false },
    };
    const config = await load(content, {
      env: {
        HOME: place.root,
        STARLING_NAME: 'from-env',
        STARLING_HTTP_PORT: '2',
        STARLING_HTTP: 'yes',
      },
      flags: { name: 'from-flag', http: { port: 3 } },
    });
    expect(config).toMatchObject({
      name: 'from-flag',
      meshName: 'from-file',
      relay: false,
      http: { port: 3, host: '127.0.0.2', enabled: true },
    });
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])(
    'may do without a token on %s',
    async (host) => {
      const { tcp } = await load({ tcp: { host, requireToken: false } });
      expect(tcp).toEqual({ enabled: false, host, port: 9500, requireToken: false });
    },
  );

  it('can not be changed afterwards, in no part', async () => {
    const config = await load({ mcpServers: { files: { command: 'npx', args: ['a'] } } });
    const parts: unknown[] = [config];
    for (const part of parts) {
      if (typeof part !== 'object' || part === null) continue;
      expect(Object.isFrozen(part)).toBe(true);
      parts.push(...Object.values(part));
    }
    expect(parts.length).toBeGreaterThan(30);
    await expect(load({ name: 'again' })).resolves.toMatchObject({ mdns: true });
  });

  it('keeps the ticket secret', async () => {
    const config = await load({ join: 'starling1secret' });
    expect(config.join?.reveal()).toBe('starling1secret');
    expect(JSON.stringify(config)).not.toContain('starling1secret');
  });

  it('gives the host a fitting name when nobody names the node', async () => {
    expect((await load({})).name).toMatch(/^[a-z0-9][a-z0-9-]{0,31}$/);
  });

  it.each([
    [true, 'open'],
    ['lab', 'lab'],
    [false, undefined],
  ])('with open %j is in the open mesh %j', async (open, name) => {
    expect((await load({ open })).open).toBe(name);
  });

  it('names the state folder absolutely', async () => {
    expect((await load({ stateDir: 'state' })).stateDir).toBe(resolve('state'));
  });

  it('derives the time to death from the heartbeat', async () => {
    const { heartbeat } = await load({ heartbeat: { intervalMs: 200 } });
    expect(heartbeat).toEqual({ intervalMs: 200, phiSuspect: 8, deadAfterMs: 600 });
  });
});

describe('the config file', () => {
  it('is the one given, else that of STARLING_CONFIG, else the default one if there is one', async () => {
    const folder = join(place.root, 'xdg', 'starling');
    await mkdir(folder, { recursive: true });
    const [given, named] = [join(place.root, 'given.json'), join(place.root, 'named.json')];
    await writeFile(given, '{"name":"given"}');
    await writeFile(named, '{"name":"named"}');
    const env = { HOME: place.root, XDG_CONFIG_HOME: join(place.root, 'xdg') };
    const nameOf = async (sources: Partial<ConfigSources>): Promise<string> =>
      (await loadConfig({ env, flags: {}, ...sources })).name;
    const nobody = await nameOf({});
    await writeFile(join(folder, 'starling.json'), '{"name":"default"}');
    expect(nobody).not.toBe('default');
    if (process.platform === 'linux') expect(await nameOf({})).toBe('default');
    expect(await nameOf({ env: { ...env, STARLING_CONFIG: named } })).toBe('named');
    expect(await nameOf({ file: given, env: { ...env, STARLING_CONFIG: named } })).toBe('given');
  });

  it('must be there when it is named', async () => {
    const missing = join(place.root, 'missing.json');
    await expect(loadConfig({ file: missing, env: {}, flags: {} })).rejects.toMatchObject({
      code: 'STARLING_CONFIG_INVALID',
      message: expect.stringContaining(missing),
      hint: expect.stringContaining('--config'),
    });
    await expect(
      loadConfig({ env: { STARLING_CONFIG: missing }, flags: {} }),
    ).rejects.toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
  });

  it('may begin with a byte order mark and name its schema', async () => {
    const config = await load('\uFEFF{"$schema":"./starling.schema.json","name":"bom"}');
    expect(config.name).toBe('bom');
  });

  it('may be a whole file of another client, with our keys beside', async () => {
    const config = await load({
      mcpServers: {
        files: { command: 'npx', args: ['-y', 'server'], autoApprove: ['read'], description: 'x' },
      },
      name: 'shared',
    });
    expect(config).toMatchObject({ name: 'shared', mcpServers: { files: { type: 'stdio' } } });
  });

  it('may have comments, trailing commas and a byte order mark', async () => {
    const text =
      '\uFEFF// mine\n{ "name": "shared", /* two */ "mcpServers": { "a": { "command": "x", }, }, }';
    expect(await load(text)).toMatchObject({
      name: 'shared',
      mcpServers: { a: { type: 'stdio', command: 'x' } },
    });
  });

  it('has servers of which a bad one stops no other', async () => {
    const { mcpServers } = await load({
      mcpServers: { bad: { command: '${NOT_SET_ANYWHERE}' }, none: null, good: { command: 'x' } },
    });
    expect(Object.keys(mcpServers)).toEqual(['bad', 'good']);
    expect(mcpServers).toMatchObject({
      bad: { type: 'unusable' },
      good: { type: 'stdio' },
    });
  });

  it.each([
    ['{"name": abc}', 'line 1, column 10: expected a key or a value (text in double quotes)'],
    ['{\n  "name": "a",,\n}', 'line 2, column 15: expected a key in double quotes'],
    ['', 'line 1, column 1: expected a value'],
    ['/* mine\n{}', "line 1, column 1: expected the comment's closing */"],
    ['{"a": 1} {', 'line 1, column 10: expected the end'],
  ])('that is not JSON is refused with line and column: %j', async (content, problem) => {
    expect(await problemsOf(load(content))).toEqual([`it is not JSON: ${problem}`]);
  });

  it('is never quoted when it is not JSON, because it may hold secrets', async () => {
    const content = '{"join": "starling1topsecret" "name": "a"}';
    expect((await problemsOf(load(content))).join()).not.toContain('topsecret');
  });

  it.each(['[]', '"text"', 'null', '7'])('that holds %s is refused', async (content) => {
    expect(await problemsOf(load(content))).toEqual([
      expect.stringContaining('it is not a JSON object'),
    ]);
  });
});

describe('a wrong value', () => {
  it.each<[unknown, string]>([
    [
      { name: 'Foo Bar' },
      'name: "Foo Bar" can\'t be used; allowed: 1 to 32 of a-z, 0-9 and -, not starting with -',
    ],
    [{ name: 5 }, "name: 5 can't be used; allowed: 1 to 32 of a-z, 0-9 and -, not starting with -"],
    [{ name: 'starling' }, "name: 'starling' is the name of the built-in server; choose another"],
    [
      { http: { port: 99_999 } },
      "http.port: 99999 can't be used; allowed: a whole number from 0 to 65535",
    ],
    [
      { http: { port: '80' } },
      'http.port: "80" can\'t be used; allowed: a whole number from 0 to 65535',
    ],
    [{ mdns: 'yes' }, 'mdns: "yes" can\'t be used; allowed: true or false'],
    [{ http: 4100 }, "http: 4100 can't be used; allowed: an object { … }"],
    [
      { http: { allowedOrigins: ['https://a.example/'] } },
      'http.allowedOrigins.0: "https://a.example/" can\'t be used; allowed: an origin like https://app.example, without path or / at its end',
    ],
    [{ http: { host: '' } }, 'http.host: "" can\'t be used; allowed: text that is not empty'],
    [
      { tcp: { host: '0.0.0.0', requireToken: false } },
      'tcp.requireToken: false can\'t be used with tcp.host "0.0.0.0"; allowed: true, or a loopback host like 127.0.0.1',
    ],
    [
      { tcp: { host: '127.evil.example', requireToken: false } },
      'tcp.requireToken: false can\'t be used with tcp.host "127.evil.example"; allowed: true, or a loopback host like 127.0.0.1',
    ],
    [{ listen: 'x' }, 'listen: "x" can\'t be used; allowed: a list of at most 16'],
    [
      { listen: ['tcp://x'] },
      'listen.0: "tcp://x" can\'t be used; allowed: a multiaddr like /ip4/192.0.2.7/tcp/4040',
    ],
    [
      { open: 'Not Fit' },
      'open: "Not Fit" can\'t be used; allowed: 1 to 32 of a-z, 0-9 and -, not starting with -',
    ],
    [
      { open: 5 },
      "open: 5 can't be used; allowed: a name of 1 to 32 of a-z, 0-9 and -, or true or false",
    ],
    [{ join: 5 }, "join: this value can't be used; allowed: text"],
    [
      { bootstrap: ['starling1abcdefgh'] },
      "bootstrap.0: a ticket (it belongs into `join`) can't be used; allowed: a multiaddr like /ip4/192.0.2.7/tcp/4040",
    ],
    [
      { limits: { messageBytes: 1.5 } },
      "limits.messageBytes: 1.5 can't be used; allowed: a whole number from 1024 to 67108864",
    ],
    [
      { retry: { delayMs: 2000, delayMaxMs: 1000 } },
      "retry.delayMaxMs: 1000 can't be used; allowed: at least retry.delayMs (2000)",
    ],
    [
      { keepAlive: { intervalMs: 10 } },
      "keepAlive.intervalMs: 10 can't be used; allowed: a whole number from 1000 to 3600000",
    ],
    [
      { heartbeat: { intervalMs: 1000, deadAfterMs: 500 } },
      "heartbeat.deadAfterMs: 500 can't be used; allowed: at least heartbeat.intervalMs (1000)",
    ],
    [
      { log: { level: 'loud' } },
      'log.level: "loud" can\'t be used; allowed: levels like info or warn,gateway=debug (trace debug info warn error silent)',
    ],
    [
      { join: 'starling1x', open: true },
      'open: a ticket joins a private mesh; give either `join` or `open`',
    ],
    [{ mcpServers: ['secret'] }, "mcpServers: this value can't be used; allowed: an object { … }"],
  ])('%j is refused: %s', async (content, problem) => {
    expect(await problemsOf(load(content))).toEqual([problem]);
  });

  it.each<[unknown, string]>([
    [{ mcpServer: {} }, "mcpServer: unknown key; did you mean 'mcpServers'?"],
    [{ http: { prot: 1 } }, "http.prot: unknown key; did you mean 'port'?"],
    [{ log: { zzzzzz: 1 } }, 'log.zzzzzz: unknown key; known are level, file'],
  ])('%j has an unknown key: %s', async (content, problem) => {
    const problems = await problemsOf(load(content));
    expect(problems).toContain(problem);
  });

  it('is named together with all the others', async () => {
    const content = { name: 'A', mdsn: true, http: { port: -1 }, limits: { tools: 0 } };
    const problems = await problemsOf(load(content, { env: { STARLING_RELAY: 'maybe' } }));
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
      'STARLING_RELAY',
      'http.port',
      'limits.tools',
      'mdsn',
      'name',
    ]);
  });

  it('is refused with the file named, and where all keys are explained', async () => {
    await expect(load({ nam: 'x' })).rejects.toMatchObject({
      message: expect.stringContaining(place.file),
      hint: expect.stringContaining('docs/reference/configuration.md'),
    });
  });

  it('shows no secret of an mcpServers entry, wherever the mistake is', async () => {
    const secret = 'hunter2-hunter2';
    const entries = [
      { command: 7, env: { A: secret } },
      { command: 'x', env: secret },
      { url: 'not a url', headers: { Authorization: secret } },
      { url: `ftp://${secret}@host` },
      { url: `https://${secret}:x@host` },
      { url: 'https://host', headers: { Authorization: `${secret}\n`, 'bad name': secret } },
      { command: 'x', envFile: '/nowhere', args: [secret, 5] },
      { [secret]: 1, command: 'x' },
    ];
    for (const entry of entries.slice(0, -1)) {
      const loading = load({ mcpServers: { files: entry } });
      const text = await loading.then(
        () => 'taken',
        (error: unknown) => JSON.stringify([error, String(error)]),
      );
      expect(text).not.toContain(secret);
    }
  });
});

describe('addresses', () => {
  it.each([
    ['listen', '/ip4/127.0.0.1/tcp/0'],
    ['listen', '/ip6/::/tcp/4040/ws'],
    ['announce', '/dns4/node.example.org/tcp/443/tls/ws'],
    ['bootstrap', `/ip4/192.0.2.7/tcp/4040/p2p/${PEER}`],
    ['bootstrap', '/ip4/192.0.2.7/tcp/4040'],
    ['bootstrap', `/dnsaddr/example.org/p2p/${PEER}`],
    ['bootstrap', `/ip4/192.0.2.7/tcp/4040/p2p/${PEER}/p2p-circuit/p2p/${PEER}`],
  ])('%s takes %s', async (key, address) => {
    expect(await load({ [key]: [address] })).toMatchObject({ [key]: [address] });
  });

  it.each([
    ['listen', '/ip4/999.1.1.1/tcp/4040'],
    ['listen', '/ip4/127.0.0.1/tcp/99999'],
    ['listen', '/ip4/127.0.0.1'],
    ['listen', '/ip4/127.0.0.1/udp/4040/quic-v1'],
    ['listen', '/dns4/example.org/tcp/4040'],
    ['listen', '/ip4/127.0.0.1/tcp/4040/foo'],
    ['announce', '/ip6/127.0.0.1/tcp/1'],
    ['bootstrap', '/ip4/192.0.2.7/tcp/4040/p2p/12D3Koo'],
    ['bootstrap', '/ip4/192.0.2.7/tcp/4040/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'],
  ])('%s refuses %s', async (key, address) => {
    const problems = await problemsOf(load({ [key]: [address] }));
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(`^${key}\\.0: "${address}" can't be used; allowed: an address like /ip4/`),
      ),
    ]);
  });
});

describe('the files of config/', () => {
  const CONFIG = resolve(import.meta.dirname, '../../config');

  it('hold an example that works', async () => {
    const config = await loadConfig({
      file: join(CONFIG, 'starling.example.json'),
      env: { HOME: place.root },
      flags: {},
    });
    expect(Object.keys(config.mcpServers)).toEqual(['files', 'tickets']);
    const text = await readFile(join(CONFIG, 'starling.example.json'), 'utf8');
    expect(JSON.parse(text)).toHaveProperty('$schema', './starling.schema.json');
  });
});
