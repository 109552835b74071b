/** What becomes of a batch, at the wire of both vendors: submitted once whatever breaks, looked at, collected and settled. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { CLAUDE, DAY, EDITOR, KEY, MINUTE, OPENAI, ask, batchRigs, stateOf } from './batch-rig.ts';

const rigs = batchRigs();
const textOf = (row: Uint8Array): string => Buffer.from(row).toString();

describe.each([
  ['OpenAI', OPENAI, 0.5 * (1000 * 0.25 + 100 * 2)],
  ['Anthropic', CLAUDE, 0.5 * (1000 * 1 + 100 * 5)],
] as const)('at %s', (_, model, each) => {
  it('submits once, looks now and then, and gives the answers in the order of the requests, for half the price', async () => {
    const rig = await rigs.start();
    const { batches, held, notes, spent } = rig;
    const lines = [ask('a', 'one'), ask('b', 'refuse'), ask('c', 'two'), ask('d', 'twice')];
    const made = await batches.submit({ model, requests: lines }, EDITOR);
    expect(made).toMatchObject({
      state: 'running',
      requests: 4,
      model,
      caller: 'the client editor',
    });
    expect(rigs.creates()).toBe(1);
    expect(rigs.vendor.batches[0]?.requests.map(({ custom_id }) => custom_id)).toEqual(
      [0, 1, 2, 3].map((at) => `${made.id}-${at}`),
    );
    expect(rigs.vendor.batches[0]?.requests[0]?.body).toMatchObject({
      model: model.split('/')[1],
      messages: [{ role: 'user', content: expect.anything() }],
    });
    // The most that all may cost, at the price of a batch.
    expect(held).toHaveLength(1);
    expect(held[0]).toMatchObject({ calls: 4 });
    await expect(batches.result(made.id, 0, EDITOR)).rejects.toMatchObject({
      code: 'STARLING_BATCH_REFUSED',
      data: { reason: 'running' },
    });
    await rig.pass(MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    rigs.vendor.finish();
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'completed',
      answered: 3,
      failed: 1,
      tokens: 3300,
      costMicroUsd: 3 * each,
    });
    const { answers } = await batches.result(made.id.slice(0, 6), 0, EDITOR);
    expect(answers.map(({ custom_id }) => custom_id)).toEqual(['a', 'b', 'c', 'd']);
    expect(JSON.stringify(answers[0]?.response)).toContain('you said: one');
    expect(answers[0]?.response).toMatchObject({ object: 'chat.completion' });
    expect(answers[1]?.error).toMatchObject({
      code: 'STARLING_MODEL_REJECTED',
      message: expect.stringContaining('not this'),
    });
    expect(spent).toEqual([{ tokens: 3300, usd: 3 * each, calls: 3 }]);
    expect(notes.at(-1)).toMatchObject({
      kind: 'call',
      outcome: 'ok',
      of: 7,
      who: 'client:editor',
    });
    expect(rig.usage.rows()).toMatchObject([
      { model, calls: 4, failed: 1, batched: 4, costMicroUsd: 3 * each, totalMs: 0 },
    ]);
    expect([...rig.rows.values()].map(textOf).join('')).not.toContain(KEY);
    // Nobody looks any more, and the requests are gone.
    const asked = rigs.vendor.got.length;
    await rig.pass(DAY);
    expect(rigs.vendor.got).toHaveLength(asked);
    expect([...rig.rows.keys()].filter((key) => key.startsWith('request/'))).toEqual([]);
  });

  it.each([
    ['expired', 'expired'],
    ['cancelled', 'cancelled'],
  ] as const)(
    'says in words that a batch has %s, and nothing of that is paid',
    async (how, word) => {
      const rig = await rigs.start();
      const made = await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
      if (how === 'cancelled') {
        expect(await rig.batches.cancel(made.id, false, EDITOR)).toMatchObject({
          state: 'cancelling',
        });
        expect(rigs.vendor.got.at(-1)?.path).toMatch(/\/cancel$/);
      }
      rigs.vendor.finish(how);
      await rig.pass(MINUTE);
      expect(stateOf(rig)).toMatchObject({ state: how, answered: 0, failed: 1, costMicroUsd: 0 });
      const { answers } = await rig.batches.result(made.id, 0, EDITOR);
      expect(answers[0]?.error?.message).toContain(word);
      expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    },
  );

  it('finds a batch that was taken when the connection broke, and sends it no second time', async () => {
    const rig = await rigs.start();
    rigs.vendor.mishaps.push({ at: /^POST .*\/batches$/, isCut: true });
    const made = await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    expect(made).toMatchObject({
      state: 'sending',
      reason: expect.stringContaining('gave no answer'),
    });
    // Another batch of as many requests is under way there, and is somebody else's.
    const others = [{ custom_id: 'of-others-0', body: {} }];
    const [ours] = rigs.vendor.batches;
    if (ours === undefined) throw new Error('the vendor has none');
    rigs.vendor.batches.unshift({ ...ours, id: 'batch_other', metadata: {}, requests: others });
    await rig.pass(MINUTE);
    for (const batch of rigs.vendor.batches) batch.status = 'completed';
    await rig.pass(30 * MINUTE);
    await rig.pass(30 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'completed', answered: 1 });
    expect(rigs.creates()).toBe(1);
  });

  it('a node that is killed while it sends finds the batch after its next start, and sends nothing', async () => {
    const rig = await rigs.start();
    const rows = new Map<string, Uint8Array>();
    const answer = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    // What is on the disk when the vendor has the batch, and the node does not know that.
    for (let turns = 0; turns < 10_000 && rows.size === 0; turns += 1) {
      const isSent = [...rig.rows.values()].some((row) => textOf(row).includes('"step":"sent"'));
      if (isSent) for (const [key, row] of rig.rows) rows.set(key, row);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await answer;
    expect(rows.size).toBe(2);
    rigs.vendor.finish();
    const next = await rigs.start(rows);
    await next.pass(1);
    await next.pass(MINUTE);
    expect(stateOf(next)).toMatchObject({ state: 'completed', answered: 1, costMicroUsd: each });
    expect(rigs.creates()).toBe(1);
    expect(next.spent).toEqual([{ tokens: 1100, usd: each, calls: 1 }]);
  });

  it('a batch that never left is told as such after the next start, since nobody was told that it is there', async () => {
    const rig = await rigs.start();
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    const rows = new Map(
      [...rig.rows].map(([key, row]) => {
        const { vendorId: _, ...read } = JSON.parse(textOf(row)) as JsonObject;
        const held = key.startsWith('batch/') ? { ...read, step: 'held' } : read;
        return [key, Buffer.from(JSON.stringify(held))];
      }),
    );
    const next = await rigs.start(rows);
    expect(stateOf(next)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('submit it again'),
    });
    expect(next.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    expect(rigs.creates()).toBe(1);
  });

  it('a batch that the vendor never took ends so, and costs nothing', async () => {
    const rig = await rigs.start();
    rigs.vendor.mishaps.push({ at: /^POST .*\/batches$/, status: 500 });
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    expect(stateOf(rig)).toMatchObject({ state: 'sending' });
    for (let at = 0; at < 6; at += 1) await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('never took it'),
    });
    expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    expect(rigs.creates()).toBe(1);
  });

  it.each([
    [401, 'STARLING_MODEL_KEY_REFUSED'],
    [400, 'STARLING_MODEL_REJECTED'],
    [429, 'STARLING_RATE_LIMITED'],
    [404, 'STARLING_MODEL_UNSUPPORTED'],
  ])(
    'a batch that is refused by %i is told so at once, and has never been',
    async (status, code) => {
      const rig = await rigs.start();
      rigs.vendor.mishaps.push({
        at: /^POST .*\/batches$/,
        status,
        body: `{"error":{"message":"${KEY}"}}`,
      });
      const submitted = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
      const error = await submitted.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code });
      expect((error as Error).message).not.toContain(KEY);
      expect(rig.batches.list(OPERATOR).batches).toEqual([]);
      expect(rig.rows.size).toBe(0);
      expect(rig.spent).toEqual([{ tokens: 0, usd: 0, calls: 0 }]);
    },
  );

  it('waits as the vendor says, goes on after its failures, and gives up one that the vendor knows no more', async () => {
    const rig = await rigs.start();
    await rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    rigs.vendor.mishaps.push({ at: /^GET/, status: 500 }, { at: /^GET/, status: 503 });
    await rig.pass(20_000);
    await rig.pass(40_000);
    expect(stateOf(rig)).toMatchObject({
      state: 'running',
      reason: expect.stringContaining('too much to do'),
    });
    // The clock is set a year ahead, and back: nothing ends by that.
    rig.clock.sleep(365 * DAY);
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    expect(stateOf(rig)).not.toHaveProperty('reason');
    rigs.vendor.batches.splice(0);
    for (let at = 0; at < 8; at += 1) await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('knows it no more'),
    });
    // Nobody can say what it did cost.
    expect(rig.spent).toEqual([undefined]);
  });

  it('collects anew where results break off, and counts nothing twice', async () => {
    const rig = await rigs.start();
    await rig.batches.submit({ model, requests: [ask('a', 'one'), ask('b', 'lose')] }, EDITOR);
    rigs.vendor.finish();
    rigs.vendor.mishaps.push({ at: /results|content/, isCut: true });
    await rig.pass(20_000);
    expect(stateOf(rig)).toMatchObject({ state: 'running' });
    await rig.pass(10 * MINUTE);
    expect(stateOf(rig)).toMatchObject({ state: 'completed', answered: 1, failed: 1 });
    const [held] = rig.held as { tokens: number }[];
    // Of the one that has no answer nobody knows that it was not paid for.
    expect(rig.spent).toHaveLength(1);
    expect(rig.spent[0]?.['tokens']).toBe(1100 + Math.ceil((held?.tokens ?? 0) / 2));
  });
});
