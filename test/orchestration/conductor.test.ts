/** What a plan does when members fail, are slow, say no, or when its node ends meanwhile: each ends in one stated way. */
import { afterEach, expect, it } from 'vitest';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { ERRORS, StarlingError } from '../../src/core/index.ts';
import type { Did, JsonObject } from '../../src/core/index.ts';
import type { PlanView } from '../../src/orchestration/types.ts';
import { logKey } from '../../src/swarms/board-rows.ts';
import { memberId } from '../../src/swarms/index.ts';
import { makeWorker } from '../tasks/world.ts';
import { makePlanWorld } from './world.ts';
import type { PlanAgent } from './world.ts';

let made: Awaited<ReturnType<typeof makePlanWorld>> | undefined;
afterEach(async () => {
  await made?.stop();
  made = undefined;
});

async function world(agents: Readonly<Record<string, PlanAgent>>, threshold?: number) {
  made = await makePlanWorld(agents, threshold === undefined ? {} : { threshold });
  return made;
}
const digs = (at: string, answer?: PlanAgent['answer']): PlanAgent => ({
  at,
  can: ['dig'],
  ...(answer === undefined ? {} : { answer }),
});
const clientOf = (name: string) => attachedClient(`program-${name}`);
const YEAR_MS = 365 * 86_400_000;
const fails = (): Error => new Error('no luck');
const phase = (plan: PlanView, nth = 0) => plan.orchestrationPlan.phases[nth];
const tries = (plan: PlanView, nth = 0): readonly string[] =>
  (phase(plan, nth)?.attempts ?? []).map(({ agent, outcome }) => `${agent} ${outcome}`);
const told = ({ message }: { readonly message: unknown }): JsonObject => message as JsonObject;

it.each([-YEAR_MS, YEAR_MS])(
  'goes on where the clock is set meanwhile (%i ms), and ends in its time also after a start',
  async (jump) => {
    const all = await world({
      one: digs('a', () => {
        all.all.world.clock.sleep(jump);
        return { verdict: 'yes' };
      }),
      two: { at: 'b', can: ['polish'] },
      slow: { at: 'b', can: ['wait'], answer: () => undefined },
    });
    const both = await all.plan({ capabilities: ['dig', 'polish'], strategy: 'sequential' });
    expect(await all.ends(both.taskId)).toMatchObject({ status: 'done' });
    expect(all.workers['two']?.seen[0]?.timeoutMs).toBeGreaterThan(60_000);

    const stuck = await all.plan({ capabilities: ['wait'], timeoutMs: 30_000 });
    if (jump < 0) all.all.world.clock.sleep(jump);
    await all.crash();
    expect(await all.ends(stuck.taskId, 40_000)).toMatchObject({ status: 'expired' });
  },
);

it('gives a place to another member where one fails', async () => {
  const all = await world({ one: digs('a', fails), two: digs('b') });
  const { taskId } = await all.plan({ capabilities: ['dig'] });
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: 'done', result: { verdict: 'yes' } });
  const attempts = tries(plan);
  expect(attempts.at(-1)).toBe('two@b done');
  expect(attempts.filter((one) => one === 'one@a failed').length).toBeLessThan(2);
});

it('plans a phase anew that failed, with those who did not, and ends with what went wrong', async () => {
  const all = await world({ one: digs('a', fails), two: digs('b', fails) });
  const { taskId } = await all.plan({ capabilities: ['dig'] });
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: 'failed', error: { reason: 'phase' } });
  expect(plan.error?.message).toContain('no luck');
  expect(tries(plan)).toHaveLength(2);
});

it('has done anew what a check rejects, says why, and ends with the reason where it is rejected each time', async () => {
  let checks = 0;
  const all = await world({
    one: digs('a'),
    two: digs('a'),
    judge: {
      at: 'b',
      can: ['review'],
      answer: () => ((checks += 1) === 1 ? { valid: false, reason: 'too flat' } : { valid: true }),
    },
  });
  const { taskId } = await all.plan({ capabilities: ['dig', 'review'] });
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: 'done', result: { verdict: 'yes' } });
  expect(plan.orchestrationPlan.phases.map(({ round }) => round)).toEqual([1, 1]);
  const again = [...(all.workers['one']?.seen ?? []), ...(all.workers['two']?.seen ?? [])];
  expect(again.map((one) => String(told(one)['before'] ?? ''))).toContain(
    'rejected: judge@b: too flat',
  );

  const judge = all.workers['judge'];
  if (judge !== undefined) judge.answer = () => ({ valid: false, reason: 'never' });
  const bad = await all.ends((await all.plan({ capabilities: ['dig', 'review'] })).taskId);
  expect(bad).toMatchObject({ status: 'failed', error: { reason: 'phase' } });
  expect(bad.error?.message).toContain('never');
  expect(phase(bad, 1)?.round).toBe(2);
  const once = await all.plan({ capabilities: ['dig', 'review'], strategy: 'parallel' });
  expect(phase(await all.ends(once.taskId), 1)?.round).toBe(0);
});

