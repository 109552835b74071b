/** Closed budgets until every node has forgotten them: last words, the founder's word, ten thousand of them, and liars. */
import { afterEach, expect, it } from 'vitest';
import { partOf, signEnding } from '../../src/budget/rows/ending-format.ts';
import type { Ending } from '../../src/budget/rows/ending-format.ts';
import { calm } from '../blackboard/hub.ts';
import { makeOwners, textsOf } from './owners.ts';
import type { Owner } from './owners.ts';
import { makeRooms } from './rooms.ts';
import type { Room, Rooms } from './rooms.ts';

let rooms: Rooms | undefined;
afterEach(() => rooms?.stop());

const TERMS = { unit: 'calls', limit: 100 } as const;
const known = ({ budgets }: Room): number => budgets.list({ closed: true }).total;

/** A budget of `n1` of which all others have ten. */
async function shared(count: number): Promise<Rooms> {
  const world = await makeRooms(count);
  rooms = world;
  const [founder, ...others] = world.all as [Room, ...Room[]];
  const shares = Object.fromEntries(others.map(({ did }) => [did, 10]));
  await founder.budgets.create({ name: 'research', ...TERMS, shares });
  await world.settle();
  await world.settle(16_000);
  await world.settle(3000);
  return world;
}

it('each owner says its last word of a closed budget once it holds nothing, and none before', async () => {
  const owners = await makeOwners(3);
  const [founder, busy, idle] = owners.all as [Owner, Owner, Owner];
  const shares = { [busy.did()]: 10, [idle.did()]: 10 };
  const createdAt = owners.clock.now();
  const id = await founder.books.found({ name: 'research', ...TERMS, shares, createdAt });
  await owners.merge();
  const hold = await busy.books.hold(id, 4);
  await founder.books.act(id, { closed: true });
  await owners.merge();
  await calm();
  await owners.merge();
  expect(founder.books.unsaid(id)).toEqual([busy.did()]);
  // What is not final stays, also where there is no other reason to keep it.
  hold.settle(3);
  await calm();
  await owners.merge();
  expect(founder.books.unsaid(id)).toEqual([]);
  expect(founder.books.rows(id).get(busy.did())).toMatchObject({ spent: 3, held: 0 });
  await expect(busy.books.hold(id, 1)).rejects.toMatchObject({ code: 'STARLING_BUDGET_CLOSED' });
});

it('a budget that the founder forgets is forgotten everywhere, also where it was heard of late', async () => {
  const world = await shared(3);
  const [founder, second, away] = world.all as [Room, Room, Room];
  expect(world.all.map(known)).toEqual([1, 1, 1]);
  world.hub.cut(founder.peerId, away.peerId);
  world.hub.cut(second.peerId, away.peerId);
  const id = founder.budgets.idOf('research');
  const view = await founder.budgets.forget('research');
  expect(view).toMatchObject({ name: 'research', closed: true, forgotten: true });
  await world.settle(16_000);
  await world.settle(3000);
  expect([known(founder), known(second)]).toEqual([0, 0]);
  await expect(second.budgets.hold([id], { calls: 1 }, 'operator')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_UNKNOWN',
  });
  // Who is away spends what it has, and no more; when it is back, its rows let nobody spend a second time.
  await away.budgets.report('research', 10, 'operator');
  await expect(away.budgets.report('research', 1, 'operator')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
  });
  world.hub.connect(second.peerId, away.peerId);
  for (let round = 0; round < 3; round += 1) await world.settle(3000);
  expect(world.all.map(known)).toEqual([0, 0, 0]);
  expect(world.all.map(({ budgets }) => budgets.rowCount())).toEqual([0, 0, 0]);
  // The name is free again, and a clock that has not moved makes no budget that is over.
  await founder.budgets.create({ name: 'research', ...TERMS });
  expect(founder.budgets.show('research')).toMatchObject({ spent: 0, free: 100 });
});

it('a call under way when its budget is forgotten settles where it was held', async () => {
  const world = await shared(2);
  const [founder] = world.all as [Room];
  const id = founder.budgets.idOf('research');
  const under = await founder.budgets.hold([id], { calls: 5 }, 'operator');
  await founder.budgets.forget('research');
  expect(founder.budgets.show(id)).toMatchObject({ closed: true, held: 5 });
  expect(under.settle({ calls: 2 })).toMatchObject([{ amount: 2 }]);
  await world.settle(3_600_000);
  await world.settle();
  expect(known(founder)).toBe(0);
});

