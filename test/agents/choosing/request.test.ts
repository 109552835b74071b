/** Who is asked for a capability: those that turned out to lack it are passed over, and what nodes offer by their agents. */
import { describe, expect, it } from 'vitest';
import { createBreakers } from '../../../src/agents/choosing/breakers.ts';
import { offersOf, requestCapability } from '../../../src/agents/choosing/request.ts';
import type { AgentView, Announcement } from '../../../src/agents/types.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createLacking } from '../../../src/directory/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { calm } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';

const TEN_MINUTES_MS = 600_000;

const agent = (name: string, node: string, free: number, busy = 0): AgentView =>
  ({
    name,
    machine_id: node,
    endpoint: `${name}@${node}`,
    status: 'online',
    tags: [],
    free,
    busy,
    maxConcurrentTasks: 2,
    capabilities: ['dig'],
  }) as unknown as AgentView;

/** Asks for `dig`; those of `without` do not know the agent any more; `now` is how agents are when they are asked. */
function bench(
  agents: readonly AgentView[],
  without: readonly string[],
  silent: readonly string[] = [],
  now: readonly AgentView[] = agents,
  asleep: readonly string[] = [],
) {
  const clock = createTestClock();
  const lacking = createLacking(clock);
  const asked: string[] = [];
  const looked: string[] = [];
  const components = {
    list: async () => ({ agents }),
    async ask({ endpoint }: AgentView) {
      looked.push(endpoint);
      if (asleep.includes(endpoint)) await new Promise(() => undefined);
      return now.find((one) => one.endpoint === endpoint);
    },
    async message(_: unknown, { to }: { readonly to: string }) {
      asked.push(to);
      if (silent.includes(to)) throw new StarlingError('STARLING_TIMEOUT', `${to} said nothing`);
      if (without.includes(to)) throw new StarlingError('STARLING_AGENT_UNKNOWN', `no ${to}`);
      return { messageId: 'm', agentId: to, status: 'answered', correlationId: 'c', response: to };
    },
    breakers: createBreakers(clock),
    clock,
    random: () => 0,
    lacking,
  };
  const dig = async (): Promise<unknown> => {
    const init = { capability: 'dig@1.0.0', parameters: {} };
    const signal = new AbortController().signal;
    return (await requestCapability(components as never, OPERATOR, init, signal)).result;
  };
  return { clock, lacking, asked, looked, dig };
}

describe('a request by capability', () => {
  it.each([
    [9, 3],
    [3, 9],
  ])('asks the less busy one of two that have no place left: %i and %i', async (one, other) => {
    const { dig } = bench([agent('a', 'n1', 0, one), agent('b', 'n2', 0, other)], []);
    expect(await dig()).toBe(one < other ? 'a@n1' : 'b@n2');
  });

  it('asks two how they are now, whatever the list said of them', async () => {
    // By the list `a` alone had a place: all that came within ten seconds would have gone to it.
    const listed = [agent('a', 'n1', 1), agent('b', 'n2', 0, 2), agent('c', 'n3', 0, 2)];
    const now = [agent('a', 'n1', 0, 7), agent('b', 'n2', 2), agent('c', 'n3', 0, 2)];
    const { looked, dig } = bench(listed, [], [], now);
    expect(await dig()).toBe('b@n2');
    expect(looked).toEqual(['a@n1', 'b@n2']);
  });

  it('waits a quarter of a second for one that sleeps once the other has a place, and asks that one', async () => {
    const two = [agent('a', 'n1', 9), agent('b', 'n2', 1)];
    const { clock, dig } = bench(two, [], [], two, ['a@n1']);
    let answer: unknown;
    const dug = dig().then((result) => (answer = result));
    await calm(5);
    clock.advance(249);
    await calm(5);
    expect(answer).toBeUndefined();
    clock.advance(1);
    await dug;
    expect(answer).toBe('b@n2');
    expect(clock.waiting()).toBe(0);
  });

  it('asks two more where neither of two has a place, and then no more', async () => {
    const busy = [agent('a', 'n1', 0, 3), agent('b', 'n2', 0, 4)];
    const free = bench([...busy, agent('c', 'n3', 0, 2), agent('d', 'n4', 1, 1)], []);
    expect(await free.dig()).toBe('d@n4');
    expect(free.looked).toEqual(['a@n1', 'b@n2', 'c@n3', 'd@n4']);
    const all = bench(
      ['a', 'b', 'c', 'd', 'e'].map((name, at) => agent(name, `n${at}`, 0, 9 - at)),
      [],
    );
    expect(await all.dig()).toBe('d@n3');
    expect(all.looked).toHaveLength(4);
  });

  it('asks no more than two where one of them has a place', async () => {
    const { looked, dig } = bench(
      [agent('a', 'n1', 0, 3), agent('b', 'n2', 1), agent('c', 'n3', 2)],
      [],
    );
    expect(await dig()).toBe('b@n2');
    expect(looked).toEqual(['a@n1', 'b@n2']);
  });

  it('passes over an agent that was not there, and asks it last for as long again', async () => {
    const { clock, asked, dig } = bench([agent('a', 'n1', 9), agent('b', 'n2', 1)], ['a@n1']);
    expect(await dig()).toBe('b@n2');
    expect(asked).toEqual(['a@n1', 'b@n2']);
    await dig();
    expect(asked.slice(2)).toEqual(['b@n2']);
    clock.advance(TEN_MINUTES_MS);
    await dig();
    expect(asked.slice(3)).toEqual(['b@n2']);
    clock.advance(TEN_MINUTES_MS);
    await dig();
    expect(asked.slice(4)).toEqual(['a@n1', 'b@n2']);
  });

  it('does not ask for a minute whoever gave no answer five times in a row, and says so', async () => {
    const { clock, asked, dig } = bench([agent('a', 'n1', 9)], [], ['a@n1']);
    for (let at = 0; at < 5; at += 1) {
      await expect(dig()).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    }
    await expect(dig()).rejects.toMatchObject({
      code: 'STARLING_AGENT_FAILED',
      message: expect.stringContaining('asked again in 60 s') as string,
    });
    expect(asked).toHaveLength(5);
    clock.advance(60_000);
    await expect(dig()).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    await expect(dig()).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
    expect(asked).toHaveLength(6);
  });

  it('asks it all the same where there is nobody else', async () => {
    const { asked, dig } = bench([agent('a', 'n1', 9)], ['a@n1']);
    await expect(dig()).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
    await expect(dig()).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
    expect(asked).toEqual(['a@n1', 'a@n1']);
  });

  it('holds against a node what its one agent lacks, and not what another agent of the node has', async () => {
    const alone = bench([agent('a', 'n1', 9), agent('b', 'n2', 1)], ['a@n1']);
    await alone.dig();
    expect(alone.lacking.standing('n1' as PeerId, 'dig')).toBe('passed over');
    const both = bench([agent('a', 'n1', 9), agent('b', 'n1', 1)], ['a@n1']);
    await both.dig();
    expect(both.lacking.standing('n1' as PeerId, 'dig')).toBe('sound');
  });
});

