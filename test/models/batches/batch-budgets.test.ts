/** Batches at a whole node: what may be spent is held, over a restart too, and settled by what the answers took. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { makeKey, wholeNodes } from '../../fixtures/whole-nodes.ts';
import { run } from '../../cli/support.ts';
import { startBatchVendor } from './fake-batches.ts';

const nodes = wholeNodes('batch');
const line = (custom_id: string): JsonObject => ({
  custom_id,
  body: { messages: [{ role: 'user', content: 'why' }], max_tokens: 100 },
});

it('holds what a batch may cost, goes on with that after a restart, and spends what it took', async () => {
  const vendor = await startBatchVendor();
  nodes.cleanups.push(() => vendor.stop());
  const models = {
    providers: { far: { endpoint: vendor.url, tier: 'central' as const } },
    prices: { 'far/*': { input: 1, output: 10, batch: 0.5 } },
  };
  const { node, operator } = await nodes.start({ name: 'box', models });
  await operator.builtin('budget_create', { name: 'all', limit: '1usd', for: 'model:far/**' });
  await operator.builtin('budget_create', { name: 'tight', limit: '0.0001usd' });
  const submit = (more: JsonObject): Promise<JsonObject> =>
    operator.builtin('llm_batch_submit', {
      model: 'far/qwen',
      requests: [line('a'), line('b')],
      ...more,
    });
  await expect(submit({ budget: 'tight' })).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
  });
  expect(vendor.batches).toEqual([]);
  const { id } = await submit({});
  const before = await operator.builtin<JsonObject>('budget_show', { name: 'all' });
  expect(before).toMatchObject({ spent: 0 });
  const held = Number(before['held']);
  // Two answers of a hundred tokens, at half the price, and what may be asked.
  expect(held).toBeGreaterThan(2 * 100 * 5);
  expect(held).toBeLessThan(2 * 100 * 5 + 200);
  vendor.finish();
  operator.close();
  await node.stop();
  const again = await nodes.start({ name: 'box', models });
  const list = () => again.operator.builtin<{ batches: JsonObject[] }>('llm_batch_list', {});
  await expect
    .poll(list, { timeout: 20_000 })
    .toMatchObject({ batches: [{ id, state: 'completed' }] });
  // The vendor bills more than was held: that is booked, as without a restart.
  await expect
    .poll(() => again.operator.builtin('budget_show', { name: 'all' }))
    .toMatchObject({ spent: 2000, held: 0 });
  const { warnings } = again.node.status();
  expect(warnings.map(({ code }) => code)).not.toContain('budget-lost-holds');
  // Another client has neither the batch nor its answers.
  const key = await makeKey(again.operator, 'other', ['*']);
  const call = async (name: string, args: object): Promise<string> => {
    const { endpoints } = again.node.status();
    const response = await fetch(new URL('/mcp', endpoints.url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: `starling__${name}`, arguments: args },
      }),
    });
    return response.text();
  };
  expect(await call('llm_batch_result', { id })).not.toContain('you said');
  const at = ['--state', again.node.status().stateDir];
  const printed = await run('llm', 'batch', 'result', String(id).slice(0, 8), ...at);
  expect(
    printed.stdout
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one) as JsonObject),
  ).toMatchObject([
    { custom_id: 'a', response: { choices: [{ message: { content: 'you said: why' } }] } },
    { custom_id: 'b' },
  ]);
  const bad = join(await nodes.root(), 'bad.jsonl');
  await writeFile(bad, '{"custom_id":"1","body":{}}\n\nnot JSON\n');
  const refused = await run('llm', 'batch', 'submit', bad, '--model', 'far/qwen', ...at);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('line 3') });
});
