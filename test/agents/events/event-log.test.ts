/** Events that are kept on a board, for those who come later. */
import { afterEach, expect, it } from 'vitest';
import type { EventsResult } from '../../../src/agents/index.ts';
import type { Did, Json, JsonObject } from '../../../src/core/index.ts';
import { client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
afterEach(() => world.stop());

const CURSOR = client('cursor');
const KEPT = { board: 'events', keepMs: 3_600_000 };

async function two(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  return { alice, bob };
}

const tell = (node: TestNode, args: JsonObject): Promise<JsonObject> =>
  node.call(CURSOR, 'broadcast', args);
const events = (node: TestNode, args: JsonObject = {}): Promise<EventsResult> =>
  node.call(CURSOR, 'events', args);
const textsOf = ({ events: all }: EventsResult): unknown[] => all.map(({ message }) => message);

it('who was not there reads what was told meanwhile, each event once and in the order of time', async () => {
  const { alice, bob } = await two();
  for (const node of [alice, bob]) node.eventsBoard = KEPT;
  await alice.call(CURSOR, 'agent_announce', { name: 'coder', id: 'agent-1' });
  await tell(alice, { message: 'too old' });
  world.clock.advance(1000);
  const since = world.clock.now();
  await tell(alice, { message: 'one', subject: 'agent.agent-1.events' });
  world.clock.advance(1);
  await tell(bob, { message: 'two' });
  await bob.restart();
  await tell(alice, { message: 'three', subject: 'task.result' });
  expect(textsOf(await events(bob))).toEqual(['three']);
  const all = await events(bob, { since });
  expect(all.events).toMatchObject([
    { message: 'one', seq: 0, from: 'coder@alice', subject: 'agent.agent-1.events' },
    { message: 'two', seq: 0, from: 'bob' },
    { message: 'three', seq: 1, from: 'coder@alice' },
  ]);
  expect(textsOf(await events(bob, { since, topic: 'task.>' }))).toEqual(['three']);
  expect(textsOf(await events(bob, { since, limit: 2 }))).toEqual(['two', 'three']);
  // From there it goes on with what comes.
  await tell(alice, { message: 'four' });
  expect(textsOf(await events(bob, { cursor: all.cursor }))).toEqual(['four']);
  expect([...world.board.values()].map(({ at, until }) => (until ?? 0) - at)).toEqual(
    Array.from({ length: 5 }, () => KEPT.keepMs),
  );
});

it('what others put onto the board counts only as what they may tell themselves', async () => {
  const { alice, bob } = await two();
  alice.eventsBoard = KEPT;
  await alice.call(CURSOR, 'agent_announce', { name: 'coder', id: 'agent-1', listed: true });
  await tell(alice, { message: 'good', subject: 'agent.coder.events' });
  const [good] = world.board.values();
  if (good === undefined) throw new Error('nothing is kept');
  await bob.call(CURSOR, 'agent_list', {});
  const put = (key: string, value: Json, by: string): void =>
    void world.board.set(key, { ...good, key, value, by: by as Did });
  const told = good.value as JsonObject;
  const mine = { ...told, id: 'x1', message: 'bad', subject: 'agent.agent-1.events', agent: 'spy' };
  put(`${good.key.slice(0, -String(told['id']).length)}x1`, mine, 'did:key:bob');
  put('events/zzzzzzzzzz-x2', { ...mine, id: 'x2' }, 'did:key:alice');
  put(`${good.key}x`, { ...told, id: `${String(told['id'])}x` }, 'did:key:nobody');
  put('events/1', 'none', 'did:key:alice');
  expect((await events(alice, { since: 0 })).events).toMatchObject([
    { subject: 'agent.announce' },
    { message: 'good', from: 'coder@alice' },
  ]);
});

it('what the board does not take is not told, and without a board there is nothing to read again', async () => {
  const { alice, bob } = await two();
  await expect(events(alice, { since: 0 })).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    hint: expect.stringContaining('"events"') as string,
  });
  alice.eventsBoard = { board: 'refuses', keepMs: 1 };
  await expect(tell(alice, { message: 'lost' })).rejects.toThrow('refuses');
  expect(textsOf(await events(bob))).toEqual([]);
  expect(textsOf(await events(alice))).toEqual([]);
});
