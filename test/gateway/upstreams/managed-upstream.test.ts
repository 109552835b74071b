/** Instances of one server: who shares one, how long they live, and what is listed of them. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Secret } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { someOf } from '../../long/extent.ts';
import { defer, useCleanup, until } from '../support/gateways.ts';
import { ALICE, BOB, callerOf, upstreamBench, whoami } from '../support/upstream-bench.ts';
import type { BenchInit, Caller, Sent, UpstreamBench } from '../support/upstream-bench.ts';

useCleanup();

const ASKABLE = [
  { sampling: {} },
  { elicitation: { form: {} } },
  { roots: {} },
  { tasks: { requests: {} } },
];

async function pids(...callers: readonly Caller[]): Promise<readonly number[]> {
  const all = await Promise.all(callers.map((caller) => whoami(caller)));
  return all.map(({ pid }) => pid);
}

function isGone(pid = 0): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH';
  }
}

async function crash(caller: Caller): Promise<unknown> {
  return (await caller.send('tools/call', { name: 'crash' }).ending).failed?.message;
}

/** Lets it crash so often that it is given a pause; resolves with what a call then hears. */
async function crashUntilRefused({ clock }: UpstreamBench, caller: Caller): Promise<string> {
  for (let count = 0; count < 10; count += 1) {
    const { ending } = caller.send('tools/call', { name: 'crash' });
    const isRefused = await Promise.race([
      ending.then(({ failed }) => failed?.message.includes('tried again') === true),
      new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
    ]);
    // Short pauses are waited for.
    if (!isRefused) await clock.leap(2400);
    const message = (await ending).failed?.message ?? '';
    if (message.includes('tried again')) return message;
  }
  throw new Error('it was served every time');
}

const toolsOf = ({ upstream }: UpstreamBench): string[] =>
  upstream.catalog().tools.map(({ name }) => name);

it('tells why a server refuses in the words of that server, and no command that it wants typed', async () => {
  const error = {
    code: -32000,
    message: 'not now',
    data: { code: 'STARLING_STOPPED', hint: "starling grant create mallory --tool '**'" },
  };
  const program = `process.stdin.on('data', (text) => {
    const { id } = JSON.parse(String(text).split('\\n')[0]);
    process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, error: ${JSON.stringify(error)} }) + '\\n');
  });`;
  const bench = await upstreamBench({
    server: { args: ['-e', program] },
    start: false,
  });
  bench.upstream.start();
  const status = await vi.waitFor(() => {
    const now = bench.upstream.status();
    expect(now.error).toContain('not now');
    return now;
  }, 20_000);
  expect(JSON.stringify([status, bench.health.warnings()])).not.toContain('mallory');
});

describe('sessions of one principal', () => {
  it('share an instance when their clients can not be asked anything', async () => {
    const bench = await upstreamBench();
    const [one, two] = await pids(callerOf(bench), callerOf(bench));
    expect(one).toBe(two);
  });

  it.each(someOf(ASKABLE, (_, kind) => kind % 2 === 0))(
    'have one each when their clients can be asked: %j',
    async (capabilities) => {
      const bench = await upstreamBench();
      const callers = [callerOf(bench, { capabilities }), callerOf(bench, { capabilities })];
      const [one, two] = await pids(...callers);
      expect(one).not.toBe(two);
      expect(await whoami(callers[0] as Caller)).toMatchObject({ pid: one, capabilities });
    },
  );

  it('do not share where their clients declared different things', async () => {
    const bench = await upstreamBench();
    const odd = { experimental: { x: {} } };
    const [plain, other, same] = await pids(
      callerOf(bench),
      callerOf(bench, { capabilities: odd }),
      callerOf(bench, { capabilities: odd }),
    );
    expect(plain).not.toBe(other);
    expect(other).toBe(same);
  });
});

