/** Queries to agents that a node runs: given to a process at once where they are the next, and behind what waits where not. */
import { afterEach, expect, it } from 'vitest';
import { OPERATOR } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { kind, settle } from './programs.ts';
import { endStages, stage, world } from './stage.ts';
import type { Stage } from './stage.ts';

afterEach(endStages);

const BOB = { kind: 'peer', did: 'did:key:bob', peerId: 'peer-bob', alias: 'bob' } as Principal;
const QUERY = { type: 'query' };

async function spawned(places = 1): Promise<Stage> {
  const one = await stage();
  one.kinds['coder'] = kind({ maxConcurrentTasks: places });
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  return one;
}

const given = (one: Stage): unknown[] =>
  one.programs[0]?.given.map(({ message }) => message['message']) ?? [];

it('a query that is the next is with the process before anything else has happened, and is in no inbox', async () => {
  const one = await spawned();
  const answer = one.send('hello', QUERY);
  for (let turn = 0; turn < 2; turn += 1) await new Promise((next) => setImmediate(next));
  expect(given(one)).toEqual(['hello']);
  expect(one.runs.running('coder')?.waiting).toBe(1);
  const looked = one.node.call(OPERATOR, 'agent_info', { agentId: 'coder' });
  await expect(looked).resolves.toMatchObject({ busy: 1, free: 0, status: 'online' });
  one.programs[0]?.given[0]?.answer('hi');
  await expect(answer).resolves.toMatchObject({ response: 'hi' });
  await settle();
  expect(one.runs.running('coder')?.waiting).toBe(0);
  const after = one.node.call(OPERATOR, 'agent_info', { agentId: 'coder' });
  await expect(after).resolves.toMatchObject({ tasksProcessed: 1, busy: 0 });
  expect([...one.node.rows.keys()].filter((key) => key.startsWith('mail/'))).toEqual([]);
});

const history = async (one: Stage, limit = 100): Promise<unknown[]> => {
  const asked = { name: 'coder', history: true, limit };
  const { messages } = await one.node.call<{ messages: { message: unknown }[] }>(
    OPERATOR,
    'agent_inbox',
    asked,
  );
  return messages.map(({ message }) => message);
};

/** Has each of `texts` dealt with, one after the other. */
async function dealtWith(one: Stage, texts: readonly string[], more: object): Promise<void> {
  for (const text of texts) {
    const sent = one.send(text, { ...more });
    await settle();
    one.programs[0]?.given.at(-1)?.answer('done');
    await sent;
    await settle();
  }
}

it('the history tells of queries that were never in the inbox, among the others and in order', async () => {
  const one = await spawned();
  const writes = one.node.rows.size;
  await dealtWith(one, ['a'], QUERY);
  expect(one.node.rows.size).toBe(writes);
  await dealtWith(one, ['b'], {});
  await dealtWith(one, ['c', 'd'], QUERY);
  expect(await history(one)).toEqual(['a', 'b', 'c', 'd']);
  expect(await history(one, 2)).toEqual(['c', 'd']);
  world.clock.advance(8 * 86_400_000);
  expect(await history(one)).toEqual([]);
});

it('the history of such queries is bounded, and whoever takes the name later sees none of it', async () => {
  const one = await spawned();
  const long = 'x'.repeat(100_000);
  await dealtWith(one, ['first', `1${long}`, `2${long}`, `3${long}`], QUERY);
  expect(await history(one)).toEqual([`2${long}`, `3${long}`]);
  await one.runs.end(OPERATOR, 'coder', 'retire');
  await one.spawn(OPERATOR, { name: 'coder' });
  await settle();
  expect(await history(one)).toEqual([]);
});

it('what came first is dealt with first: a query overtakes no command, and a command no query', async () => {
  const one = await spawned();
  // The command is on its way to the disk when the query comes.
  const sent = [one.send('first'), one.send('second', QUERY), one.send('third')];
  await settle();
  expect(given(one)).toEqual(['first']);
  for (const at of [0, 1, 2]) {
    one.programs[0]?.given[at]?.answer(at);
    await settle();
  }
  expect(given(one)).toEqual(['first', 'second', 'third']);
  await expect(Promise.all(sent)).resolves.toMatchObject([
    { status: 'delivered' },
    { status: 'answered', response: 1 },
    { status: 'delivered' },
  ]);
});

