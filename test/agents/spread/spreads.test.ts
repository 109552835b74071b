/** One agent on several nodes: one name, one parent, whatever happens to nodes and to what is between them. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Board } from '../../../src/blackboard/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { client } from '../world.ts';
import { upTo } from '../../long/extent.ts';
import { kind } from '../run/programs.ts';
import type { Program } from '../run/programs.ts';
import { stageOf, stageWithoutBoard } from './stage.ts';
import type { SpreadNode, SpreadStage } from './stage.ts';

const NAMES = ['alice', 'bob', 'carol'] as const;
let stage: SpreadStage;
afterEach(() => stage.stop());

/** Three nodes with an agent on each. */
async function spread(more: Parameters<SpreadNode['spread']>[1] = {}): Promise<SpreadNode[]> {
  stage = await stageOf(...NAMES);
  const nodes = NAMES.map((name) => stage.at(name));
  await nodes[0]?.spread(NAMES, more);
  await stage.passes(1000);
  return nodes;
}

function one(name: string): SpreadNode {
  return stage.at(name);
}

const counts = (): number[] => NAMES.map((name) => one(name).alive().length);
const given = (programs: readonly Program[]): JsonObject[] =>
  programs.flatMap((program) => program.given.map(({ message }) => message));

/** Answers all that has come, and comes after each answer. */
async function answerAll(name: string): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    for (const { given: all } of one(name).programs) for (const each of all) each.answer('done');
    await stage.arrives();
  }
}

describe('an agent on three nodes', () => {
  it('has one name, and each message is dealt with by one of its parts, once', async () => {
    const [alice] = await spread({ replicas: 6 });
    expect(counts()).toEqual([2, 2, 2]);
    expect(alice?.view()).toMatchObject({
      by: 'alice',
      parent: { node: 'alice' },
      replicas: '6',
      parts: NAMES.map((node) => ({ node, state: 'ready', replicas: 2 })),
    });
    const sent = Array.from({ length: upTo(15, 60) }, (_, at) => `message ${at}`);
    for (const message of sent) {
      expect(await alice?.send('coder', message)).toMatchObject({ status: 'delivered' });
      for (const name of NAMES) await answerAll(name);
    }
    const heard = NAMES.map((name) => given(one(name).programs).map(({ message }) => message));
    expect(heard.flat().toSorted()).toEqual(sent.toSorted());
    // Who is asked is chosen among all.
    expect(Math.min(...heard.map((all) => all.length))).toBeGreaterThan(upTo(1, 5));
  });

  it('gives the messages of one conversation to one part, and those that are full, stopped or away none', async () => {
    const [alice, bob] = await spread();
    const metadata = { session: 'birds' };
    for (let at = 0; at < 6; at += 1) {
      await alice?.send('coder', `of birds ${at}`, { metadata });
      for (const name of NAMES) await answerAll(name);
    }
    const whose = NAMES.filter((name) => given(one(name).programs).length > 0);
    expect(whose).toHaveLength(1);
    await bob?.runs.end(OPERATOR, 'coder', 'stop');
    stage.world.away('carol', true);
    for (let at = 0; at < 5; at += 1) {
      await alice?.send('coder', `to whoever is left ${at}`);
      await answerAll('alice');
    }
    const last = given(one('alice').programs).filter(({ message }) =>
      String(message).startsWith('to'),
    );
    expect(last).toHaveLength(5);
  });

  it('is found by its name alone only where whoever has spread it says so', async () => {
    const [alice] = await spread();
    // Somebody else's agent of that name is no part of it.
    const dan = stage.world.nodes['carol'];
    expect(await alice?.node.call(OPERATOR, 'agent_info', { agentId: 'coder' })).toMatchObject({
      parts: ['coder@bob', 'coder@carol'],
    });
    await one('carol').runs.end(OPERATOR, 'coder', 'retire');
    await dan?.call(client('mallory'), 'agent_announce', { name: 'coder', listed: true });
    await stage.passes(11_000);
    await one('bob').send('coder', 'for the parts');
    for (const name of NAMES) await answerAll(name);
    expect(given([...one('alice').programs, ...one('bob').programs])).toHaveLength(1);
  });

  it('follows its queue on each node within the share that this has', async () => {
    const [alice] = await spread({ replicas: { least: 3, most: 9 } });
    expect(counts()).toEqual([1, 1, 1]);
    for (let at = 0; at < 4; at += 1) await alice?.send('coder@alice', `work ${at}`);
    await stage.passes(1000);
    expect(counts()).toEqual([3, 1, 1]);
  });
});