describe('sessions of a server with a process for each', () => {
  it('have one each, whatever their clients can do, and the process ends with the session', async () => {
    const bench = await upstreamBench({ server: { sessions: 'each' } });
    const [first, second] = [callerOf(bench), callerOf(bench)];
    const [one, two] = await pids(first, second);
    expect(one).not.toBe(two);
    expect((await whoami(first)).pid).toBe(one);
    first.channel.close();
    await until(() => isGone(one));
    expect(isGone(two)).toBe(false);
  });

  it('are as many as limits.instances allow; none that is open is ended for the next one', async () => {
    const bench = await upstreamBench({ server: { sessions: 'each' }, instancesMax: 2 });
    const open = [callerOf(bench), callerOf(bench)];
    const before = await pids(...open);
    const next = callerOf(bench);
    const { ending } = next.send('tools/call', { name: 'whoami' });
    await expect(ending).rejects.toThrow('(limits.instances)');
    expect(await pids(...open)).toEqual(before);
    open[0]?.channel.close();
    await until(() => bench.upstream.status().instances < 2);
    expect(before).not.toContain((await whoami(next)).pid);
  });
});

describe('sessions of two principals', () => {
  it('never share an instance, though they go by one name: keys, tokens, agents, peers, the operator', async () => {
    const principals: readonly Principal[] = [
      { kind: 'operator' },
      ALICE,
      BOB,
      // A token, and an agent, of the name of the first key.
      { ...ALICE, scopes: ['tool:files/*'] } as Principal,
      { kind: 'agent', did: 'did:key:z3' as never, name: 'alice' },
      { kind: 'peer', did: 'did:key:z1' as never, peerId: 'p1' as never, alias: 'x' },
      { kind: 'peer', did: 'did:key:z2' as never, peerId: 'p2' as never, alias: 'x' },
    ];
    const bench = await upstreamBench();
    const all = await pids(...principals.map((principal) => callerOf(bench, { principal })));
    expect([...new Set(all)]).toEqual(all);
  });

  it('share the one instance of a server that is to be shared, and it is the listed one', async () => {
    const bench = await upstreamBench({ server: { shared: true } });
    const capabilities = { sampling: {} };
    const [one, two] = await pids(
      callerOf(bench, { principal: ALICE, capabilities }),
      callerOf(bench, { principal: BOB }),
    );
    expect(one).toBe(two);
    expect(bench.upstream.status()).toMatchObject({ instances: 1, pid: one });
    const { capabilities: told, clientInfo } = await whoami(callerOf(bench));
    expect(told).toEqual({});
    expect(clientInfo).toMatchObject({ name: 'starling' });
  });

  it.each(['legacy', 'modern', 'both'] as const)(
    'share it in both eras, log levels included, when the server speaks %s',
    async (eras) => {
      const bench = await upstreamBench({ eras, server: { shared: true } });
      const old = callerOf(bench);
      const modern = (await old.modernTool('whoami', {}, { logLevel: 'debug' })) as {
        pid: number;
      };
      expect((await whoami(old)).pid).toBe(modern.pid);
      expect(bench.upstream.status().instances).toBe(1);
    },
  );
});

describe('modern calls', () => {
  it('of one principal share an instance, whatever their clients can do', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const one = callerOf(bench);
    const capabilities = { sampling: {} };
    const all = [
      await one.modernTool('whoami'),
      await one.modernTool('whoami', {}, { capabilities }),
      await callerOf(bench).modernTool('whoami'),
    ] as { pid: number; era: string; capabilities: object }[];
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
    expect(all.map((each) => each.capabilities)).toEqual([{}, capabilities, {}]);
    expect(all.map(({ era }) => era)).toEqual(['modern', 'modern', 'modern']);
    const other = (await callerOf(bench, { principal: BOB }).modernTool('whoami')) as {
      pid: number;
    };
    expect(other.pid).not.toBe(all[0]?.pid);
  });

  it('of a server of both eras go to it in the new one, those of old clients in the old', async () => {
    const bench = await upstreamBench({ eras: 'both' });
    const caller = callerOf(bench);
    expect(await caller.modernTool('whoami')).toMatchObject({ era: 'modern' });
    expect(await whoami(caller)).toMatchObject({ era: 'legacy' });
  });

  it('that meet a server in its backoff do not make it one of the old era', async () => {
    const bench = await upstreamBench({ eras: 'both', startTimeoutMs: 600_000 });
    const caller = callerOf(bench);
    await crashUntilRefused(bench, caller);
    const early = await caller.sendModern('tools/call', { name: 'whoami' }).ending;
    expect(early.failed?.message).toMatch(/it is tried again in \d+ s/);
    await bench.clock.leap(120_000);
    await until(() => bench.upstream.status().state === 'ready');
    expect(await caller.modernTool('whoami')).toMatchObject({ era: 'modern' });
  });
});

