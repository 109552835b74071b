/** Secrets of upstream servers: how they are kept, and how they get to the servers. */
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpServer, McpServer, StdioServer } from '../../src/config/index.ts';
import { Secret, createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import { bindSecrets, createUpstreams, secretUses } from '../../src/gateway/index.ts';
import type { Upstreams } from '../../src/gateway/index.ts';
import { parseFrame } from '../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../src/gateway/frame-types.ts';
import { createIdentity, sealerOf } from '../../src/identity/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createSecretStore } from '../../src/secrets/index.ts';
import type { SecretStore } from '../../src/secrets/index.ts';

const clock = createTestClock();
let running: Upstreams | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

type Rows = ReturnType<typeof memoryTable>;

function storeOf(table: Rows, seed = 1): SecretStore {
  const identity = createIdentity(Buffer.alloc(32, seed));
  return createSecretStore({
    table,
    sealer: () => sealerOf(identity, 'secrets'),
    clock,
    logger: silentLogger,
  });
}

const base = { timeoutMs: 20_000, shared: false, peerRoots: false, idleMs: 600_000 };
const stdio = (env: StdioServer['env']): StdioServer => ({
  type: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../fixtures/servers/secret.mjs')],
  env,
  ...base,
});
const API_KEY = new Secret(['x-', { secret: 'API_KEY' }]);

describe('the store', () => {
  it('gives a secret to whoever has the key, after a restart too', async () => {
    const table = memoryTable();
    const store = storeOf(table);
    expect(await store.set('API_KEY', new Secret('hunter2'))).toEqual({ replaced: false });
    expect(await store.set('API_KEY', new Secret('hunter3'))).toEqual({ replaced: true });
    expect(store.lookup('API_KEY')).toBe('hunter3');
    const again = storeOf(table);
    await again.load();
    expect(again.lookup('API_KEY')).toBe('hunter3');
    expect(await again.list()).toEqual([{ name: 'API_KEY', setAt: clock.now() }]);
    expect(Buffer.from(table.rows.get('API_KEY') ?? '').toString('latin1')).not.toContain('hunter');
  });

  it('has none for another key, one that was moved, or one whose time was changed', async () => {
    const table = memoryTable();
    await storeOf(table).set('API_KEY', new Secret('hunter2'));
    const row = table.rows.get('API_KEY') ?? new Uint8Array();
    table.rows.set('OTHER', row);
    const later = { ...(JSON.parse(Buffer.from(row).toString()) as object), setAt: 5 };
    table.rows.set('LATER', Buffer.from(JSON.stringify(later)));
    table.rows.set('BROKEN', Buffer.from('{'));
    const mine = storeOf(table);
    await mine.load();
    expect(mine.lookup('API_KEY')).toBe('hunter2');
    const stranger = storeOf(table, 2);
    await stranger.load();
    for (const lookup of [
      () => mine.lookup('OTHER'),
      () => mine.lookup('LATER'),
      () => mine.lookup('BROKEN'),
      () => stranger.lookup('API_KEY'),
    ]) {
      expect(lookup).toThrow(expect.objectContaining({ code: 'STARLING_SECRET_MISSING' }) as Error);
    }
  });

  it('forgets', async () => {
    const store = storeOf(memoryTable());
    await store.set('API_KEY', new Secret('hunter2'));
    expect(await store.remove('API_KEY')).toBe(true);
    expect(await store.remove('API_KEY')).toBe(false);
    expect(() => store.lookup('API_KEY')).toThrow('the secret API_KEY is not set');
  });

  it.each(['', 'api', 'A-B', '1A', '__proto__', 'A'.repeat(65), 'A\n', 'API=hunter2'])(
    'takes no name like %j, and does not repeat it',
    async (name) => {
      const error: unknown = await storeOf(memoryTable())
        .set(name, new Secret('v'))
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'STARLING_SECRET_INVALID' });
      expect(String(error)).not.toContain('hunter2');
    },
  );

  it.each([
    ['', /is empty/],
    ['a\0b', /U\+0000/],
    ['x'.repeat(65_537), /65537 bytes/],
  ])('takes no value that can not be used', async (value, why) => {
    await expect(storeOf(memoryTable()).set('A', new Secret(value))).rejects.toMatchObject({
      code: 'STARLING_SECRET_INVALID',
      message: expect.stringMatching(why) as string,
    });
  });

  it('keeps a thousand, and lets those be replaced', async () => {
    const table = memoryTable();
    const store = storeOf(table);
    await store.set('A0', new Secret('v'));
    // How many there are is read from the table, where the others lie as copies of the first.
    const row = table.rows.get('A0') ?? new Uint8Array();
    for (let index = 1; index < 1000; index += 1) table.rows.set(`A${index}`, row);
    await expect(store.set('ONE_MORE', new Secret('v'))).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
    expect(await store.set('A7', new Secret('w'))).toEqual({ replaced: true });
  });
});

