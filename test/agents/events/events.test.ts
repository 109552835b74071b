/** What agents tell all of the mesh: who hears what, and what is refused. */
import { afterEach, expect, it } from 'vitest';
import type { EventsResult } from '../../../src/agents/index.ts';
import { matchesSubject } from '../../../src/agents/events/events.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { OPERATES, client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
afterEach(() => world.stop());

const CURSOR = client('cursor');

async function two(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  return { alice, bob };
}

const tell = (node: TestNode, args: JsonObject, by = CURSOR): Promise<JsonObject> =>
  node.call(by, 'broadcast', args);
const events = (node: TestNode, args: JsonObject = {}): Promise<EventsResult> =>
  node.call(CURSOR, 'events', args);
const textsOf = ({ events: all }: EventsResult): unknown[] => all.map(({ message }) => message);

it('what one member tells all others hear, and itself; the subject says what it is about', async () => {
  const { alice, bob } = await two();
  await alice.call(CURSOR, 'agent_announce', { name: 'coder', id: 'agent-1' });
  await expect(tell(alice, { message: 'hello' })).resolves.toMatchObject({
    subject: 'broadcast',
    peers: 1,
  });
  await tell(alice, { message: { done: 1 }, subject: 'agent.agent-1.events' });
  const heard = await events(bob);
  expect(heard.events).toMatchObject([
    { subject: 'broadcast', from: 'coder@alice', message: 'hello' },
    { subject: 'agent.agent-1.events', from: 'coder@alice', message: { done: 1 } },
  ]);
  expect(textsOf(await events(alice))).toEqual(['hello', { done: 1 }]);
  expect(textsOf(await events(bob, { topic: 'agent.*.events' }))).toEqual([{ done: 1 }]);
  expect(textsOf(await events(bob, { cursor: heard.cursor }))).toEqual([]);
});

it('what is heard is only what is as the conditions say, which are those of grants', async () => {
  const { alice, bob } = await two();
  const all: Json[] = [{ level: 'error', count: 12 }, { level: 'info', count: 40 }, 'plain', [1]];
  for (const message of all) await tell(alice, { message });
  const heard = async (args: JsonObject): Promise<unknown[]> =>
    textsOf(await events(bob, { args }));
  expect(await heard({ level: { enum: ['error', 'fatal'] } })).toEqual([all[0]]);
  expect(await heard({ count: { minimum: 20 } })).toEqual([all[1]]);
  expect(await heard({ level: { const: 'error' }, count: { maximum: 10 } })).toEqual([]);
  expect(await heard({ message: { prefix: 'pl' } })).toEqual(['plain']);
  for (const args of [{}, { level: {} }, { level: { like: 'e' } }, { level: 'error' }]) {
    await expect(events(bob, { args })).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  }
  // What does not fit is passed over, and what is waited for fits.
  const { cursor } = await events(bob);
  const waiting = events(bob, { args: { level: { const: 'error' } }, cursor, timeout_s: 10 });
  await tell(alice, { message: { level: 'info' } });
  await tell(alice, { message: { level: 'error' } });
  expect(textsOf(await waiting)).toEqual([{ level: 'error' }]);
});

it('whoever listens waits for the next event, and no longer than was said', async () => {
  const { alice, bob } = await two();
  const waiting = events(bob, { topic: 'task.>', timeout_s: 10 });
  await tell(alice, { message: 'no', subject: 'broadcast' });
  await tell(alice, { message: 'yes', subject: 'task.result' });
  expect(textsOf(await waiting)).toEqual(['yes']);
  const vain = events(bob, { topic: 'nothing', timeout_s: 10 });
  await new Promise((next) => setImmediate(next));
  world.clock.advance(10_000);
  expect(textsOf(await vain)).toEqual([]);
});

it.each(['config_update', 'task.result', 'broadcast'])(
  "the guide's subject %s is a topic: whoever listens to it hears what is told there, and nothing else",
  async (subject) => {
    const { alice, bob } = await two();
    const others = ['config_update', 'task.result', 'broadcast'].filter((one) => one !== subject);
    const waiting = events(bob, { topic: subject, timeout_s: 10 });
    for (const other of [...others, `${subject}.more`, 'config']) {
      await tell(alice, { message: 'other', subject: other });
    }
    const message = { section: 'limits', requestsPerSecond: 50 };
    await tell(alice, { message, subject });
    expect((await waiting).events).toMatchObject([{ subject, from: 'alice', message }]);
    expect(textsOf(await events(bob, { topic: subject }))).toEqual([message]);
    expect(textsOf(await events(bob))).toHaveLength(5);
  },
);

