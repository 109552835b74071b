/** Agents and inboxes as resources: for whoever may see the agent, with a word for each change. */
import { afterEach, expect, it } from 'vitest';
import { agentResources } from '../../../src/agents/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { OPERATES, client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
afterEach(() => world.stop());

const PROGRAM = client('program');
const OTHER = client('other');

async function pair(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  return { alice, bob };
}

async function read(node: TestNode, principal: Principal, uri: string): Promise<unknown> {
  const context = { principal, signal: new AbortController().signal };
  for (const template of agentResources(node.agents)) {
    const text = await template.read(uri, context);
    if (text !== undefined) return JSON.parse(text);
  }
  return undefined;
}

/** What `principal` hears of `uri`; undefined where there is no such resource for it. */
async function watch(
  node: TestNode,
  principal: Principal,
  uri: string,
): Promise<{ count: number; end(): void } | undefined> {
  const context = { principal, signal: new AbortController().signal };
  const heard = { count: 0, end: (): void => undefined };
  for (const template of agentResources(node.agents)) {
    const end = await template.watch(uri, context, () => (heard.count += 1));
    if (end !== undefined) return Object.assign(heard, { end });
  }
  return undefined;
}

const announce = (node: TestNode, args: JsonObject): Promise<JsonObject> =>
  node.call(PROGRAM, 'agent_announce', args);

it('an agent is read by its URI, here and at a peer, as far as it may be seen', async () => {
  const { alice, bob } = await pair();
  await announce(bob, { name: 'shown', listed: true });
  await announce(bob, { name: 'hidden' });
  expect(await read(bob, OTHER, 'agent://shown')).toMatchObject({
    name: 'shown',
    status: 'online',
  });
  expect(await read(alice, OTHER, 'agent://shown@bob')).toMatchObject({ endpoint: 'shown@bob' });
  expect(await read(alice, OTHER, 'agent://hidden@bob')).toBeUndefined();
  for (const odd of [
    'agent://',
    'agent://a/b',
    'agent://shown/inbox/x',
    'agent://%',
    'board://x',
  ]) {
    expect(await read(bob, OTHER, odd), odd).toBeUndefined();
  }
});

it('whoever subscribes hears when the agent is announced anew, stops, or its node goes', async () => {
  const { alice, bob } = await pair();
  await announce(bob, { name: 'coder', listed: true });
  const here = await watch(bob, OTHER, 'agent://coder');
  const there = await watch(alice, OTHER, 'agent://coder@bob');
  expect(await watch(bob, OTHER, 'agent://nobody')).toBeUndefined();
  await announce(bob, { name: 'coder', capabilities: ['dig'] });
  expect(here?.count).toBe(1);
  await bob.call(PROGRAM, 'agent_stop', { agentId: 'coder' });
  expect(here?.count).toBe(2);
  here?.end();
  await announce(bob, { name: 'coder' });
  expect(here?.count).toBe(2);
  const before = there?.count ?? 0;
  world.away('bob', true);
  expect(there?.count).toBe(before + 1);
});

it('an inbox is for the program whose agent it is: it hears of each message, and reading takes none', async () => {
  const { bob } = await pair();
  await announce(bob, { name: 'coder', listed: true });
  const uri = 'agent://coder/inbox';
  const heard = await watch(bob, PROGRAM, uri);
  for (const principal of [OTHER, OPERATES]) {
    expect(await watch(bob, principal, uri)).toBeUndefined();
    expect(await read(bob, principal, uri)).toBeUndefined();
  }
  for (const message of ['one', 'two']) {
    await bob.call(OTHER, 'agent_message', { agentId: 'coder', message });
  }
  expect(heard?.count).toBe(2);
  const messages = [{ message: 'one' }, { message: 'two' }];
  expect(await read(bob, PROGRAM, uri)).toMatchObject({ messages });
  expect(await read(bob, PROGRAM, uri)).toMatchObject({ messages });
  expect(await bob.call(PROGRAM, 'agent_inbox', { name: 'coder' })).toMatchObject({ messages });
  // A program that is told of each message is there, though it asks for none.
  world.clock.advance(120_000);
  expect(await read(bob, OTHER, 'agent://coder')).toMatchObject({ status: 'online' });
  heard?.end();
  world.clock.advance(120_000);
  expect(await read(bob, OTHER, 'agent://coder')).toMatchObject({ status: 'offline' });
});
