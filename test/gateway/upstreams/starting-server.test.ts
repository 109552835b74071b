/** What a call is told whose server has never been ready: its program is being downloaded. */
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { STDIO_SERVER, defer, startPair, until, useCleanup } from '../support/gateways.ts';
import { callerOf, leapingClock, upstreamBench, whoami } from '../support/upstream-bench.ts';

useCleanup();

const LIST = { tools: 'all', prefix: 'always', nameMax: 48, merge: false } as const;

/** A program called `npx`. */
interface Program {
  readonly command: string;
  /** How often it was started. */
  readonly starts: () => Promise<number>;
}

/** A program that says that it downloads something, or what else `says` has it say, and then runs `rest`. */
async function downloader(
  rest: (folder: string) => string,
  says = "echo 'fetching 12 packages' >&2",
): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-'));
  defer(() => rm(folder, { recursive: true }));
  const [command, started] = [join(folder, 'npx'), join(folder, 'started')];
  await writeFile(started, '');
  const lines = ['#!/bin/sh', says, `echo x >> '${started}'`];
  await writeFile(command, [...lines, rest(folder), ''].join('\n'), { mode: 0o755 });
  return {
    command,
    starts: async () => (await readFile(started, 'utf8')).split('\n').length - 1,
  };
}

const endless = (): Promise<Program> => downloader(() => 'exec sleep 600');

describe('a server that is being downloaded', () => {
  it('answers calls before their callers give up: since when, what it last wrote, what to do', async () => {
    const { command } = await endless();
    const bench = await upstreamBench({ start: false, server: { command, args: [] } });
    const { clock, upstream } = bench;
    upstream.start();
    await until(() => upstream.condition().log.some(({ text }) => text.startsWith('fetching')));
    const caller = callerOf(bench);
    const said = {
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(
        /^server 'far' is still starting, since 20\S+Z \(\d+ s\); it last wrote: fetching 12 packages$/,
      ) as string,
      hint: expect.stringMatching(
        /^npx may still be downloading it: try again in a moment; .*: starling mcp logs far$/,
      ) as string,
    };
    // The second modern one goes over the bridge between the eras, which waits for an instance by itself.
    for (const [at, send] of (['send', 'sendModern', 'sendModern'] as const).entries()) {
      const { ending } = caller[send]('tools/call', { name: 'whoami' });
      let isOver = false;
      void ending.then(() => void (isOver = true));
      await clock.leap(44_000);
      expect(isOver, send).toBe(false);
      await clock.leap(2000);
      expect((await ending).failed, send).toMatchObject(said);
      if (at !== 1) continue;
      await until(async () => {
        await clock.leap(500);
        return upstream.eras.lacks('modern');
      });
    }
  });

  it('takes calls as soon as it is ready', async () => {
    const server = resolve(import.meta.dirname, '../support/session-server.mjs');
    let gate = '';
    const { command } = await downloader((folder) => {
      gate = join(folder, 'gate');
      const waiting = `while [ ! -e '${gate}' ]; do sleep 0.02; done`;
      return `${waiting}\nexec '${process.execPath}' '${server}'`;
    });
    const bench = await upstreamBench({ start: false, server: { command, args: [] } });
    bench.upstream.start();
    const caller = callerOf(bench);
    const early = caller.send('tools/call', { name: 'whoami' }).ending;
    await bench.clock.leap(46_000);
    expect((await early).failed?.message).toContain('is still starting');
    const late = whoami(caller);
    await writeFile(gate, '');
    expect((await late).era).toBe('legacy');
    await until(() => bench.upstream.hasBeenReady);
  });

  it('says for how long it is being started whatever becomes of another process of it', async () => {
    const { command, starts } = await downloader(
      (folder) => `[ "$(wc -l < '${folder}/started')" -gt 1 ] && exit 3\nexec sleep 600`,
    );
    const bench = await upstreamBench({ start: false, server: { command, args: [] } });
    const { clock, upstream } = bench;
    upstream.start();
    await until(async () => (await starts()) === 1);
    await clock.leap(20_000);
    const failed = await callerOf(bench).send('tools/call', { name: 'whoami' }).ending;
    expect(failed.failed?.message).toContain('code 3');
    expect(upstream.stillStarting().message).toMatch(/ \(2\d s\); .*; it last wrote: fetching/);
  });

  it('does not say what a process wrote that is over', async () => {
    const { command, starts } = await downloader(
      (folder) =>
        `[ "$(wc -l < '${folder}/started')" -gt 1 ] && exec sleep 600\necho 'no space' >&2\nexit 3`,
      '',
    );
    const bench = await upstreamBench({ start: false, server: { command, args: [] } });
    const { clock, upstream } = bench;
    upstream.start();
    await until(() => upstream.status().error?.includes('no space') === true);
    await until(async () => {
      await clock.leap(500);
      return (await starts()) === 2;
    });
    // Why the start before failed has its words, and nothing more.
    const { message } = upstream.stillStarting();
    expect(message).toMatch(/; the start before failed: .*; it last wrote: no space$/);
    expect(message.match(/no space/g)).toHaveLength(1);
  });

  it('at a peer is named to whoever calls it there, and no limit of the caller is', async () => {
    const clock = leapingClock();
    const { alice, bob } = await startPair({ clock });
    const { command, starts } = await endless();
    const slow = { ...STDIO_SERVER, command, args: [] };
    await alice.gateway.configure({ mcpServers: { slow }, list: LIST, views: {} });
    await alice.grant(bob, 'slow/**');
    const said = {
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: expect.stringMatching(
        /^server 'slow' is still starting, .*; it last wrote: fetching/,
      ) as string,
      hint: expect.stringContaining('starling mcp logs slow') as string,
    };
    const call = bob.gateway.callTool('alice__slow__read', {}, {});
    const refused = expect(call).rejects.toMatchObject(said);
    // One for its list, and one for the call.
    await until(async () => (await starts()) >= 2);
    await clock.leap(46_000);
    await refused;
    // Its owner sees by its own list that nothing of it is there yet, and is told the same at once.
    await expect(alice.gateway.callTool('slow__read', {}, {})).rejects.toMatchObject(said);
  });
});
