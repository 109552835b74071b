/** Sealed messages: nobody on the way reads what is said, not while it waits either, and the agent reads it all. */
import { afterEach, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

let world: TestWorld;
afterEach(() => world.stop());

const PROGRAM = client('program');
const SECRET = 'the secret of the day';

async function pair(): Promise<{ alice: TestNode; bob: TestNode }> {
  world = await makeWorld('alice', 'bob');
  const { alice, bob } = world.nodes;
  if (alice === undefined || bob === undefined) throw new Error('no nodes');
  bob.grants.add('alice agent:coder');
  await bob.call(PROGRAM, 'agent_announce', { name: 'coder' });
  return { alice, bob };
}

const said: JsonObject = {
  agentId: 'coder@bob',
  message: SECRET,
  data: { more: SECRET },
  metadata: { topic: SECRET },
  sealed: true,
};

it('what is said is nowhere on the road, and the agent reads it with the word that it was sealed', async () => {
  const { alice, bob } = await pair();
  await alice.call(PROGRAM, 'agent_message', said);
  expect(bob.carried.join('\n')).not.toContain('secret');
  const { messages } = await bob.call<{ messages: JsonObject[] }>(PROGRAM, 'agent_inbox', {
    name: 'coder',
  });
  expect(messages).toMatchObject([
    {
      message: SECRET,
      data: { more: SECRET },
      metadata: { topic: SECRET, sealed: true },
      type: 'command',
    },
  ]);
});

it('the answer of a sealed query is sealed, too', async () => {
  const { alice, bob } = await pair();
  const answer = alice.call(PROGRAM, 'agent_message', { ...said, type: 'query' });
  const { messages } = await bob.call<{ messages: JsonObject[] }>(PROGRAM, 'agent_inbox', {
    name: 'coder',
  });
  const reply = { type: 'response', message: { answer: SECRET }, inReplyTo: messages[0]?.['id'] };
  await bob.call(PROGRAM, 'agent_message', reply);
  expect(await answer).toMatchObject({ status: 'answered', response: { answer: SECRET } });
  expect(bob.carried.join('\n')).not.toContain('secret');
});

it('what waits for a node that is away is sealed on the disk of the sender', async () => {
  const { alice, bob } = await pair();
  world.away('bob', true);
  expect(await alice.call(PROGRAM, 'agent_message', said)).toMatchObject({ status: 'queued' });
  const disk = [...alice.rows.values()].map((row) => Buffer.from(row).toString()).join('\n');
  expect(disk).toContain('coder');
  expect(disk).not.toContain('secret');
  world.away('bob', false);
  expect(await bob.call(PROGRAM, 'agent_inbox', { name: 'coder' })).toMatchObject({
    messages: [{ message: SECRET }],
  });
});

it('what was sealed for another node, or for another message, is refused', async () => {
  const { alice, bob } = await pair();
  await alice.call(PROGRAM, 'agent_message', said);
  const { sealed, ...rest } = JSON.parse(
    bob.carried.find((text) => text.includes('sealed')) ?? '',
  ) as JsonObject;
  const peer = {
    kind: 'peer',
    alias: 'alice',
    did: 'did:key:alice',
    peerId: 'peer-alice',
  } as never;
  const sealedFor = (did: string, inside: object): string =>
    Buffer.from(JSON.stringify([did, JSON.stringify(inside)])).toString('base64');
  for (const other of [
    { ...rest, sealed, messageId: 'msg_1_other' },
    { ...rest, sealed: sealedFor('did:key:eve', {}) },
    { ...rest, sealed: sealedFor('did:key:bob', { agentId: 'else' }) },
    // What the guard has seen outside is what the agent is told.
    { ...rest, sealed, type: undefined },
    { ...rest, sealed, type: undefined, message: { type: 'response' } },
    { ...rest, sealed, message: 'outside' },
    { ...rest, sealed, data: 1 },
    { ...rest, sealed, metadata: { hops: 0 } },
  ] as unknown as JsonObject[]) {
    await expect(bob.call(peer, 'agent_message', other)).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
  }
  // A program can't say itself what was sealed.
  await expect(
    bob.call(PROGRAM, 'agent_message', { agentId: 'coder', message: 1, sealed: String(sealed) }),
  ).rejects.toMatchObject({ code: 'STARLING_USAGE' });
});
