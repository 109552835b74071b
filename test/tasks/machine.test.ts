/** The life of a task: whatever happens in whatever order, it ends once, and one result counts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTEMPTS_MAX, POISON_PEERS } from '../../src/tasks/limits.ts';
import { hasEnded, nextRow } from '../../src/tasks/life/machine.ts';
import type { TaskEvent } from '../../src/tasks/life/machine.ts';
import { createTaskQueue, placeOf } from '../../src/tasks/awards/queue.ts';
import { RETRY_POLICIES, TASK_STATES } from '../../src/tasks/types.ts';
import type { RetryPolicy, TaskOrder, TaskRow } from '../../src/tasks/types.ts';

const order = (over: Partial<TaskOrder> = {}): TaskOrder => ({
  id: `task_${over.seq ?? 1}`,
  seq: 1,
  capability: 'dig',
  priority: 'normal',
  retry: 'lost',
  attemptMs: 1000,
  submitter: 'operator',
  from: 'you',
  submittedAt: 0,
  expiresAt: 1_000_000,
  inputBytes: 4,
  ...over,
});
const fresh = (retry: RetryPolicy = 'lost'): TaskRow => ({
  order: order({ retry }),
  state: 'submitted',
  token: 0,
  attempts: [],
  roundFrom: 0,
  version: 1,
});

/** Added to the token of the row: the attempt under way mostly, else one before or after. */
const token = fc.constantFrom(0, 0, 0, 0, -1, 1);
const at = fc.nat(1000);
const ofHolder = fc.constantFrom<'refused' | 'started' | 'told' | 'reported' | 'verified'>(
  'started',
  'refused',
  'told',
  'reported',
  'verified',
);
const EVENTS: fc.Arbitrary<TaskEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<TaskEvent>({ type: 'planned' }) },
  { weight: 4, arbitrary: fc.constant<TaskEvent>({ type: 'offered' }) },
  { weight: 2, arbitrary: fc.constant<TaskEvent>({ type: 'retried' }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('leased' as const),
      token: fc.constantFrom(1, 1, 2, 0, -1),
      agent: fc.constantFrom('a@n1', 'b@n2', 'c@n3'),
      did: fc.constantFrom('n1', 'n2', 'n3'),
      at,
    }),
  },
  { weight: 20, arbitrary: fc.record({ type: ofHolder, token }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('counted' as const), token, at }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('asked' as const),
      token,
      question: fc.constant({ kind: 'input', key: 'which', message: 'which?' } as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('progressed' as const),
      token,
      progress: fc.constant({ part: 0.5 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('failed' as const),
      token,
      at,
      fault: fc.constant({ reason: 'failed', message: 'no' }),
      answered: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('cancelled' as const, 'expired' as const),
      at,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('late' as const),
      late: fc.record({ token: fc.nat(9), agent: fc.constant('a@n1'), at }),
    }),
  },
);
const HISTORY = fc.array(EVENTS, { minLength: 20, maxLength: 80 });
const POLICY = fc.constantFrom(...RETRY_POLICIES);

/** Each row that a history leads through, with the event that led there. */
function* through(
  row: TaskRow,
  events: readonly TaskEvent[],
): Generator<readonly [before: TaskRow, event: TaskEvent, after: TaskRow | undefined]> {
  let now = row;
  for (const drawn of events) {
    const event = 'token' in drawn ? { ...drawn, token: now.token + drawn.token } : drawn;
    const next = nextRow(now, event);
    yield [now, event, next];
    now = next ?? now;
  }
}

