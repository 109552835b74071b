/** What others may not say of a swarm: forged members, ends, results, votes and plans have no effect; coordinators go on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Did, Json } from '../../src/core/index.ts';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import {
  joinedKey,
  logKey,
  planKey,
  seatKey,
  END_KEY,
  SWARM_KEY,
} from '../../src/swarms/board-rows.ts';
import type { Swarms } from '../../src/swarms/index.ts';
import { FORGET_MS, LOG_MAX, SWARMS_MAX } from '../../src/swarms/limits.ts';
import type { LogLine, SwarmStatusResult } from '../../src/swarms/types.ts';
import { makeWorld } from '../agents/world.ts';
import type { TestWorld } from '../agents/world.ts';
import { createPlainBoards } from './plain-boards.ts';
import type { PlainBoards } from './plain-boards.ts';
import { turns } from '../tasks/world.ts';
import { makeSwarms } from './world.ts';

const NODES = ['alice', 'bob', 'carol', 'mallory'] as const;
const did = (name: string): Did => `did:key:${name}` as Did;
let world: TestWorld;
let boards: PlainBoards;
let at: Readonly<Record<(typeof NODES)[number], Swarms>>;
let swarmId: string;

/** Alice has made the swarm, with a coordinator at bob; mallory has a worker in it. */
beforeEach(async () => {
  world = await makeWorld(...NODES);
  boards = createPlainBoards();
  const rooms = NODES.map((name) => [name, makeSwarms(world, boards, name)] as const);
  at = Object.fromEntries(rooms) as typeof at;
  for (const [name, swarms] of rooms) {
    await swarms.start();
    await world.nodes[name]?.call(attachedClient('program'), 'agent_announce', {
      name: `of-${name}`,
      capabilities: ['dig'],
      listed: true,
    });
  }
  const made = await at.alice.init(
    OPERATOR,
    {
      name: 'fix',
      topology: 'ring',
      members: [
        { agent: 'of-alice' },
        { agent: 'of-bob@bob', role: 'coordinator' },
        { agent: 'of-mallory@mallory' },
      ],
    },
    new AbortController().signal,
  );
  ({ swarmId } = made);
  await at.bob.join(OPERATOR, swarmId, { agent: 'of-bob' });
  await at.mallory.join(OPERATOR, swarmId, { agent: 'of-mallory' });
});
afterEach(async () => {
  for (const swarms of Object.values(at)) await swarms.stop();
  await world.stop();
});

const status = (name: (typeof NODES)[number] = 'alice'): Promise<SwarmStatusResult> =>
  at[name].status(OPERATOR, swarmId);
const members = ({ agents }: SwarmStatusResult): readonly string[] =>
  agents.map(({ endpoint, role, status: how }) => `${endpoint} ${role} ${how}`).toSorted();
const line = (agent: string, ok: boolean): Json => [
  {
    taskId: 'task_1',
    agent: `${agent}@${did(agent.slice(3))}`,
    capability: 'dig',
    ok,
    ms: 1,
    at: 1,
  },
];
const seat = (role: string): Json => ({ kind: 'agent', role, order: 0 });
const plan = (busy: Json): Json => ({
  taskId: 'task_9',
  status: 'running',
  busy,
  view: null,
  at: 1,
});
const own = { agent: 'of-mallory', did: did('mallory') };
const row = {
  name: 'fix',
  topology: 'mesh',
  maxAgents: 64,
  threshold: 0.51,
  owner: 'operator',
  at: 1,
};

