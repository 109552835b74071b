/** A laptop with agents that sleeps: what was on its way to them, what came meanwhile, and what they were asked. */
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentInboxResult, AgentMessageResult } from '../../src/agents/index.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { settle } from './run/programs.ts';
import { OPERATES, client, makeWorld } from './world.ts';
import type { TestNode, TestWorld } from './world.ts';

const CURSOR = client('cursor');
const HOURS_MS = 3 * 3_600_000;

let world: TestWorld;
afterEach(() => world.stop());

async function two(): Promise<{ home: TestNode; laptop: TestNode }> {
  world = await makeWorld('home', 'laptop');
  const { home, laptop } = world.nodes;
  if (home === undefined || laptop === undefined) throw new Error('no node');
  await laptop.call(CURSOR, 'agent_announce', { name: 'coder', capabilities: ['code'] });
  laptop.grants.add('home agent:coder');
  return { home, laptop };
}

const sends = (home: TestNode, message: Json, more: JsonObject = {}): Promise<AgentMessageResult> =>
  home.call(OPERATES, 'agent_message', { agentId: 'coder@laptop', message, ...more });

async function passes(ms: number): Promise<void> {
  await settle();
  world.clock.advance(ms);
  await settle();
}

async function inbox(laptop: TestNode): Promise<AgentInboxResult> {
  const found = laptop.call<AgentInboxResult>(CURSOR, 'agent_inbox', {
    name: 'coder',
    limit: 100,
    timeout_s: 0,
  });
  await settle();
  return found;
}

/** The others miss it after a while; it sleeps for hours, wakes, and is there again. */
async function sleepsFor(ms: number, late: boolean): Promise<void> {
  world.away('laptop', true);
  await passes(ms);
  await world.wakes('laptop', { late });
  await passes(0);
  world.away('laptop', false);
  for (let pause = 0; pause < 6; pause += 1) await passes(5000);
}

describe.each([true, false])('a machine that sleeps past all leases (suspended: %s)', (late) => {
  it('has each message once and in order, those on their way when it fell asleep, too', async () => {
    const { home, laptop } = await two();
    await sends(home, 'before');
    world.sleeps('laptop');
    // Nobody has noticed: this one lies in its socket, and is sent again later.
    const first = sends(home, 0);
    await passes(20_000);
    expect(await first).toMatchObject({ status: 'queued' });
    for (let at = 1; at < 10; at += 1) {
      expect(await sends(home, at)).toMatchObject({ status: 'queued' });
    }
    await sleepsFor(HOURS_MS, late);
    const { messages } = await inbox(laptop);
    const all = messages.map(({ message }) => message);
    expect(all).toEqual(['before', ...Array.from({ length: 10 }, (_, at) => at)]);
    expect([...home.rows.keys()].filter((key) => key.startsWith('out/'))).toEqual([]);
  });

  it('ends a query that it was asked at whoever asked, once, and its answer goes to nobody', async () => {
    const { home, laptop } = await two();
    const asked = sends(home, 'how far?', { type: 'query', timeout: 10_000 });
    await settle();
    const { messages } = await inbox(laptop);
    world.sleeps('laptop');
    const told = expect(asked).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    await passes(20_000);
    await told;
    // Once it is missed nobody waits for it.
    world.away('laptop', true);
    await expect(sends(home, 'anybody?', { type: 'query' })).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
      data: { reason: 'away' },
    });
    await sleepsFor(HOURS_MS, late);
    const inReplyTo = messages[0]?.id ?? '';
    const answer = { type: 'response', inReplyTo, message: 'far' };
    const answered = laptop.call(CURSOR, 'agent_message', answer);
    await expect(answered).rejects.toMatchObject({ data: { reason: 'late' } });
    // What is asked from now on is answered.
    const next = sends(home, 'and now?', { type: 'query' });
    await settle();
    const [query] = (await inbox(laptop)).messages.filter(({ message }) => message === 'and now?');
    const said = { type: 'response', inReplyTo: query?.id ?? '', message: 'there' };
    await laptop.call(CURSOR, 'agent_message', said);
    expect(await next).toMatchObject({ response: 'there' });
  });

  it('has what was written to it for longer than a day told to its sender, and keeps the rest', async () => {
    const { home, laptop } = await two();
    await home.call(CURSOR, 'agent_announce', { name: 'boss' });
    world.sleeps('laptop');
    world.away('laptop', true);
    const from = { agentId: 'coder@laptop', message: 'old', from: 'boss' };
    await home.call(CURSOR, 'agent_message', from);
    await passes(23 * 3_600_000);
    await sends(home, 'new');
    await sleepsFor(2 * 3_600_000, late);
    expect((await inbox(laptop)).messages.map(({ message }) => message)).toEqual(['new']);
    const back = home.call<AgentInboxResult>(CURSOR, 'agent_inbox', { name: 'boss', timeout_s: 0 });
    expect((await back).messages).toMatchObject([{ type: 'event', message: 'undelivered' }]);
  });
});
