/** Rounds of requests about a strong key: who is asked, and that what breaks a round ends the request and none that come after it. */
import { describe, expect, it } from 'vitest';
import type { QuorumAnswer, QuorumQuestion } from '../../../src/blackboard/quorum/acceptor.ts';
import { FIRST_MS, SilentReplicas } from '../../../src/blackboard/quorum/poll.ts';
import { createProposer } from '../../../src/blackboard/quorum/proposer.ts';
import type { Proposal, ProposerComponents } from '../../../src/blackboard/quorum/proposer.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import { createScope } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { calm } from '../hub.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const SELF = 'did:key:z6MkAnn' as Did;
const SET: ReplicaSet = { number: 0, voters: [{ did: SELF, disk: 'd1', since: 0 }], count: 0 };
const CELL = { board: 'jobs@z6MkAnn', key: 'k' };

/** A replica that agrees to all. */
async function agrees(question: QuorumQuestion): Promise<QuorumAnswer> {
  const { ballot } = question;
  return question.t === 'accept' ? { t: 'accepted', ballot } : { t: 'promised', ballot };
}

type Over = Partial<ProposerComponents> & { readonly clock?: TestClock };

function proposerWith(over: Over = {}): ReturnType<typeof createProposer> {
  const { clock = createTestClock(), ...parts } = over;
  return createProposer({
    self: SELF,
    silent: new SilentReplicas(clock),
    scope: createScope(clock),
    random: () => 0.5,
    boot: async () => 1,
    setOf: async () => SET,
    ownVoter: async ({ voters }) => voters[0],
    isThere: () => true,
    ask: (_voter, _set, { question }) => agrees(question),
    missed: () => undefined,
    ...parts,
  });
}

function proposal(op: string, change: Proposal['change']): Proposal {
  return { cell: CELL, request: op, op, change, patienceMs: 1000 };
}

const SET_TO_ONE: Proposal['change'] = () => ({ value: 1, result: 'set' });

