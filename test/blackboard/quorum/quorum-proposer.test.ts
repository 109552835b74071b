/** Rounds of requests about a strong key: what breaks a round ends the request, and none of those that come after it. */
import { describe, expect, it } from 'vitest';
import type {
  QuorumAnswer,
  QuorumQuestion,
  Shown,
} from '../../../src/blackboard/quorum/acceptor.ts';
import { createProposer } from '../../../src/blackboard/quorum/proposer.ts';
import type { Proposal, ProposerComponents } from '../../../src/blackboard/quorum/proposer.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const SELF = 'did:key:z6MkAnn' as Did;
const SET: ReplicaSet = { number: 0, voters: [{ did: SELF, disk: 'd1', since: 0 }], count: 0 };
const THREE: ReplicaSet = {
  number: 0,
  voters: ['d1', 'd2', 'd3'].map((disk) => ({ did: SELF, disk, since: 0 })),
  count: 0,
};
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
    ownVoter: async () => undefined,
    look: async () => ({ t: 'shown' }),
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

  it('ends a look that breaks', async () => {
    const proposer = proposerWith({
      look: async () => {
        throw new Error('the disk is gone');
      },
    });
    await expect(proposer.look(CELL)).rejects.toThrow('the disk is gone');
  });

  it('reads its own state once, and has the others only say that they have the same', async () => {
    const ballot = [3, 1, SELF] as const;
    const accepted = { ballot, state: { value: 7, count: 3, ops: [] } };
    const [own] = THREE.voters;
    const asked: unknown[] = [];
    const proposer = proposerWith({
      setOf: async () => THREE,
      ownVoter: async () => own,
      look: async (voter, _set, { known }) => {
        asked.push([voter.disk, known]);
        return known === undefined
          ? { t: 'shown', promised: ballot, accepted }
          : { t: 'shown', promised: ballot, isSame: true };
      },
    });
    expect(await proposer.look(CELL)).toEqual(accepted.state);
    expect(asked).toEqual([
      ['d1', undefined],
      ['d2', ballot],
      ['d3', ballot],
    ]);
  });

  it('reads what the others have accepted where its own disk is behind, or hangs', async () => {
    const ballot = [3, 1, SELF] as const;
    const accepted = { ballot, state: { value: 7, count: 3, ops: [] } };
    const [own] = THREE.voters;
    const clock = createTestClock();
    const shown: (Shown | Promise<Shown>)[] = [{ t: 'shown' }, new Promise<Shown>(() => undefined)];
    for (const one of shown) {
      const proposer = proposerWith({
        clock,
        setOf: async () => THREE,
        ownVoter: async () => own,
        look: async (voter) => (voter === own ? one : { t: 'shown', promised: ballot, accepted }),
      });
      const read = proposer.look(CELL);
      await calm();
      clock.advance(100);
      expect(await read).toEqual(accepted.state);
    }
  });

  it('takes nobody at their word who says that they have the same, and was not told the same as what', async () => {
    const proposer = proposerWith({
      setOf: async () => THREE,
      look: async () => ({ t: 'shown', promised: [3, 1, SELF], isSame: true }),
    });
    expect(await proposer.look(CELL)).toBeUndefined();
  });
});
