/** A swarm of as many members as there may be, at four nodes, that spends one budget, which is a part of another. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFunds, createSpendings } from '../../src/budget/index.ts';
import type { Spendings } from '../../src/budget/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { SWARM_AGENTS_MAX } from '../../src/swarms/limits.ts';
import type { Swarms } from '../../src/swarms/index.ts';
import { makeWorldOf } from '../agents/world.ts';
import type { TestWorld } from '../agents/world.ts';
import { calm } from '../blackboard/hub.ts';
import { makeRooms } from '../budget/rooms.ts';
import type { Room, Rooms } from '../budget/rooms.ts';
import { createPlainBoards } from './plain-boards.ts';
import { makeSwarms } from './world.ts';

const NAMES = ['n1', 'n2', 'n3', 'n4'] as const;
const LIMIT = 100;
const CALL = { ability: 'tool/call', resource: 'tool:search/web' };

interface Node {
  readonly room: Room;
  readonly swarms: Swarms;
  readonly spendings: Spendings;
}

interface Member {
  readonly node: Node;
  readonly agent: string;
  readonly program: Principal;
}

let rooms: Rooms;
let world: TestWorld;
let nodes: readonly Node[];
let members: readonly Member[];

beforeEach(async () => {
  rooms = await makeRooms(NAMES.length);
  const dids = new Map(rooms.all.map(({ did, name }) => [name, did]));
  world = await makeWorldOf(NAMES, (name) => dids.get(name) ?? ('' as Did));
  const boards = createPlainBoards();
  nodes = rooms.all.map((room): Node => {
    const { budgets, health, name } = room;
    const workOf = (principal: Principal): readonly string[] => swarms.budgetsOf(principal);
    const guard = () => ({ decide: () => ({ allow: true as const }) });
    const funds = createFunds({ budgets, guard, workOf, logger: silentLogger });
    const swarms = makeSwarms(world, boards, name, funds);
    const spendings = createSpendings({
      budgets,
      rulesOf: () => ({ spendLimits: [], alertThreshold: undefined }),
      prices: () => [],
      workOf,
      clock: rooms.clock,
      health,
    });
    return { room, swarms, spendings };
  });
  members = Array.from({ length: SWARM_AGENTS_MAX }, (_, at): Member => {
    const node = nodes[at % nodes.length] as Node;
    return { node, agent: `member-${at}`, program: attachedClient(`program-${at}`) };
  });
  for (const { swarms } of nodes) await swarms.start();
  for (const { agent, node, program } of members) {
    const said = { name: agent, capabilities: ['dig'], listed: true };
    await world.nodes[node.room.name]?.call(program, 'agent_announce', said);
  }
});
afterEach(async () => {
  for (const { swarms } of nodes) await swarms.stop();
  await world.stop();
  await rooms.stop();
});

/** Each member calls so many times at once; how many of these calls were made. */
async function callAll(times: number): Promise<number> {
  let made = 0;
  const call = async ({ node, program }: Member): Promise<void> => {
    const paying = node.spendings.begin({ principal: program, wanted: CALL, args: {} });
    if (paying === undefined) throw new Error('it counts against nothing');
    const spending = await paying;
    made += 1;
    await calm(2);
    spending.over(true);
  };
  const calls = members.flatMap((one) => Array.from({ length: times }, () => call(one)));
  const under = { isOver: false };
  const ended = Promise.allSettled(calls).finally(() => (under.isOver = true));
  while (!under.isOver) await rooms.settle(400);
  for (const end of await ended) {
    if (end.status === 'rejected') {
      expect(end.reason).toMatchObject({ code: 'STARLING_BUDGET_EXHAUSTED' });
    }
  }
  return made;
}

it('64 members spend of their budget and of the whole, wherever they are, and never more than there is', async () => {
  const [{ room: founder, swarms }, , , { room: away }] = nodes as [Node, Node, Node, Node];
  await founder.budgets.create({ name: 'research', unit: 'calls', limit: 1000 });
  const { swarmId } = await swarms.init(
    OPERATOR,
    {
      name: 'fix',
      topology: 'ring',
      members: members.map(({ agent, node: { room } }) => ({
        agent: room === founder ? agent : `${agent}@${room.name}`,
      })),
      maxAgents: SWARM_AGENTS_MAX,
      budget: `research:${LIMIT}calls`,
    },
    new AbortController().signal,
  );
  for (const { agent, node } of members) {
    if (node.room !== founder) await node.swarms.join(OPERATOR, swarmId, { agent });
  }
  await rooms.settle(16_000);
  await rooms.settle(3000);
  const [part = ''] = swarms.budgetsOf(attachedClient('program-0'));
  expect(founder.budgets.show(part)).toMatchObject({ limit: LIMIT, for: `swarm:${swarmId}` });

  // Members at a node that is cut off spend what that has, and no more.
  for (const { room } of nodes.slice(0, 3)) rooms.hub.cut(room.peerId, away.peerId);
  const first = await callAll(1);
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThanOrEqual(LIMIT);
  for (const { room } of nodes.slice(0, 3)) rooms.hub.connect(room.peerId, away.peerId);
  await rooms.settle(3000);
  let made = first;
  for (let round = 0; round < 3; round += 1) {
    made += await callAll(4);
    expect(made).toBeLessThanOrEqual(LIMIT);
  }
  expect(made).toBe(LIMIT);
  await rooms.settle(3000);
  await rooms.settle(3000);
  for (const { room } of nodes) {
    expect(room.budgets.show(part)).toMatchObject({ spent: LIMIT, held: 0, free: 0 });
    expect(room.budgets.show('research')).toMatchObject({ spent: LIMIT, held: 0 });
  }
});
