/** Agents of two nodes: whose a name is, who sees them, and what becomes of each message. */
import { afterEach, expect, it } from 'vitest';
import type {
  AgentInboxResult,
  AgentListResult,
  AgentMessageResult,
} from '../../src/agents/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { OPERATES, client, makeWorld } from './world.ts';
import type { TestNode, TestWorld } from './world.ts';

let world: TestWorld;
afterEach(() => world.stop());

const CURSOR = client('cursor');
const CLAUDE = client('claude');

async function two(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  return { alice, bob };
}

const announce = (
  node: TestNode,
  name: string,
  more: JsonObject = {},
  by = CURSOR,
): Promise<JsonObject> => node.call(by, 'agent_announce', { name, ...more });
const inbox = (
  node: TestNode,
  name: string,
  more: JsonObject = {},
  by = CURSOR,
): Promise<AgentInboxResult> => node.call(by, 'agent_inbox', { name, timeout_s: 0, ...more });
const send = (node: TestNode, args: JsonObject, by = CLAUDE): Promise<AgentMessageResult> =>
  node.call(by, 'agent_message', args);
const textsOf = ({ messages }: AgentInboxResult): unknown[] =>
  messages.map(({ message }) => message);
/** Lets what is on its way arrive. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((next) => setImmediate(next));
};

it('a name belongs to the program that announced it; a second window of that program goes on where the first was', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  await expect(announce(alice, 'coder', {}, CLAUDE)).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
  for (const message of ['one', 'two', 'three']) await send(alice, { agentId: 'coder', message });
  const first = await inbox(alice, 'coder', { limit: 2 });
  expect(textsOf(first)).toEqual(['one', 'two']);
  expect(textsOf(await inbox(alice, 'coder', { cursor: first.cursor }))).toEqual(['three']);
  // Another window, which has no cursor.
  expect(textsOf(await inbox(alice, 'coder'))).toEqual(['three']);
  expect(textsOf(await inbox(alice, 'coder', { history: true }))).toEqual(['one', 'two']);
  for (const tool of ['agent_inbox', 'agent_stop', 'agent_retire']) {
    const args = tool === 'agent_inbox' ? { name: 'coder' } : { agentId: 'coder' };
    await expect(alice.call(CLAUDE, tool, args)).rejects.toMatchObject({
      code: 'STARLING_AGENT_TAKEN',
    });
  }
});

it('what was acknowledged is there after a restart, in order, and what was read does not come again', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  for (let at = 0; at < 5; at += 1) await send(alice, { agentId: 'coder', message: at });
  const page = await inbox(alice, 'coder', { limit: 2 });
  await inbox(alice, 'coder', { cursor: page.cursor, limit: 1 });
  await alice.restart();
  expect(textsOf(await inbox(alice, 'coder'))).toEqual([2, 3, 4]);
  await send(alice, { agentId: 'coder', message: 5 });
  expect(textsOf(await inbox(alice, 'coder'))).toEqual([2, 3, 4, 5]);
});

it('an inbox waits for a message, and for no longer than it was told', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  const waiting = inbox(alice, 'coder', { timeout_s: 30 });
  await settle();
  await send(alice, { agentId: 'coder', message: 'hello' });
  expect(textsOf(await waiting)).toEqual(['hello']);
  const { cursor } = await waiting;
  const empty = inbox(alice, 'coder', { cursor, timeout_s: 30 });
  await settle();
  world.clock.advance(30_000);
  expect(await empty).toMatchObject({ messages: [], cursor, waiting: 0 });
});

it('a peer sees and reaches only what it was granted or what is listed, and a listed agent takes a grant to write to', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder', { capabilities: ['summarise@1.2.0'] });
  await announce(bob, 'hidden');
  await announce(bob, 'shown', { listed: true });
  const seen = async (): Promise<string[]> => {
    world.clock.advance(11_000);
    const { agents } = await alice.call<AgentListResult>(CLAUDE, 'agent_list', {});
    return agents.map(({ endpoint }) => endpoint);
  };
  expect(await seen()).toEqual(['shown@bob']);
  await expect(send(alice, { agentId: 'shown@bob', message: 'hi' })).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
  bob.grants.add('alice agent:coder');
  expect(await seen()).toEqual(['coder@bob', 'shown@bob']);
  expect(await send(alice, { agentId: 'coder', message: 'hi' })).toMatchObject({
    status: 'delivered',
  });
  const [message] = (await inbox(bob, 'coder')).messages;
  expect(message).toMatchObject({ from: 'client:claude@alice', message: 'hi', type: 'command' });
  const found = await alice.call<AgentListResult>(CLAUDE, 'agent_list', {
    capability: 'summarise',
  });
  expect(found.agents).toHaveLength(1);
  await expect(alice.call(CLAUDE, 'agent_info', { agentId: 'hidden' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
});

it('a query waits for the answer of an agent at another node, and gives it to its caller', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  bob.grants.add('alice agent:coder');
  const asked = send(alice, {
    agentId: 'coder@bob',
    type: 'query',
    message: 'how are you?',
    correlationId: 'req-1',
  });
  await settle();
  const { messages, cursor } = await inbox(bob, 'coder');
  expect(messages).toMatchObject([
    {
      type: 'query',
      message: 'how are you?',
      correlationId: 'req-1',
      metadata: { correlationId: 'req-1' },
    },
  ]);
  const reply = { type: 'response', agentId: 'claude@alice', message: { mood: 'fine' } };
  await send(bob, { ...reply, inReplyTo: messages[0]?.id ?? '' }, CURSOR);
  expect(await asked).toMatchObject({
    status: 'answered',
    response: { mood: 'fine' },
    correlationId: 'req-1',
  });
  // What was asked is dealt with, for the agent too.
  expect((await inbox(bob, 'coder', { cursor })).messages).toEqual([]);
  await expect(send(bob, { ...reply, correlationId: 'req-1' }, CURSOR)).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    data: { reason: 'late' },
  });
  expect(await alice.call(CLAUDE, 'agent_status', { agentId: 'coder' })).toMatchObject({
    metrics: { received: 1, errors: 1 },
  });
});

it('whoever has one agent sends as that agent, and is told so; who says from whom is not', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  await announce(alice, 'planner', {}, CLAUDE);
  const sent = await send(alice, { agentId: 'coder', message: 'hi' });
  expect(sent.from).toBe('planner@alice');
  const said = await send(alice, { agentId: 'coder', message: 'hi', from: 'planner' });
  expect(said.from).toBeUndefined();
  const senders = (await inbox(alice, 'coder')).messages.map(({ from }) => from);
  expect(senders).toEqual(['planner@alice', 'planner@alice']);
});

it('what was read takes no room, and long messages of the history are forgotten sooner', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  const big = 'x'.repeat(200 * 1024);
  let cursor: string | undefined;
  for (let at = 0; at < 12; at += 1) {
    await send(alice, { agentId: 'coder', message: big });
    ({ cursor } = await inbox(alice, 'coder', cursor === undefined ? {} : { cursor }));
  }
  await inbox(alice, 'coder', { cursor: cursor ?? '' });
  const { messages } = await inbox(alice, 'coder', { history: true });
  expect(messages.length).toBeGreaterThanOrEqual(2);
  expect(messages.length).toBeLessThanOrEqual(5);
});

it('nobody but the agent answers for it; silence and failure end as one error that names the agent', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  await announce(bob, 'other', {}, CLAUDE);
  bob.grants.add('alice agent:coder');
  const ask = { agentId: 'coder@bob', type: 'query', message: 'go', timeoutMs: 5000 };
  const silent = send(alice, ask);
  const error = expect(silent).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
    row: { rpc: -32_001 },
    data: { agentId: 'coder', reason: 'timeout' },
  });
  await settle();
  const [{ id } = { id: '' }] = (await inbox(bob, 'coder')).messages;
  const forged = { type: 'response', inReplyTo: id, message: 'all done' };
  await expect(send(bob, forged, CLAUDE)).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  world.clock.advance(5000);
  await error;
  // Nobody waits any more, so that nobody need read it.
  expect((await inbox(bob, 'coder')).messages).toEqual([]);
  const failing = send(alice, ask);
  const failed = expect(failing).rejects.toThrow(/coder: no disk/);
  await settle();
  const [query] = (await inbox(bob, 'coder')).messages;
  await send(
    bob,
    { type: 'response', inReplyTo: query?.id ?? '', message: null, error: 'no disk' },
    CURSOR,
  );
  await failed;
});

it('several queries are answered in one call, which says which answers nobody waits for, and sends nothing else', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  await announce(bob, 'other', {}, CLAUDE);
  bob.grants.add('alice agent:coder');
  const asked = [1, 2, 3].map((message) =>
    send(alice, { agentId: 'coder@bob', type: 'query', message }).catch(String),
  );
  await settle();
  const { messages } = await inbox(bob, 'coder');
  const answers = messages.map(({ id, message }) => ({ inReplyTo: id, message }));
  const failed = { inReplyTo: answers[2]?.inReplyTo ?? '', error: 'no disk' };
  const responses = [...answers.slice(0, 2), { inReplyTo: 'nobody', message: 0 }, failed];
  const beside = { agentId: 'other', type: 'command', message: 'and this' };
  // Whoever is not the agent answers for nobody.
  expect(await send(bob, { responses }, CLAUDE)).toMatchObject({ answered: 0 });
  expect(await send(bob, { ...beside, responses }, CURSOR)).toEqual({
    status: 'delivered',
    answered: 3,
    late: ['nobody'],
  });
  const [first, second, third] = await Promise.all(asked);
  expect([first, second]).toMatchObject([{ response: 1 }, { response: 2 }]);
  expect(third).toMatch(/no disk/);
  expect((await inbox(bob, 'other', {}, CLAUDE)).messages).toEqual([]);
  await expect(send(bob, { agentId: 'coder' }, CURSOR)).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
});

it('messages to a node that is away wait on disk, and arrive in order, none twice, however the roads fail', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  bob.grants.add('alice agent:coder');
  await send(alice, { agentId: 'coder@bob', message: 'before' });
  world.away('bob', true);
  for (let at = 0; at < 20; at += 1) {
    expect(await send(alice, { agentId: 'coder@bob', message: at })).toMatchObject({
      status: 'queued',
    });
  }
  await expect(
    send(alice, { agentId: 'coder@bob', type: 'query', message: '?' }),
  ).rejects.toThrow();
  await alice.restart();
  bob.losesAnswers = 3;
  world.away('bob', false);
  for (let pause = 0; pause < 8; pause += 1) {
    await settle();
    world.clock.advance(5000);
  }
  await settle();
  const all = await inbox(bob, 'coder', { limit: 100 });
  expect(textsOf(all)).toEqual(['before', ...Array.from({ length: 20 }, (_, at) => at)]);
  expect([...alice.rows.keys()].filter((key) => key.startsWith('out/'))).toEqual([]);
});

it('ten thousand messages wait for a node that is away, and the next is refused', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  bob.grants.add('alice agent:coder');
  world.away('bob', true);
  const to = (message: number): Promise<unknown> => send(alice, { agentId: 'coder@bob', message });
  const all = Array.from({ length: 10_000 }, (_, at) => to(at));
  const ends = await Promise.all(all);
  expect(ends.every((end) => (end as AgentMessageResult).status === 'queued')).toBe(true);
  await expect(to(10_000)).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
});

it('an inbox that is full holds back no message for another agent of its node, and gets what waited once it is read', async () => {
  const { alice, bob } = await two();
  await announce(alice, 'planner', {}, CLAUDE);
  await announce(bob, 'coder');
  await announce(bob, 'tester');
  for (const name of ['coder', 'tester']) bob.grants.add(`alice agent:${name}`);
  // All inboxes of a node of these tests hold a mebibyte.
  const big = 'x'.repeat(200 * 1024);
  for (let at = 0; at < 5; at += 1) await send(bob, { agentId: 'coder', message: big });
  world.away('bob', true);
  for (const message of [big, 'two']) await send(alice, { agentId: 'coder@bob', message });
  await send(alice, { agentId: 'tester@bob', message: 'three' });
  world.away('bob', false);
  await settle();
  expect(textsOf(await inbox(bob, 'tester'))).toEqual(['three']);
  expect((await inbox(alice, 'planner', {}, CLAUDE)).messages).toEqual([]);
  const { cursor } = await inbox(bob, 'coder', { limit: 100 });
  await inbox(bob, 'coder', { cursor });
  world.clock.advance(60_000);
  await settle();
  expect(textsOf(await inbox(bob, 'coder', { cursor }))).toEqual([big, 'two']);
});

it('a message that is too old for its receiver, or that nobody takes, is told to the agent that sent it', async () => {
  const { alice, bob } = await two();
  await announce(alice, 'planner', {}, CLAUDE);
  await announce(bob, 'coder');
  bob.grants.add('alice agent:coder');
  world.away('bob', true);
  const old = await send(alice, { agentId: 'coder@bob', message: 'soon', ttlMs: 60_000 });
  await send(alice, { agentId: 'coder@bob', message: 'later' });
  world.clock.advance(61_000);
  bob.grants.clear();
  world.away('bob', false);
  await settle();
  const { messages } = await inbox(alice, 'planner', {}, CLAUDE);
  expect(messages).toMatchObject([
    { type: 'event', message: 'undelivered', data: { messageId: old.messageId } },
    { type: 'event', message: 'undelivered' },
  ]);
  expect((await inbox(bob, 'coder')).messages).toEqual([]);
});

it('bounds are kept: a long message, a flood for one that does not read, and too many agents', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  const long = 'x'.repeat(256 * 1024);
  await expect(send(alice, { agentId: 'coder', message: long })).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
    data: { reason: 'size' },
  });
  const big = 'x'.repeat(200 * 1024);
  const flood = Array.from({ length: 20 }, () => send(alice, { agentId: 'coder', message: big }));
  const ends = await Promise.allSettled(flood);
  const taken = ends.filter(({ status }) => status === 'fulfilled').length;
  const refused: unknown = ends.find((end) => end.status === 'rejected')?.reason;
  expect(refused).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED', data: { reason: 'full' } });
  expect(taken).toBe(5);
  for (let at = 1; at < 64; at += 1) await announce(alice, `agent-${at}`);
  await expect(announce(alice, 'one-more')).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
});

it('a stopped agent takes nothing until it is announced again, and a retired one leaves nothing behind', async () => {
  const { alice } = await two();
  await announce(alice, 'coder');
  await send(alice, { agentId: 'coder', message: 'one' });
  await alice.call(CURSOR, 'agent_stop', { agentId: 'coder' });
  await expect(send(alice, { agentId: 'coder', message: 'two' })).rejects.toMatchObject({
    data: { reason: 'stopped' },
  });
  await announce(alice, 'coder');
  expect(textsOf(await inbox(alice, 'coder'))).toEqual(['one']);
  // The operator may end what is anybody's.
  const end = await alice.call(OPERATES, 'agent_retire', { agentId: 'coder' });
  expect(end).toMatchObject({ status: 'retired', dropped: 1 });
  expect([...alice.rows.keys()]).toEqual([]);
  await announce(alice, 'coder', {}, CLAUDE);
});

it('an announcement costs peers nothing until somebody looks, and a look one question', async () => {
  const { alice, bob } = await two();
  for (let at = 0; at < 10; at += 1) await announce(bob, `agent-${at}`, { listed: true });
  expect(bob.asked).toEqual([]);
  await alice.call(CLAUDE, 'agent_list', {});
  await alice.call(CLAUDE, 'agent_list', {});
  expect(bob.asked).toEqual(['agent_list']);
  await announce(bob, 'late', { listed: true });
  const { agents } = await alice.call<AgentListResult>(CLAUDE, 'agent_list', {});
  expect(bob.asked).toHaveLength(2);
  expect(agents).toHaveLength(11);
});

it('a peer that lies about its agents fools nobody: places and keys are what this node knows', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder', { listed: true });
  const honest = bob.call.bind(bob);
  bob.call = (async (...call: Parameters<TestNode['call']>) => {
    const answer = await honest(...call);
    if (call[1] !== 'agent_list') return answer;
    const [agent] = answer['agents'] as JsonObject[];
    const lie = {
      ...agent,
      did: 'did:key:alice',
      node: 'alice',
      endpoint: 'admin@alice',
      free: -5,
      status: 'online',
    };
    return { agents: [lie, { name: '../x', status: 'online' }, 7] };
  }) as TestNode['call'];
  const { agents } = await alice.call<AgentListResult>(CLAUDE, 'agent_list', {});
  expect(agents).toMatchObject([
    { name: 'coder', did: 'did:key:bob', node: 'bob', endpoint: 'coder@bob', free: 0 },
  ]);
});

it('an agent whose program waited for messages is offline at once when that has gone, and online when it looks again', async () => {
  const { alice, bob } = await two();
  await announce(alice, 'coder', { listed: true });
  const statusAt = async (node: TestNode): Promise<unknown> => {
    const { agents } = await node.call<AgentListResult>(OPERATES, 'agent_list', {
      agentId: 'coder',
    });
    return agents[0]?.status;
  };
  expect(await statusAt(alice)).toBe('online');
  const session = new AbortController();
  const looking = alice.call(
    CURSOR,
    'agent_inbox',
    { name: 'coder', timeout_s: 300 },
    session.signal,
  );
  await settle();
  const other = new AbortController();
  const second = alice.call(CURSOR, 'agent_inbox', { name: 'coder', timeout_s: 300 }, other.signal);
  await settle();
  session.abort();
  await looking;
  // Another window of the same program waits still.
  expect(await statusAt(alice)).toBe('online');
  other.abort();
  await second;
  expect(await statusAt(alice)).toBe('offline');
  expect(await statusAt(bob)).toBe('offline');
  await inbox(alice, 'coder');
  expect(await statusAt(alice)).toBe('online');
});

it('what a peer says of how many messages led to one counts, and after eight nobody takes another', async () => {
  const { alice, bob } = await two();
  await announce(bob, 'coder');
  const peer = {
    kind: 'peer',
    alias: 'alice',
    did: 'did:key:alice',
    peerId: 'peer-alice',
  } as never;
  bob.grants.add('alice agent:coder');
  const sent = (hops: number): Promise<unknown> =>
    bob.call(peer, 'agent_message', {
      agentId: 'coder',
      message: `after ${hops}`,
      metadata: { hops },
    });
  await sent(8);
  await expect(sent(9)).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
    data: { reason: 'hops', limit: 8 },
  });
  // A program can say what it likes: what it writes follows from nothing.
  await bob.call(CLAUDE, 'agent_message', {
    agentId: 'coder',
    message: 'mine',
    metadata: { hops: 99, taint: 'none' },
  });
  const { messages } = await inbox(bob, 'coder');
  expect(messages.map(({ message, metadata }) => [message, metadata['hops']])).toEqual([
    ['after 8', 8],
    ['mine', undefined],
  ]);
  expect(messages.at(-1)?.metadata).not.toHaveProperty('taint');
  expect(alice.asked).toEqual([]);
});