describe('the parent', () => {
  it('is one at any time: cut off it stops to be it before another one begins, and is refused by the parts', async () => {
    await spread();
    let most = 0;
    const look = (): void => void (most = Math.max(most, stage.parents().length));
    const { token: first = 0 } = one('alice').view()?.parent ?? {};
    await stage.part(['alice'], ['bob', 'carol']);
    await stage.passes(40_000, look);
    const [next = '', ...others] = stage.parents();
    expect(others).toEqual([]);
    expect(['bob', 'carol']).toContain(next);
    const { token: second = 0 } = one(next).view()?.parent ?? {};
    expect(second).toBeGreaterThan(first);
    // What cannot be reached runs on, and its share is elsewhere meanwhile.
    expect(counts()).toEqual([1, 2, 1]);
    await stage.part();
    await stage.passes(90_000, look);
    expect(most).toBe(1);
    expect(stage.parents()).toEqual([next]);
    expect(counts()).toEqual([1, 1, 1]);
    expect((await one('alice').runs.rowOf('coder'))?.part).toMatchObject({
      parent: one(next).did,
      token: second,
    });
  });

  it('that is cut off for less than its lease stays the parent, and nothing begins anew', async () => {
    await spread();
    await stage.part(['alice'], ['bob', 'carol']);
    await stage.passes(6000);
    await stage.part();
    await stage.passes(20_000);
    expect(stage.parents()).toEqual(['alice']);
    expect(NAMES.map((name) => one(name).programs.length)).toEqual([1, 1, 1]);
  });

  it('is another one after a kill, which moves the share of the dead node, and gives it back', async () => {
    await spread({ replicas: 3 });
    await stage.die('alice');
    let most = 0;
    await stage.passes(60_000, () => {
      const others = stage.parents().filter((name) => name !== 'alice');
      most = Math.max(most, others.length);
    });
    expect(most).toBe(1);
    expect(counts().slice(1).toSorted()).toEqual([1, 2]);
    await stage.rise('alice');
    await stage.passes(90_000);
    expect(counts()).toEqual([1, 1, 1]);
    expect(stage.parents()).toHaveLength(1);
    expect(stage.parents()).not.toContain('alice');
  });

  it('is nobody where no majority of the board is there, and the parts go on', async () => {
    await spread();
    await stage.part(['alice'], ['bob'], ['carol']);
    await stage.passes(60_000);
    expect(stage.parents()).toEqual([]);
    expect(counts()).toEqual([1, 1, 1]);
    await stage.part();
    await stage.passes(30_000);
    expect(stage.parents()).toHaveLength(1);
  });

  it('gives its lease back when its node stops', async () => {
    await spread();
    const stopping = one('alice').spreads.stop();
    await stage.passes(500);
    await stopping;
    await stage.passes(7000);
    expect(stage.parents()).toHaveLength(1);
  });
});

