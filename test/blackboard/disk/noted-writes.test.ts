/** What a history says of a write goes to the disk with the write, by one sync, and is not there where the write was refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBlackboard } from '../../../src/blackboard/index.ts';
import type { Blackboard } from '../../../src/blackboard/index.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { createStore } from '../../../src/store/index.ts';
import { openLevel } from '../../../src/store/open-level.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { calm, createHub } from '../hub.ts';
import type { Hub } from '../hub.ts';
import { makeMember } from '../support.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A node on `hub` with a disk of its own, each sync of which is noted with the tables that it wrote to. */
async function onDisk(
  hub: Hub,
  name: string,
  clock: TestClock,
): Promise<{ readonly blackboard: Blackboard; readonly syncs: string[] }> {
  const dir = await mkdtemp(join(tmpdir(), 'starling-noted-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const syncs: string[] = [];
  const store = createStore(
    {
      logger: silentLogger,
      open: async (at) => {
        const level = await openLevel(at);
        return {
          ...level,
          batch: async (writes, options) => {
            await level.batch(writes, options);
            syncs.push([...new Set(writes.map(({ key }) => key.split('\0')[0]))].join(' '));
          },
        };
      },
    },
    { dir: join(dir, 'db') },
  );
  await store.start();
  cleanups.push(() => store.stop());
  const blackboard = createBlackboard({
    network: hub.network(name as PeerId),
    table: store.table('boards'),
    history: store.table('history'),
    self: `did:key:${name}` as Did,
    clock,
    random: () => 0.5,
    logger: silentLogger,
    didOf: (peer) => `did:key:${peer}` as Did,
    peerOf: (did) => did.slice('did:key:'.length) as PeerId,
  });
  await blackboard.start();
  cleanups.push(() => blackboard.stop());
  return { blackboard, syncs };
}

describe('the history of a board', () => {
  it('costs no sync of the disk of its own of what is written here, and one for much of what peers send', async () => {
    const hub = createHub();
    const clock = createTestClock();
    const near = await onDisk(hub, 'A', clock);
    const far = await onDisk(hub, 'B', clock);
    hub.connect('A' as PeerId, 'B' as PeerId);
    await calm();
    const plan = await near.blackboard.board('plan');
    await plan.set('first', 0);
    await vi.waitFor(
      async () => expect((await far.blackboard.board('plan')).get('first')?.value).toBe(0),
      { timeout: 60_000 },
    );
    clock.advance(80);
    await vi.waitFor(() => expect(far.syncs).toEqual(['boards', 'history']), { timeout: 60_000 });
    near.syncs.length = 0;
    far.syncs.length = 0;
    for (let i = 0; i < 8; i += 1) {
      await plan.set('k', i);
      clock.advance(1);
    }
    expect(near.syncs).toEqual(Array.from({ length: 8 }, () => 'boards history'));
    const copy = await far.blackboard.board('plan');
    await vi.waitFor(() => expect(copy.get('k')?.value).toBe(7), { timeout: 60_000 });
    clock.advance(80);
    await vi.waitFor(() => expect(far.syncs.at(-1)).toBe('history'), { timeout: 60_000 });
    // What is there before it can be read takes along what the history says of what was there before.
    const [first, ...rest] = far.syncs.slice(0, -1);
    expect(first).toBe('boards');
    for (const sync of rest) expect(sync).toBe('boards history');
    const of = async (board: typeof plan): Promise<unknown> =>
      (await board.history({ key: 'k' })).lines.map(({ value, by }) => [value, by]);
    const all = Array.from({ length: 8 }, (_, i) => [i, 'did:key:A']);
    expect([await of(plan), await of(copy)]).toEqual([all, all]);
  });

  it('says nothing of a write that the disk refused, and all of the one after it, once', async () => {
    const clock = createTestClock();
    const member = makeMember(createHub(), 'A', { clock });
    cleanups.push(() => member.blackboard.stop());
    await member.blackboard.start();
    const plan = await member.blackboard.board('plan');
    await plan.set('k', 'first');
    member.table.failures = 1;
    await expect(plan.set('k', 'refused')).rejects.toThrow('no space left');
    await calm();
    await plan.set('k', 'second', { ttlMs: 5000 });
    clock.advance(10);
    await plan.delete('k');
    await calm();
    const { lines } = await plan.history();
    expect(lines.map(({ key, value, until }) => [key, value, until])).toEqual([
      ['k', 'first', undefined],
      ['k', 'second', expect.any(Number)],
      ['k', undefined, undefined],
    ]);
    expect(await plan.undo('k')).toMatchObject({ value: 'second' });
  });

  it('tells of what a peer wrote right before a kill (kill -9), though no line of it was on the disk', async () => {
    const clock = createTestClock();
    const hub = createHub();
    const [ann, bob] = ['A', 'B'].map((name) => makeMember(hub, name, { clock }));
    if (ann === undefined || bob === undefined) throw new Error('nobody');
    await Promise.all([ann.blackboard.start(), bob.blackboard.start()]);
    hub.connect(ann.id, bob.id);
    await calm();
    const plan = await ann.blackboard.board('plan');
    await plan.set('k', 1);
    await calm();
    clock.advance(100);
    await calm();
    await plan.set('k', 2);
    await calm();
    expect((await bob.blackboard.board('plan')).get('k')?.value).toBe(2);
    expect([...bob.history.rows.keys()]).toHaveLength(1);
    // As it is on the disks at this moment.
    const again = makeMember(createHub(), 'B', {
      clock,
      table: bob.table.at(bob.table.journal.length),
      history: bob.history.at(bob.history.journal.length),
    });
    await again.blackboard.start();
    cleanups.push(() => again.blackboard.stop());
    const board = await again.blackboard.board('plan');
    for (let times = 0; times < 2; times += 1) {
      const { lines } = await board.history();
      expect(lines.map(({ key, value, by }) => [key, value, by])).toEqual([
        ['k', 1, 'did:key:A'],
        ['k', 2, 'did:key:A'],
      ]);
    }
    await Promise.all([ann.blackboard.stop(), bob.blackboard.stop()]);
  });

  it('tells what was written at once as one change, and nothing twice', async () => {
    const member = makeMember(createHub(), 'A', { clock: createTestClock() });
    cleanups.push(() => member.blackboard.stop());
    await member.blackboard.start();
    const plan = await member.blackboard.board('plan');
    const heard: string[] = [];
    plan.watch((changes) => void heard.push(...changes.map(({ key }) => key)));
    await Promise.all([plan.set('a', 1), plan.set('b', 2), plan.set('a', 3)]);
    await calm();
    const { lines } = await plan.history();
    expect(lines.map(({ key, value }) => [key, value])).toEqual([
      ['a', 3],
      ['b', 2],
    ]);
    expect(heard.toSorted()).toEqual(['a', 'b']);
    expect(member.history.journal).toHaveLength(1);
  });
});