describe('a server', () => {
  it('is not started for a session before its first request', async () => {
    const bench = await upstreamBench();
    callerOf(bench);
    expect(bench.upstream.status().instances).toBe(1);
  });

  it('is listed by a client that can be asked everything, so that it shows all that it has', async () => {
    const bench = await upstreamBench();
    expect(bench.upstream.status()).toMatchObject({
      state: 'ready',
      tools: 9,
      resources: 2,
      prompts: 1,
      serverInfo: 'session fixture 1.0.0',
    });
    expect(bench.upstream.catalog().capabilities).toMatchObject({ logging: {} });
  });

  it('keeps its list when it goes idle, and starts again for the next call', async () => {
    const bench = await upstreamBench({ server: { idleMs: 60_000 } });
    const caller = callerOf(bench);
    const [before] = await pids(caller);
    await bench.clock.leap(70_000);
    await until(() => bench.upstream.status().instances === 0);
    expect(bench.upstream.status()).toMatchObject({ state: 'idle', tools: 9 });
    await until(() => isGone(before));
    const [after] = await pids(caller);
    expect(after).not.toBe(before);
    expect(bench.upstream.status().state).toBe('ready');
  });

  it('of the modern era goes idle, too, though it is listened to', async () => {
    const bench = await upstreamBench({ eras: 'modern', server: { idleMs: 60_000 } });
    await callerOf(bench).modernTool('whoami');
    await bench.clock.leap(70_000);
    await until(() => bench.upstream.status().instances === 0);
    expect(bench.upstream.status()).toMatchObject({ state: 'idle', tools: 9 });
  });

  it('is not ended while it works, while somebody is subscribed, or when it may idle for ever', async () => {
    const busy = await upstreamBench({ server: { idleMs: 60_000, timeoutMs: 9_000_000 } });
    const hanging = callerOf(busy);
    await whoami(hanging);
    hanging.send('tools/call', { name: 'hang' });
    await busy.clock.leap(300_000);
    expect(busy.upstream.status().instances).toBe(1);

    const followed = await upstreamBench({ server: { idleMs: 60_000 } });
    const follower = callerOf(followed);
    await follower.send('resources/subscribe', { uri: 'note://one' }).ending;
    await followed.clock.leap(300_000);
    expect(followed.upstream.status().instances).toBe(1);
    await follower.send('resources/unsubscribe', { uri: 'note://one' }).ending;
    await followed.clock.leap(300_000);
    await until(() => followed.upstream.status().instances === 0);

    const patient = await upstreamBench({ server: { idleMs: 0 } });
    await patient.clock.leap(36_000_000);
    expect(patient.upstream.status().instances).toBe(1);
  });

  it('runs in no more instances than it may: idle ones make room, busy ones do not', async () => {
    const bench = await upstreamBench({ instancesMax: 2 });
    const [one, two, three] = ['a', 'b', 'c'].map((name) =>
      callerOf(bench, { principal: { ...ALICE, name } as Principal }),
    ) as [Caller, Caller, Caller];
    const [first] = await pids(one);
    await pids(two);
    expect(bench.upstream.status().instances).toBe(2);
    two.send('tools/call', { name: 'hang' });
    await pids(three);
    await until(() => bench.upstream.status().instances === 2);
    three.send('tools/call', { name: 'hang' });
    const refused = await one
      .send('tools/call', { name: 'whoami' })
      .ending.catch((e: unknown) => e);
    expect(refused).toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: expect.stringContaining('limits.instances') as string,
    });
    await until(() => isGone(first));
  });
});

