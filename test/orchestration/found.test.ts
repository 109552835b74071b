/** Who hears what a vote or a check has found of its work. */
import { expect, it } from 'vitest';
import type { Did } from '../../src/core/index.ts';
import { foundIn } from '../../src/orchestration/phase-findings.ts';
import type { Phase, PhaseRow, SeatRow } from '../../src/orchestration/types.ts';

const HERE = 'did:key:zhere' as Did;

const phase = (name: string, more: Partial<Phase> = {}): Phase => ({
  name,
  capability: name,
  dependencies: [],
  role: 'worker',
  copies: 3,
  ...more,
});

function seat(agent: string, place: number, more: Partial<SeatRow> = {}): SeatRow {
  return {
    member: `${agent}@${HERE}`,
    did: HERE,
    endpoint: `${agent}@alice`,
    why: '',
    weight: 1,
    round: 0,
    place,
    nth: 0,
    taskId: `task_${agent}`,
    outcome: 'done',
    ...more,
  };
}

const row = (name: string, seats: readonly SeatRow[], round = 0): PhaseRow => ({
  name,
  status: 'running',
  round,
  seats,
});

const summary = (found: ReturnType<typeof foundIn>): readonly string[] =>
  found.map(({ agent, by, outcome, task }) => `${agent} ${task} ${by} ${outcome}`);

it('of a vote: who chose what was taken was right, who chose otherwise was not, and what bears no signature is neither', () => {
  const voted = (verdict: string, more: Partial<SeatRow> = {}): Partial<SeatRow> => ({
    result: { verdict },
    ballot: 'signed',
    ...more,
  });
  const seats = [
    seat('ann', 0, voted('yes')),
    seat('bob', 1, voted('no')),
    seat('eve', 2, { result: { verdict: 'yes' } }),
    seat('old', 0, voted('no', { round: -1 })),
  ];
  const vote = {
    threshold: 0.7,
    choice: '"yes"',
    share: 1,
    by: 'majority',
    tie: false,
    ballots: [],
    dissent: [],
  } as const;
  const rowOf = (): PhaseRow => row('judge', seats);
  const found = foundIn(phase('judge'), { result: null, vote }, rowOf);
  expect(summary(found)).toEqual(['ann task_ann vote success', 'bob task_bob vote failure']);
  const { choice: _, ...undecided } = vote;
  expect(foundIn(phase('judge'), { error: 'no_consensus', vote: undecided }, rowOf)).toEqual([]);
});

it('of a check: all whose work was checked, as it was found; of a check that was not done nothing', () => {
  const rows: Readonly<Record<string, PhaseRow>> = {
    code: row('code', [
      seat('ann', 0),
      seat('bob', 1, { outcome: 'failed' }),
      seat('cyd', 2, { nth: 0, outcome: 'failed' }),
      seat('dan', 2, { nth: 1 }),
    ]),
    review: row('review', [seat('eve', 0)]),
  };
  const rowOf = (name: string): PhaseRow => rows[name] ?? row(name, []);
  const review = phase('review', { role: 'validator', dependencies: ['code'] });
  const good = foundIn(review, { result: null }, rowOf);
  expect(summary(good)).toEqual(['ann task_ann check success', 'dan task_dan check success']);
  const bad = foundIn(review, { result: null, rejected: 'eve: no' }, rowOf);
  expect(summary(bad)).toEqual(['ann task_ann check failure', 'dan task_dan check failure']);
  expect(foundIn(review, { error: 'all failed' }, rowOf)).toEqual([]);
  expect(foundIn(phase('code'), { result: null }, rowOf)).toEqual([]);
});
