/** Rounds of requests about a strong key: what breaks a round ends the request, and none of those that come after it. */
import { describe, expect, it } from 'vitest';
import type { QuorumAnswer, QuorumQuestion } from '../../../src/blackboard/quorum/acceptor.ts';
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
    ask: (_voter, _set, { question }) => agrees(question),
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
});
