/** Making and dropping boards, their past, and clients that go from node to node. */
import type { PeerId } from '../../src/core/index.ts';
import { afterEach, describe, expect, it } from 'vitest';
import type { Board } from '../../src/blackboard/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { calm, createHub } from './hub.ts';
import { journalTable } from './journal-table.ts';
import { makeMember, makeMesh } from './support.ts';
import type { Member, Mesh } from './support.ts';

const running: Mesh[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((made) => made.stop()));
});

async function two(): Promise<{ made: Mesh; a: Member; b: Member; near: Board; far: Board }> {
  const made = await makeMesh(['A', 'B']);
  running.push(made);
  const [a, b] = made.members as [Member, Member];
  made.connectAll();
  await calm();
  const [near, far] = [await a.blackboard.board('plan'), await b.blackboard.board('plan')];
  return { made, a, b, near, far };
}

describe('a board', () => {
  it('is made and dropped for everybody', async () => {
    const { a, b, near, far } = await two();
    expect([near.info().exists, a.blackboard.names()]).toEqual([false, []]);
    expect([await near.create(), await near.create()]).toEqual([true, false]);
    await calm();
    expect([b.blackboard.names(), far.entries(), far.info().keys]).toEqual([['plan'], [], 0]);
    expect(far.info()).toMatchObject({ exists: true, createdBy: 'did:key:A' });
    await far.set('k', 1);
    await far.set('l', 2);
    await calm();
    expect(await near.drop()).toBe(2);
    await calm();
    expect([b.blackboard.names(), far.info().exists, far.get('k')]).toEqual([[], false, undefined]);
    expect(far.tombstone('k')).toMatchObject({ key: 'k', by: 'did:key:A' });
    expect(b.blackboard.digests()).toEqual(a.blackboard.digests());
    expect(await far.create()).toBe(true);
  });

  it('has nothing of its own that could be read, listed or written as an entry', async () => {
    const { near } = await two();
    const heard: unknown[] = [];
    near.watch((changes) => void heard.push(...changes));
    await near.create();
    expect([near.entries(), near.get('\0board'), heard]).toEqual([[], undefined, []]);
    await expect(near.set('\0board', 1)).rejects.toThrow('malformed');
  });
});

describe('the past of a board', () => {
  it('says who changed what when, deletions included, and goes on from any place', async () => {
    const { made, near, far } = await two();
    await near.set('k', 1);
    await calm();
    made.clock.advance(1000);
    await far.set('k', 2);
    await calm();
    made.clock.advance(1000);
    await near.delete('k');
    await near.set('other', 1);
    await calm();
    const { lines, isCut, next } = await far.history();
    expect(lines.map(({ key, value, by }) => [key, value, by])).toEqual([
      ['k', 1, 'did:key:A'],
      ['k', 2, 'did:key:B'],
      ['k', undefined, 'did:key:A'],
      ['other', 1, 'did:key:A'],
    ]);
    expect(isCut).toBe(false);
    expect((await far.history({ from: lines[1]?.position ?? '' })).lines).toEqual(lines.slice(2));
    expect((await far.history({ key: 'other' })).lines).toEqual(lines.slice(3));
    await far.set('later', 1);
    await calm();
    expect((await far.history({ from: next })).lines.map(({ key }) => key)).toEqual(['later']);
  });

  it('is kept for its days and its bytes, and says where it was cut', async () => {
    const clock = createTestClock();
    const table = journalTable();
    const parts = { clock, table, init: { history: { days: 1, bytes: 2_000_000 } } };
    const member = makeMember(createHub(), 'A', parts);
    await member.blackboard.start();
    const board = await member.blackboard.board('b');
    const value = 'x'.repeat(100_000);
    for (let i = 0; i < 40; i++) {
      await board.set(`k${i}`, value);
      clock.advance(1000);
      await calm(5);
    }
    await calm();
    const { lines, isCut } = await board.history();
    expect([isCut, lines.length > 5, lines.length < 35]).toEqual([true, true, true]);
    expect(lines.at(-1)?.key).toBe('k39');
    expect((await board.history({ from: lines[0]?.position ?? '' })).isCut).toBe(false);
    await member.blackboard.stop();
  });

  it('is undone step by step, also after a restart, and not over what somebody else wrote', async () => {
    const { made, a, near, far } = await two();
    await near.set('k', 'first');
    made.clock.advance(10);
    await near.set('k', 'second');
    await calm();
    expect(await near.undo('k')).toMatchObject({ value: 'first' });
    await calm();
    expect(far.get('k')?.value).toBe('first');
    made.clock.advance(10);
    await near.delete('k');
    await calm();
    const again = makeMember(createHub(), 'A', {
      clock: made.clock,
      table: a.table,
      history: a.history,
    });
    await again.blackboard.start();
    const restarted = await again.blackboard.board('plan');
    expect(await restarted.undo('k')).toMatchObject({ value: 'first' });
    await again.blackboard.stop();
    await near.set('mine', 1);
    await calm();
    made.clock.advance(10);
    await far.set('mine', 2);
    await calm();
    await expect(near.undo('mine')).rejects.toMatchObject({ code: 'STARLING_BOARD_CONFLICT' });
    await expect(near.undo('never')).rejects.toMatchObject({ code: 'STARLING_BOARD_CONFLICT' });
    await near.set('new', 1);
    expect(await near.undo('new')).toBeUndefined();
    expect(near.get('new')).toBeUndefined();
  });
});

describe('a client that goes to another node', () => {
  it('reads there what it has written, or is told that the node is behind', async () => {
    const { made, near, far } = await two();
    await near.set('k', 1);
    await calm();
    await far.reach(near.token());
    expect(far.get('k')?.value).toBe(1);
    made.hub.cut('A' as PeerId, 'B' as PeerId);
    await near.set('k', 2);
    const token = near.token();
    const waiting = far.reach(token).then(
      () => 'reached',
      (error: unknown) => (error as { code: string }).code,
    );
    for (let ms = 0; ms < 2100; ms += 20) {
      made.clock.advance(20);
      await calm(2);
    }
    expect(await waiting).toBe('STARLING_BOARD_BEHIND');
    made.hub.connect('A' as PeerId, 'B' as PeerId);
    const later = far.reach(token).then(() => far.get('k')?.value);
    await near.set('l', 1);
    for (let ms = 0; ms < 3000; ms += 20) {
      made.clock.advance(20);
      await calm(4);
    }
    expect(await later).toBe(2);
  });

  it('writes there over what it has read, whatever the clocks say', async () => {
    const { made, near, far } = await two();
    await near.set('k', 'read');
    await calm();
    await far.reach(near.token());
    made.clock.advance(-500);
    await far.set('k', 'written');
    await calm();
    await near.reach(far.token());
    expect(near.get('k')).toMatchObject({
      value: 'written',
      clock: { 'did:key:A': 1, 'did:key:B': 1 },
    });
    await expect(near.reach('b3.nonsense')).rejects.toMatchObject({ code: 'STARLING_USAGE' });
    await expect(near.reach('')).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  });
});
