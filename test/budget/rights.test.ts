/** Who moves rights to whom, and when: low water, greed, idle rights, times that begin, and disks that are full. */
import { afterEach, expect, it } from 'vitest';
import { calm } from '../blackboard/hub.ts';
import { makeRooms } from './rooms.ts';
import type { Room, Rooms } from './rooms.ts';

let rooms: Rooms | undefined;
afterEach(() => rooms?.stop());

async function start(count: number): Promise<{ readonly all: readonly Room[] } & Rooms> {
  rooms = await makeRooms(count);
  return rooms;
}

const CALLS = { unit: 'calls', limit: 100 } as const;
const free = ({ budgets }: Room): number => budgets.show('research').free;
const spend = async ({ budgets }: Room, amount: number): Promise<void> => {
  await budgets.report('research', amount, 'operator');
};

/** A budget of `n1` of which all others may hold rights. */
async function shared(world: Rooms, shares: Record<string, number> = {}): Promise<void> {
  const { all } = world;
  const [founder] = all as [Room];
  const given = Object.entries(shares).map(([name, amount]) => [
    all.find((one) => one.name === name)?.did ?? '',
    amount,
  ]);
  await founder.budgets.create({
    name: 'research',
    ...CALLS,
    shares: Object.fromEntries(given) as Record<string, number>,
  });
  for (const { did } of all.slice(1)) await founder.budgets.grant('research', did);
  await world.settle();
}

it('runs exactly 100 of 1,000 parallel calls against room for 100 at one node', async () => {
  const { all } = await start(1);
  const [one] = all as [Room];
  const { id } = await one.budgets.create({ name: 'research', ...CALLS });
  let running = 0;
  let most = 0;
  const call = async (): Promise<string> => {
    const spending = await one.budgets.hold([id], { calls: 1 }, 'operator');
    running += 1;
    most = Math.max(most, running);
    await calm(3);
    running -= 1;
    spending.settle({ calls: 1 });
    return 'ran';
  };
  const calls = Array.from({ length: 1000 }, () =>
    call().catch(({ code }: { code: string }) => code),
  );
  const ends = await Promise.all(calls);
  expect(ends.filter((end) => end === 'ran')).toHaveLength(100);
  expect(ends.filter((end) => end === 'STARLING_BUDGET_EXHAUSTED')).toHaveLength(900);
  expect(most).toBeLessThanOrEqual(100);
  await calm();
  expect(one.budgets.show('research')).toMatchObject({ spent: 100, held: 0, free: 0 });
});

it('asks the two richest below a quarter, beside its calls, and no call waits for that', async () => {
  const world = await start(4);
  const [, second, third, fourth] = world.all as [Room, Room, Room, Room];
  await shared(world, { n2: 20, n3: 50, n4: 10 });
  await spend(second, 14);
  expect([third.asked, world.all[0]?.asked]).toEqual([0, 0]);
  await spend(second, 2);
  await world.settle();
  // Of what it got half: ten, of which four are there.
  expect(free(second)).toBe(10);
  expect([third.asked, world.all[0]?.asked, fourth.asked]).toEqual([1, 0, 0]);
  expect(free(third)).toBe(44);
});

it('gives one that is greedy half of what it has each time, rounded up, and nothing while its own calls wait', async () => {
  const world = await start(3);
  const [founder, second] = world.all as [Room, Room, Room];
  await shared(world);
  const got: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    got.push((await second.budgets.request('research', 1_000_000)).given);
  }
  expect(got).toEqual([50, 25, 13, 6]);
  expect(free(founder)).toBe(6);
  // What the others have together stays the limit.
  await world.settle();
  expect(world.all.map(free).reduce((sum, one) => sum + one, 0)).toBe(100);
});

it('sends home what lay idle for ten minutes, but for the share', async () => {
  const world = await start(2);
  const [founder, second] = world.all as [Room, Room];
  await shared(world, { n2: 10 });
  await second.budgets.request('research', 40);
  await spend(second, 5);
  expect(free(second)).toBe(45);
  await world.settle(9 * 60_000);
  expect(free(second)).toBe(45);
  await world.settle(2 * 60_000);
  await world.settle();
  expect(free(second)).toBe(10);
  expect(free(founder)).toBe(85);
});

