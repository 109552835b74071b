/** Plain queries of peers to agents that a node runs: begun at once, without what the long road does for all other messages. */
import { afterEach, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { kind, settle } from './programs.ts';
import { endStages, stage, world } from './stage.ts';
import type { Stage } from './stage.ts';

afterEach(endStages);

const BOB = { kind: 'peer', did: 'did:key:bob', peerId: 'peer-bob', alias: 'bob' } as Principal;
const HELLO = { agentId: 'coder', from: 'operator', type: 'query', message: 'hello' } as const;

async function spawned(places = 2): Promise<Stage> {
  const one = await stage();
  one.kinds['coder'] = kind({ maxConcurrentTasks: places });
  one.node.grants.add('bob agent:coder');
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  return one;
}

interface Begun {
  readonly giveUp: (() => void) | undefined;
  readonly outcomes: (JsonObject | StarlingError)[];
}

function begin(one: Stage, more: object = {}, principal: Principal = BOB): Begun {
  const outcomes: (JsonObject | StarlingError)[] = [];
  const query = { ...HELLO, ...more };
  const giveUp = one.node.agents.begin(principal, query, (outcome) => outcomes.push(outcome));
  return { giveUp, outcomes };
}

const info = (one: Stage): Promise<JsonObject> =>
  one.node.call(OPERATOR, 'agent_info', { agentId: 'coder' });

it('is with the program before anything else has happened, and its answer is that of the long road', async () => {
  const one = await spawned();
  const { giveUp, outcomes } = begin(one);
  expect(giveUp).toBeDefined();
  const long = one.node.call(BOB, 'agent_message', HELLO);
  await settle();
  const [short, other] = one.programs[0]?.given ?? [];
  const names = Object.keys(other?.message ?? {}).toSorted();
  expect(Object.keys(short?.message ?? {}).toSorted()).toEqual(names);
  expect(short?.message).toMatchObject({ from: 'operator@bob', to: 'coder', timeoutMs: 30_000 });
  short?.answer('hi');
  other?.answer('hi');
  await settle();
  const [answer] = outcomes as JsonObject[];
  expect(outcomes).toHaveLength(1);
  expect(answer).toEqual({
    ...(await long),
    messageId: short?.message['messageId'],
    correlationId: short?.message['correlationId'],
  });
  expect(await info(one)).toMatchObject({
    busy: 0,
    tasksProcessed: 2,
    metrics: { received: 2, sent: 2 },
  });
  const history = await one.node.call<{ messages: object[] }>(OPERATOR, 'agent_inbox', {
    name: 'coder',
    history: true,
  });
  expect(history.messages).toHaveLength(2);
});

it('whoever has no right is refused, and no program hears of it', async () => {
  const one = await spawned();
  one.node.grants.clear();
  expect(() => begin(one)).toThrow(StarlingError);
  await settle();
  expect(one.programs[0]?.given).toEqual([]);
  expect(await info(one)).toMatchObject({ metrics: { received: 0 } });
});

it('what has to wait, or is no plain query of a peer to a running agent, is left to the long road, and counts for nothing', async () => {
  const one = await spawned(1);
  expect(begin(one, {}, OPERATOR).giveUp).toBeUndefined();
  expect(begin(one, { agentId: 'nobody' }).giveUp).toBeUndefined();
  expect(begin(one, { message: 'x'.repeat(262_144) }).giveUp).toBeUndefined();
  expect(begin(one).giveUp).toBeDefined();
  // Its one place is taken.
  expect(begin(one).giveUp).toBeUndefined();
  expect(await info(one)).toMatchObject({ busy: 1, metrics: { received: 1 } });
  one.programs[0]?.given[0]?.answer('done');
  await settle();
  await one.node.call(OPERATOR, 'agent_stop', { agentId: 'coder' });
  expect(begin(one).giveUp).toBeUndefined();
});

it('a program that fails, takes too long or ends is one error, and its place is free', async () => {
  const one = await spawned();
  const slow = begin(one, { timeoutMs: 1000 });
  const gone = begin(one);
  await settle();
  world.clock.advance(1000);
  await settle();
  expect(slow.outcomes).toMatchObject([
    { code: 'STARLING_AGENT_FAILED', data: { reason: 'timeout' } },
  ]);
  one.programs[0]?.dies('it was killed');
  await settle();
  expect(gone.outcomes).toMatchObject([{ code: 'STARLING_AGENT_FAILED' }]);
  world.clock.advance(60_000);
  await settle();
  const next = begin(one);
  await settle();
  one.programs.at(-1)?.given[0]?.answer('here');
  await settle();
  expect(next.outcomes).toMatchObject([{ response: 'here' }]);
  expect(await info(one)).toMatchObject({ busy: 0 });
});

it('whoever gives it up waits no more, and hears no late answer', async () => {
  const one = await spawned();
  const { giveUp, outcomes } = begin(one);
  await settle();
  giveUp?.();
  expect(outcomes).toMatchObject([{ data: { reason: 'timeout' } }]);
  one.programs[0]?.given[0]?.answer('late');
  await settle();
  expect(outcomes).toHaveLength(1);
  expect(await info(one)).toMatchObject({ busy: 0 });
});

it('no more of them are begun than may wait for the answers of one agent', async () => {
  const one = await stage();
  one.kinds['coder'] = kind({ maxConcurrentTasks: 300 });
  one.node.grants.add('bob agent:coder');
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  const begun = Array.from({ length: 300 }, () => begin(one).giveUp !== undefined);
  expect(begun.filter(Boolean)).toHaveLength(256);
});
