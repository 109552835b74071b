/** Upstream servers as they are in the world: some work, some do not, and none takes the node along. */
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { McpServer, StdioServer } from '../../../src/config/index.ts';
import { Secret, createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import { createUpstreams } from '../../../src/gateway/index.ts';
import type { Upstream, UpstreamStatus, Upstreams } from '../../../src/gateway/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/types.ts';

const FIXTURES = resolve(import.meta.dirname, '../../fixtures/servers');
let running: Upstreams | undefined;

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
  startTimeoutMs = 10_000,
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
): Upstreams {
  running = createUpstreams(
    {
      servers,
      builtin: [],
      builtinResources: [],
      logins: { credentials: () => undefined, events: new EventEmitter() },
      clock: systemClock,
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
    const status = of(await start({ silent: fixture('silent.mjs') }, 300), 'silent').status();
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
