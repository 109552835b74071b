/** The tools and the resource of budgets: what they refuse, and what they tell. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { budgetResources } from '../../../src/builtin/budgets/budget-resources.ts';
import { budgetTools } from '../../../src/builtin/budgets/budgets.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { Did, JsonObject } from '../../../src/core/index.ts';
import { makeRooms } from '../../budget/rooms.ts';
import type { Room, Rooms } from '../../budget/rooms.ts';

const signal = new AbortController().signal;

let rooms: Rooms;
let node: Room;
let other: Room;

beforeEach(async () => {
  rooms = await makeRooms(2);
  [node, other] = rooms.all as [Room, Room];
});
afterEach(() => rooms.stop());

function call(room: Room, name: string, args: JsonObject): Promise<JsonObject> {
  const tools = budgetTools({
    budgets: room.budgets,
    membership: {
      resolve(text) {
        const found = rooms.all.find((one) => one.name === text || one.did === text);
        if (found === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', text);
        return { did: found.did, alias: found.name } as never;
      },
    },
    successions: { origin: (did: Did) => did },
  });
  const tool = tools.find(({ definition }) => definition.name === name);
  if (tool === undefined) throw new Error(`no ${name}`);
  return tool.call(args, { principal: { kind: 'operator' }, signal });
}

const RESEARCH = { name: 'research', limit: '10usd' };

it.each<[string, JsonObject, string, RegExp]>([
  ['a name that is too long', { name: 'x'.repeat(65) }, 'STARLING_USAGE', /can't be the name/],
  ['a name that is a path', { name: '../x' }, 'STARLING_USAGE', /can't be the name/],
  ['less than nothing', { limit: '-5usd' }, 'STARLING_USAGE', /'-5usd' is no amount/],
  ['a part of a call', { limit: '0.5 calls' }, 'STARLING_USAGE', /is no amount/],
  ['a part of a micro-dollar', { limit: '0.0000001usd' }, 'STARLING_USAGE', /is no amount/],
  ['more than there is', { limit: '10000001usd' }, 'STARLING_USAGE', /is no amount/],
  ['an endless amount', { limit: '9'.repeat(40) }, 'STARLING_USAGE', /is no amount/],
  ['a unit that nobody knows', { limit: '5 euros' }, 'STARLING_USAGE', /is no amount/],
  ['nothing', { limit: '0usd' }, 'STARLING_USAGE', /lets nobody spend/],
  ['a time that is none', { every: '10ms' }, 'STARLING_USAGE', /10ms/],
  ['a time without an end', { every: '999999d' }, 'STARLING_USAGE', /999999d/],
  ['more shares than there is', { shares: { n2: '11usd' } }, 'STARLING_USAGE', /\$11\.00 in all/],
  ['a share in another unit', { shares: { n2: '3calls' } }, 'STARLING_USAGE', /is in calls/],
  ['a share for nobody', { shares: { n9: '1usd' } }, 'STARLING_PEER_UNKNOWN', /n9/],
  ['a part of nothing', { parent: 'whole' }, 'STARLING_BUDGET_UNKNOWN', /'whole'/],
  ['a pattern that is none', { for: 'tool:a//b' }, 'STARLING_USAGE', /names no tools/],
])('makes no budget of %s', async (_, args, code, message) => {
  await expect(call(node, 'budget_create', { ...RESEARCH, ...args })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as string,
  });
  expect(node.budgets.list({ closed: true }).total).toBe(0);
});

it.each([-1, 0.5, 2 ** 60])('takes no %s for an amount', async (amount) => {
  await call(node, 'budget_create', { ...RESEARCH });
  for (const tool of ['budget_report', 'budget_request', 'budget_give']) {
    const args = { name: 'research', peer: 'n2', amount };
    await expect(call(node, tool, args)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  }
  expect(node.budgets.show('research')).toMatchObject({ spent: 0, held: 0, free: 10_000_000 });
});

it('says what is left, and the command that would help, where more is to be spent than there is', async () => {
  await call(node, 'budget_create', { ...RESEARCH });
  const report = (amount: string): Promise<JsonObject> =>
    call(node, 'budget_report', { name: 'research', amount });
  await report('9.50usd');
  for (const amount of ['1usd', '9999999usd']) {
    await expect(report(amount)).rejects.toMatchObject({
      code: 'STARLING_BUDGET_EXHAUSTED',
      message: expect.stringContaining("budget 'research' has $0.50 left on n1") as string,
      hint: expect.stringContaining('starling budget request research') as string,
    });
  }
  await call(node, 'budget_close', { name: 'research' });
  await expect(report('0.10usd')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_CLOSED',
    hint: expect.stringContaining('starling budget create') as string,
  });
});

it('lets nobody but the founder decide', async () => {
  await call(node, 'budget_create', { ...RESEARCH, shares: { n2: '1usd' } });
  await rooms.settle(16_000);
  await rooms.settle(3000);
  for (const [tool, args] of [
    ['budget_grant', { peer: 'n2' }],
    ['budget_close', {}],
    ['budget_close', { forget: true }],
    ['budget_reclaim', { peer: 'n1', confirm: true }],
  ] as const) {
    await expect(call(other, tool, { name: 'research', ...args })).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
      hint: expect.stringContaining('n1') as string,
    });
  }
});

it('says how much may be spent twice before it takes back what a node has that was put out', async () => {
  await call(node, 'budget_create', { ...RESEARCH, shares: { n2: '4usd' } });
  await rooms.settle(16_000);
  await rooms.settle(3000);
  await call(other, 'budget_report', { name: 'research', amount: '1usd' });
  await rooms.settle();
  const reclaim = (more: JsonObject): Promise<JsonObject> =>
    call(node, 'budget_reclaim', { name: 'research', peer: 'n2', ...more });
  await expect(reclaim({ confirm: true })).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
    hint: 'put it out first: starling peers remove n2',
  });
  rooms.putOut.add(other.did);
  expect(await reclaim({})).toMatchObject({ twice: 3_000_000, confirm: true });
  expect(node.budgets.show('research')).toMatchObject({ free: 6_000_000 });
  expect(await reclaim({ confirm: true })).toMatchObject({
    twice: 3_000_000,
    budget: { free: 9_000_000, reclaimed: 3_000_000, spent: 1_000_000 },
  });
  // What was taken back once is not taken back again.
  expect(await reclaim({ confirm: true })).toMatchObject({ twice: 0, budget: { free: 9_000_000 } });
});

it('is a resource that tells of changes, many of a moment once, and no more when nobody watches', async () => {
  await call(node, 'budget_create', { ...RESEARCH });
  const [template] = budgetResources({ budgets: node.budgets });
  if (template === undefined) throw new Error('none');
  const context = { principal: { kind: 'operator' }, signal } as const;
  for (const uri of ['budget://none', 'budget://%', 'other://research']) {
    expect(await template.read(uri, context)).toBeUndefined();
    expect(await template.watch(uri, context, () => undefined)).toBeUndefined();
  }
  let told = 0;
  const stop = await template.watch('budget://research', context, () => (told += 1));
  await Promise.all(
    Array.from({ length: 5 }, () =>
      call(node, 'budget_report', { name: 'research', amount: '1usd' }),
    ),
  );
  await rooms.settle(300);
  expect(told).toBe(1);
  const text = await template.read('budget://research', context);
  expect(JSON.parse(text ?? '')).toMatchObject({ name: 'research', spent: 5_000_000 });
  stop?.();
  await call(node, 'budget_report', { name: 'research', amount: '1usd' });
  await rooms.settle(300);
  expect(told).toBe(1);
});
