/** Against which budgets calls of tools, messages to agents and uses of models count, and what they cost. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSpendings, readPrices } from '../../src/budget/index.ts';
import type { Cost, PaidCall, Spendings } from '../../src/budget/index.ts';
import type { Grant } from '../../src/grants/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import type { PolicyLimit } from '../../src/budget/policy-limits.ts';
import { calm } from '../blackboard/hub.ts';
import { makeRooms } from './rooms.ts';
import type { Room, Rooms } from './rooms.ts';

type Client = Extract<Principal, { kind: 'client' }>;
const CLAUDE: Client = { kind: 'client', name: 'claude', scopes: ['*'] };
const CODER: Client = { kind: 'client', name: 'agent:coder', scopes: ['*'] };
const SEARCH = { ability: 'tool/call', resource: 'tool:search/web' };
const MODEL = { ability: 'model/use', resource: 'model:gpu/qwen' };

let rooms: Rooms;
let node: Room;
let spendings: Spendings;
let limits: readonly PolicyLimit[] = [];
let threshold: number | undefined;
const work = new Map<string, readonly string[]>();

beforeEach(async () => {
  rooms = await makeRooms(1);
  [node] = rooms.all as [Room];
  limits = [];
  threshold = undefined;
  work.clear();
  const prices = readPrices({
    'search/*': { call: '0.002usd' },
    'search/web': { call: '7 tokens' },
  });
  spendings = createSpendings({
    budgets: node.budgets,
    rulesOf: () => ({
      spendLimits: limits,
      alertThreshold: threshold === undefined ? undefined : { value: threshold },
    }),
    prices: () => prices,
    workOf: (principal) => (principal.kind === 'client' ? (work.get(principal.name) ?? []) : []),
    clock: rooms.clock,
    health: node.health,
  });
});
afterEach(() => rooms.stop());

const make = async (name: string, unit: 'usd' | 'tokens' | 'calls', limit: number, whom?: string) =>
  (await node.budgets.create({ name, unit, limit, for: whom })).id;
const spent = (name: string): readonly number[] => {
  const view = node.budgets.show(name);
  return [view.spent, view.held];
};

async function pay(
  call: Partial<PaidCall>,
  actual?: Cost,
  hasBegun = true,
): Promise<Readonly<Record<string, string>> | undefined> {
  const spending = await spendings.begin({ principal: CLAUDE, wanted: SEARCH, args: {}, ...call });
  const paid = spending?.over(hasBegun, actual);
  await calm(4);
  return paid;
}

function grantOf(budget: { readonly id: string; readonly max?: number }, what = SEARCH): Grant {
  return { claims: { cap: [{ ...what, caveats: { budget } }] } } as unknown as Grant;
}

it('costs the price of each unit, of the highest pattern, and nothing where nothing counts', async () => {
  expect(spendings.begin({ principal: CLAUDE, wanted: SEARCH, args: {} })).toBeUndefined();
  await make('dollars', 'usd', 10_000, 'client:claude');
  await make('words', 'tokens', 100, 'tool:search/*');
  await make('times', 'calls', 100, 'tool:search/web');
  await make('other', 'calls', 100, 'client:other');
  expect(await pay({})).toEqual({
    dollars: '$0.002',
    words: '7 tokens',
    times: '1 call',
  });
  expect(['dollars', 'words', 'times', 'other'].map(spent)).toEqual([
    [2000, 0],
    [7, 0],
    [1, 0],
    [0, 0],
  ]);
  expect(await pay({}, undefined, false)).toEqual({});
  expect(spent('times')).toEqual([1, 0]);
});

it('a use of a model holds its worst case and settles what it took, by caller, by model and by grant', async () => {
  await make('mine', 'tokens', 10_000, 'client:claude');
  await make('gpu', 'tokens', 10_000, 'model:gpu/*');
  const id = await make('granted', 'tokens', 10_000);
  const call = { wanted: MODEL, worst: { tokens: 3000 }, grant: grantOf({ id }, MODEL) };
  const spending = await spendings.begin({ principal: CLAUDE, args: {}, ...call });
  expect(['mine', 'gpu', 'granted'].map(spent)).toEqual([
    [0, 3000],
    [0, 3000],
    [0, 3000],
  ]);
  spending?.over(true, { tokens: 812 });
  await calm(4);
  expect(['mine', 'gpu', 'granted'].map(spent)).toEqual([
    [812, 0],
    [812, 0],
    [812, 0],
  ]);
  // Nobody knows what it took: then all of it may have been.
  await pay(call);
  expect(spent('gpu')).toEqual([3812, 0]);
  await expect(pay({ ...call, worst: { tokens: 9000 } })).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
  });
  expect(await spendings.room({ principal: CLAUDE, args: {}, ...call })).toEqual({ tokens: 6188 });
  expect(['mine', 'gpu', 'granted'].map((name) => spent(name)[1])).toEqual([0, 0, 0]);
});

it('what nobody could reckon is more than there is, and refused', async () => {
  await make('dollars', 'usd', 10_000, 'client:claude');
  await expect(pay({ wanted: MODEL, worst: { usd: Number.NaN } })).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
  expect(spent('dollars')).toEqual([0, 0]);
});

it('a grant says the most that one call may cost', async () => {
  const id = await make('granted', 'tokens', 1000);
  const call = { wanted: MODEL, grant: grantOf({ id, max: 100 }, MODEL) };
  await expect(pay({ ...call, worst: { tokens: 101 } })).rejects.toMatchObject({
    message: 'a call may cost 101 tokens, and by this grant at the most 100 tokens',
  });
  await pay({ ...call, worst: { tokens: 100 } });
  expect(spent('granted')).toEqual([100, 0]);
  expect(await spendings.room({ principal: CLAUDE, args: {}, ...call })).toEqual({ tokens: 100 });
});

it('what an agent does counts for the agent, for its work, and for whoever has it do that', async () => {
  await make('coder', 'calls', 10, 'agent:coder');
  await make('claude', 'calls', 10, 'client:claude');
  work.set('agent:coder', [await make('task', 'calls', 10)]);
  await pay({ principal: { ...CODER, worksFor: [CLAUDE] } });
  expect(['coder', 'claude', 'task'].map(spent)).toEqual([
    [1, 0],
    [1, 0],
    [1, 0],
  ]);
  await pay({ wanted: { ability: 'agent/task', resource: 'agent:coder' } });
  expect(spent('claude')).toEqual([2, 0]);
});

it('a limit of the policy is a budget for each caller, and is closed when the policy has another', async () => {
  const limit = (amount: number): PolicyLimit => ({
    where: 'zones.external.budget_limit',
    value: { unit: 'calls', amount, everyMs: 3_600_000 },
  });
  limits = [limit(2)];
  await Promise.all([pay({}), pay({})]);
  await expect(pay({})).rejects.toMatchObject({ code: 'STARLING_BUDGET_EXHAUSTED' });
  await pay({ principal: { ...CLAUDE, name: 'other' } });
  const open = (): readonly number[] => node.budgets.list().budgets.map((one) => one.limit);
  expect(open()).toEqual([2, 2]);
  limits = [limit(3)];
  await pay({});
  expect(open()).toEqual([2, 3]);
  limits = [];
  await pay({});
  expect(open()).toEqual([2]);
  expect(spendings.begin({ principal: CLAUDE, wanted: SEARCH, args: {} })).toBeUndefined();
});

it('warns from the share that the policy names on, and until the next time begins', async () => {
  threshold = 0.5;
  await node.budgets.create({
    name: 'hourly',
    unit: 'calls',
    limit: 4,
    everyMs: 3_600_000,
    for: 'client:claude',
  });
  await pay({});
  expect(node.health.warnings()).toEqual([]);
  await pay({});
  expect(node.health.warnings()).toMatchObject([
    { text: 'of budget hourly 2 calls of 4 calls is left' },
  ]);
  rooms.clock.sleep(3_600_000);
  await pay({});
  expect(node.health.warnings()).toEqual([]);
});

it('our own tools cost nothing, and so does what nobody knows', async () => {
  await make('mine', 'calls', 1, 'client:claude');
  const own = { ability: 'tool/call', resource: 'tool:starling/budget_show' };
  expect(spendings.begin({ principal: CLAUDE, wanted: own, args: {} })).toBeUndefined();
  const odd = { ability: 'board/write', resource: 'board:x' };
  expect(spendings.begin({ principal: CLAUDE, wanted: odd, args: {} })).toBeUndefined();
});