describe('clocks and leases that are wrong', () => {
  const YEAR_MS = 365 * 86_400_000;
  const boardOf = async (at: number): Promise<Board> => {
    const board = await stage.mesh.members[at]?.blackboard.board('spreads');
    if (board === undefined) throw new Error('no board');
    return board;
  };
  /** Writes a lease by hand, as whoever may write to the board can. */
  const forge = async (lease: JsonObject): Promise<void> => {
    const request = { t: 'set', value: { lease } } as const;
    await (await boardOf(1)).strong('parent/coder', { request });
  };

  it.each([-YEAR_MS, YEAR_MS])(
    'a parent whose clock jumps by %i ms is one parent, or none until another one is',
    async (jumpMs) => {
      await spread();
      let most = 0;
      one('alice').time.aheadMs = jumpMs;
      await stage.passes(60_000, () => void (most = Math.max(most, stage.parents().length)));
      expect(most).toBe(1);
      expect(stage.parents()).toHaveLength(1);
      one('alice').time.aheadMs = 0;
      await stage.passes(60_000, () => void (most = Math.max(most, stage.parents().length)));
      expect(most).toBe(1);
      expect(stage.parents()).toHaveLength(1);
      expect(counts()).toEqual([1, 1, 1]);
    },
  );

  it('a lease until next year, of a node that has died since, blocks nobody', async () => {
    await spread();
    await stage.die('alice');
    const until = stage.mesh.clock.now() + YEAR_MS;
    await forge({ holder: one('alice').did, token: 2, until });
    await stage.passes(60_000);
    expect(stage.parents().filter((name) => name !== 'alice')).toHaveLength(1);
    expect(counts().slice(1).toSorted()).toEqual([1, 2]);
  });

  it('a token that no change has given counts for nobody, and locks no parent out', async () => {
    await spread();
    const until = stage.mesh.clock.now() + 15_000;
    await forge({ holder: one('alice').did, token: 2 ** 52, until });
    await stage.passes(20_000);
    await stage.die('alice');
    await stage.passes(60_000);
    const [parent = ''] = stage.parents().filter((name) => name !== 'alice');
    expect(parent).not.toBe('');
    for (const name of ['bob', 'carol']) {
      const { part } = (await one(name).runs.rowOf('coder')) ?? {};
      expect(part?.parent).toBe(one(parent).did);
      expect(part?.token).toBeLessThan(1000);
    }
  });

  it('a node that is among them makes itself no parent by a high token', async () => {
    await spread();
    const value = (await boardOf(0)).get('spread/coder')?.value ?? {};
    const { terms, proof } = value as { terms: string; proof: string };
    const call = { want: 'renew', proof, terms, token: 2 ** 50, least: 1, most: 1 } as const;
    await expect(one('carol').spreads.obey(one('bob').did, call)).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
    });
    await stage.passes(20_000);
    expect(stage.parents()).toEqual(['alice']);
    expect(one('carol').programs).toHaveLength(1);
  });
});