describe('a server that crashes', () => {
  it('fails its calls by name, and serves the next one', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    const [before] = await pids(caller);
    const hanging = caller.send('tools/call', { name: 'hang' }).ending;
    expect(await crash(caller)).toMatch(/server 'far' exited with code 9/);
    expect((await hanging).failed?.code).toBe('STARLING_UPSTREAM_UNAVAILABLE');
    const [after] = await pids(caller);
    expect(after).not.toBe(before);
  });

  it('leaves the instances of others alone', async () => {
    const bench = await upstreamBench();
    const [alice, bob] = [callerOf(bench), callerOf(bench, { principal: BOB })];
    const [, before] = await pids(alice, bob);
    await crash(alice);
    expect(await pids(bob)).toEqual([before]);
  });

  it('is given longer and longer pauses, and says when it is tried again', async () => {
    const bench = await upstreamBench({ startTimeoutMs: 600_000 });
    const caller = callerOf(bench);
    const refusal = await crashUntilRefused(bench, caller);
    expect(refusal).toMatch(/server 'far' is not ready: .*code 9.*; it is tried again in \d+ s/);
    expect(bench.health.warnings()).toMatchObject([{ code: 'upstream-down:far' }]);
    expect(toolsOf(bench)).toContain('whoami');
    await bench.clock.leap(120_000);
    await until(() => bench.upstream.status().state === 'ready');
    expect(bench.health.warnings()).toEqual([]);
    await whoami(caller);
  });

  it('that says nothing in time may still be downloading, and is tried again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-'));
    defer(() => rm(folder, { recursive: true }));
    const [command, begun] = [join(folder, 'npx'), join(folder, 'begun')];
    await writeFile(command, `#!/bin/sh\n: > '${begun}'\nexec sleep 60\n`, { mode: 0o755 });
    const bench = await upstreamBench({
      start: false,
      startTimeoutMs: 30_000,
      server: { command, args: [] },
    });
    bench.upstream.start();
    await until(() => existsSync(begun));
    // Ended after as long as any other program, it would begin to download anew, again and again.
    for (let second = 0; second < 290; second += 10) await bench.clock.leap(10_000);
    expect(bench.upstream.status().state).toBe('starting');
    await until(async () => {
      await bench.clock.leap(10_000);
      return bench.upstream.status().state === 'failed';
    });
    expect(bench.upstream.status().hint).toMatch(
      /^npx may still be downloading \(is there a network\?\): try the command by hand; it is tried again in \d+ s/,
    );
  });

  it('is tried again when it is due, though the list of another instance changes meanwhile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-'));
    defer(() => rm(folder, { recursive: true }));
    const crashFile = join(folder, 'crash');
    const bench = await upstreamBench({
      startTimeoutMs: 600_000,
      server: { env: { ERAS: new Secret('legacy'), CRASH_FILE: new Secret(crashFile) } },
    });
    const { pid: listing = 0 } = bench.upstream.status();
    const caller = callerOf(bench);
    await whoami(caller);
    await writeFile(crashFile, '');
    process.kill(listing, 'SIGKILL');
    await until(() => isGone(listing));
    await crashUntilRefused(bench, callerOf(bench, { principal: BOB }));
    await rm(crashFile);
    await caller.tool('add_tool', { name: 'later' });
    await bench.clock.leap(100);
    await until(async () => (await whoami(caller)).pid > 0);
    await bench.clock.leap(120_000);
    await until(() => bench.upstream.status().state === 'ready');
    await until(() => toolsOf(bench).includes('later'));
  });

  it('is started again at once, as often as it ran steadily before', async () => {
    const bench = await upstreamBench();
    for (let count = 0; count < 4; count += 1) {
      await until(() => bench.upstream.status().state === 'ready');
      const { pid = 0 } = bench.upstream.status();
      await bench.clock.leap(11_000);
      const before = bench.clock.now();
      process.kill(pid, 'SIGKILL');
      await until(() => ![pid, undefined].includes(bench.upstream.status().pid));
      // The pauses that a second and a third failure in a row would bring.
      expect(bench.waitsFrom(before)).not.toEqual(
        expect.arrayContaining([expect.toSatisfy((ms: number) => ms === 1500 || ms === 3000)]),
      );
    }
  });

  it('is tried at once when what was wrong may be mended: after a login', async () => {
    const bench = await upstreamBench({ startTimeoutMs: 600_000 });
    const caller = callerOf(bench);
    await crashUntilRefused(bench, caller);
    bench.upstream.retry();
    await until(() => bench.upstream.status().state === 'ready');
    await whoami(caller);
  });

  it('that never starts is failed, waits longer each time, and stays so when stopped', async () => {
    const init: BenchInit = {
      eras: 'legacy',
      start: false,
      server: { args: ['-e', 'process.exit(3)'] },
    };
    const bench = await upstreamBench(init);
    bench.upstream.start();
    await bench.upstream.settled;
    expect(bench.upstream.status()).toMatchObject({ state: 'failed', tools: 0, instances: 0 });
    const { failed } = await callerOf(bench).send('tools/call', { name: 'x' }).ending;
    expect(failed?.message).toMatch(/exited with code 3|tried again/);
    await bench.upstream.stop();
    expect(bench.upstream.status().state).toBe('stopped');
    const late = await callerOf(bench).send('tools/call', { name: 'x' }).ending;
    expect(late.failed?.message).toContain('is stopped');
  });
});

