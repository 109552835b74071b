/**
 * Replicas that hang with their links up: their disks take nothing. A change that waits for one is counted by the time that
 * the test moves.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { someOf } from '../../long/extent.ts';
import { calm } from '../hub.ts';
import { StrongMesh } from './strong-support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve'];
/** How long a replica is waited for; a change that waits for none takes a few hundredths of a second here. */
const WAITS_MS = 400;
const RUN_MS = 7000;

let jobs: StrongMesh;
let releases: (() => void)[] = [];
afterEach(async () => {
  for (const release of releases) release();
  releases = [];
  await calm();
  await jobs.stop();
});

/** Ann, who alone changes keys by now, has them changed by rounds of her own. */
async function make(replicas: readonly string[], keys: readonly string[]): Promise<void> {
  jobs = await StrongMesh.make(NAMES, replicas);
  for (const key of keys) {
    for (let at = 0; at < 10; at += 1) await jobs.ask('ann', key, { t: 'set', value: at });
  }
  await jobs.settle(2, 500);
}

/** Its disk takes nothing until the test is over; reading goes on. */
function hang(name: string): void {
  releases.push(jobs.member(name).strong.hold());
}

/** Changes keys for seven seconds, each by one caller, one change after the other: how many were made, and waited. */
async function run(keys: readonly string[]): Promise<{ changes: number; waited: number }> {
  const { clock } = jobs.mesh;
  const board = await jobs.board('ann');
  const end = clock.now() + RUN_MS;
  const seen = { changes: 0, waited: 0 };
  const callers = keys.map(async (key) => {
    while (clock.now() < end) {
      const from = clock.now();
      await board.strong(key, { request: { t: 'set', value: from } });
      seen.changes += 1;
      if (clock.now() - from >= WAITS_MS) seen.waited += 1;
    }
  });
  await jobs.driven(Promise.all(callers));
  return seen;
}

/** Who hangs, and of how many; three of one kind each in `npm test`. */
const WHO_HANGS = someOf(
  [
    ['one of three', ['bob'], 3],
    ['one of five', ['bob'], 5],
    ['two of five, which a majority does without,', ['bob', 'cyd'], 5],
    ['two of five that are not asked together', ['bob', 'dan'], 5],
    ['the node itself that has the changes made, of three,', ['ann'], 3],
  ] as const,
  (_, index) => index === 0 || index > 2,
);

describe('a replica that hangs', () => {
  it.each(WHO_HANGS)('costs changes one wait in five seconds: %s', async (_, hung, count) => {
    await make(NAMES.slice(0, count), ['k']);
    for (const name of hung) hang(name);
    const { changes, waited } = await run(['k']);
    // At the beginning, and after five seconds.
    expect(waited).toBeGreaterThan(0);
    expect(waited).toBeLessThanOrEqual(2 * hung.length);
    expect(changes).toBeGreaterThan(100);
  });

  it('costs one change of all keys a wait in five seconds, after each that was under way as it began to hang', async () => {
    const keys = ['k', 'l', 'm'];
    await make(NAMES, keys);
    hang('bob');
    const { waited } = await run(keys);
    expect(waited).toBeGreaterThan(0);
    expect(waited).toBeLessThanOrEqual(keys.length + 1);
  });

  it('is not asked by readings either, once a change has found that it hangs', async () => {
    await make(NAMES, ['k']);
    hang('bob');
    await jobs.ask('ann', 'k', { t: 'set', value: 'last' });
    const { clock } = jobs.mesh;
    const from = clock.now();
    for (let times = 0; times < 5; times += 1) {
      expect(await jobs.ask('ann', 'k', { t: 'get' })).toMatchObject({ value: 'last' });
    }
    // It would be waited for five hundredths of a second each time.
    expect(clock.now() - from).toBeLessThan(5 * 50);
  });

  it('keeps callers of its own no longer waiting than those of others, when too many others are gone', async () => {
    await make(['ann', 'bob', 'cyd'], ['k']);
    jobs.cut('bob');
    hang('ann');
    const board = await jobs.board('ann');
    const { clock } = jobs.mesh;
    const from = clock.now();
    const codes = ['last', 'later'].map((value) =>
      jobs.codeOf(board.strong('k', { request: { t: 'set', value } })),
    );
    expect(await codes[0]).toBe('STARLING_OUTCOME_UNKNOWN');
    expect(await codes[1]).not.toBe('fine');
    expect(clock.now() - from).toBeLessThan(15_000);
  });

  it('leaves nothing behind when all nodes stop in the middle of a change', async () => {
    await make(NAMES, ['k']);
    hang('bob');
    const board = await jobs.board('ann');
    const change = jobs.codeOf(board.strong('k', { request: { t: 'set', value: 'last' } }));
    await calm(20);
    await jobs.stop();
    expect(await change).toBe('STARLING_OUTCOME_UNKNOWN');
    await calm();
    expect(jobs.mesh.clock.waiting()).toBe(0);
  });
});