it('a process has no more at a time than it takes, whichever way they come', async () => {
  const one = await spawned(2);
  const asked = [one.send('a', QUERY)];
  await settle();
  await Promise.all(['b', 'c', 'd'].map((text) => one.send(text)));
  asked.push(one.send('e', QUERY));
  await settle();
  expect(given(one)).toEqual(['a', 'b']);
  for (let at = 0; at < 5; at += 1) {
    one.programs[0]?.given[at]?.answer(at);
    await settle();
    expect(given(one)).toHaveLength(Math.min(5, at + 3));
  }
  expect(given(one)).toEqual(['a', 'b', 'c', 'd', 'e']);
  await expect(Promise.all(asked)).resolves.toHaveLength(2);
});

it('the same query twice, as of a peer that was not sure, is dealt with once, and both are answered', async () => {
  const one = await spawned(4);
  one.node.grants.add('bob agent:coder');
  const query = { agentId: 'coder', message: 'pay', type: 'query', messageId: 'msg_1_a' };
  const first = one.node.call(BOB, 'agent_message', query);
  const second = one.node.call(BOB, 'agent_message', query);
  await settle();
  expect(given(one)).toEqual(['pay']);
  one.programs[0]?.given[0]?.answer('paid');
  for (const answer of [first, second]) {
    await expect(answer).resolves.toMatchObject({ response: 'paid' });
  }
});

it('two queries that go by one id each have their own answer', async () => {
  const one = await spawned(4);
  const peers = ['bob', 'carol'].map((alias) => ({ ...BOB, did: `did:key:${alias}`, alias }));
  const answers = peers.map((peer) => {
    one.node.grants.add(`${peer.alias} agent:coder`);
    const query = { agentId: 'coder', message: peer.alias, type: 'query', messageId: 'msg_1_a' };
    return one.node.call(peer as Principal, 'agent_message', query);
  });
  await settle();
  for (const each of one.programs[0]?.given.toReversed() ?? []) {
    each.answer(`for ${String(each.message['message'])}`);
  }
  await expect(Promise.all(answers)).resolves.toMatchObject([
    { response: 'for bob' },
    { response: 'for carol' },
  ]);
});

it('an agent that is busy for minutes is online, and takes what comes then', async () => {
  const one = await spawned();
  const long = one.send('long', { ...QUERY, timeoutMs: 300_000 });
  await settle();
  world.clock.advance(120_000);
  await settle();
  const looked = one.node.call(OPERATOR, 'agent_info', { agentId: 'coder' });
  await expect(looked).resolves.toMatchObject({ status: 'online', health: 100 });
  one.programs[0]?.given[0]?.answer('done');
  await expect(long).resolves.toMatchObject({ response: 'done' });
});

it('a process that ends with a query fails that at whoever asked, and nobody else is given it', async () => {
  const one = await spawned();
  const answer = one.send('hello', QUERY);
  answer.catch(() => undefined);
  await settle();
  one.programs[0]?.dies('exited with code 1');
  await expect(answer).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  world.clock.advance(5000);
  await settle();
  expect(one.programs[1]?.given).toEqual([]);
});

it('a stop lets a query that was taken end, and takes no other', async () => {
  const one = await spawned(2);
  const answer = one.send('hello', QUERY);
  await settle();
  const ending = one.runs.end(OPERATOR, 'coder', 'stop');
  await settle();
  const late = one.send('more', QUERY);
  late.catch(() => undefined);
  await settle();
  one.programs[0]?.given[0]?.answer('hi');
  await expect(answer).resolves.toMatchObject({ response: 'hi' });
  await ending;
  await expect(late).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  expect(given(one)).toEqual(['hello']);
});

it('a query that came to no program is given to the next process; one that a program had read fails with it', async () => {
  const one = await spawned();
  const answer = one.send('hello', QUERY);
  await settle();
  one.programs[0]?.dies('exited with code 1', 'sandbox-outdated');
  await settle();
  world.clock.advance(2000);
  await settle();
  expect(one.programs[1]?.given.map(({ message }) => message)).toMatchObject([
    { message: 'hello' },
  ]);
  expect(one.programs[1]?.given[0]?.message).not.toHaveProperty('redelivered');
  one.programs[1]?.given[0]?.answer('hi');
  await expect(answer).resolves.toMatchObject({ response: 'hi' });
  const second = one.send('again', QUERY);
  await settle();
  one.programs[1]?.dies('exited with code 1');
  await expect(second).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
});