describe('a request that only reads', () => {
  const reading = (name: string, node: string, free: number, readOnly = true): AgentView =>
    ({
      ...agent(name, node, free),
      capabilities: ['dig@1.0.0'],
      definitions: { 'dig@1.0.0': { readOnly } },
      metrics: { avgResponseTime: 100 },
    }) as unknown as AgentView;

  /** `a` answers when the test says so. */
  function slow(agents: readonly AgentView[]) {
    const clock = createTestClock();
    const asked: string[] = [];
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const components = {
      clock,
      list: async () => ({ agents }),
      ask: async (one: AgentView) => one,
      async message(_: unknown, { to }: { readonly to: string }) {
        asked.push(to);
        if (to === 'a@n1') await answered;
        return {
          messageId: 'm',
          agentId: to,
          status: 'answered',
          correlationId: 'c',
          response: to,
        };
      },
      breakers: createBreakers(clock),
      random: () => 0,
      lacking: createLacking(clock),
    };
    const init = { capability: 'dig', parameters: {} };
    const { signal } = new AbortController();
    const done = requestCapability(components as never, OPERATOR, init, signal);
    return { clock, asked, answer, done };
  }

  const turns = async (): Promise<void> => {
    for (let at = 0; at < 20; at += 1) await Promise.resolve();
  };

  it('goes to a second agent where the first takes twice as long as it does, and the first answer counts', async () => {
    const { clock, asked, answer, done } = slow([reading('a', 'n1', 9), reading('b', 'n2', 1)]);
    await turns();
    clock.advance(199);
    await turns();
    expect(asked).toEqual(['a@n1']);
    clock.advance(1);
    expect((await done).result).toBe('b@n2');
    answer();
    expect(asked).toEqual(['a@n1', 'b@n2']);
  });

  it('waits for the first where the capability may change something', async () => {
    const agents = [reading('a', 'n1', 9, false), reading('b', 'n2', 1, false)];
    const { clock, asked, answer, done } = slow(agents);
    await turns();
    clock.advance(10_000);
    await turns();
    answer();
    expect((await done).result).toBe('a@n1');
    expect(asked).toEqual(['a@n1']);
  });
});

describe('what a node offers by its agents', () => {
  const announced = (init: Partial<Announcement>, stopped = false) => ({
    stopped,
    announcement: {
      kind: 'attached',
      capabilities: [],
      listed: true,
      ...init,
    } as unknown as Announcement,
  });

  it('is the kinds and capabilities of those that every member may see, without versions', () => {
    const offers = offersOf([
      announced({ kind: 'coder', capabilities: ['summarise@1.2.0', 'dig', 'No Kind'] }),
      announced({ capabilities: ['dig', 'translate:de'] }),
      announced({ kind: 'spy', capabilities: ['secret'], listed: false }),
      announced({ capabilities: ['gone'] }, true),
    ]);
    expect(offers).toEqual(['coder', 'dig', 'summarise', 'translate:de']);
  });
});
