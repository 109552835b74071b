/** Upstream servers as they are in the world: some work, some do not, and none takes the node along. */
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpServer, McpServer, StdioServer } from '../../../src/config/index.ts';
import { Secret, createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';
import { createUpstreams } from '../../../src/gateway/index.ts';
import type { Upstream, UpstreamStatus, Upstreams } from '../../../src/gateway/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { useCleanup } from '../support/gateways.ts';
import { urlServer } from '../support/url-server.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/servers');
let running: Upstreams | undefined;

useCleanup();
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

function fixture(file: string, env: Readonly<Record<string, Secret>> = {}): StdioServer {
  return {
    type: 'stdio',
    command: process.execPath,
    args: [resolve(FIXTURES, file)],
    env,
    timeoutMs: 20_000,
    shared: false,
    peerRoots: false,
    idleMs: 600_000,
  };
}

async function start(
  servers: Readonly<Record<string, McpServer>>,
  startTimeoutMs = 60_000,
): Promise<Upstreams> {
  const upstreams = make(servers, startTimeoutMs);
  await upstreams.start();
  await upstreams.settled();
  return upstreams;
}

function make(
  servers: Readonly<Record<string, McpServer>>,
  startTimeoutMs: number,
  noted: (pid: number) => void = () => undefined,
  clock: Clock = systemClock,
): Upstreams {
  running = createUpstreams(
    {
      servers,
      builtin: [],
      builtinResources: [],
      logins: { credentials: () => undefined, events: new EventEmitter() },
      clock,
      random: () => 0,
      logger: silentLogger,
      health: createHealth(),
      children: {
        note: (pid) => {
          noted(pid);
          return () => undefined;
        },
        endLeftovers: async () => undefined,
      },
    },
    {
      messageBytes: 10 * 1024 * 1024,
      callTotalMs: 60_000,
      callsMax: 100,
      instancesMax: 10,
      catalog: { tools: 1000, bytes: 1024 * 1024 },
      startTimeoutMs,
    },
  );
  return running;
}

/** A server at a URL that answers all but the goodbye of a session. */
async function clinging(): Promise<HttpServer> {
  const { timeoutMs, shared, peerRoots, idleMs } = fixture('plain.mjs');
  const { url } = await urlServer(({ method, body }, response) => {
    if (method === 'DELETE') return;
    if (method !== 'POST') return void response.writeHead(405).end();
    if (body['id'] === undefined) return void response.writeHead(202).end();
    const results: Readonly<Record<string, object>> = {
      initialize: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'far', version: '1' },
      },
      'tools/list': { tools: [] },
    };
    const result = results[String(body['method'])];
    const answer = result === undefined ? { error: { code: -32601, message: 'no' } } : { result };
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'one' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: body['id'], ...answer }));
  });
  return { type: 'http', url, headers: {}, timeoutMs, shared, peerRoots, idleMs };
}

function of(upstreams: Upstreams, server: string): Upstream {
  const upstream = upstreams.get(server);
  if (upstream === undefined) throw new Error(`no ${server}`);
  return upstream;
}

function call(upstream: Upstream, name: string, args: object = {}): Promise<string> {
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name, arguments: args },
  });
  return new Promise((done, fail) => {
    const channel = upstream.open({
      principal: { kind: 'operator' },
      client: { capabilities: {}, clientInfo: {} },
      listener: { notification: () => undefined, request: () => undefined },
    });
    channel.relay({
      request: parseFrame(Buffer.from(text)) as RequestFrame,
      principal: { kind: 'operator' },
      response: (frame) => done(JSON.stringify(frame.result ?? frame.error).slice(0, 200)),
      progress: () => undefined,
      notification: () => undefined,
      failed: fail,
    });
  });
}

function becomes(
  upstreams: Upstreams,
  server: string,
  state: UpstreamStatus['state'],
): Promise<void> {
  return new Promise((done) => {
    const look = (): void => {
      if (of(upstreams, server).status().state !== state) return;
      upstreams.events.off('change', look);
      done();
    };
    upstreams.events.on('change', look);
    look();
  });
}

describe('a server whose entry can not be used', () => {
  it('has failed with the reason, and the others run', async () => {
    const { timeoutMs, shared, peerRoots, idleMs } = fixture('exits.mjs');
    const bad = {
      type: 'unusable',
      problems: ['mcpServers.bad: give it a `command`, or a `url`'],
      remarks: ['unknown key comand'],
      timeoutMs,
      shared,
      peerRoots,
      idleMs,
    } as const;
    const upstreams = await start({ bad, secret: fixture('secret.mjs') });
    expect(of(upstreams, 'bad').status()).toMatchObject({
      kind: 'unusable',
      state: 'failed',
      error: "server 'bad' can't be used: mcpServers.bad: give it a `command`, or a `url`",
      notes: ['unknown key comand'],
    });
    expect(of(upstreams, 'secret').status().state).toBe('ready');
    await upstreams.configure({ bad: fixture('secret.mjs') });
    await becomes(upstreams, 'bad', 'ready');
  });
});