describe('a server', () => {
  const http = (headers: HttpServer['headers']): HttpServer => ({
    type: 'http',
    url: 'https://a.example/mcp',
    headers,
    oauth: {
      grant: 'client_credentials',
      clientSecret: new Secret([{ secret: 'CLIENT' }]),
      scopes: [],
    },
    ...base,
  });

  it('is known by the secrets that it uses, wherever they stand', () => {
    const servers = { a: stdio({ K: API_KEY, L: API_KEY }), b: http({ X: API_KEY }) };
    expect(Object.fromEntries(secretUses(servers))).toEqual({ API_KEY: ['a', 'b'], CLIENT: ['b'] });
  });

  it('gets the secret of now, and prints none', () => {
    let value = 'one';
    const { b } = bindSecrets({ b: http({ X: API_KEY }) }, () => value) as { b: HttpServer };
    expect(b.headers['X']?.reveal()).toBe('x-one');
    value = 'two';
    expect(b.headers['X']?.reveal()).toBe('x-two');
    expect(b.oauth?.clientSecret?.reveal()).toBe('two');
    expect(JSON.stringify(b)).not.toContain('two');
  });

  it.each(['a\nb', 'a\r\nX-Evil: 1', 'schlüssel'])('sends no header with %j', (value) => {
    const { b } = bindSecrets({ b: http({ X: API_KEY }) }, () => value) as { b: HttpServer };
    expect(() => b.headers['X']?.reveal()).toThrow(
      expect.objectContaining({ code: 'STARLING_SECRET_INVALID' }) as Error,
    );
  });
});

async function start(store: SecretStore, servers: Record<string, McpServer>): Promise<Upstreams> {
  running = createUpstreams(
    {
      servers: bindSecrets(servers, (name) => store.lookup(name)),
      builtin: [],
      builtinResources: [],
      logins: { credentials: () => undefined, events: new EventEmitter() },
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      health: createHealth(),
    },
    {
      messageBytes: 1024 * 1024,
      callTotalMs: 60_000,
      callsMax: 100,
      instancesMax: 10,
      catalog: { tools: 1000, bytes: 1024 * 1024 },
    },
  );
  await running.start();
  await running.settled();
  return running;
}

/** Calls a tool of the server `s`; gives its text, or why there is none. */
function call(upstreams: Upstreams, name: string): Promise<string> {
  const params = { name, arguments: {} };
  const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  return new Promise((done) => {
    const principal = { kind: 'operator' } as const;
    const link = upstreams.get('s')?.open({
      principal,
      client: { capabilities: {}, clientInfo: {} },
      listener: { notification: () => undefined, request: () => undefined },
    });
    link?.relay({
      request: parseFrame(Buffer.from(text)) as RequestFrame,
      principal,
      response: (frame) => done(JSON.stringify(frame.result ?? frame.error)),
      progress: () => undefined,
      notification: () => undefined,
      failed: (error) => done(error.message),
    });
  });
}

function isReady(upstreams: Upstreams): Promise<void> {
  return new Promise((done) => {
    const look = (): void => {
      if (upstreams.get('s')?.status().state !== 'ready') return;
      upstreams.events.off('change', look);
      done();
    };
    upstreams.events.on('change', look);
    look();
  });
}

describe('a process', () => {
  it('that lacks its secret says what to run, and starts as soon as it is set', async () => {
    const store = storeOf(memoryTable());
    const upstreams = await start(store, { s: stdio({ API_KEY }) });
    expect(upstreams.get('s')?.status()).toMatchObject({
      state: 'failed',
      error: "server 's' can't start: the secret API_KEY is not set",
      hint: 'set it with: starling secret set API_KEY',
    });
    await store.set('API_KEY', new Secret('12345678'));
    expect(upstreams.secretsChanged()).toEqual([]);
    await isReady(upstreams);
    expect(await call(upstreams, 'length')).toContain('"10"');
  });

  it('that runs goes on with the old secret, and is restarted by the next reload', async () => {
    const store = storeOf(memoryTable());
    await store.set('API_KEY', new Secret('12345678'));
    const servers = { s: stdio({ API_KEY }), t: stdio({}) };
    const upstreams = await start(store, servers);
    const bound = bindSecrets(servers, (name) => store.lookup(name));
    const pid = await call(upstreams, 'pid');
    await upstreams.configure(bound);
    expect(await call(upstreams, 'pid')).toBe(pid);
    const other = upstreams.get('t');
    await store.set('API_KEY', new Secret('1234'));
    expect(upstreams.secretsChanged()).toEqual(['s']);
    expect(await call(upstreams, 'pid')).toBe(pid);
    await upstreams.configure(bound);
    await isReady(upstreams);
    expect(await call(upstreams, 'length')).toContain('"6"');
    expect(upstreams.get('t')).toBe(other);
    await store.remove('API_KEY');
    await upstreams.configure(bound);
    await upstreams.settled();
    expect(upstreams.get('s')?.status().error).toContain('the secret API_KEY is not set');
  });

  it('has no passphrase of ours, and its last words are told without its secret', async () => {
    const store = storeOf(memoryTable());
    await store.set('API_KEY', new Secret('hunter2-hunter2'));
    process.env['STARLING_PASSPHRASE'] = 'correct horse';
    try {
      const upstreams = await start(store, { s: stdio({ API_KEY }) });
      // `_STARLING_SERVER` is the mark by which its processes are found.
      expect(await call(upstreams, 'environment')).not.toMatch(/(?<!_)STARLING/);
      const why = await call(upstreams, 'crash');
      expect(why).toContain('I had');
      expect(why).not.toContain('hunter2');
    } finally {
      delete process.env['STARLING_PASSPHRASE'];
    }
  });
});