it('a call that outlasts the times of its budget is settled, and its row is not forgotten before', async () => {
  const owners = await makeOwners(1);
  const [{ books }] = owners.all as [Owner];
  const createdAt = owners.clock.now();
  const id = await books.found({ name: 'short', ...TERMS, shares: {}, everyMs: 1000, createdAt });
  const rowId = books.rowIdNow(id);
  const hold = await books.hold(rowId, 5);
  owners.clock.sleep(60_000);
  await books.prune();
  expect(books.account(rowId)).toMatchObject({ held: 5 });
  hold.settle(5);
  await books.idle();
  await books.prune();
  expect(books.account(rowId)).toBeUndefined();
});

it('ten thousand budgets are the most, and the eleventh thousand has place once some are closed', async () => {
  const owners = await makeOwners(1);
  const [{ books, rows }] = owners.all as [Owner];
  const terms = (at: number) => ({
    name: `b${at}`,
    ...TERMS,
    shares: {},
    createdAt: owners.clock.now() + at,
  });
  const ids = await Promise.all(Array.from({ length: 9999 }, (_, at) => books.found(terms(at))));
  // Of two that are made at once where there is place for one, one is refused.
  const both = await Promise.allSettled([books.found(terms(9999)), books.found(terms(10_000))]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(books.count()).toBe(10_000);
  await expect(books.found(terms(10_000))).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
    hint: expect.stringContaining('starling budget close <name>') as string,
  });
  await Promise.all(ids.slice(0, 3000).map((id) => books.act(id, { closed: true })));
  // A clock that was set back meanwhile makes no budget that is over from the beginning.
  const id = await books.found({ ...terms(10_000), createdAt: owners.clock.now() - 3_600_000 });
  // The older half of what was closed is forgotten.
  expect(books.count()).toBe(10_000 - 1500 + 1);
  expect(books.terms(ids[0] ?? '')).toBeUndefined();
  expect(books.terms(ids[1500] ?? '')).toBeDefined();
  owners.clock.sleep(60_000);
  await books.prune();
  expect(books.count()).toBe(7000 + 1000 + 1);
  expect(books.terms(id)).toBeDefined();
  // What is left of the forgotten are sixteen words.
  const words = [...rows].filter(([key]) => key.startsWith('over/'));
  expect(words).toHaveLength(16);
  expect(words.every(([, text]) => text.length <= 8 * 1024)).toBe(true);
}, 60_000);

it('a budget that was dated ahead is forgotten, and those after it are dated as the clock has it', async () => {
  const owners = await makeOwners(2);
  const [founder, other] = owners.all as [Owner, Owner];
  const { books } = founder;
  const now = owners.clock.now();
  const shares = { [other.did()]: 10 };
  const terms = (name: string, createdAt: number) => ({ name, ...TERMS, shares, createdAt });
  // One of each sixteenth of the ids, so that no new one falls to another.
  const ahead: string[] = [];
  for (let at = 0; new Set(ahead.map(partOf)).size < 16; at += 1) {
    ahead.push(await books.found(terms(`ahead${at}`, now + 3_600_000 + at)));
  }
  for (const id of ahead) await books.act(id, { closed: true });
  await owners.merge();
  expect(await books.forget(ahead)).toBe(true);
  // Two at once: the word that lets one be names the other, too.
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, at) =>
      books.found({ ...terms(`b${at}`, now), everyMs: 60_000 }),
    ),
  );
  expect(made.map((id) => books.terms(id)?.createdAt)).toEqual(made.map(() => now));
  await owners.merge();
  await owners.crash(founder);
  for (const owner of [founder, other]) {
    expect(made.filter((id) => owner.books.terms(id) === undefined)).toEqual([]);
    expect(ahead.filter((id) => owner.books.terms(id) !== undefined)).toEqual([]);
    expect(made.filter((id) => owner.books.acts(id).closed)).toEqual([]);
  }
});

it('two words at once on what is over forget both budgets', async () => {
  const owners = await makeOwners(1);
  const [{ books }] = owners.all as [Owner];
  const createdAt = owners.clock.now();
  const ids: string[] = [];
  for (let at = 0; at < 40; at += 1) {
    ids.push(
      await books.found({ name: `b${at}`, ...TERMS, shares: {}, createdAt: createdAt + at }),
    );
  }
  await Promise.all(ids.map((id) => books.act(id, { closed: true })));
  expect(await Promise.all(ids.map((id) => books.forget([id])))).toEqual(ids.map(() => true));
  expect(books.count()).toBe(0);
});

