/**
 * A newcomer's sync of a large board whose node is killed (kill -9) in the middle of it, or whose disk refuses each n-th write: the log of
 * the board, and the history, whose rows are what was sent. Goal: what anybody read is there after a start, the history has each change
 * once or says that some are missing, and a write is undone as ever.
 */
import { expect, it } from 'vitest';
import type { Board } from '../../../src/blackboard/index.ts';
import { createChance } from '../../../sim/scenario/random.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { someOf, upTo } from '../../long/extent.ts';
import { calm, createHub } from '../hub.ts';
import type { Hub } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { makeMember } from '../support.ts';
import type { Member } from '../support.ts';

const ENTRIES = 3000;
/** So much that the log is folded meanwhile. */
const CHARS = 300;
const TURNS_MAX = 6000;
const LINKS_MAX = 400;

/** How much was on the disks at one moment, and how many keys could be read then. */
interface Moment {
  readonly table: number;
  readonly history: number;
  readonly keys: number;
}

interface World {
  readonly hub: Hub;
  readonly clock: TestClock;
  readonly teller: Member;
  open(disks: Partial<Pick<Member, 'history' | 'table'>>): Promise<Member>;
}

/** One node that has a large board, and what makes another one that has nothing. */
async function makeWorld(): Promise<World> {
  const hub = createHub();
  const clock = createTestClock();
  const open = async (
    name: string,
    disks: Partial<Pick<Member, 'history' | 'table'>>,
  ): Promise<Member> => {
    const member = makeMember(hub, name, { clock, ...disks });
    await member.blackboard.start();
    return member;
  };
  const teller = await open('A', {});
  const board = await teller.blackboard.board('plan');
  const value = (at: number): string => `${at} ${'x'.repeat(CHARS)}`;
  await Promise.all(Array.from({ length: ENTRIES }, (_, at) => board.set(`key-${at}`, value(at))));
  return { hub, clock, teller, open: (disks) => open('B', disks) };
}

/** Turns of the event loop, and time now and then, until a newcomer has all that the other one has. */
async function synced(
  { hub, clock, teller }: World,
  newcomer: Member,
  turned: () => void = () => undefined,
): Promise<Board> {
  const { keys } = (await teller.blackboard.board('plan')).info();
  const board = await newcomer.blackboard.board('plan');
  hub.connect(teller.id, newcomer.id);
  for (let turn = 0; turn < TURNS_MAX && board.info().keys < keys; turn += 1) {
    await calm(1);
    if (turn % 5 === 4) clock.advance(15);
    // As heartbeats do: what broke off goes on.
    if (turn % 100 === 99) newcomer.blackboard.compare(teller.id, teller.blackboard.digests());
    turned();
  }
  expect(board.info().keys).toBe(keys);
  return board;
}

/** Each key that is here stands in the history once, or it is said that some are missing. */
async function expectPast(board: Board, isWhole: boolean): Promise<void> {
  const { lines, isCut } = await board.history({ prefix: 'key-', limit: 10 * ENTRIES });
  const here = board.entries('key-');
  const keys = new Set(lines.map(({ key }) => key));
  expect(lines).toHaveLength(keys.size);
  for (const { key, value } of lines) {
    expect(String(value).split(' ')[0]).toBe(key.slice('key-'.length));
    expect(board.get(key)?.value).toEqual(value);
  }
  if (isWhole) expect([lines.length, isCut]).toEqual([here.length, false]);
  else expect(isCut || lines.length === here.length).toBe(true);
}

async function expectUndone(board: Board, key: string): Promise<void> {
  await board.set(key, 'first');
  await board.set(key, 'second');
  expect((await board.undo(key))?.value).toBe('first');
}

