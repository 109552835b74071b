/** Rounds of requests about a strong key: who is asked, and that what breaks a round ends the request and none that come after it. */
import { describe, expect, it } from 'vitest';
import type { QuorumAnswer, QuorumQuestion } from '../../../src/blackboard/quorum/acceptor.ts';
import { FIRST_MS } from '../../../src/blackboard/quorum/few-first.ts';
import { createProposer } from '../../../src/blackboard/quorum/proposer.ts';
import type { Proposal, ProposerComponents } from '../../../src/blackboard/quorum/proposer.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import type { Did } from '../../../src/core/index.ts';
import { calm } from '../hub.ts';
import { createTestClock } from '../../core/test-clock.ts';

const SELF = 'did:key:z6MkAnn' as Did;
const SET: ReplicaSet = { number: 0, voters: [{ did: SELF, disk: 'd1', since: 0 }], count: 0 };
const CELL = { board: 'jobs@z6MkAnn', key: 'k' };

/** A replica that agrees to all. */
async function agrees(question: QuorumQuestion): Promise<QuorumAnswer> {
  const { ballot } = question;
  return question.t === 'accept' ? { t: 'accepted', ballot } : { t: 'promised', ballot };
}

function proposerWith(over: Partial<ProposerComponents> = {}): ReturnType<typeof createProposer> {
  return createProposer({
    self: SELF,
    clock: createTestClock(),
    random: () => 0.5,
    isStopped: () => false,
    boot: async () => 1,
    setOf: async () => SET,
    ownVoter: async ({ voters }) => voters[0],
    isThere: () => true,
    ask: (_voter, _set, { question }) => agrees(question),
    untold: () => undefined,
    ...over,
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
    const { asked, propose, untold } = withFive();
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d3', 'accept d1 d2 d3']);
    await propose('b');
    expect(asked.slice(2)).toEqual(['accept d1 d2 d3']);
    expect(untold).toEqual([
      ['d4', 'd5'],
      ['d4', 'd5'],
    ]);
  });

  it('asks those that are connected, and all where these are too few or all are meant', async () => {
    const away = new Set(['d3']);
    const { asked, propose, untold } = withFive({ isThere: ({ disk }) => !away.has(disk) });
    await propose('a');
    expect(asked).toEqual(['prepare d1 d2 d4', 'accept d1 d2 d4']);
    away.add('d4').add('d5');
    await propose('b');
    await propose('c', { toAll: true });
    expect(asked.slice(2)).toEqual(['accept d1 d2 d3 d4 d5', 'accept d1 d2 d3 d4 d5']);
    expect(untold).toEqual([['d3', 'd5']]);
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
    expect(asked).toEqual(['prepare d1 d2 d3']);
    clock.advance(FIRST_MS);
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

const FIVE: ReplicaSet = {
  number: 0,
  voters: ['d1', 'd2', 'd3', 'd4', 'd5'].map((disk) => ({ did: SELF, disk, since: 0 })),
  count: 0,
};

/** The first of five replicas proposes. `asked` has a row for each question, with the disks of those to whom it was put. */
function withFive(over: Partial<ProposerComponents> = {}) {
  const asked: string[] = [];
  const untold: string[][] = [];
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
    untold: (_cell, { voters }) => untold.push(voters.map(({ disk }) => disk)),
  });
  const propose = (op: string, more: Partial<Proposal> = {}) =>
    proposer.propose({ ...proposal(op, () => ({ value: op, result: op })), ...more });
  return { asked, propose, untold };
}

const proposerAsk: ProposerComponents['ask'] = (_voter, _set, { question }) => agrees(question);