it('fails a phase of which more have failed than may, and counts those that are left where fewer have', async () => {
  const all = await world({ one: digs('a'), two: digs('b'), three: digs('b', fails) });
  const init = { capabilities: ['dig'], parallelism: 3, aggregation: 'all' } as const;
  const lax = await all.ends((await all.plan({ ...init, failureThreshold: 0.5 })).taskId);
  expect(lax).toMatchObject({ status: 'done' });
  expect(lax.result).toHaveLength(2);
  expect(phase(lax)?.round).toBe(0);
  // Without the one who failed it is planned anew.
  const strict = await all.ends((await all.plan({ ...init, failureThreshold: 0.2 })).taskId);
  expect(strict).toMatchObject({ status: 'done' });
  expect(phase(strict)?.round).toBe(1);
  expect(phase(strict)?.agents.toSorted()).toEqual(['one@a', 'two@b']);
  const { one, two } = all.workers;
  for (const worker of [one, two]) if (worker !== undefined) worker.answer = fails;
  const failed = await all.ends((await all.plan({ ...init, failureThreshold: 0.2 })).taskId);
  expect(failed.status).toBe('failed');
  // Who fails first may leave two for the next round.
  expect(failed.error?.message).toMatch(/[1-3] of [23] failed: .*no luck/u);
});

it('counts no ballot that no node has signed', async () => {
  // In this world no node has a key.
  const all = await world({ one: digs('a'), two: digs('b') });
  const init = { capabilities: ['dig'], parallelism: 2, aggregation: 'majority_vote' } as const;
  const plan = await all.ends((await all.plan(init)).taskId);
  expect(plan).toMatchObject({ status: 'failed', error: { reason: 'no_consensus' } });
  expect(phase(plan)?.vote).toMatchObject({ by: 'no_consensus', share: 0, dissent: [] });
  expect(phase(plan)?.vote?.ballots.map(({ signed }) => signed)).toEqual([false, false]);
});

it('weighs a member as its work was seen here, whatever it says of itself', async () => {
  const lie = { verdict: 'lie', confidence: 1, weight: 1, expertise: 1 };
  const all = await world({ one: digs('a'), two: digs('b', () => lie) });
  const did = 'did:key:b' as Did;
  const well = {
    agent: memberId({ agent: 'two', did }),
    capability: 'dig',
    ok: true,
    ms: 1,
    at: 1,
  };
  const lines = Array.from({ length: 50 }, (_, at) => ({ ...well, taskId: `task_${at}` }));
  all.boards.forge(all.swarmId, did, logKey(did), lines);
  const init = { capabilities: ['dig'], parallelism: 2, aggregation: 'majority_vote' } as const;
  const plan = await all.ends((await all.plan(init)).taskId);
  // It was planned anew twice: both did it well two times before the last, and not fifty.
  expect(phase(plan)?.vote?.ballots.map(({ weight }) => weight)).toEqual([0.75, 0.75]);
});

it('asks the only member again after pauses that grow, where it is to, and three times at the most', async () => {
  let count = 0;
  const at: number[] = [];
  const all = await world({
    one: digs('a', () => {
      at.push(all.all.world.clock.now());
      return (count += 1) < 3 ? new Error('not yet') : { verdict: 'yes' };
    }),
  });
  const { taskId } = await all.plan({ capabilities: ['dig'], retry: 'exponential_backoff' });
  const plan = await all.ends(taskId);
  expect(plan.status).toBe('done');
  expect(tries(plan)).toEqual(['one@a failed', 'one@a failed', 'one@a done']);
  count = -100;
  const never = await all.plan({ capabilities: ['dig'], retry: 'exponential_backoff' });
  const failed = await all.ends(never.taskId);
  expect(failed).toMatchObject({ status: 'failed', error: { reason: 'phase' } });
  expect(tries(failed)).toHaveLength(3);
  const none = await all.ends((await all.plan({ capabilities: ['dig'] })).taskId);
  expect(tries(none)).toHaveLength(1);
});

it('takes a task from a member that does not take it, where another one could have it', async () => {
  const all = await world({ one: digs('b'), two: digs('c') });
  const { taskId } = await all.plan({ capabilities: ['dig'] });
  const [first = ''] = phase(await all.view(taskId))?.agents ?? [];
  const away = first.split('@')[1] ?? '';
  all.all.world.away(away, true);
  const begun = all.all.world.clock.now();
  const plan = await all.ends(taskId, 120_000);
  expect(plan.status).toBe('done');
  expect(tries(plan).at(-1)).toBe(`${away === 'b' ? 'two@c' : 'one@b'} done`);
  expect(all.all.world.clock.now() - begun).toBeLessThan(60_000);
});