it('nobody who is cut off gets or loses anything, and both halves spend what they have', async () => {
  const world = await start(3);
  const [founder, second, third] = world.all as [Room, Room, Room];
  await shared(world, { n2: 30, n3: 30 });
  world.hub.cut(founder.peerId, third.peerId);
  world.hub.cut(second.peerId, third.peerId);
  await spend(third, 30);
  // Nobody can be asked, so that nobody is waited for.
  await expect(spend(third, 1)).rejects.toMatchObject({ code: 'STARLING_BUDGET_EXHAUSTED' });
  // The one that runs low takes a part of what the other wants, and gives it back when asked.
  const both = Promise.all([spend(founder, 40), spend(second, 30)]);
  for (let round = 0; round < 4; round += 1) await world.settle(400);
  await both;
  expect(founder.budgets.show('research')).toMatchObject({
    spent: 70,
    nodes: [{}, {}, { node: 'n3', rights: 30, state: 'unreachable' }],
  });
  world.hub.connect(founder.peerId, third.peerId);
  await world.settle(3000);
  await world.settle(3000);
  for (const one of [founder, third]) {
    expect(one.budgets.show('research')).toMatchObject({ spent: 100, held: 0, free: 0 });
  }
});

it('a clock that jumps over the edge of a time begins the next one, and what was held settles where it was held', async () => {
  const world = await start(1);
  const [one] = world.all as [Room];
  const { id } = await one.budgets.create({ name: 'hourly', ...CALLS, everyMs: 3_600_000 });
  const held = await one.budgets.hold([id], { calls: 60 }, 'operator');
  world.clock.sleep(3_600_000);
  const next = await one.budgets.hold([id], { calls: 100 }, 'operator');
  expect(one.budgets.show('hourly')).toMatchObject({ time: 1, spent: 0, held: 100, free: 0 });
  held.settle({ calls: 60 });
  next.settle({ calls: 0 });
  await calm();
  expect(one.budgets.show('hourly')).toMatchObject({ time: 1, spent: 0, held: 0, free: 100 });
  // Set back, the clock is in a time of which 60 are spent.
  world.clock.sleep(-3_600_000);
  expect(one.budgets.show('hourly')).toMatchObject({ time: 0, spent: 60, free: 40 });
});

const YEAR_MS = 365 * 86_400_000;

it('a clock that was a year ahead, and had times forgotten, begins none of them anew, and a restart neither', async () => {
  const world = await start(2);
  const [one, other] = world.all as [Room, Room];
  const { id } = await one.budgets.create({ name: 'hourly', ...CALLS, everyMs: 3_600_000 });
  await one.budgets.report(id, 90, 'operator');
  await world.settle();
  world.clock.sleep(YEAR_MS);
  // What runs each hour forgets what is long over by this clock.
  await world.settle(3_600_000);
  expect(one.budgets.show('hourly')).toMatchObject({ spent: 0, free: 100 });
  world.hub.cut(one.peerId, other.peerId);
  for (const isAgain of [false, true]) {
    if (isAgain) {
      await one.budgets.stop();
      await one.budgets.start();
    }
    world.clock.sleep(isAgain ? 0 : -YEAR_MS - 3_600_000);
    expect(one.budgets.show('hourly').time).toBe(1);
  }
  await one.budgets.report(id, 60, 'operator');
  expect(one.budgets.show('hourly')).toMatchObject({ time: 1, spent: 60, free: 40 });
  // Nobody sees two rows of one number.
  world.hub.connect(one.peerId, other.peerId);
  for (let round = 0; round < 3; round += 1) await world.settle(3000);
  expect(other.budgets.show('hourly').nodes.map(({ state }) => state)).not.toContain('frozen');
});

it('a clock that was set back a year has nobody wait for a year: rights are asked for, and idle ones go home', async () => {
  const world = await start(2);
  const [founder, second] = world.all as [Room, Room];
  await shared(world);
  await founder.budgets.give('research', second.did, 20);
  await founder.budgets.report('research', 80, 'operator');
  await world.settle();
  const vain = spend(second, 30).catch(({ code }: { code: string }) => code);
  for (let round = 0; round < 6; round += 1) await world.settle(400);
  expect(await vain).toBe('STARLING_BUDGET_EXHAUSTED');
  await second.budgets.give('research', founder.did, 20);
  await world.settle();
  world.clock.sleep(-YEAR_MS);
  const asked = spend(second, 5);
  for (let round = 0; round < 3; round += 1) await world.settle(400);
  await asked;
  await second.budgets.request('research', 4);
  expect(free(second)).toBe(4);
  world.clock.sleep(-YEAR_MS);
  await world.settle(11 * 60_000);
  await world.settle();
  expect(free(second)).toBe(0);
});

