/** How many plans there are, what a step of one writes, by whose right it goes on, and many at once. */
import { afterEach, expect, it } from 'vitest';
import { OPERATOR, attachedClient } from '../../src/guard/index.ts';
import { PLANS_MAX, RESULT_BYTES_MAX, SHARE_OF_ONE } from '../../src/orchestration/limits.ts';
import { createPlanPlaces } from '../../src/orchestration/plan-places.ts';
import { makePlanWorld } from './world.ts';
import type { PlanAgent } from './world.ts';

let made: Awaited<ReturnType<typeof makePlanWorld>> | undefined;
afterEach(async () => {
  await made?.stop();
  made = undefined;
});

async function world(agents: Readonly<Record<string, PlanAgent>>) {
  made = await makePlanWorld(agents);
  return made;
}
const SHARE = PLANS_MAX * SHARE_OF_ONE;
const reasonOf = (how: PromiseSettledResult<unknown>): unknown =>
  how.status === 'fulfilled'
    ? 'taken'
    : (how.reason as { readonly data?: { readonly reason?: unknown } }).data?.reason;

it('gives one submitter a quarter of the places, also where all are wanted at the same moment', async () => {
  const { plans, swarmId } = await world({
    one: { at: 'a', can: ['dig'], answer: () => undefined },
  });
  const one = attachedClient('program-one');
  const init = { swarmId, description: 'x', capabilities: ['dig'] };
  const wanted = Array.from({ length: SHARE + 5 }, () => plans.orchestrate(one, init));
  const ends = (await Promise.allSettled(wanted)).map(reasonOf);
  expect(ends.filter((end) => end === 'taken')).toHaveLength(SHARE);
  expect(ends.filter((end) => end === 'share')).toHaveLength(5);
  await expect(plans.orchestrateAll(one, init, [1, 2])).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
    data: { reason: 'share', limit: SHARE },
  });
  // The operator has the others, and a place that is free again is one.
  await plans.orchestrate(OPERATOR, init);
  const [first] = await plans.list(one);
  await plans.cancel(one, first?.taskId ?? '');
  await plans.orchestrate(one, init);
});

it('gives back places that were taken for nothing, and none twice', () => {
  const places = createPlanPlaces();
  const give = places.take('operator', PLANS_MAX);
  expect(() => places.take('client:other')).toThrow('under way');
  give();
  give();
  places.keep('client:other');
  expect(() => places.take('operator', PLANS_MAX)).toThrow('under way');
  places.take('operator', PLANS_MAX - 1);
});

it('writes at each step what is new, however much was given before, and goes on with all of it', async () => {
  const big = 'x'.repeat(RESULT_BYTES_MAX - 100);
  const agent = (can: string): PlanAgent => ({ at: 'a', can: [can], answer: () => big });
  const all = await world({ one: agent('dig'), two: agent('fill'), three: agent('rake') });
  const steps: number[] = [];
  all.disk.writes = (bytes) => void steps.push(bytes);
  const names = ['dig', 'fill', 'rake'];
  const phases = names.map((name, at) => {
    return { name, capability: name, dependencies: names.slice(Math.max(0, at - 1), at) };
  });
  const { taskId } = await all.plan({ phases, strategy: 'sequential' });
  await all.all.until(
    () => all.view(taskId),
    ({ orchestrationPlan }) => orchestrationPlan.phases[1]?.status === 'done',
  );
  await all.crash();
  expect(await all.ends(taskId)).toMatchObject({ status: 'done', result: big });
  expect(Math.max(...steps)).toBeLessThan(1.5 * RESULT_BYTES_MAX);
  // What each gave is gone with the end of the plan.
  const left = [...all.disk.rows.values()].reduce((sum, { length }) => sum + length, 0);
  expect(left).toBeLessThan(1.5 * RESULT_BYTES_MAX);
  await all.crash();
  expect(await all.view(taskId)).toMatchObject({ status: 'done', result: big });
});

it('goes on by the rights that its submitter has then, not by those of its beginning', async () => {
  const all = await world({
    one: { at: 'a', can: ['dig'], answer: () => ({ verdict: 'yes' }) },
    two: { at: 'a', can: ['fill'] },
  });
  const { digs, one } = { digs: all.workers['one'], one: attachedClient('program-one') };
  if (digs !== undefined) {
    digs.answer = () => {
      all.revoked.add('client:program-one');
      return 'dug';
    };
  }
  const phases = [
    { name: 'dig', capability: 'dig' },
    { name: 'fill', capability: 'fill', dependencies: ['dig'] },
  ];
  const init = { swarmId: all.swarmId, description: 'x', capabilities: [], phases };
  const { taskId } = await all.plans.orchestrate(one, init);
  const plan = await all.ends(taskId);
  expect(plan).toMatchObject({ status: 'failed' });
  expect(all.workers['two']?.seen).toEqual([]);
});

it('makes a plan for each of many inputs, all or none, and spreads them', async () => {
  const dig: PlanAgent['answer'] = ({ message }) =>
    (message as { readonly input?: number }).input ?? null;
  const all = await world({
    one: { at: 'a', can: ['dig'], answer: dig },
    two: { at: 'b', can: ['dig'], answer: dig },
  });
  const init = { swarmId: all.swarmId, description: 'x', capabilities: ['dig'] };
  const views = await all.plans.orchestrateAll(OPERATOR, init, [5, 6, 7, 8]);
  const ends = [];
  for (const { taskId } of views) ends.push(await all.ends(taskId));
  expect(ends.map(({ result }) => result)).toEqual([5, 6, 7, 8]);
  for (const name of ['one', 'two']) expect(all.workers[name]?.seen).toHaveLength(2);
  const long = 'x'.repeat(100_000);
  await expect(all.plans.orchestrateAll(OPERATOR, init, [1, long])).rejects.toMatchObject({
    data: { reason: 'size' },
  });
  expect(await all.plans.list(OPERATOR)).toHaveLength(4);
});