it('gives nothing to a member that has left since it was planned, and what there is to one that has joined', async () => {
  const all = await world({
    slow: { at: 'b', can: ['wait'], answer: () => undefined },
    early: digs('b'),
  });
  const { swarmId, swarms } = all;
  const phases = [
    { name: 'wait', capability: 'wait' },
    { name: 'dig', capability: 'dig', dependencies: ['wait'] },
  ];
  const given = await all.plan({ phases });
  expect(phase(given, 1)?.agents).toEqual(['early@b']);
  await all.all.until(
    () => all.workers['slow']?.seen.length ?? 0,
    (count) => count === 1,
  );
  await swarms.leave(OPERATOR, swarmId, 'early@b');
  await makeWorker(all.all, 'a', { name: 'late' });
  await swarms.join(OPERATOR, swarmId, { agent: 'late' });
  const { node } = all.all.at['b'] ?? {};
  await node?.call(clientOf('slow'), 'agent_message', {
    type: 'response',
    inReplyTo: all.workers['slow']?.seen[0]?.id ?? '',
    message: { verdict: 'waited' },
  });
  const plan = await all.ends(given.taskId);
  expect(plan).toMatchObject({ status: 'done', result: { dug: { results: { wait: {} } } } });
  expect(tries(plan, 1)).toEqual(['early@b failed', 'late@a done']);
  expect(phase(plan, 1)?.attempts[0]?.error).toContain('has left the swarm');
  expect(all.workers['early']?.seen).toEqual([]);
});

it('goes on after a crash where it was, and gives nothing twice', async () => {
  const all = await world({ one: digs('b', () => undefined), two: { at: 'b', can: ['fill'] } });
  const phases = [
    { name: 'fill', capability: 'fill' },
    { name: 'dig', capability: 'dig', dependencies: ['fill'] },
  ];
  const { taskId } = await all.plan({ phases });
  await all.all.until(
    () => all.workers['one']?.seen.length ?? 0,
    (count) => count === 1,
  );
  await all.crash();
  const id = all.workers['one']?.seen[0]?.id ?? '';
  const { node } = all.all.at['b'] ?? {};
  await node?.call(clientOf('one'), 'agent_message', {
    type: 'response',
    inReplyTo: id,
    message: { verdict: 'deep' },
  });
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: 'done', result: { verdict: 'deep' } });
  expect(all.workers['two']?.seen).toHaveLength(1);
  expect(phase(plan)?.attempts).toHaveLength(1);
});

it.each(['cancelled', 'expired'])('%s: ends what its members have, and stays so', async (how) => {
  const all = await world({ one: digs('a', () => undefined) });
  const { taskId } = await all.plan({ capabilities: ['dig'], timeoutMs: 20_000 });
  await all.all.until(
    () => all.workers['one']?.seen.length ?? 0,
    (count) => count === 1,
  );
  if (how === 'cancelled') await all.plans.cancel(OPERATOR, taskId);
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: how, error: { reason: how } });
  const task = phase(plan)?.attempts[0]?.taskId ?? '';
  const { status } = (await all.all.until(
    async () => all.all.at['a']?.result(task),
    (one) => one?.endedAt !== undefined,
  )) ?? { status: 'gone' };
  expect(['cancelled', 'expired']).toContain(status);
  await expect(all.plans.cancel(OPERATOR, taskId)).rejects.toMatchObject({
    code: 'STARLING_TASK_ENDED',
  });
  await all.crash();
  expect(await all.view(taskId)).toMatchObject({ status: how });
});

it('refuses the operation after the thousandth with -32002 and when to come again', async () => {
  const all = await world({ one: digs('a') });
  const { swarmId, swarms } = all;
  const ends = Array.from({ length: 999 }, () => swarms.begin(swarmId));
  const end = swarms.begin(swarmId);
  const full = await all.plan({ capabilities: ['dig'] }).catch((error: unknown) => error);
  expect(full).toBeInstanceOf(StarlingError);
  expect(full).toMatchObject({
    code: 'STARLING_SWARM_BUSY',
    data: { reason: 'rate_limit', duration: 1000, limit: 1000 },
  });
  expect(ERRORS.STARLING_SWARM_BUSY.rpc).toBe(-32_002);
  expect((await swarms.status(OPERATOR, swarmId)).operations).toBe(1000);
  end();
  end();
  expect((await swarms.status(OPERATOR, swarmId)).operations).toBe(999);
  const { taskId } = await all.plan({ capabilities: ['dig'] });
  expect(await all.ends(taskId)).toMatchObject({ status: 'done' });
  for (const one of ends) one();
  expect((await swarms.status(OPERATOR, swarmId)).operations).toBe(0);
});
