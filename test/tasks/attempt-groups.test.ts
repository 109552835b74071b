/** What is asked of a peer about many attempts goes in one message, and each hears what is said of it. */
import { expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../src/core/index.ts';
import type { JsonObject, PeerId } from '../../src/core/index.ts';
import { createAttemptGroups } from '../../src/tasks/awards/attempt-groups.ts';
import type { AttemptGroups, GroupMember } from '../../src/tasks/awards/attempt-groups.ts';
import { FOLLOW_PACE_MS, GROUP_MAX, HASTY_MAX, OLD_PEER_MS } from '../../src/tasks/limits.ts';
import type { Outcome } from '../../src/tasks/types.ts';
import { createTestClock } from '../core/test-clock.ts';

const PEER = 'peer-b' as PeerId;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  readonly clock: ReturnType<typeof createTestClock>;
  readonly sent: JsonObject[];
  /** What the peer answers to each message. */
  answer: (args: JsonObject) => Promise<object>;
  ask(taskId: string, changes?: Partial<GroupMember>): ReturnType<AttemptGroups['ask']>;
}

function bench(): Bench {
  const clock = createTestClock();
  const groups = createAttemptGroups(clock, silentLogger);
  const made: Bench = {
    clock,
    sent: [],
    answer: async () => ({}),
    ask: (taskId, changes = {}) =>
      groups.ask({
        peer: PEER,
        group: 'follow',
        head: { op: 'follow' },
        args: { taskId },
        send(args) {
          made.sent.push(args);
          return made.answer(args) as Promise<JsonObject>;
        },
        read(answer) {
          if (typeof (answer as JsonObject | undefined)?.['state'] === 'string') {
            return answer as Outcome;
          }
          throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'nobody can read that');
        },
        ...changes,
      }),
  };
  return made;
}

const done = (result: string): Outcome => ({ state: 'done', result });

it('is one message of all of one turn, and each has its own answer or error', async () => {
  const peer = bench();
  peer.answer = async () => ({
    state: 'unknown',
    group: [
      { at: 2, outcome: done('c') },
      { at: 0, outcome: done('a') },
      { at: 1, error: { code: 'STARLING_AGENT_FAILED', message: 'no place', reason: 'full' } },
      { at: 3, outcome: { odd: 1 } },
    ],
  });
  const nothingNew: Outcome = { state: 'running', news: 7 };
  const all = await Promise.allSettled([
    peer.ask('a'),
    peer.ask('b'),
    peer.ask('c'),
    peer.ask('d'),
    peer.ask('e', { nothingNew }),
    peer.ask('f'),
  ]);
  expect(peer.sent).toEqual([
    {
      op: 'follow',
      taskId: 'a',
      more: ['b', 'c', 'd', 'e', 'f'].map((taskId) => ({ taskId })),
    },
  ]);
  expect(all).toMatchObject([
    { value: done('a') },
    { reason: { code: 'STARLING_AGENT_FAILED', data: { reason: 'full' } } },
    { value: done('c') },
    { reason: { code: 'STARLING_PROTOCOL_VIOLATION' } },
    { value: nothingNew },
    // To begin with, something must be said.
    { reason: { code: 'STARLING_PROTOCOL_VIOLATION' } },
  ]);
  // One alone is asked as ever.
  peer.answer = async () => ({ ...done('g') });
  expect(await peer.ask('g')).toEqual(done('g'));
  expect(peer.sent.at(-1)).toEqual({ op: 'follow', taskId: 'g' });
});

it('has so many at the most, and those of other groups go by themselves', async () => {
  const peer = bench();
  peer.answer = async ({ more }) => ({
    group: Array.from({ length: ((more as unknown[] | undefined)?.length ?? 0) + 1 }, (_, at) => ({
      at,
      outcome: done('x'),
    })),
    ...done('x'),
  });
  const asked = Array.from({ length: GROUP_MAX + 3 }, (_, at) => peer.ask(`t${at}`));
  await Promise.all([...asked, peer.ask('other', { group: 'begin' })]);
  expect(peer.sent.map(({ more }) => (more as unknown[] | undefined)?.length)).toEqual([
    GROUP_MAX - 1,
    2,
    undefined,
  ]);
});

it('asks a peer of an earlier version one by one, until that may have been updated', async () => {
  const peer = bench();
  peer.answer = async ({ taskId }) => ({ ...done(String(taskId)) });
  const three = (): Promise<Outcome[]> => Promise.all(['a', 'b', 'c'].map((id) => peer.ask(id)));
  expect(await three()).toEqual(['a', 'b', 'c'].map(done));
  expect(peer.sent.map(({ more }) => more !== undefined)).toEqual([true, false, false]);
  expect(await three()).toEqual(['a', 'b', 'c'].map(done));
  expect(peer.sent.slice(3).map(({ more }) => more !== undefined)).toEqual([false, false, false]);
  peer.clock.advance(OLD_PEER_MS);
  await three();
  expect(peer.sent.slice(6)[0]?.['more']).toBeDefined();
});

it('fails for all where nothing comes back, and for the first alone where the peer says no', async () => {
  const peer = bench();
  peer.answer = () => Promise.reject(new StarlingError('STARLING_TIMEOUT', 'silence'));
  const silent = await Promise.allSettled([peer.ask('a'), peer.ask('b')]);
  expect(silent).toMatchObject([
    { reason: { code: 'STARLING_TIMEOUT' } },
    { reason: { code: 'STARLING_TIMEOUT' } },
  ]);
  expect(peer.sent).toHaveLength(1);
  peer.answer = async ({ more, taskId }) => {
    if (more !== undefined) throw new StarlingError('STARLING_CALL_REFUSED', 'no');
    return { ...done(String(taskId)) };
  };
  const said = await Promise.allSettled([peer.ask('a'), peer.ask('b')]);
  expect(said).toMatchObject([{ reason: { code: 'STARLING_CALL_REFUSED' } }, { value: done('b') }]);
});

it('asks a peer that says nothing new at once no faster than ten times a second', async () => {
  const peer = bench();
  peer.answer = async ({ more }) =>
    more === undefined ? { state: 'running', news: 1 } : { state: 'unknown', group: [] };
  const nothingNew: Outcome = { state: 'running', news: 1 };
  for (const many of [['a', 'b'], ['a']]) {
    const before = peer.sent.length;
    let rounds = 0;
    const asking = async (): Promise<void> => {
      for (; rounds < HASTY_MAX * 3; rounds += 1) {
        await Promise.all(
          many.map((id) => peer.ask(id, { nothingNew, group: `of ${many.length}` })),
        );
      }
    };
    const over = asking();
    for (let turns = 0; turns < 200; turns += 1) await turn();
    expect(peer.sent.length - before).toBe(HASTY_MAX + 1);
    for (let pauses = 0; pauses < HASTY_MAX * 3; pauses += 1) {
      peer.clock.advance(FOLLOW_PACE_MS);
      for (let turns = 0; turns < 10; turns += 1) await turn();
    }
    await over;
  }
});