describe('supervision', () => {
  it('one_for_one: what ends is started again where it was, with its name and inbox', async () => {
    await spread();
    await one('alice').send('coder@bob', 'before');
    await stage.arrives();
    const [first] = one('bob').alive();
    first?.dies('it crashed');
    await stage.passes(2000);
    const [second] = one('bob').alive();
    expect(second).not.toBe(first);
    expect(given(second === undefined ? [] : [second])).toMatchObject([
      { message: 'before', redelivered: true },
    ]);
    await stage.passes(10_000);
    expect(NAMES.map((name) => one(name).programs.length)).toEqual([1, 2, 1]);
  });

  it('one_for_all: the parts of all nodes begin anew, once', async () => {
    stage = await stageOf(...NAMES);
    const alice = one('alice');
    alice.kinds['coder'] = kind({ strategy: 'one_for_all', maxReplicas: 8 });
    await alice.spread(NAMES);
    await stage.passes(6000);
    one('bob').alive()[0]?.dies('it crashed');
    await stage.passes(30_000);
    expect(NAMES.map((name) => one(name).programs.length)).toEqual([2, 2, 2]);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('rest_for_one: those that were begun later begin anew', async () => {
    stage = await stageOf(...NAMES);
    one('alice').kinds['coder'] = kind({ strategy: 'rest_for_one', maxReplicas: 8 });
    await one('alice').spread(NAMES);
    await stage.passes(6000);
    one('bob').alive()[0]?.dies('it crashed');
    await stage.passes(30_000);
    expect(NAMES.map((name) => one(name).programs.length)).toEqual([1, 2, 2]);
  });

  it('gives all up when parts end too often, says so, and lets the agent be spread anew', async () => {
    stage = await stageOf(...NAMES);
    one('alice').kinds['coder'] = kind({ strategy: 'one_for_all', restarts: 2, maxReplicas: 8 });
    await one('alice').spread(NAMES);
    await stage.passes(6000);
    for (let at = 0; at < 3; at += 1) {
      one('bob').alive()[0]?.dies('it crashed');
      await stage.passes(6000);
    }
    await stage.passes(10_000);
    expect(counts()).toEqual([0, 0, 0]);
    expect(one('alice').view()).toMatchObject({
      ended: 'failed',
      error: expect.stringMatching(/3 times within a minute/),
    });
    const codes = one('bob')
      .health.warnings()
      .map(({ code }) => code);
    expect(codes).toContain('agent-spread:coder');
    await one('alice').spread(NAMES);
    await stage.passes(2000);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('a part that its node has given up is begun elsewhere, and there again after a while', async () => {
    await spread({ replicas: 3 });
    for (let at = 0; at < 6; at += 1) {
      one('carol').alive()[0]?.dies('it crashed');
      await stage.passes(6000);
    }
    expect(counts()).toEqual([2, 1, 0]);
    expect(one('alice').view()?.without).toMatchObject([{ node: 'carol' }]);
    await stage.passes(150_000);
    expect(counts()).toEqual([1, 1, 1]);
  });

  it('a node that starts again goes on with its part and the messages that waited', async () => {
    await spread();
    await one('alice').send('coder@carol', 'kept');
    await stage.arrives();
    await stage.die('carol');
    await stage.passes(5000);
    await stage.rise('carol');
    await stage.passes(8000);
    expect(counts()).toEqual([1, 1, 1]);
    expect(given(one('carol').alive())).toMatchObject([{ message: 'kept' }]);
  });
});

describe('a part', () => {
  it('that is wanted no more deals with what it has before it ends', async () => {
    stage = await stageOf(...NAMES);
    await one('alice').spread(['bob', 'carol'], { replicas: 1 });
    await stage.passes(1000);
    expect(counts()).toEqual([0, 1, 0]);
    await one('alice').send('coder', 'first');
    await one('alice').send('coder', 'second');
    await stage.part(['bob'], ['alice', 'carol']);
    await stage.passes(40_000);
    expect(counts()).toEqual([0, 1, 1]);
    await stage.part();
    await stage.passes(20_000);
    // Bob's part has two messages: it takes no others, and is there until both are dealt with.
    expect(await one('alice').send('coder', 'third')).toMatchObject({ status: 'delivered' });
    expect(counts()).toEqual([0, 1, 1]);
    await answerAll('bob');
    await stage.passes(10_000);
    expect(counts()).toEqual([0, 0, 1]);
    const texts = NAMES.map((name) => given(one(name).programs).map(({ message }) => message));
    expect(texts).toEqual([[], ['first', 'second'], ['third']]);
  });

  it('that the operator of its node has stopped stays so', async () => {
    await spread({ replicas: 3 });
    await one('bob').runs.end(OPERATOR, 'coder', 'stop');
    await stage.passes(20_000);
    expect(counts()).toEqual([2, 0, 1]);
    expect(one('alice').view()?.without).toMatchObject([
      { node: 'bob', reason: expect.stringMatching(/operator/) },
    ]);
  });

  it('ends when whoever has spread it may not spawn there any more', async () => {
    await spread({ replicas: 3 });
    one('bob').node.grants.delete('alice agent:coder');
    await stage.passes(20_000);
    expect(counts()).toEqual([2, 0, 1]);
    // A node hears of it by itself, too, also while nobody looks after the part.
    await stage.part(['alice'], ['bob'], ['carol']);
    one('carol').node.grants.delete('alice agent:coder');
    await one('carol').spreads.recheck();
    expect(counts()).toEqual([2, 0, 0]);
  });

  it('ends with the agent, on a node that was away as soon as that is back', async () => {
    await spread();
    await stage.part(['carol'], ['alice', 'bob']);
    await stage.passes(2000);
    expect(await one('alice').spreads.end(OPERATOR, 'coder')).toBe(true);
    await stage.passes(6000);
    expect(counts()).toEqual([0, 0, 1]);
    // Its part there would be nobody's.
    await expect(one('alice').spread(['alice'])).rejects.toThrow(/has not ended on carol/);
    await stage.part();
    await stage.passes(20_000);
    expect(counts()).toEqual([0, 0, 0]);
    expect(one('bob').view()).toBeUndefined();
  });
});

describe('whoever is not the parent', () => {
  it('is refused: by a forged proof, of a node that is not among them, with a former token, with other terms', async () => {
    stage = await stageOf('alice', 'bob', 'carol', 'mallory');
    const alice = one('alice');
    await alice.spread(['alice', 'bob']);
    await stage.passes(1000);
    const part = (await one('bob').runs.rowOf('coder'))?.part;
    const board = await stage.mesh.members[0]?.blackboard.board('spreads');
    const value = board?.get('spread/coder')?.value ?? {};
    const { terms, proof } = value as { terms: string; proof: string };
    const call = { want: 'renew', proof, terms, token: 10 ** 6, least: 1, most: 1 } as const;
    const asked = (parent: SpreadNode, more: object = {}): Promise<unknown> =>
      one('bob').spreads.obey(parent.did, { ...call, ...more });
    // A node that it is not spread over, though it has the proof and may spawn.
    await expect(asked(one('mallory'))).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
    const other = terms.replace('"most":2', '"most":9');
    expect(other).not.toBe(terms);
    await expect(asked(alice, { terms: other })).rejects.toThrow(/no proof/);
    const forged = `${proof.slice(0, -4)}AAAA`;
    await expect(asked(alice, { proof: forged })).rejects.toThrow(/no proof/);
    await expect(asked(alice, { token: (part?.token ?? 1) - 1 })).rejects.toThrow(/another one/);
    expect(one('bob').programs).toHaveLength(1);
  });

  it('is ended as a whole by a node that has started before the board was there, and has not looked for it again', async () => {
    stage = await stageWithoutBoard(...NAMES);
    expect(one('alice').health.warnings()).toMatchObject([
      { text: expect.stringContaining("'spreads' (agents.spread.board)") as string },
    ]);
    await stage.makesBoard();
    await one('bob').spread(['bob', 'carol']);
    await stage.arrives();
    expect(counts()).toEqual([0, 1, 1]);
    expect(one('alice').view()).toBeUndefined();
    expect(await one('alice').spreads.end(OPERATOR, 'coder')).toBe(true);
    await stage.passes(30_000);
    expect(counts()).toEqual([0, 0, 0]);
    expect(one('alice').health.warnings()).toEqual([]);
  });

  it('may not spread: clients, a node without a board, a kind that no node lets it spawn', async () => {
    stage = await stageOf(...NAMES);
    const { spreads } = one('alice');
    const init = { kind: 'coder', on: ['alice'], waitMs: 0 } as const;
    const never = new AbortController().signal;
    await expect(spreads.spread(client('cursor'), init, never)).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
    });
    one('bob').node.grants.clear();
    const made = await one('alice')
      .spread(['bob', 'nobody-knows'])
      .catch((error: unknown) => error);
    expect(made).toMatchObject({ code: 'STARLING_PEER_UNKNOWN' });
    await one('alice').spread(['bob']);
    await stage.passes(6000);
    expect(counts()).toEqual([0, 0, 0]);
    expect(one('alice').view()).toMatchObject({
      parts: [],
      without: [{ node: 'bob', reason: expect.stringMatching(/no grant/) }],
    });
    await expect(one('alice').spread(['carol'])).rejects.toMatchObject({
      code: 'STARLING_AGENT_TAKEN',
    });
  });
});
