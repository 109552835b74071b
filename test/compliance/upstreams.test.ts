/**
 * What every kind of upstream server does for its callers, whatever stands between: one list of
 * behaviours, run on real processes over each transport and in each era. Where a kind can't do the same,
 * `DIFFERENCES` says what it does instead, and why.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { UsableServer } from '../../src/config/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { defer, useCleanup } from '../gateway/support/cleanup.ts';
import { until } from '../gateway/support/clients.ts';
import { callerOf, jsonOf, upstreamBench } from '../gateway/support/upstream-bench.ts';
import type {
  BenchInit,
  Caller,
  Ending,
  UpstreamBench,
} from '../gateway/support/upstream-bench.ts';
import { someOf } from '../long/extent.ts';

useCleanup();

const SERVER = resolve(import.meta.dirname, 'support/upstream-server.mjs');
const COMMON = { timeoutMs: 20_000, shared: false, peerRoots: false, idleMs: 600_000 } as const;

interface Kind {
  readonly transport: 'stdio' | 'http' | 'sse';
  readonly era: 'legacy' | 'modern';
}

const KINDS: readonly (readonly [title: string, kind: Kind])[] = [
  ['stdio, legacy', { transport: 'stdio', era: 'legacy' }],
  ['stdio, modern', { transport: 'stdio', era: 'modern' }],
  ['Streamable HTTP, legacy', { transport: 'http', era: 'legacy' }],
  ['Streamable HTTP, modern', { transport: 'http', era: 'modern' }],
  ['HTTP with SSE', { transport: 'sse', era: 'legacy' }],
];

/** What the kinds do otherwise, each with its reason. */
const DIFFERENCES = {
  /** A process of ours is started by us; a server at a URL is started by whoever runs it. */
  startedByUs: ({ transport }: Kind): boolean => transport === 'stdio',
} as const;

interface World {
  readonly kind: Kind;
  readonly bench: UpstreamBench;
  readonly caller: Caller;
  /** Makes the server run again after it has ended, where that is not for us to do. */
  revive(): Promise<void>;
  /** What the server at a URL has open. */
  state(): Promise<{ readonly sessions: number; readonly streams: number }>;
}

