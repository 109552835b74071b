/** Agents that work together by turns: who is asked what, what all of them know, and that each collaboration ends. */
import { beforeEach, describe, expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import type { Did, Json, JsonObject } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import { createCollaborations } from '../../src/orchestration/collaboration.ts';
import type { CollaborateInit, CollaborateResult } from '../../src/orchestration/collaboration.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { createPlainBoards } from '../swarms/plain-boards.ts';

const SELF = 'did:key:alice' as Did;
const BOB = 'did:key:bob' as Did;
type Answer = (asked: JsonObject, signal: AbortSignal) => Json | Promise<Json>;

let clock: TestClock;
let boards: ReturnType<typeof createPlainBoards>;
let asked: [agent: string, what: JsonObject][];
let answers: Record<string, Answer>;
let refused: Set<string>;

beforeEach(() => {
  clock = createTestClock();
  boards = createPlainBoards();
  asked = [];
  answers = {};
  refused = new Set();
});

function collaborate(
  init: Partial<CollaborateInit>,
  signal: AbortSignal = new AbortController().signal,
): Promise<CollaborateResult> {
  const together = createCollaborations({
    agents: {
      requireTaskFor(_, agent) {
        if (refused.has(agent)) throw new StarlingError('STARLING_CALL_REFUSED', `not ${agent}`);
      },
      async message(_, { message, timeoutMs = 0, to = '' }, ended) {
        const what = message as JsonObject;
        asked.push([to, what]);
        const late = new Promise<never>((_resolve, reject) => {
          clock.schedule(timeoutMs, () => reject(new Error('no answer in time')));
          ended.addEventListener('abort', () => reject(new Error('it is over')));
        });
        const answer = Promise.resolve(answers[to]?.(what, ended) ?? null);
        const response = await Promise.race([answer, late]);
        return { messageId: 'm', agentId: to, status: 'answered', correlationId: 'c', response };
      },
    },
    blackboard: boards.at(SELF) as never,
    membership: { byAlias: (alias) => (alias === 'bob' ? ({ did: BOB } as never) : undefined) },
    letRead: async () => undefined,
    node: { name: 'alice', did: SELF },
    clock,
    random: () => 0.5,
  });
  return together.collaborate(
    OPERATOR,
    {
      participants: ['lead', 'one', 'two@bob'],
      task: 'write it',
      mode: 'hierarchical',
      context: { place: 'here' },
      rounds: 3,
      turnMs: 1000,
      timeoutMs: 60_000,
      ...init,
    },
    signal,
  );
}

async function passing(work: Promise<unknown>): Promise<void> {
  const life = { isOver: false };
  work.then(
    () => (life.isOver = true),
    () => (life.isOver = true),
  );
  for (let turn = 0; turn < 300; turn += 1) {
    if (life.isOver) return;
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(500);
  }
}

const YEAR_MS = 365 * 86_400_000;

it.each([-YEAR_MS, YEAR_MS])(
  'each has its turn where the clock is set meanwhile (%i ms)',
  async (jump) => {
    const later = (said: string): Promise<Json> =>
      new Promise((resolve) => void clock.schedule(600, () => resolve(said)));
    answers = {
      lead: ({ ask }) => {
        if (ask === 'plan') clock.sleep(jump);
        return { result: 'both' };
      },
      one: () => later('first half'),
      'two@bob': () => later('second half'),
    };
    const working = collaborate({});
    await passing(working);
    expect(await working).toMatchObject({ status: 'agreed', rounds: 1 });
    expect(asked.map(([agent]) => agent)).toEqual(['lead', 'one', 'two@bob', 'lead']);
    const board = await boards.at(SELF).board((await working).board);
    expect(board.get('turn/0002')?.value).toMatchObject({ agent: 'one', said: 'first half' });
  },
);

describe('hierarchical', () => {
  it('the first plans, the others work at once, the first concludes; all of it is on the board', async () => {
    answers = {
      lead: ({ ask }) => (ask === 'plan' ? { context: { plan: 'half each' } } : { result: 'both' }),
      one: () => 'first half',
      'two@bob': () => 'second half',
    };
    const ended = await collaborate({});
    expect(ended).toMatchObject({ status: 'agreed', result: 'both', rounds: 1 });
    expect(asked.map(([agent, { ask }]) => `${agent} ${String(ask)}`)).toEqual([
      'lead plan',
      'one work',
      'two@bob work',
      'lead conclude',
    ]);
    // What the leader wanted all to know, they knew; what they said, it knew.
    expect(asked[1]?.[1]['shared_context']).toEqual({ place: 'here', plan: 'half each' });
    expect(JSON.stringify(asked[3]?.[1]['said'])).toContain('second half');
    const board = await boards.at(BOB).board(ended.board);
    expect(board.may(BOB, 'read')).toBe(true);
    expect(board.may(BOB, 'write')).toBe(false);
    expect(board.get('context/plan')?.value).toBe('half each');
    expect(board.get('turn/0004')?.value).toMatchObject({ agent: 'lead', ask: 'conclude' });
    expect(board.get('end')?.value).toMatchObject({ status: 'agreed', result: 'both' });
  });

  it('the leader has them work once more, as often as there are rounds', async () => {
    answers['lead'] = ({ ask, round }) =>
      ask === 'conclude' ? { done: false, result: round ?? 0 } : null;
    expect(await collaborate({ rounds: 2 })).toMatchObject({
      status: 'rounds',
      result: 2,
      rounds: 2,
    });
    expect(asked.filter(([agent]) => agent === 'one')).toHaveLength(2);
  });

  it('goes on without a worker that fails, and fails with its leader', async () => {
    answers = { one: () => Promise.reject(new Error('tired')), lead: () => 'done' };
    const ended = await collaborate({});
    expect(ended).toMatchObject({ status: 'agreed', result: 'done' });
    expect(ended.turns.find(({ agent }) => agent === 'one')).toMatchObject({ error: 'tired' });
    answers['lead'] = () => Promise.reject(new Error('gone'));
    await expect(collaborate({})).rejects.toMatchObject({
      code: 'STARLING_AGENT_FAILED',
      data: { agentId: 'lead', reason: 'failed', duration: expect.any(Number) as number },
    });
  });
});

describe('peer-to-peer', () => {
  const mode = 'peer-to-peer' as const;

  it('each has its turn in order, until all say in one round that it is done', async () => {
    const says = ({ round }: JsonObject): Json => ({
      done: round === 2,
      result: `draft ${String(round)}`,
    });
    answers = { lead: says, one: says, 'two@bob': says };
    expect(await collaborate({ mode, rounds: 5 })).toMatchObject({
      status: 'agreed',
      rounds: 2,
      result: 'draft 2',
      participants: [{ role: 'peer', turns: 2 }, { turns: 2 }, { turns: 2 }],
    });
    expect(asked.map(([agent]) => agent)).toEqual([
      'lead',
      'one',
      'two@bob',
      'lead',
      'one',
      'two@bob',
    ]);
  });

  it('ends after its rounds where one never agrees', async () => {
    answers = { lead: () => ({ done: true }), one: () => ({ done: true }), 'two@bob': () => 'no' };
    expect(await collaborate({ mode })).toMatchObject({
      status: 'rounds',
      rounds: 3,
      result: 'no',
    });
  });

  it('one that hangs loses its turns, one that is left alone can not go on', async () => {
    answers = {
      one: () => new Promise<Json>(() => undefined),
      lead: () => ({ done: true }),
      'two@bob': () => ({ done: true }),
    };
    const work = collaborate({ mode, rounds: 10 });
    await passing(work);
    expect(await work).toMatchObject({ status: 'agreed', rounds: 2 });
    answers['two@bob'] = () => Promise.reject(new Error('gone'));
    const failing = collaborate({ mode });
    await passing(failing);
    await expect(failing).rejects.toMatchObject({ code: 'STARLING_AGENT_FAILED' });
  });

  it('ends when its time is over', async () => {
    answers = {
      lead: () => new Promise<Json>((resolve) => void clock.schedule(900, () => resolve('slow'))),
    };
    const work = collaborate({ mode, rounds: 10, timeoutMs: 2000 });
    await passing(work);
    expect(await work).toMatchObject({ status: 'time' });
  });

  it('ends when whoever wants it has gone', async () => {
    const gone = new AbortController();
    answers = { lead: () => new Promise<Json>(() => gone.abort()) };
    const work = collaborate({ mode }, gone.signal);
    await passing(work);
    expect(asked).toHaveLength(1);
  });
});

describe('what is bounded', () => {
  it('nobody is asked whom the caller may not give a task, also in the middle of it', async () => {
    refused.add('one');
    await expect(collaborate({})).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
    expect(asked).toEqual([]);
    refused.clear();
    answers['lead'] = () => (refused.add('one'), 'go');
    expect(await collaborate({ rounds: 1 })).toMatchObject({ status: 'agreed' });
    expect(asked.map(([agent]) => agent)).not.toContain('one');
  });

  it('a huge answer is a failure, and a huge addition to the context is left out', async () => {
    answers = {
      one: () => 'x'.repeat(100_000),
      lead: () => ({ context: { big: 'x'.repeat(60_000), small: 1, '': 2 } }),
      'two@bob': () => ({ context: { more: 'x'.repeat(60_000) } }),
    };
    const ended = await collaborate({});
    expect(ended.turns.find(({ agent }) => agent === 'one')?.error).toContain('65536 bytes');
    expect(Object.keys(ended.shared_context)).toEqual(['place', 'big', 'small']);
    const told = asked.map(([, what]) => JSON.stringify(what).length);
    expect(Math.max(...told)).toBeLessThan(256 * 1024);
  });

  it('a participant twice, and a context that is too large, are refused', async () => {
    await expect(collaborate({ participants: ['a', 'a'] })).rejects.toThrow('named twice');
    await expect(collaborate({ context: { big: 'x'.repeat(70_000) } })).rejects.toThrow(
      'shared_context',
    );
  });
});