describe('what mallory writes on its own copy of the board, and carries to all others', () => {
  it.each<readonly [string, string, Json]>([
    ['makes itself the coordinator', seatKey(own), seat('coordinator')],
    ['names another agent of its own', seatKey({ ...own, agent: 'second' }), seat('coordinator')],
    [
      'names an agent of a node that was not asked',
      seatKey({ agent: 'of-carol', did: did('carol') }),
      seat('worker'),
    ],
    [
      'agrees for a node that was not asked',
      joinedKey({ agent: 'of-carol', did: did('carol') }),
      { at: 1 },
    ],
    ['agrees for an agent that nobody named', joinedKey({ ...own, agent: 'second' }), { at: 1 }],
    ['ends the swarm', END_KEY, { at: 1 }],
    ['tells of failures that another node saw', logKey(did('alice')), line('of-bob', false)],
    [
      'tells of its successes in the name of another node',
      logKey(did('bob')),
      line('of-mallory', true),
    ],
    ['tells what is no line', logKey(did('mallory')), { ok: true }],
    [
      'tells of more lines than there may be',
      logKey(did('mallory')),
      Array.from({ length: 101 }, () => (line('of-mallory', true) as Json[])[0] ?? null),
    ],
    [
      'shows a plan in the name of another node',
      planKey(did('alice'), 'task_9'),
      plan({ [`of-bob@${did('bob')}`]: 'task_9' }),
    ],
    ['shows a plan that is none', planKey(did('mallory'), 'task_9'), { taskId: 'task_9' }],
  ])('%s: nothing comes of it', async (_, key, value) => {
    const before = await status();
    const { version: __, ...told } = before;
    const kept = await readAll();
    boards.forge(swarmId, did('mallory'), key, value);
    if (!kept.has(key)) {
      const { version: ___, ...after } = await status();
      expect(after).toEqual(told);
    } else {
      // What was there is gone with its writer's name: the swarm is less, and never more.
      const after = await status();
      expect(after.status).toBe(before.status);
      expect(members(after).filter((one) => !members(before).includes(one))).toEqual([]);
      expect(after.metrics.tasksCompleted).toBeLessThanOrEqual(before.metrics.tasksCompleted);
    }
  });

  it('makes the swarm another one: nobody knows that one', async () => {
    boards.forge(swarmId, did('mallory'), SWARM_KEY, { ...row, id: swarmId });
    await expect(status('bob')).rejects.toMatchObject({ code: 'STARLING_SWARM_UNKNOWN' });
  });

  it.each([
    ['names a member', () => at.mallory.join(OPERATOR, swarmId, { agent: 'of-carol@carol' })],
    ['takes out another one', () => at.mallory.leave(OPERATOR, swarmId, 'of-alice@alice')],
    ['dissolves the swarm', () => at.mallory.dissolve(OPERATOR, swarmId)],
    ['runs an agent for the swarm', () => at.mallory.checkPlace(OPERATOR, swarmId)],
  ])('%s by its own node: it is refused', async (_, attack) => {
    await expect(attack()).rejects.toMatchObject({
      code: 'STARLING_SWARM_REFUSED',
      data: { reason: 'creator' },
    });
  });
});

describe('a board of mallory that is called like the swarm', () => {
  const copy = async (): Promise<void> => {
    const name = `${swarmId}@mallory`;
    boards.copy(name, did('mallory'));
    boards.forge(name, did('mallory'), SWARM_KEY, { ...row, id: swarmId, name: 'free' });
    const bob = { agent: 'of-bob', did: did('bob') };
    boards.forge(name, did('mallory'), seatKey(bob), seat('worker'));
  };

  it('is another one to nobody who follows the swarm, whatever it calls itself', async () => {
    await copy();
    await expect(at.bob.join(OPERATOR, 'free', { agent: 'of-bob' })).rejects.toMatchObject({
      code: 'STARLING_SWARM_UNKNOWN',
    });
    expect((await at.bob.list(OPERATOR)).swarms.map(({ name }) => name)).toEqual(['fix']);
    await at.bob.stop();
    await at.bob.start();
    expect(members(await status('bob'))).toEqual(members(await status('alice')));
  });

  it('is not followed for a look, so that the swarm can be joined after it', async () => {
    await copy();
    const { signal } = new AbortController();
    const { version } = await at.carol.status(OPERATOR, 'free');
    const looking = at.carol.status(OPERATOR, 'free', { seen: version, waitMs: 1000, signal });
    await turns();
    world.clock.advance(1000);
    await looking;
    await at.alice.join(OPERATOR, swarmId, { agent: 'of-carol@carol' });
    await at.carol.join(OPERATOR, 'fix', { agent: 'of-carol' });
    expect(members(await status('alice'))).toContain('of-carol@carol worker active');
    expect((await at.carol.list(OPERATOR)).swarms.map(({ name }) => name)).toEqual(['fix']);
  });
});

it('shows a swarm to whoever owns an agent that its node has agreed to, not to one that was only named', async () => {
  await at.alice.join(OPERATOR, swarmId, { agent: 'of-carol@carol' });
  const carol = attachedClient('program');
  await expect(at.carol.status(carol, swarmId)).rejects.toMatchObject({
    code: 'STARLING_SWARM_UNKNOWN',
  });
  await expect(at.carol.open(carol, swarmId)).rejects.toMatchObject({
    code: 'STARLING_SWARM_UNKNOWN',
  });
  expect((await at.carol.list(carol)).swarms).toEqual([]);
  await at.carol.join(OPERATOR, swarmId, { agent: 'of-carol' });
  expect((await at.carol.status(carol, swarmId)).name).toBe('fix');
});

