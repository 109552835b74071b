/**
 * kill -9 of the owner under load, again and again: whatever was allowed is in its audit log, and no
 * crash gives back what a grant has used up. When it dies is drawn from a seed.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { hashArguments } from '../../../src/audit/index.ts';
import type { AuditEntry } from '../../../src/audit/index.ts';
import { attach } from '../callers.ts';
import type { Caller } from '../callers.ts';
import { SERVERS, eventually, ok, sameListen, sees, useWorld } from '../support.ts';

const world = useWorld();

const TEST_MS = 480_000;
const SEED = 41;
const ROUNDS = 3;
/** Load before the kill, counted from the first call that gets through. */
const LIFE_MAX_MS = 600;
const WORKERS = 3;
const USES = 150;
/** What one crash may lose of the uses, besides the calls that it interrupts. */
const AHEAD_MAX = 16;
const RATE_PER_S = 20;
/** What `--rate` lets through at once: a second of it. */
const BURST = RATE_PER_S;
const RETRY_MS = 100;
/** Between two calls of a worker: some are under way whenever the owner dies, and the machine has time for others. */
const PAUSE_MS = 20;
/** Most of it is for the uses: some 150 calls one after the other, on a machine with other work. */
const BACK_MS = 150_000;

interface Load {
  /** Labels of calls that were answered with a result. */
  readonly answered: Set<string>;
  /** Why the others were not. */
  readonly refusals: string[];
  stop(): Promise<void>;
}

/** Calls `tool` over and over, each time with another label. */
function loadOf(caller: Caller, tool: string, who: string): Load {
  const answered = new Set<string>();
  const refusals: string[] = [];
  const over = new AbortController();
  const work = async (worker: number): Promise<void> => {
    for (let count = 0; !over.signal.aborted; count += 1) {
      const label = `${who}-${worker}-${count}`;
      try {
        await caller.ask('tools/call', { name: `alice__${tool}`, arguments: { label } });
        answered.add(label);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      } catch (error) {
        refusals.push((error as Error).message);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  const workers = Array.from({ length: WORKERS }, (_, worker) => work(worker));
  return {
    answered,
    refusals,
    async stop() {
      over.abort();
      await Promise.all(workers);
    },
  };
}

/** Labels of the calls that a server wrote down before it answered. */
async function seenIn(log: string): Promise<readonly string[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as [string, { label: string }])[1].label);
}

async function startAlice(before?: NodeProcess): Promise<NodeProcess> {
  const root = await world.root();
  const talks = (name: string): object => SERVERS.fixture('talks.mjs', '--log', join(root, name));
  return world.start('alice', {
    config: {
      listen: sameListen(before),
      mcpServers: { free: talks('free'), counted: talks('counted'), paced: talks('paced') },
    },
  });
}

async function calls(caller: Caller, tool: string): Promise<unknown> {
  return eventually(
    `alice__${tool} is there`,
    () => caller.ask('tools/list'),
    ({ tools }) => JSON.stringify(tools).includes(`"alice__${tool}"`),
    BACK_MS,
  );
}

describe('an owner that is killed while it decides', { timeout: TEST_MS }, () => {
  it('has all that it allowed in its audit log, and counts on from where it was', async () => {
    let alice = await startAlice();
    const bob = await world.start('bob', { args: ['--join', alice.up.ticket ?? ''] });
    const { ticket } = JSON.parse(await ok(alice, 'invite', '--json')) as { ticket: string };
    const carol = await world.start('carol', { args: ['--join', ticket] });
    await sees(alice, [bob, carol]);
    await ok(alice, 'grant', 'create', 'bob', '--tool', 'free/*');
    await ok(alice, 'grant', 'create', 'carol', '--tool', 'counted/*', '--uses', String(USES));
    await ok(alice, 'grant', 'create', 'carol', '--tool', 'paced/*', '--rate', `${RATE_PER_S}/s`);
    const [free, bound] = (await Promise.all(
      [bob, carol].map((node) => attach(node, { era: 'legacy', way: 'http' })),
    )) as [Caller, Caller];
    world.defer(() => Promise.all([free.close(), bound.close()]));
    await Promise.all([calls(free, 'free__note'), calls(bound, 'paced__note')]);
    const startedAt = performance.now();
    const loads = [
      loadOf(free, 'free__note', 'bob'),
      loadOf(bound, 'counted__note', 'carol'),
      loadOf(bound, 'paced__note', 'carol'),
    ] as const;

    const lives = fc.sample(fc.integer({ min: 0, max: LIFE_MAX_MS }), {
      seed: SEED,
      numRuns: ROUNDS,
    });
    for (const lifeMs of lives) {
      const before = loads[0].answered.size;
      await eventually(
        'calls get through',
        async () => loads[0].answered.size,
        (now) => now > before,
        BACK_MS,
      );
      await new Promise((resolve) => setTimeout(resolve, lifeMs));
      await alice.stop('SIGKILL');
      alice = await startAlice(alice);
    }
    const isUsedUp = (): boolean => loads[1].refusals.some((text) => /all \d+ uses/.test(text));
    await eventually(
      'all uses are used up',
      async () => isUsedUp(),
      (done) => done,
      BACK_MS,
    );
    await Promise.all(loads.map((load) => load.stop()));
    const elapsedS = (performance.now() - startedAt) / 1000;

    expect(await ok(alice, 'audit', 'verify')).toMatch(/holds|verif/i);
    await alice.stop();
    const exported = await alice.run([
      'audit',
      'verify',
      '--folder',
      join(alice.stateDir, 'audit'),
      '--did',
      alice.up.did,
    ]);
    expect(exported.code, exported.stderr).toBe(0);

    const allowed = await allowedBy(alice);
    const root = await world.root();
    for (const [index, name] of ['free', 'counted', 'paced'].entries()) {
      const seen = await seenIn(join(root, name));
      const answered = [...(loads[index]?.answered ?? [])];
      const missing = [...new Set([...seen, ...answered])].filter(
        (label) => !allowed.has(`tool:${name}/note ${hashArguments({ label })}`),
      );
      expect(missing).toEqual([]);
      expect(answered.filter((label) => !seen.includes(label))).toEqual([]);
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.length).toBeGreaterThan(ROUNDS);
    }
    const counted = await seenIn(join(root, 'counted'));
    expect(counted.length).toBeLessThanOrEqual(USES);
    expect(counted.length).toBeGreaterThanOrEqual(USES - ROUNDS * (AHEAD_MAX + WORKERS));
    const paced = await seenIn(join(root, 'paced'));
    expect(paced.length).toBeLessThanOrEqual(BURST + RATE_PER_S * elapsedS);
  });
});

/** `<resource> <hash of the arguments>` of all that the log of `node` says was allowed. */
async function allowedBy(node: NodeProcess): Promise<ReadonlySet<string>> {
  const folder = join(node.stateDir, 'audit');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  const entries = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEntry);
  return new Set(
    entries
      .filter(({ kind, outcome }) => kind === 'decision' && outcome === 'allowed')
      .map(({ what, args }) => `${what.resource} ${args}`),
  );
}