it('two budgets of one name are not one, when the first is closed in the moment in which it was made', async () => {
  const owners = await makeOwners(1);
  const [{ books }] = owners.all as [Owner];
  const terms = { name: 'twice', ...TERMS, shares: {}, createdAt: owners.clock.now() };
  const first = await books.found(terms);
  await books.act(first, { closed: true });
  const second = await books.found(terms);
  expect(second).not.toBe(first);
  expect(books.acts(second).closed).toBe(false);
});

it('of two budgets of one name that are made at once one is refused', async () => {
  const world = await makeRooms(1);
  rooms = world;
  const [{ budgets }] = world.all as [Room];
  const make = (limit: number) => budgets.create({ name: 'same', unit: 'calls', limit });
  const both = await Promise.allSettled([make(1), make(2)]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(budgets.show('same').limit).toBe(1);
});

it('a successor closes a budget, and is told that it can not have it forgotten', async () => {
  const world = await makeRooms(2);
  rooms = world;
  const [founder, successor] = world.all as [Room, Room];
  await founder.budgets.create({ name: 'research', ...TERMS, successor: successor.did });
  await world.settle();
  await world.settle(16_000);
  world.putOut.add(founder.did);
  await expect(successor.budgets.forget('research')).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
    hint: expect.stringContaining('starling budget close research') as string,
  });
  expect(successor.budgets.show('research').closed).toBeUndefined();
  expect(await successor.budgets.close('research')).toMatchObject({ closed: true });
});

it('who sends an older word right behind the new one does not get it onto the disk', async () => {
  const owners = await makeOwners(2);
  const [founder, other] = owners.all as [Owner, Owner];
  const createdAt = owners.clock.now();
  const shares = { [other.did()]: 10 };
  const id = await founder.books.found({ name: 'research', ...TERMS, shares, createdAt });
  await owners.merge();
  const rows = textsOf(founder.books);
  const word = (until: number): string => {
    const said = { founder: founder.did(), part: partOf(id), seq: 1, until };
    return signEnding(founder.identity, { ...said, kept: new Set() });
  };
  const [first, second] = [word(createdAt), word(createdAt - 1)];
  await Promise.all([other.books.take([first]), other.books.take([second])]);
  await founder.books.act(id, { closed: true });
  await owners.crash(other);
  await other.books.take(rows);
  expect(other.books.terms(id)).toBeUndefined();
});

it('nobody but the founder says that a budget is over, and an older word changes nothing', async () => {
  const owners = await makeOwners(2);
  const [founder, liar] = owners.all as [Owner, Owner];
  const createdAt = owners.clock.now();
  const shares = { [liar.did()]: 10 };
  const id = await founder.books.found({ name: 'research', ...TERMS, shares, createdAt });
  await owners.merge();
  const word = (from: Owner, about: Owner, more: Partial<Ending>): string =>
    signEnding(from.identity, {
      founder: about.did(),
      part: partOf(id),
      seq: 1,
      until: createdAt,
      kept: new Set(),
      ...more,
    });
  const refused: string[] = [];
  const take = (text: string): Promise<number> =>
    founder.books.take([text], (why) => refused.push(why));
  expect(await take(word(liar, founder, {}))).toBe(0);
  expect(refused).toEqual(['unreadable']);
  // Of its own budgets it may say what it wants.
  expect(await take(word(liar, liar, { until: Number.MAX_SAFE_INTEGER }))).toBe(1);
  expect(await take(word(liar, liar, { seq: 9, until: 5 }))).toBe(0);
  expect(founder.books.terms(id)).toBeDefined();
  const [valid = ''] = textsOf(founder.books).filter((text) => text.includes('.'));
  expect(await take(`${valid}x`)).toBe(0);
  // A forged signature, with everything else right.
  const real = word(founder, founder, {});
  const [head = '', body = ''] = real.split('.');
  const [, , other = ''] = word(founder, founder, { seq: 2 }).split('.');
  expect(await liar.books.take([`${head}.${body}.${other}`])).toBe(0);
  expect(liar.books.terms(id)).toBeDefined();
  expect(await liar.books.take([real])).toBe(1);
  expect(liar.books.terms(id)).toBeUndefined();
});