it('a donor that says it gave, and gave nothing, keeps nobody from asking the others', async () => {
  const world = await start(3);
  const [founder, second, liar] = world.all as [Room, Room, Room];
  await shared(world, { n3: 60 });
  liar.budgets.transfer = (_, __, wanted) =>
    Promise.resolve({ given: wanted, left: 60, rows: [] as string[] });
  expect(await second.budgets.request('research', 20)).toMatchObject({
    given: 20,
    by: { [founder.did]: 20 },
  });
  expect(free(second)).toBe(20);
  for (const given of [-5, 0.5, Number.NaN, 1e300]) {
    liar.budgets.transfer = () => Promise.resolve({ given, left: 60, rows: [] as string[] });
    const asked = await second.budgets.request('research', 1);
    expect(asked).toMatchObject({ given: 1, silent: [liar.did] });
  }
});

it('times that are long over are forgotten while the node runs', async () => {
  const world = await start(1);
  const [one] = world.all as [Room];
  const { id } = await one.budgets.create({ name: 'hourly', ...CALLS, everyMs: 3_600_000 });
  for (let hour = 0; hour < 30; hour += 1) {
    (await one.budgets.hold([id], { calls: 1 }, 'operator')).settle({ calls: 1 });
    await calm(4);
    world.clock.advance(3_600_000);
    await calm(4);
  }
  await world.settle();
  expect(one.budgets.rowCount()).toBeLessThanOrEqual(1 + 24 + 1);
});

it('a full disk refuses what it can not hold, and leaves nothing held', async () => {
  const world = await start(1);
  const [one] = world.all as [Room];
  const { id } = await one.budgets.create({ name: 'research', ...CALLS });
  await one.budgets.create({ name: 'part', ...CALLS, parent: 'research' });
  const under = await one.budgets.hold([id], { calls: 10 }, 'operator');
  one.isDiskFull = true;
  const part = one.budgets.idOf('part');
  await expect(one.budgets.hold([part], { calls: 5 }, 'operator')).rejects.toThrow('no space left');
  under.settle({ calls: 4 });
  await calm();
  expect(one.budgets.show('research')).toMatchObject({ spent: 4, held: 0, free: 96 });
  one.isDiskFull = false;
  await spend(one, 1);
  expect(one.budgets.show('research')).toMatchObject({ spent: 5, held: 0 });
  expect(one.budgets.show('part')).toMatchObject({ spent: 0, held: 0 });
});

it('a part spends of the whole, and a budget that two parts belong to pays once', async () => {
  const world = await start(1);
  const [one] = world.all as [Room];
  await one.budgets.create({ name: 'research', ...CALLS });
  const parts = [];
  for (const name of ['left', 'right']) {
    parts.push((await one.budgets.create({ name, ...CALLS, limit: 10, parent: 'research' })).id);
  }
  (await one.budgets.hold(parts, { calls: 7 }, 'operator')).settle({ calls: 6 });
  await calm();
  expect(['left', 'right', 'research'].map((name) => one.budgets.show(name).spent)).toEqual([
    6, 6, 6,
  ]);
  await expect(one.budgets.hold(parts, { calls: 5 }, 'operator')).rejects.toMatchObject({
    message: "budget 'left' has 4 calls left on n1, and the call may cost 5 calls",
  });
  expect(one.budgets.show('research')).toMatchObject({ spent: 6, held: 0 });
  expect(one.budgets.show('right')).toMatchObject({ spent: 6, held: 0 });
});

it('what cost more than was held is booked as far as there are rights', async () => {
  const world = await start(1);
  const [one] = world.all as [Room];
  const { id } = await one.budgets.create({ name: 'research', ...CALLS });
  const first = await one.budgets.hold([id], { calls: 10 }, 'operator');
  expect(first.settle({ calls: 30 })).toMatchObject([{ name: 'research', amount: 30 }]);
  const second = await one.budgets.hold([id], { calls: 60 }, 'operator');
  second.settle({ calls: 200 });
  await calm();
  expect(one.budgets.show('research')).toMatchObject({ spent: 100, held: 0, free: 0 });
});

it('64 callers share one write, and nothing is signed until a row leaves the node', async () => {
  const world = await start(2);
  const [one] = world.all as [Room];
  await shared(world);
  const id = one.budgets.idOf('research');
  const before = { writes: one.writes, signed: one.signed };
  const holds = await Promise.all(
    Array.from({ length: 64 }, () => one.budgets.hold([id], { calls: 1 }, 'operator')),
  );
  expect(one.writes - before.writes).toBe(1);
  for (const hold of holds) hold.settle({ calls: 1 });
  await calm();
  expect(one.writes - before.writes).toBe(2);
  expect(one.signed - before.signed).toBe(0);
  await world.settle();
  expect(one.signed - before.signed).toBe(1);
});