describe('a proposer', () => {
  it('ends a request whose change breaks, and does the next one of the key', async () => {
    const proposer = proposerWith();
    const broken = proposal('a', () => {
      throw new Error('no such change');
    });
    const next = proposal('b', SET_TO_ONE);
    const both = [proposer.propose(broken), proposer.propose(next)];
    await expect(both[0]).rejects.toThrow('no such change');
    expect(await both[1]).toMatchObject({ result: 'set', state: { value: 1, count: 1 } });
  });

  it('ends a request of a board that has no replicas', async () => {
    const clock = createTestClock();
    const proposer = proposerWith({ clock, setOf: async () => ({ ...SET, voters: [] }) });
    const refused = expect(proposer.propose(proposal('a', SET_TO_ONE))).rejects.toMatchObject({
      code: 'STARLING_NO_QUORUM',
    });
    for (let waits = 0; waits < 20; waits += 1) {
      await calm();
      clock.advance(100);
    }
    await refused;
  });

  it('asks as few replicas as are enough, and says who has not been told', async () => {
    const { asked, propose, missed } = withFive();
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d3', 'accept d1 d2 d3']);
    await propose('b');
    expect(asked.slice(2)).toEqual(['accept d1 d2 d3']);
    expect(missed).toEqual([
      ['d4', 'd5'],
      ['d4', 'd5'],
    ]);
  });

  it('asks those that are connected, and all where these are too few or all are meant', async () => {
    const away = new Set(['d3']);
    const { asked, propose, missed } = withFive({ isThere: ({ disk }) => !away.has(disk) });
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d4', 'accept d1 d2 d4']);
    away.add('d4').add('d5');
    await propose('b');
    await propose('c', { toAll: true });
    expect(asked.slice(2)).toEqual(['accept d1 d2 d3 d4 d5', 'accept d1 d2 d3 d4 d5']);
    expect(missed).toEqual([['d3', 'd5']]);
  });

  it('asks all while replicas change: more than half of both is needed', async () => {
    const joint: ReplicaSet = { ...FIVE, number: 1, before: FIVE.voters.slice(0, 3) };
    const { asked, propose } = withFive({ setOf: async () => joint });
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d3 d4 d5', 'accept d1 d2 d3 d4 d5']);
  });

  it.each([
    ['refuses', { t: 'refused', higher: [1, 1, SELF] }],
    ['fails', { t: 'failed', code: 'STARLING_STATE_UNUSABLE', text: 'full' }],
    ['gives no answer', undefined],
  ] as const)('asks the others at once where one of the few %s', async (_, answer) => {
    const { asked, propose } = withFive({
      ask: async (voter, _set, { question }) => {
        if (voter.disk !== 'd2') return agrees(question);
        return answer && ({ ballot: question.ballot, ...answer } as QuorumAnswer);
      },
    });
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d3 d4 d5', 'accept d1 d2 d3 d4 d5']);
  });

  it('goes on with a turn that one accepts which had promised a higher one, where without that one there are too few', async () => {
    const clock = createTestClock();
    const high = [500, 1, SELF] as const;
    const { asked, propose } = withFive({
      clock,
      ask: async ({ disk }, _set, { question }) => {
        if (disk === 'd4' || disk === 'd5') return undefined;
        const { ballot } = question;
        if (disk === 'd2' && ballot[0] <= high[0]) return { t: 'refused', ballot, higher: high };
        return agrees(question);
      },
    });
    const done = propose('a');
    await calm();
    clock.advance(50);
    await done;
    expect(asked.length).toBe(3);
  });

  it('asks the others where one of the few hangs, and then not that one among the first for a while', async () => {
    const clock = createTestClock();
    const { asked, propose } = withFive({
      clock,
      ask: (voter, _set, { question }) =>
        voter.disk === 'd2' ? new Promise(() => undefined) : agrees(question),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS - 1);
    await calm();
    expect(asked).toEqual(['prepare d1 d2 d3']);
    clock.advance(1);
    await first;
    expect(asked).toEqual(['prepare d1 d2 d3 d4 d5', 'accept d1 d3 d4']);
    clock.advance(60_000);
    const later = propose('b');
    await calm();
    expect(asked.slice(2)).toEqual(['accept d1 d2 d3']);
    clock.advance(FIRST_MS);
    await later;
  });
});

describe('a replica that hangs', () => {
  const KEYS = Array.from({ length: 8 }, (_, at) => ({ board: CELL.board, key: `k${at}` }));
  const hanging = (): Promise<undefined> => new Promise(() => undefined);

  /** Changes each key once, all at the same time, without waiting for them; `done` counts those that are. */
  const changes = (propose: ReturnType<typeof withFive>['propose']) => {
    const state = { done: 0 };
    const all = KEYS.map(async (cell) => {
      await propose('x', { cell });
      state.done += 1;
    });
    return { state, all: Promise.all(all) };
  };

  it('is tried again by one change in five seconds, while others go on without it', async () => {
    const clock = createTestClock();
    const { asked, propose } = withFive({
      clock,
      ask: ({ disk }, _set, { question }) => (disk === 'd2' ? hanging() : agrees(question)),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS);
    await first;
    const asksBefore = asked.length;
    await changes(propose).all;
    expect(asked.slice(asksBefore).join(' ')).not.toContain('d2');
    for (let times = 0; times < 3; times += 1) {
      clock.advance(5000);
      const { all, state } = changes(propose);
      await calm();
      expect(state.done).toBe(KEYS.length - 1);
      clock.advance(FIRST_MS);
      await all;
    }
  });

  it('is asked among the first again once it has answered', async () => {
    const clock = createTestClock();
    let isHung = true;
    const { asked, propose } = withFive({
      clock,
      ask: ({ disk }, _set, { question }) =>
        disk === 'd2' && isHung ? hanging() : agrees(question),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS);
    await first;
    isHung = false;
    await propose('b');
    expect(asked.at(-1)).toBe('accept d1 d3 d4');
    clock.advance(5000);
    await propose('c');
    await propose('d');
    expect(asked.slice(-2)).toEqual(['accept d1 d2 d3', 'accept d1 d2 d3']);
  });

  it('holds up one change where it is this node itself, whose others are all asked then', async () => {
    const clock = createTestClock();
    const { asked, propose } = withFive({
      clock,
      ask: ({ disk }, _set, { question }) => (disk === 'd1' ? hanging() : agrees(question)),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS);
    await first;
    await propose('b');
    expect(asked.slice(1)).toEqual(['accept d1 d2 d3 d4 d5', 'accept d1 d2 d3 d4 d5']);
  });

  it('is passed over no longer where the clock is set back', async () => {
    const clock = createTestClock();
    let setBackMs = 0;
    const { asked, propose } = withFive({
      clock: { ...clock, now: () => clock.now() - setBackMs },
      ask: ({ disk }, _set, { question }) =>
        disk === 'd2' && setBackMs === 0 ? hanging() : agrees(question),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS);
    await first;
    setBackMs = 3_600_000;
    await propose('b');
    expect(asked.at(-1)).toBe('accept d1 d2 d3');
  });

  it('is remembered as one of 256: of more the first is asked as if it had never hung', async () => {
    const clock = createTestClock();
    const asked = new Set<string>();
    const proposer = proposerWith({
      clock,
      setOf: async (board) => ({
        ...FIVE,
        voters: FIVE.voters.map((one) => ({ ...one, disk: `${one.disk} ${board}` })),
      }),
      ask: ({ disk }, _set, { question }) => {
        asked.add(disk);
        return disk.startsWith('d2') ? hanging() : agrees(question);
      },
    });
    const change = (at: number): Promise<unknown> =>
      proposer.propose({ ...proposal(`${at}`, SET_TO_ONE), cell: { board: `b${at}`, key: 'k' } });
    const all = Array.from({ length: 257 }, (_, at) => change(at));
    await calm();
    clock.advance(FIRST_MS);
    await calm();
    // That of the first board was forgotten by then, and is noted again, for which that of the next one is forgotten.
    clock.advance(FIRST_MS);
    await Promise.all(all);
    asked.clear();
    await change(2);
    expect([...asked].join(' ')).not.toContain('d2');
    const next = change(1);
    await calm();
    expect([...asked]).toContain('d2 b1');
    clock.advance(FIRST_MS);
    await next;
  });

  it('leaves nobody waiting once the node stops, and what was asked for ends', async () => {
    const clock = createTestClock();
    const scope = createScope(clock);
    let isHung = true;
    const gone: (() => void)[] = [];
    const { propose } = withFive({
      clock,
      scope,
      ask: ({ disk }, _set, { question }) =>
        disk === 'd1' || !isHung
          ? agrees(question)
          : new Promise((resolve) => gone.push(() => resolve(undefined))),
    });
    const first = propose('a');
    await calm();
    clock.advance(FIRST_MS);
    isHung = false;
    for (const answer of gone.splice(0)) answer();
    await calm();
    clock.advance(50);
    await first;
    // Nobody hangs any more, but two are remembered; of what is under way as the node stops nobody answers.
    expect(clock.waiting()).toBe(0);
    isHung = true;
    const last = propose('b').catch((error: unknown) => (error as { code: string }).code);
    await calm();
    expect(clock.waiting()).toBeGreaterThan(0);
    scope.close();
    expect(clock.waiting()).toBe(0);
    for (let turns = 0; turns < 3; turns += 1) {
      for (const answer of gone.splice(0)) answer();
      await calm();
    }
    expect(await last).toBe('STARLING_OUTCOME_UNKNOWN');
    expect(clock.waiting()).toBe(0);
  });
});

const FIVE: ReplicaSet = {
  number: 0,
  voters: ['d1', 'd2', 'd3', 'd4', 'd5'].map((disk) => ({ did: SELF, disk, since: 0 })),
  count: 0,
};

/** The first of five replicas proposes. `asked` has a row for each question, with the disks of those to whom it was put. */
function withFive(over: Over = {}) {
  const asked: string[] = [];
  const missed: string[][] = [];
  let last: QuorumQuestion | undefined;
  const parts = { ask: proposerAsk, setOf: async () => FIVE, ...over };
  const proposer = proposerWith({
    ...parts,
    ask: (voter, set, one) => {
      if (one.question === last) asked.push(`${asked.pop() ?? ''} ${voter.disk}`);
      else asked.push(`${one.question.t} ${voter.disk}`);
      last = one.question;
      return parts.ask(voter, set, one);
    },
    missed: (_cell, { bystanders }) => missed.push(bystanders.map(({ disk }) => disk)),
  });
  const propose = (op: string, more: Partial<Proposal> = {}) =>
    proposer.propose({ ...proposal(op, () => ({ value: op, result: op })), ...more });
  return { asked, propose, missed };
}

const proposerAsk: ProposerComponents['ask'] = (_voter, _set, { question }) => agrees(question);