it('takes no more agents than it may have, at once or one after the other, until one leaves', async () => {
  const { signal } = new AbortController();
  const two = [{ agent: 'of-alice' }, { agent: 'of-bob@bob' }];
  const small = { name: 'small', topology: 'mesh', maxAgents: 2 } as const;
  const third = { agent: 'of-carol@carol' };
  await expect(
    at.alice.init(OPERATOR, { ...small, members: [...two, third] }, signal),
  ).rejects.toThrow('may have 2 agents, and is to begin with 3');
  const { config, swarmId: id } = await at.alice.init(OPERATOR, { ...small, members: two }, signal);
  expect(config.maxAgents).toBe(2);
  await expect(at.alice.join(OPERATOR, id, third)).rejects.toMatchObject({
    code: 'STARLING_SWARM_REFUSED',
    data: { reason: 'full' },
  });
  await at.alice.leave(OPERATOR, id, 'of-bob@bob');
  const { agents } = await at.alice.join(OPERATOR, id, third);
  expect(agents.map(({ endpoint }) => endpoint)).toEqual(['of-alice@alice', 'of-carol@carol']);
});

it('says who is busy with what, how well each has done lately, and over which window its figures are', async () => {
  const line = (nth: number, ok: boolean): LogLine => ({
    taskId: `task_${nth}`,
    agent: `of-bob@${did('bob')}`,
    capability: 'dig',
    ok,
    ms: 2000,
    at: nth,
  });
  for (const nth of [1, 2, 3, 4]) await at.alice.record(swarmId, line(nth, nth !== 2));
  const busy = { [`of-bob@${did('bob')}`]: 'task_456' };
  const plan = { taskId: 'task_9', status: 'running', busy, view: null, at: 5 };
  await at.alice.show(swarmId, plan);
  const { agents, metrics } = await status('bob');
  expect(agents.find(({ name }) => name === 'of-bob')).toMatchObject({
    type: 'agent',
    role: 'coordinator',
    status: 'busy',
    health: 75,
    currentTask: 'task_456',
  });
  expect(agents.find(({ name }) => name === 'of-alice')).toMatchObject({
    status: 'active',
    health: 100,
    currentTask: null,
  });
  expect(metrics).toEqual({
    tasksCompleted: 3,
    avgCompletionTime: 2,
    successRate: 0.75,
    window: `the last ${LOG_MAX} tasks that each node gave to members`,
  });
  await at.alice.show(swarmId, { ...plan, status: 'done', at: 6 });
  const after = (await status('bob')).agents.find(({ name }) => name === 'of-bob');
  expect(after).toMatchObject({ status: 'active', currentTask: null });
});

it('has members at work no more when it is dissolved, who are there all the same', async () => {
  const over = await at.alice.dissolve(OPERATOR, swarmId);
  expect(over.status).toBe('dissolved');
  expect(over.agents.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'of-bob online',
    'of-alice online',
    'of-mallory online',
  ]);
});

it('has room again when swarms were dissolved, and forgets these a day later', async () => {
  const { signal } = new AbortController();
  const init = (name: string): Promise<SwarmStatusResult> =>
    at.alice.init(OPERATOR, { name, topology: 'mesh', members: [] }, signal);
  const ids: string[] = [swarmId];
  for (let nth = 1; nth < SWARMS_MAX; nth += 1) ids.push((await init(`nth-${nth}`)).swarmId);
  await expect(init('more')).rejects.toMatchObject({ data: { reason: 'full' } });
  for (const id of ids.slice(1)) await at.alice.dissolve(OPERATOR, id);
  ids.push((await init('more')).swarmId);
  world.clock.advance(FORGET_MS + 1000);
  await turns();
  await turns();
  const left = (await at.alice.list(OPERATOR)).swarms.map(({ name }) => name);
  expect(left).toEqual(['fix', 'more']);
});

async function readAll(): Promise<ReadonlySet<string>> {
  const board = await boards.at(did('alice')).board(swarmId);
  return new Set(board.entries('').map(({ key }) => key));
}