describe('an upstream server', () => {
  it('that exits at once is failed, with its exit code and last words', async () => {
    const status = of(await start({ bad: fixture('exits.mjs') }), 'bad').status();
    expect(status).toMatchObject({ state: 'failed', tools: 0 });
    expect(status.error).toMatch(/exited with code 3.*no database/);
  });

  it('never shows the secrets of its environment, not even in its last words', async () => {
    const server = fixture('exits.mjs', { TOKEN: new Secret('database') });
    const status = of(await start({ bad: server }), 'bad').status();
    expect(status.error).toContain('no *** to open');
    expect(JSON.stringify(status)).not.toContain('database');
  });

  it('that prints garbage works, and says that it prints garbage', async () => {
    const upstream = of(await start({ chatty: fixture('garbage.mjs') }), 'chatty');
    expect(upstream.status()).toMatchObject({ state: 'ready', tools: 1 });
    expect(upstream.status().error).toContain('3 lines that are not JSON-RPC');
    expect(await call(upstream, 'ok')).toContain('ok');
  });

  it('that never answers is failed after its time', async () => {
    const status = of(await start({ silent: fixture('silent.mjs') }, 2000), 'silent').status();
    expect(status.state).toBe('failed');
    expect(status.error).toContain('though it has started');
  });

  it('that is stopped while it starts ends without its start being waited for', async () => {
    // The test ends long before the start would time out.
    let upstreams: Upstreams | undefined;
    const pid = await new Promise<number>((noted) => {
      upstreams = make({ silent: fixture('silent.mjs') }, 10_000_000, noted);
      void upstreams.start();
    });
    if (upstreams === undefined) throw new Error('there are none');
    const silent = of(upstreams, 'silent');
    expect(silent.status().state).toBe('starting');
    await upstreams.stop();
    expect(silent.status().state).toBe('stopped');
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await upstreams.settled();
  });

  it('keeps a stop for less than two seconds, whether it is stubborn, silent, or far away and says nothing', async () => {
    let clock: Clock = systemClock;
    const switched: Clock = {
      now: () => clock.now(),
      schedule: (delayMs, task) => clock.schedule(delayMs, task),
    };
    const pids: number[] = [];
    const servers = {
      stubborn: fixture('stubborn.mjs'),
      silent: fixture('silent.mjs'),
      far: await clinging(),
    };
    const upstreams = make(servers, 10_000_000, (pid) => void pids.push(pid), switched);
    await upstreams.start();
    await Promise.all([
      becomes(upstreams, 'stubborn', 'ready'),
      becomes(upstreams, 'far', 'ready'),
    ]);
    expect([of(upstreams, 'silent').status().state, pids.length]).toEqual(['starting', 2]);

    const still = createTestClock(Date.now());
    clock = still;
    const stopped = upstreams.stop();
    // What stops before has the rest of the two seconds. Nobody moves the clock any farther.
    for (let ms = 0; ms < 1700; ms += 100) {
      still.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stopped;
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('whose command is not there is failed, and names the key to correct', async () => {
    const missing = { ...fixture('x'), command: 'no-such-command-anywhere' };
    const status = of(await start({ missing }), 'missing').status();
    expect(status.error).toContain('no-such-command-anywhere was not found');
    expect(status.hint).toContain('mcpServers.missing.command');
  });

  it('fails one call with a 50 MB answer, and goes on', async () => {
    const upstream = of(await start({ huge: fixture('huge.mjs') }), 'huge');
    const failing = expect(call(upstream, 'huge')).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('limits.messageBytes') as string,
    });
    await failing;
    expect(await call(upstream, 'small')).toContain('small');
  });

  it('that crashes in a call fails that call by name, and is started again', async () => {
    const upstreams = await start({ shaky: fixture('crashes.mjs') });
    const upstream = of(upstreams, 'shaky');
    const before = await call(upstream, 'pid');
    await expect(call(upstream, 'crash')).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(/code 7.*out of cheese/) as string,
    });
    await becomes(upstreams, 'shaky', 'ready');
    expect(await call(upstream, 'pid')).not.toBe(before);
    expect(await call(upstream, 'echo', { message: 'again' })).toContain('again');
  });

  it('is gone when the node stops, whatever it was doing', async () => {
    const upstreams = await start({ silent: fixture('garbage.mjs') });
    const pid = of(upstreams, 'silent').status().pid ?? 0;
    await upstreams.stop();
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
  });
});