describe('the life of a task', () => {
  it('ends once: only a retry leads out of an end, and none out of a result', () => {
    fc.assert(
      fc.property(HISTORY, POLICY, (events, retry) => {
        for (const [before, event, after] of through(fresh(retry), events)) {
          if (!hasEnded(before) || after === undefined) continue;
          if (event.type === 'late') expect(after.state).toBe(before.state);
          else expect([event.type, before.state === 'done']).toEqual(['retried', false]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('counts no result but that of whoever holds the token, and no token comes again', () => {
    fc.assert(
      fc.property(HISTORY, POLICY, (events, retry) => {
        let results = 0;
        const given: number[] = [];
        for (const [before, event, after] of through(fresh(retry), events)) {
          if (after === undefined) continue;
          expect(after.version).toBe(before.version + 1);
          if (event.type === 'leased') {
            expect(given.every((one) => one < event.token)).toBe(true);
            given.push(event.token);
          }
          if (event.type !== 'counted') continue;
          results += 1;
          expect(event.token).toBe(given.at(-1));
          expect(after.processedBy).toBeDefined();
        }
        expect(results).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300 },
    );
  });

  it('is set aside after three nodes, and is tried a bounded number of times at fewer', () => {
    const failAt = (dids: readonly string[], retry: RetryPolicy, answered: boolean): TaskRow => {
      let row = fresh(retry);
      const step = (event: TaskEvent): void => {
        row = nextRow(row, event) ?? row;
      };
      step({ type: 'planned' });
      step({ type: 'offered' });
      for (const [index, did] of dids.entries()) {
        const next = index + 1;
        step({ type: 'leased', token: next, agent: `a@${did}`, did, at: 0 });
        step({ type: 'started', token: next });
        const fault = { reason: 'failed', message: 'no' };
        step({ type: 'failed', token: next, at: 0, fault, answered });
      }
      return row;
    };
    const nodes = ['n1', 'n2', 'n3'].slice(0, POISON_PEERS);
    expect(failAt(nodes.slice(1), 'lost', false).state).toBe('bidding');
    expect(failAt(nodes, 'lost', false)).toMatchObject({
      state: 'failed',
      error: { reason: 'poison' },
    });
    const same = Array.from({ length: ATTEMPTS_MAX }, () => 'n1');
    expect(failAt(same.slice(1), 'exponential_backoff', true).state).toBe('bidding');
    expect(failAt(same, 'exponential_backoff', true)).toMatchObject({
      state: 'failed',
      error: { reason: 'attempts' },
    });
    // What an agent has answered is its word; who wants no second attempt gets none.
    expect(failAt(['n1'], 'lost', true)).toMatchObject({ error: { reason: 'failed' } });
    expect(failAt(['n1'], 'none', false).state).toBe('failed');
    const again = nextRow(failAt(nodes, 'lost', false), { type: 'retried' });
    expect(again).toMatchObject({ state: 'bidding', roundFrom: POISON_PEERS });
  });

  it('reaches every state, and stays in those that the drawing knows', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(HISTORY, POLICY, (events, retry) => {
        for (const [, , after] of through(fresh(retry), events)) {
          if (after !== undefined) seen.add(after.state);
        }
      }),
      { numRuns: 300 },
    );
    const never = TASK_STATES.filter((state) => state !== 'submitted' && !seen.has(state));
    expect(never).toEqual([]);
  });
});

describe('the queue of tasks', () => {
  const many = fc.array(
    fc.record({
      priority: fc.constantFrom('low' as const, 'normal' as const, 'high' as const),
      submittedAt: fc.nat(200_000),
      capability: fc.constantFrom('dig', 'paint'),
    }),
    { minLength: 1, maxLength: 60 },
  );

  it('gives each task once, the earliest place first, whatever the lanes', () => {
    fc.assert(
      fc.property(many, (orders) => {
        const queue = createTaskQueue<{ order: TaskOrder }>();
        const tasks = orders.map((one, index) => ({ order: order({ ...one, seq: index }) }));
        for (const task of [...tasks, ...tasks]) queue.add(task);
        expect(queue.size).toBe(tasks.length);
        const out: number[] = [];
        for (let task = queue.next(() => true); task !== undefined;) {
          out.push(placeOf(task.order));
          queue.remove(task);
          task = queue.next(() => true);
        }
        expect(out).toHaveLength(tasks.length);
        expect(out).toEqual(out.toSorted((one, other) => one - other));
      }),
      { numRuns: 100 },
    );
  });

  it('lets no task wait behind urgent ones that came a minute later', () => {
    const low = order({ priority: 'low', submittedAt: 0 });
    const urgent = order({ priority: 'high', submittedAt: 60_001, seq: 2 });
    expect(placeOf(low)).toBeLessThan(placeOf(urgent));
    expect(placeOf(order({ priority: 'high', submittedAt: 59_999 }))).toBeLessThan(placeOf(low));
  });
});