describe('a server that is to be started again a few times only', () => {
  const retry = { attempts: 2, delayMs: 100, delayMaxMs: 150 };

  it('is left alone after that, says so, and is started again when somebody asks', async () => {
    const bench = await upstreamBench({
      start: false,
      retry,
      server: { args: ['-e', 'process.exit(3)'] },
    });
    const before = bench.clock.now();
    bench.upstream.start();
    await until(() => bench.upstream.hasGivenUp);
    const [warning] = bench.health.warnings();
    expect(warning?.text).toMatch(/code 3.*has failed 3 times.*retry\.attempts/);
    expect(warning?.hint).toContain('starling mcp restart far');
    expect(bench.waitsFrom(before)).toEqual(expect.arrayContaining([75, 112.5]));
    const changes = bench.changes();
    await bench.clock.leap(600_000);
    expect(bench.changes()).toBe(changes);
    bench.upstream.retry();
    expect(bench.upstream.hasGivenUp).toBe(false);
    await until(() => bench.upstream.hasGivenUp);
  });

  it('counts anew when it has done its work in between', async () => {
    const bench = await upstreamBench({ startTimeoutMs: 600_000, retry });
    for (let round = 0; round < 4; round += 1) {
      await whoami(callerOf(bench));
      const { pid = 0 } = bench.upstream.status();
      process.kill(pid, 'SIGKILL');
      await until(() => isGone(pid));
      await bench.clock.leap(1000);
      await until(() => bench.upstream.status().state === 'ready');
    }
    expect(bench.upstream.hasGivenUp).toBe(false);
  });
});