it('a newcomer that is killed in the middle of a sync has what it showed, and each change once in its history', async () => {
  const chance = createChance(7);
  const world = await makeWorld();
  const { hub, clock, teller } = world;
  const first = await world.open({});
  const moments: Moment[] = [];
  const plan = await first.blackboard.board('plan');
  await synced(world, first, () => {
    moments.push({
      table: first.table.journal.length,
      history: first.history.journal.length,
      keys: plan.info().keys,
    });
  });
  hub.cut(teller.id, first.id);
  await first.blackboard.stop();
  const inMiddle = moments.filter(({ keys }) => keys > 0 && keys < ENTRIES);
  // Some before what was sent stands in the history, and some after it.
  expect(inMiddle.length).toBeGreaterThan(4);
  expect(new Set(inMiddle.map(({ history }) => history)).size).toBeGreaterThan(1);
  for (let kill = 0; kill < upTo(3, 60); kill += 1) {
    const moment = inMiddle[chance.below(inMiddle.length)];
    if (moment === undefined) throw new Error('no moment');
    const again = await world.open({
      table: first.table.at(moment.table),
      history: first.history.at(moment.history),
    });
    await calm(4);
    const board = await again.blackboard.board('plan');
    expect(board.info().keys).toBeGreaterThanOrEqual(moment.keys);
    await expectPast(board, true);
    await synced(world, again);
    clock.advance(100);
    await calm();
    await expectPast(board, true);
    await expectUndone(board, `undone-${kill}`);
    await calm();
    hub.cut(teller.id, again.id);
    await again.blackboard.stop();
  }
  await teller.blackboard.stop();
});

/** A table of which each n-th write is refused, until it is mended. */
function refusing(each: number): { readonly table: JournalTable; readonly mend: () => void } {
  const inner = journalTable();
  let [writes, isMended] = [0, false];
  const table = Object.assign(Object.create(inner) as JournalTable, {
    batch: (batch: Parameters<JournalTable['batch']>[0]) => {
      writes += 1;
      if (!isMended && writes % each === 0) inner.failures = 1;
      return inner.batch(batch);
    },
  });
  const mend = (): void => {
    isMended = true;
    inner.failures = 0;
  };
  return { table, mend };
}

it.each(someOf([3, 7], (each) => each === 3))(
  'a newcomer whose disk refuses each %i. write has all in the end, and a history that has each change once, or says that some are missing',
  async (each) => {
    const world = await makeWorld();
    const { hub, clock, teller } = world;
    const [boards, past] = [refusing(each), refusing(each)];
    const newcomer = await world.open({ table: boards.table, history: past.table });
    const plan = await newcomer.blackboard.board('plan');
    // Each time until it breaks off; with a new link both begin anew at once.
    for (let link = 0; link < LINKS_MAX && plan.info().keys < ENTRIES; link += 1) {
      hub.connect(teller.id, newcomer.id);
      for (let turn = 0; turn < 150 && plan.info().keys < ENTRIES; turn += 1) {
        await calm(1);
        if (turn % 10 === 9) clock.advance(40);
      }
      if (plan.info().keys < ENTRIES) hub.cut(teller.id, newcomer.id);
      // What the disk refused is tried again by then.
      clock.advance(60_000);
      await calm(4);
    }
    expect(plan.info().keys).toBe(ENTRIES);
    boards.mend();
    past.mend();
    clock.advance(60_000);
    await calm();
    await expectUndone(plan, 'undone');
    await expectPast(plan, false);
    const { isCut } = await plan.history({});
    await newcomer.blackboard.stop();
    const again = await world.open({
      table: boards.table.at(boards.table.journal.length),
      history: past.table.at(past.table.journal.length),
    });
    const board = await again.blackboard.board('plan');
    expect(board.info().keys).toBe(ENTRIES + 1);
    await expectPast(board, false);
    // What was missing is missing after a start as well, and is said.
    expect((await board.history({})).isCut).toBe(isCut);
    await expectUndone(board, 'undone later');
    await again.blackboard.stop();
    await teller.blackboard.stop();
  },
);