describe('without the node that made it', () => {
  it('a coordinator that it named, and that has agreed, names members and takes them out again', async () => {
    world.away('alice', true);
    await expect(
      at.bob.join(attachedClient('other'), swarmId, { agent: 'of-carol@carol' }),
    ).rejects.toMatchObject({ code: 'STARLING_SWARM_UNKNOWN' });
    await at.bob.join(OPERATOR, swarmId, { agent: 'of-carol@carol' });
    await at.carol.join(OPERATOR, swarmId, { agent: 'of-carol' });
    expect(members(await status('carol'))).toContain('of-carol@carol worker active');
    // Whom it names does not name others, though it is called a coordinator.
    await at.bob.leave(OPERATOR, swarmId, 'of-carol@carol');
    await at.bob.join(OPERATOR, swarmId, { agent: 'of-carol@carol', role: 'coordinator' });
    await at.carol.join(OPERATOR, swarmId, { agent: 'of-carol' });
    await expect(at.carol.join(OPERATOR, swarmId, { agent: 'second@bob' })).rejects.toMatchObject({
      code: 'STARLING_SWARM_REFUSED',
    });
    // Nor does it take out or change those of the creator.
    await expect(at.bob.leave(OPERATOR, swarmId, 'of-mallory@mallory')).rejects.toMatchObject({
      data: { reason: 'creator' },
    });
    await expect(
      at.bob.join(OPERATOR, swarmId, { agent: 'of-mallory@mallory', role: 'validator' }),
    ).rejects.toMatchObject({ data: { reason: 'creator' } });
    world.away('alice', false);
    expect(members(await status('alice'))).toContain('of-carol@carol coordinator active');
  });

  it('a coordinator that is one no more names nobody, and what it named is gone', async () => {
    await at.bob.join(OPERATOR, swarmId, { agent: 'of-carol@carol' });
    await at.alice.join(OPERATOR, swarmId, { agent: 'of-bob@bob', role: 'worker' });
    expect(members(await status())).toEqual([
      'of-alice@alice worker active',
      'of-bob@bob worker active',
      'of-mallory@mallory worker active',
    ]);
    await expect(at.bob.join(OPERATOR, swarmId, { agent: 'second@carol' })).rejects.toMatchObject({
      data: { reason: 'creator' },
    });
  });

  it('a ring goes around a node that is gone, and back when it is there again', async () => {
    const edges = async (): Promise<readonly string[]> =>
      (await status('bob')).edges.map(({ from, to }) => `${from} ${to}`);
    const whole = await edges();
    expect(whole).toHaveLength(3);
    world.away('alice', true);
    const around = await edges();
    expect(around.filter((one) => !whole.includes(one))).toEqual(['of-bob@bob of-mallory@mallory']);
    await turns();
    const given = (await status('mallory')).edges.find(
      ({ from, to }) => from === 'of-bob@bob' && to === 'of-mallory@mallory',
    );
    expect(given).toMatchObject({ task: true, grant: expect.any(String) });
    expect(new Set(around).size).toBe(around.length);
    world.away('alice', false);
    expect(await edges()).toEqual(whole);
  });
});

it('who takes the name of an agent that has retired has no place in its swarms, and owns none that it made', async () => {
  const program = { kind: 'client', name: 'agent:of-alice', scopes: ['*'] } as const;
  const { signal } = new AbortController();
  const own = await at.alice.init(program, { name: 'own', topology: 'mesh', members: [] }, signal);
  await at.alice.retired('of-alice', program);
  await at.mallory.retired('of-mallory', { ...program, name: 'agent:of-mallory' });
  await turns();
  const { agents } = await at.alice.status(OPERATOR, swarmId);
  expect(agents.map(({ name, status }) => `${name} ${status}`)).toEqual([
    'of-bob active',
    'of-mallory invited',
  ]);
  await expect(at.alice.dissolve(program, own.swarmId)).rejects.toMatchObject({
    code: 'STARLING_SWARM_UNKNOWN',
  });
  expect(await at.alice.dissolve(OPERATOR, own.swarmId)).toMatchObject({ status: 'dissolved' });
});

describe('what a swarm remembers', () => {
  it('is written at the nodes of its members, seen by their owners, and changes nothing of the swarm', async () => {
    const before = members(await status());
    for (const name of ['alice', 'bob', 'mallory'] as const) {
      const memory = await at[name].memory(OPERATOR, swarmId);
      if (memory === undefined) throw new Error('no memory');
      await memory.board.set(`${memory.prefix}seat`, name);
      expect(memory.board.get(`${memory.prefix}seat`)?.value).toBe(name);
    }
    const elsewhere = await at.carol.memory(OPERATOR, swarmId);
    await expect(
      elsewhere?.board.set(`${elsewhere.prefix}seat`, 'carol') ?? Promise.reject(new Error('none')),
    ).rejects.toMatchObject({ code: 'STARLING_BOARD_REFUSED' });
    expect(await at.alice.memory(attachedClient('program'), swarmId)).toMatchObject({
      prefix: 'memory/',
    });
    expect(await at.alice.memory(attachedClient('stranger'), swarmId)).toBeUndefined();
    expect(await at.alice.memory(OPERATOR, 'memory')).toBeUndefined();
    expect(await at.alice.memory(OPERATOR, 'swarm_none')).toBeUndefined();
    expect(members(await status())).toEqual(before);
    // Who is in it no more writes there no more.
    await at.alice.leave(OPERATOR, swarmId, 'of-mallory@mallory');
    const left = await at.mallory.memory(OPERATOR, swarmId);
    await expect(
      left?.board.set(`${left.prefix}seat`, 'mallory') ?? Promise.reject(new Error('none')),
    ).rejects.toMatchObject({ code: 'STARLING_BOARD_REFUSED' });
  });
});