it("the guide's config_update of one agent is heard by its type", async () => {
  const { alice, bob } = await two();
  await alice.call(CURSOR, 'agent_announce', { name: 'coder', id: 'agent-1' });
  const all = ['config_update', 'other'].map((type) => ({ type, data: { level: 'debug' } }));
  for (const message of all) await tell(alice, { message, subject: 'agent.agent-1.events' });
  const args = { type: { const: 'config_update' } };
  expect(textsOf(await events(bob, { topic: 'agent.*.events', args }))).toEqual([all[0]]);
});

it('nobody tells for another agent, nor what is no subject, too much or too often', async () => {
  const { alice } = await two();
  await alice.call(CURSOR, 'agent_announce', { name: 'coder' });
  const usage = { code: 'STARLING_USAGE' };
  for (const subject of ['agent.other.events', 'a b', '', 'x..y', '*', 'a.b.c.d.e.f.g.h.i']) {
    await expect(tell(alice, { message: 1, subject }), subject).rejects.toMatchObject(usage);
  }
  await expect(tell(alice, { message: 1, from: 'coder' }, client('claude'))).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
  await expect(events(alice, { topic: 'a b' })).rejects.toMatchObject(usage);
  await expect(tell(alice, { message: 'x'.repeat(17_000) })).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  for (let at = 0; at < 20; at += 1) await tell(alice, { message: at });
  await expect(tell(alice, { message: 'more' })).rejects.toMatchObject({
    code: 'STARLING_RATE_LIMITED',
  });
  expect((await events(alice)).events).toHaveLength(20);
});

it('an agent that is listed is told of to all, another one to nobody', async () => {
  const { alice, bob } = await two();
  await alice.call(OPERATES, 'agent_announce', { name: 'hidden' });
  await alice.call(OPERATES, 'agent_announce', { name: 'shown', listed: true });
  await new Promise((next) => setImmediate(next));
  const { events: told } = await events(bob, { topic: 'agent.announce' });
  expect(told.map(({ from }) => from)).toEqual(['shown@alice']);
});

it('subjects are matched word for word', () => {
  const yes = [
    ['a.b', 'a.b'],
    ['*.b', 'a.b'],
    ['>', 'a'],
    ['a.>', 'a.b.c'],
    ['agent.*.events', 'agent.x.events'],
  ] as const;
  const no = [
    ['a', 'a.b'],
    ['a.*', 'a'],
    ['a.>', 'a'],
    ['>.a', 'b.a'],
    ['agent.*.events', 'agent.x.y.events'],
  ] as const;
  for (const [pattern, subject] of yes)
    expect(matchesSubject(pattern, subject), pattern).toBe(true);
  for (const [pattern, subject] of no)
    expect(matchesSubject(pattern, subject), pattern).toBe(false);
});

it("a node that tells for the agent of another node is not heard: by its id, by its name, or in nobody's name", async () => {
  const { alice, bob } = await two();
  await alice.call(CURSOR, 'agent_announce', { name: 'coder', id: 'agent-1', listed: true });
  await bob.call(CURSOR, 'agent_announce', { name: 'mole', id: 'agent-2' });
  const topic = bob.topic;
  const forged = (subject: string, agent?: string): Promise<void> =>
    topic.publish(
      Buffer.from(
        JSON.stringify({
          v: 1,
          id: `msg_${subject}_${agent ?? ''}`.replaceAll('.', '_').slice(0, 64),
          subject,
          ...(agent === undefined ? {} : { agent }),
          at: 1,
          message: subject,
        }),
      ),
    );
  await forged('agent.agent-1.events', 'mole');
  await forged('agent.coder.events', 'mole');
  await forged('agent.coder.events');
  await forged('agent.agent-2.events', 'mole');
  // A name may be that of an agent of each node: whose it is stands beside.
  await forged('agent.coder.heartbeat', 'coder');
  const heard = await events(alice, { topic: 'agent.*.*' });
  expect(heard.events).toMatchObject([
    { subject: 'agent.agent-2.events', from: 'mole@bob' },
    { subject: 'agent.coder.heartbeat', from: 'coder@bob' },
  ]);
});
