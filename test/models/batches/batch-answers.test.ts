/** The answers of a batch: what they say, who may read them, by pages, and for how long. */
import { expect, it } from 'vitest';
import type { Principal } from '../../../src/guard/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { DAY, EDITOR, MINUTE, OPENAI, ask, batchRigs, stateOf } from './batch-rig.ts';

const rigs = batchRigs();
const OTHER: Principal = { kind: 'client', name: 'other', scopes: ['*'] };

it('a call with broken arguments is an error, and was paid for', async () => {
  const rig = await rigs.start();
  const made = await rig.batches.submit(
    { model: OPENAI, requests: [ask('a', 'broken tool')] },
    EDITOR,
  );
  rigs.vendor.finish();
  await rig.pass(MINUTE);
  const { answers, batch } = await rig.batches.result(made.id, 0, EDITOR);
  expect(answers[0]?.error?.code).toBe('STARLING_MODEL_INVALID');
  expect(batch.costMicroUsd).toBe(225);
});

it("says what a vendor's own check has found, and that nothing was paid", async () => {
  const rig = await rigs.start();
  await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  rigs.vendor.finish('failed');
  await rig.pass(MINUTE);
  expect(stateOf(rig)).toMatchObject({
    state: 'failed',
    reason: 'line 1 is none',
    costMicroUsd: 0,
  });
});

it('looks at once for whoever asks for the answers, and not again and again', async () => {
  const rig = await rigs.start();
  const made = await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  const looks = (): number =>
    rigs.vendor.got.filter(({ path }) => path === '/v1/batches/batch_0').length;
  for (let at = 0; at < 3; at += 1) {
    await expect(rig.batches.result(made.id, 0, EDITOR)).rejects.toMatchObject({
      code: 'STARLING_BATCH_REFUSED',
    });
  }
  expect(looks()).toBe(1);
  rigs.vendor.finish();
  rig.clock.advance(2000);
  expect((await rig.batches.result(made.id, 0, EDITOR)).answers).toHaveLength(1);
});

it('shows a batch to whoever submitted it, its being there to the operator, and its answers to nobody else', async () => {
  const rig = await rigs.start();
  const { batches } = rig;
  const made = await batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  rigs.vendor.finish();
  await rig.pass(MINUTE);
  expect(batches.list(OTHER).batches).toEqual([]);
  expect(batches.list(OPERATOR).batches).toHaveLength(1);
  for (const [by, what] of [
    [OTHER, batches.result(made.id, 0, OTHER)],
    [OPERATOR, batches.result(made.id, 0, OPERATOR)],
    [OTHER, batches.cancel(made.id, true, OTHER)],
    [OPERATOR, batches.cancel(made.id, true, OPERATOR)],
  ] as const) {
    await expect(what, by.kind).rejects.toMatchObject({ code: 'STARLING_BATCH_UNKNOWN' });
  }
  await expect(batches.cancel(made.id, false, EDITOR)).rejects.toMatchObject({
    code: 'STARLING_BATCH_REFUSED',
    data: { reason: 'over' },
  });
  await batches.cancel(made.id, true, EDITOR);
  expect(rig.rows.size).toBe(0);
});

it('whoever takes the name of one that is gone has none of its batches: they go on, and are the operator’s', async () => {
  const rig = await rigs.start();
  const { batches } = rig;
  const submit = (by: typeof EDITOR) =>
    batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, by);
  const [mine, others] = [await submit(EDITOR), await submit(OTHER)];
  rigs.vendor.batches.forEach((batch) => (batch.status = 'completed'));
  await batches.disown('client:editor');
  expect(batches.list(EDITOR).batches).toEqual([]);
  for (const what of [batches.result(mine.id, 0, EDITOR), batches.cancel(mine.id, true, EDITOR)]) {
    await expect(what).rejects.toMatchObject({ code: 'STARLING_BATCH_UNKNOWN' });
  }
  await rig.pass(MINUTE);
  expect(rig.notes.filter(({ outcome }) => outcome === 'ok')).toHaveLength(2);
  await rig.batches.stop();
  const next = await rigs.start(rig.rows);
  expect(next.batches.list(EDITOR).batches).toEqual([]);
  expect((await next.batches.result(mine.id, 0, OPERATOR)).answers).toHaveLength(1);
  expect((await next.batches.result(others.id, 0, OTHER)).answers).toHaveLength(1);
  await expect(next.batches.result(others.id, 0, OPERATOR)).rejects.toMatchObject({
    code: 'STARLING_BATCH_UNKNOWN',
  });
});

it('keeps answers for thirty days, also over a restart, and so many batches at a time', async () => {
  const rig = await rigs.start();
  for (let at = 0; at < 10; at += 1) {
    await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  }
  await expect(
    rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR),
  ).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  for (const batch of rigs.vendor.batches) batch.status = 'completed';
  await rig.pass(MINUTE);
  const next = await rigs.start(rig.rows);
  expect(next.batches.list(EDITOR).batches.map(({ state }) => state)).toEqual(
    Array.from({ length: 10 }, () => 'completed'),
  );
  await next.pass(31 * DAY);
  expect(next.batches.list(EDITOR).batches).toEqual([]);
  expect(next.rows.size).toBe(0);
});

it('reads many answers by pages, each within the size of a message', async () => {
  const rig = await rigs.start();
  const requests = Array.from({ length: 300 }, (_, at) => ask(`r${at}`, 'x'.repeat(3000)));
  const made = await rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  rigs.vendor.finish();
  await rig.pass(MINUTE);
  const names: string[] = [];
  let from: number | undefined = 0;
  let pages = 0;
  while (from !== undefined) {
    const page = await rig.batches.result(made.id, from, EDITOR);
    expect(JSON.stringify(page.answers).length).toBeLessThan(300 * 1024);
    names.push(...page.answers.map(({ custom_id }) => custom_id));
    from = page.next;
    pages += 1;
  }
  expect(pages).toBeGreaterThan(2);
  expect(names).toEqual(requests.map(({ custom_id }) => custom_id));
});
