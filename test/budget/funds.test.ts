/** What an agent, a task or a swarm is given to spend, by whom, and what becomes of it. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { createFunds } from '../../src/budget/index.ts';
import type { Funds } from '../../src/budget/index.ts';
import type { Guard, Principal } from '../../src/guard/index.ts';
import { calm } from '../blackboard/hub.ts';
import { makeRooms } from './rooms.ts';
import type { Room, Rooms } from './rooms.ts';

const OPERATOR: Principal = { kind: 'operator' };
const CLAUDE: Principal = { kind: 'client', name: 'claude', scopes: ['budget:research'] };

let rooms: Rooms;
let node: Room;
let funds: Funds;
let inherited: readonly string[] = [];

beforeEach(async () => {
  rooms = await makeRooms(2);
  [node] = rooms.all as [Room];
  inherited = [];
  funds = createFunds({
    budgets: node.budgets,
    guard: () =>
      ({
        decide: (one: Principal, { ability, resource }) => ({
          allow:
            ability === 'budget/spend' && one.kind === 'client' && one.scopes.includes(resource),
        }),
      }) as Pick<Guard, 'decide'>,
    workOf: () => inherited,
    logger: silentLogger,
  });
  await node.budgets.create({ name: 'research', unit: 'calls', limit: 100 });
});
afterEach(() => rooms.stop());

const spentOf = (name: string): number => node.budgets.show(name).spent;

it('so much of a budget is a part of it, which is closed with what it was for', async () => {
  const fund = await funds.of(OPERATOR, 'research:3calls', 'task:1');
  expect(node.budgets.show(fund?.own ?? '')).toMatchObject({
    limit: 3,
    unit: 'calls',
    for: 'task:1',
    parent: node.budgets.idOf('research'),
  });
  for (let at = 0; at < 3; at += 1) {
    (await funds.hold(fund ?? { budgets: [] }, 'claude')).settle({ calls: 1 });
  }
  await expect(funds.hold(fund ?? { budgets: [] }, 'claude')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
  });
  funds.end(fund);
  await calm(4);
  expect(node.budgets.show(fund?.own ?? '').closed).toBe(true);
  expect(spentOf('research')).toBe(3);
});

it('a budget by its name counts by itself, and nothing is closed with what it was for', async () => {
  const id = node.budgets.idOf('research');
  const fund = await funds.of(OPERATOR, 'research', 'agent:coder');
  expect(fund).toEqual({ budgets: [id] });
  funds.end(fund);
  expect(node.budgets.show(id).closed).toBeUndefined();
  expect((await funds.of(OPERATOR, '5usd', 'agent:other'))?.own).toMatch(/^b/);
});

it('whoever works on a budget spends of it with all that it makes, and can not say otherwise', async () => {
  const id = node.budgets.idOf('research');
  inherited = [id];
  expect(await funds.of(CLAUDE, undefined, 'agent:child')).toEqual({ budgets: [id] });
  const part = await funds.of(CLAUDE, 'research:5calls', 'agent:child');
  expect(part?.budgets).toEqual([part?.own, id]);
  (await funds.hold(part ?? { budgets: [] }, 'claude')).settle({ calls: 1 });
  await calm(4);
  // Once, though it is named and the whole of a part.
  expect(spentOf('research')).toBe(1);
  inherited = [];
  expect(await funds.of(CLAUDE, undefined, 'agent:child')).toBeUndefined();
});

it.each<[string, Principal, string]>([
  ['nothing', OPERATOR, 'STARLING_BUDGET_UNKNOWN'],
  ['research:5usd', OPERATOR, 'STARLING_USAGE'],
  ['research:-1calls', OPERATOR, 'STARLING_USAGE'],
  ['research:', OPERATOR, 'STARLING_USAGE'],
  [':5calls', OPERATOR, 'STARLING_BUDGET_UNKNOWN'],
  // New budgets are the operator's to make, and others need a right.
  ['5usd', CLAUDE, 'STARLING_CALL_REFUSED'],
  ['research', { kind: 'client', name: 'other', scopes: ['tool:*'] }, 'STARLING_CALL_REFUSED'],
])('refuses %s', async (said, principal, code) => {
  await expect(funds.of(principal, said, 'task:1')).rejects.toMatchObject({ code });
  expect(node.budgets.list().budgets).toHaveLength(1);
});

it('lets the node of a member ask for rights, and counts what may be held here', async () => {
  const [, other] = rooms.all as [Room, Room];
  const fund = await funds.of(OPERATOR, 'research:10calls', 'swarm:1');
  await funds.share(fund ?? { budgets: [] }, other.did);
  await rooms.settle();
  const own = fund?.own ?? '';
  expect((await other.budgets.request(own, 4)).given).toBe(4);
  expect(funds.counts(own, node.did)).toBe(true);
  expect(funds.counts('b000000000000000000000', node.did)).toBe(false);
  // Whoever makes a swarm can't have the members of it spend of others' budgets, theirs among them.
  expect(funds.counts(own, other.did)).toBe(false);
});

it('a budget that is closed gives nothing', async () => {
  await node.budgets.close('research');
  await expect(funds.of(OPERATOR, 'research', 'task:1')).rejects.toMatchObject({
    code: 'STARLING_BUDGET_CLOSED',
  });
});
