/** Who hears of which rows, and when: newcomers, floods, and rows that say the same in other words. */
import { afterEach, expect, it } from 'vitest';
import { signRow } from '../../src/budget/rows/row-format.ts';
import { encodeBudgetMessage } from '../../src/budget/sync/row-messages.ts';
import type { BudgetRow } from '../../src/budget/types.ts';
import { createMessageStream } from '../../src/network/index.ts';
import { calm } from '../blackboard/hub.ts';
import { makeOwners } from './owners.ts';
import { makeRooms } from './rooms.ts';
import type { Room, Rooms } from './rooms.ts';

let rooms: Rooms | undefined;
afterEach(() => rooms?.stop());

async function start(count: number): Promise<{ readonly all: readonly Room[] } & Rooms> {
  rooms = await makeRooms(count);
  return rooms;
}

const CALLS = { unit: 'calls', limit: 100 } as const;

it('a newcomer that hears of a budget before it knows who made it asks again, although nothing changes', async () => {
  const world = await start(2);
  const [founder, newcomer] = world.all as [Room, Room];
  newcomer.unheard.add(founder.did);
  await founder.budgets.create({ name: 'research', ...CALLS });
  // The digest goes out, both exchange what they have, and the newcomer wants none of it.
  await world.settle(16_000);
  await world.settle(3000);
  expect(newcomer.budgets.list().budgets).toEqual([]);
  newcomer.unheard.clear();
  for (let round = 0; round < 4; round += 1) await world.settle(2000);
  expect(newcomer.budgets.show('research')).toMatchObject({ limit: 100, founder: 'n1' });
});

it('who sends rows that nobody can read is cut off and reported, and not read on', async () => {
  const world = await start(2);
  const [victim, liar] = world.all as [Room, Room];
  const signal = new AbortController().signal;
  const stream = await liar.network.open(victim.peerId, '/starling/budgets/1', { signal });
  const channel = createMessageStream(stream, { maxBytes: 1024 * 1024 });
  let ended = false;
  channel.onEnd(() => {
    ended = true;
  });
  channel.send(encodeBudgetMessage({ t: 'have', digests: [] }));
  for (let round = 0; round < 20; round += 1) {
    const jws = Array.from({ length: 60 }, (_, at) => `no.row.${round}-${at}`);
    channel.send(encodeBudgetMessage({ t: 'rows', jws }));
  }
  await calm();
  expect(ended).toBe(true);
  expect(world.hub.reported.filter(({ what }) => what === 'malformed')).not.toEqual([]);
  expect(victim.budgets.list().budgets).toEqual([]);
});

it('two rows of one number that differ only in what is decided are proof, and one in other words is not', async () => {
  const owners = await makeOwners(2);
  const [founder, other] = owners.all;
  if (founder === undefined || other === undefined) throw new Error('few');
  const terms = { name: 'research', ...CALLS, shares: {}, createdAt: owners.clock.now() };
  const id = await founder.books.found(terms);
  const row = { budget: id, owner: founder.did(), seq: 5, spent: 1, held: 0, out: {}, terms };
  const sign = (more: Partial<BudgetRow>): string => signRow(founder.identity, { ...row, ...more });
  const { createdAt, ...rest } = terms;
  await other.books.take([sign({})]);
  expect(await other.books.take([sign({ terms: { createdAt, ...rest } })])).toBe(0);
  expect(other.books.proofs(id)).toEqual([]);
  await other.books.take([sign({ acts: { closed: true } })]);
  expect(other.books.isFrozen(id, founder.did())).toBe(true);
});

it('one exchange brings all rows, though who lacks them has nothing to say; those that leave together bear one signature', async () => {
  const world = await start(2);
  const [full, newcomer] = world.all as [Room, Room];
  world.hub.cut(full.peerId, newcomer.peerId);
  const count = 300;
  for (let at = 0; at < count; at += 1) await full.budgets.create({ name: `b${at}`, ...CALLS });
  const before = full.signed;
  world.hub.connect(full.peerId, newcomer.peerId);
  for (let round = 0; round < 10; round += 1) await world.settle();
  expect(newcomer.budgets.list().total).toBe(count);
  expect(newcomer.budgets.rowCount()).toBe(count);
  expect(full.signed - before).toBeLessThanOrEqual(Math.ceil(count / 32) + 5);
});

it('two that each make a budget of one name have two, and whoever hears of both is asked which is meant', async () => {
  const world = await start(3);
  const [one, two, third] = world.all as [Room, Room, Room];
  const made = await Promise.all(
    [one, two].map(({ budgets }) => budgets.create({ name: 'research', ...CALLS })),
  );
  const [first = '', second = ''] = made.map(({ id }) => id);
  await one.budgets.grant(first, third.did);
  await two.budgets.grant(second, third.did);
  await world.settle(16_000);
  await world.settle(3000);
  for (const id of [first, second]) {
    expect(() => third.budgets.show('research')).toThrow(id);
    await third.budgets.request(id, 10);
  }
  await third.budgets.report(first, 4, 'operator');
  // Its own is meant by who has one.
  await one.budgets.report('research', 1, 'operator');
  await world.settle(16_000);
  await world.settle(3000);
  expect(one.budgets.show('research')).toMatchObject({ id: first, spent: 5, limit: 100 });
  expect(two.budgets.show('research')).toMatchObject({ id: second, spent: 0, limit: 100 });
  for (const { budgets } of world.all) {
    const spent = [first, second].map((id) => budgets.show(id).spent);
    expect(spent).toEqual([5, 0]);
  }
});