/** Runs the server of a URL on `port`; resolves with the port it took. */
async function serve({ transport, era }: Kind, port = 0): Promise<number> {
  const child = spawn(process.execPath, [SERVER, transport, era, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  defer(() => end(child));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return Number(line.split(' ')[1]);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function world(
  kind: Kind,
  init: Omit<BenchInit, 'config'> & { readonly capabilities?: JsonObject } = {},
): Promise<World> {
  const { capabilities = {}, ...bounds } = init;
  const port = kind.transport === 'stdio' ? 0 : await serve(kind);
  const origin = `http://127.0.0.1:${port}`;
  const bench = await upstreamBench({ ...bounds, config: configOf(kind, origin) });
  return {
    kind,
    bench,
    caller: callerOf(bench, { capabilities }),
    async revive() {
      if (!DIFFERENCES.startedByUs(kind)) await serve(kind, port);
    },
    state: async () => (await (await fetch(`${origin}/state`)).json()) as never,
  };
}

function configOf({ transport, era }: Kind, origin: string): UsableServer {
  if (transport === 'stdio') {
    const args = [SERVER, transport, era];
    return { type: 'stdio', command: process.execPath, args, env: {}, ...COMMON };
  }
  const url = `${origin}/${transport === 'sse' ? 'sse' : 'mcp'}`;
  return { type: transport, url, headers: {}, ...COMMON };
}

/** A server of this kind that can't be had: its command ends at once, or nobody listens at its URL. */
function absent(kind: Kind): UsableServer {
  const config = configOf(kind, 'http://127.0.0.1:1');
  return config.type === 'stdio' ? { ...config, args: ['-e', 'process.exit(3)'] } : config;
}

const called = (caller: Caller, name: string, args: JsonObject = {}): Promise<Ending> =>
  caller.send('tools/call', { name, arguments: args }).ending;

const echo = (caller: Caller, text: string): Promise<unknown> => caller.tool('echo', { text });

const toolsOf = ({ bench }: World): readonly string[] =>
  bench.upstream.catalog().tools.map(({ name }) => name);

/** Calls until the server answers, as a client would that tries again. */
async function untilServed({ bench, caller }: World): Promise<void> {
  for (let count = 0; count < 20; count += 1) {
    const answer = called(caller, 'echo', { text: 'back' });
    await bench.clock.leap(2500);
    const { result } = await answer;
    if (result !== undefined) return;
    await bench.clock.leap(10_000);
  }
  throw new Error('the server was not served again');
}

/** Each transport and each era; `npm run long` has each transport in each era. */
const SHORT: readonly string[] = ['stdio, legacy', 'Streamable HTTP, modern', 'HTTP with SSE'];
const kinds = someOf(KINDS, ([title]) => SHORT.includes(title));

describe.each(kinds)('an upstream server by %s', (_, kind) => {
  it('is started and listed, and says what it is', async () => {
    const { bench } = await world(kind);
    expect(bench.upstream.status()).toMatchObject({
      kind: kind.transport,
      state: 'ready',
      tools: 9,
      instances: 1,
      serverInfo: 'compliance 1.0.0',
    });
    expect(bench.health.warnings()).toEqual([]);
  });

  it('answers each of many calls at once with its own answer', async () => {
    const { caller } = await world(kind);
    const texts = Array.from({ length: 40 }, (_each, index) => `call ${index} ✓`);
    expect(await Promise.all(texts.map((text) => echo(caller, text)))).toEqual(texts);
  });

  it('reports progress of a call before its answer', async () => {
    const { caller } = await world(kind);
    const sent = caller.send('tools/call', {
      name: 'steps',
      arguments: {},
      _meta: { progressToken: 'own token' },
    });
    expect(jsonOf(await sent.ending)).toBe('done');
    expect(sent.with.map(({ params }) => params['progress'])).toEqual([1, 2, 3]);
  });

  it('hears that a call is cancelled, and serves on', async () => {
    const { caller } = await world(kind);
    await echo(caller, 'warm');
    const hanging = caller.send('tools/call', { name: 'hang', arguments: {} });
    await echo(caller, 'meanwhile');
    hanging.call.cancel('enough');
    await until(async () => (await caller.tool('cancelled')) === 1);
  });

  it('asks the client of the call, and works with the answer', async () => {
    const { caller } = await world(kind, { capabilities: { sampling: {} } });
    const question = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 7 } };
    const asking = caller.tool('ask', question);
    const frame = await caller.answer({ model: 'm', text: 'said' });
    expect(frame).toMatchObject({ method: question.method, params: { maxTokens: 7 } });
    expect(await asking).toEqual({ model: 'm', text: 'said' });
  });

  it('is listed anew when it says that its list has changed', async () => {
    const here = await world(kind);
    await here.caller.tool('add_tool', { name: 'later' });
    await until(() => toolsOf(here).includes('later'));
    expect(await here.caller.tool('later')).toBe('called later');
  });

  it('that ends fails the calls under way by name, and is served again when it is back', async () => {
    const here = await world(kind, { startTimeoutMs: 600_000 });
    await echo(here.caller, 'warm');
    const hanging = called(here.caller, 'hang');
    const crashed = called(here.caller, 'crash');
    for (const ending of [await hanging, await crashed]) {
      expect(ending.failed).toMatchObject({
        code: 'STARLING_UPSTREAM_UNAVAILABLE',
        message: expect.stringContaining("server 'far'") as string,
      });
    }
    await here.revive();
    await untilServed(here);
    await until(() => here.bench.upstream.status().state === 'ready');
    expect(here.bench.health.warnings()).toEqual([]);
  });

  it('that can not be had is tried again, with pauses that grow', async () => {
    const bench = await upstreamBench({ config: absent(kind), start: false });
    const from = bench.clock.now();
    bench.upstream.start();
    await bench.upstream.settled;
    const pauses = [750, 1500, 3000, 6000];
    for (const pauseMs of pauses) {
      await until(() => bench.waitsFrom(from).includes(pauseMs));
      await bench.clock.leap(pauseMs);
    }
    expect(bench.waitsFrom(from).filter((ms) => pauses.includes(ms))).toEqual(pauses);
    expect(bench.upstream.status()).toMatchObject({ state: 'failed', instances: 0 });
    expect(bench.health.warnings()).toMatchObject([{ code: 'upstream-down:far' }]);
  });

  it('is not confused by what is no message', async () => {
    const { bench, caller } = await world(kind);
    expect(await caller.tool('garbage')).toBe('and yet');
    expect(await echo(caller, 'still here')).toBe('still here');
    expect(bench.upstream.status().error).toMatch(/2 (?:lines|messages) that are not JSON-RPC/);
  });

  it('that answers with too much fails that call, and serves on', async () => {
    const here = await world(kind, { messageBytes: 100_000, startTimeoutMs: 600_000 });
    expect((await called(here.caller, 'big', { bytes: 200_000 })).failed).toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('limits.messageBytes') as string,
    });
    await untilServed(here);
    expect(await here.caller.tool('big', { bytes: 50_000 })).toHaveLength(50_000);
  });

  it('that never answers a call fails it when its time is over, and serves on', async () => {
    const { bench, caller } = await world(kind);
    await echo(caller, 'warm');
    const hanging = called(caller, 'hang');
    await bench.clock.leap(25_000);
    expect((await hanging).failed).toMatchObject({
      code: 'STARLING_TIMEOUT',
      message: expect.stringContaining('within 20 s') as string,
    });
    expect(await echo(caller, 'still here')).toBe('still here');
  });

  it('leaves nothing behind when it is stopped', async () => {
    const here = await world(kind, { capabilities: { sampling: {} } });
    const { bench, caller } = here;
    await echo(caller, 'warm');
    const hanging = called(caller, 'hang');
    const { pid } = bench.upstream.status();
    await bench.upstream.stop();
    expect((await hanging).failed?.code).toBe('STARLING_UPSTREAM_UNAVAILABLE');
    expect(bench.upstream.status()).toMatchObject({ state: 'stopped', instances: 0 });
    expect(bench.clock.waiting()).toBe(0);
    if (pid === undefined) await until(async () => (await here.state()).streams === 0);
    else expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    if (pid === undefined) expect(await here.state()).toMatchObject({ sessions: 0 });
    expect((await called(caller, 'echo')).failed?.message).toContain('is gone');
  });
});