describe('a list that changes', () => {
  it('in the instance of a session is listed with what was there, while that instance runs', async () => {
    const bench = await upstreamBench({ server: { idleMs: 60_000 } });
    const caller = callerOf(bench, { capabilities: { roots: {} } });
    await caller.tool('add_tool', { name: 'later' });
    await until(() => toolsOf(bench).includes('later'));
    expect(toolsOf(bench)).toHaveLength(10);
    expect(await caller.tool('later')).toBe('called later');
    const [pid] = await pids(caller);
    await caller.send('tools/call', { name: 'crash' }).ending;
    await until(() => !toolsOf(bench).includes('later'));
    await until(() => isGone(pid));
  });

  it('is no message for anybody: whoever lists is told by who lists for it', async () => {
    const bench = await upstreamBench();
    const caller = callerOf(bench);
    await caller.tool('add_tool', { name: 'later' });
    await until(() => toolsOf(bench).includes('later'));
    expect(caller.heard).toEqual([]);
  });

  it('of a modern server is heard, too', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench);
    await caller.modernTool('add_tool', { name: 'later' });
    await until(() => toolsOf(bench).includes('later'));
    expect(await caller.modernTool('later')).toBe('called later');
  });

  it('of a modern server is heard again when the server has ended the subscription', async () => {
    const bench = await upstreamBench({ eras: 'modern' });
    const caller = callerOf(bench);
    await caller.modernTool('unlisten');
    await caller.modernTool('add_tool', { name: 'missed' });
    expect(toolsOf(bench)).not.toContain('missed');
    await bench.clock.leap(2000);
    await until(() => toolsOf(bench).includes('missed'));
    await caller.modernTool('add_tool', { name: 'heard' });
    await until(() => toolsOf(bench).includes('heard'));
  });

  it('that can not be had, for the limit of instances, is asked for again', async () => {
    const bench = await upstreamBench({
      instancesMax: 2,
      startTimeoutMs: 600_000,
      server: { idleMs: 1000, timeoutMs: 600_000 },
    });
    const callers = ['a', 'b'].map((name) =>
      callerOf(bench, { principal: { ...ALICE, name } as Principal }),
    );
    await bench.clock.leap(7000);
    await until(() => bench.upstream.status().instances === 0);
    const hanging: Sent[] = [];
    for (const caller of callers) {
      await whoami(caller);
      hanging.push(caller.send('tools/call', { name: 'hang' }));
    }
    await callers[0]?.tool('add_tool', { name: 'later' });
    await bench.clock.leap(1000);
    expect(toolsOf(bench)).not.toContain('later');
    hanging[1]?.call.cancel();
    await bench.clock.leap(31_000);
    await until(() => toolsOf(bench).includes('later'));
  });

  it('never holds more than the limit', async () => {
    const bench = await upstreamBench({ catalog: { tools: 9, bytes: 100_000 } });
    const caller = callerOf(bench);
    for (const name of ['one', 'two', 'three']) await caller.tool('add_tool', { name });
    await until(() => toolsOf(bench).length === 9);
    expect(toolsOf(bench).slice(0, 8)).toContain('whoami');
  });
});

describe('a server that is started again when somebody asks for that', () => {
  it('stays down after it has ended, also for callers, and says how to start it', async () => {
    const bench = await upstreamBench({ server: { restart: 'asked' } });
    const { upstream } = bench;
    const before = upstream.condition();
    expect(before).toMatchObject({ isHeld: false, startedAt: expect.any(Number) as number });
    const caller = callerOf(bench);
    await crash(caller);
    await until(() => upstream.status().state === 'failed');
    expect(upstream.condition().isHeld).toBe(true);
    expect(upstream.status().hint).toContain('starling mcp restart far');
    await bench.clock.leap(600_000);
    const refused = await caller.send('tools/call', { name: 'whoami' }).ending;
    expect(refused.failed?.message).toContain('exited with code 9');
    expect(upstream.status().state).toBe('failed');
    const texts = upstream.condition().log.map(({ text }) => text);
    expect(texts[0]).toMatch(/^started, pid \d+$/u);
    expect(texts.at(-1)).toContain('exited with code 9');
    upstream.restart();
    expect(upstream.condition().run).toBeGreaterThan(before.run);
    await until(() => upstream.status().state === 'ready');
    expect(await whoami(callerOf(bench))).toMatchObject({ pid: expect.any(Number) as number });
  });

  it('is started anew while it runs, once what runs has ended', async () => {
    const bench = await upstreamBench();
    const { pid } = await whoami(callerOf(bench));
    bench.upstream.restart();
    expect(bench.upstream.status().state).toBe('starting');
    await until(() => bench.upstream.status().state === 'ready');
    expect(isGone(pid)).toBe(true);
    expect((await whoami(callerOf(bench))).pid).not.toBe(pid);
  });
});
