/** What may be in a batch, whose, and where to: what is refused, and what is said of that. */
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { EDITOR, MINUTE, OPENAI, ask, batchRigs, tell } from './batch-rig.ts';

const rigs = batchRigs();

it('takes requests as Anthropic has them, also for a vendor of the other API, and embeddings', async () => {
  const rig = await rigs.start();
  const { batches } = rig;
  const params = await batches.submit({ model: OPENAI, requests: [tell('a', 'one')] }, EDITOR);
  rigs.vendor.finish();
  await rig.pass(MINUTE);
  const { answers } = await batches.result(params.id, 0, EDITOR);
  expect(answers[0]?.response).toMatchObject({
    type: 'message',
    content: [{ text: 'you said: one' }],
  });
  const url = '/v1/embeddings';
  const lines = [
    { custom_id: 'x', url, method: 'POST', body: { input: 'sky', model: 'gpt-5-mini' } },
  ];
  const embedded = await batches.submit({ model: OPENAI, requests: lines }, EDITOR);
  expect(rigs.vendor.got.at(-1)?.text).toContain('"endpoint":"/v1/embeddings"');
  rigs.vendor.finish();
  await rig.pass(MINUTE);
  const page = await batches.result(embedded.id, 0, EDITOR);
  expect(page.answers[0]?.response).toMatchObject({ object: 'list' });
});

it.each([
  ['a route', 'cheap', /route of several/],
  ["a peer's model", '@bob/gpu/qwen', /nobody else/],
  ["Google's models", 'gemini/gemini-2.5-flash', /provider gemini has no batches/],
  ['a provider that has no such address', 'bare/qwen', /provider bare has no batches/],
])('a batch for %s is refused by name, and makes no single calls', async (_, model, said) => {
  const rig = await rigs.start();
  const submitted = rig.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_MODEL_UNSUPPORTED',
    message: expect.stringMatching(said),
  });
  expect(rigs.vendor.got.filter(({ path }) => path.includes('completions'))).toEqual([]);
  expect(rig.rows.size).toBe(0);
});

it('one whose provider is not here is told so, as it may be about to come', async () => {
  const rig = await rigs.start();
  const submitted = rig.batches.submit({ model: 'gpu/qwen', requests: [ask('a', 'one')] }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_MODEL_UNKNOWN',
    message: expect.stringContaining('nobody else'),
    hint: expect.stringContaining('openai, claude'),
  });
});

it('asks the guard before it says whether there is a model, and holds callers to their minute', async () => {
  const refused = await rigs.start(undefined, { denied: 'editor' });
  for (const model of [OPENAI, 'nothing/here']) {
    const submitted = refused.batches.submit({ model, requests: [ask('a', 'one')] }, EDITOR);
    await expect(submitted).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  }
  const quotas = { 'client:editor': { requestsPerMinute: 1 } };
  const busy = await rigs.start(undefined, { quotas });
  await busy.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  await expect(
    busy.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR),
  ).rejects.toMatchObject({ code: 'STARLING_RATE_LIMITED' });
});

it('gives requests a limit that the room pays for, and says so', async () => {
  const rig = await rigs.start(undefined, { room: { tokens: 1500 } });
  const line = { custom_id: 'a', body: { messages: [{ role: 'user', content: 'why' }] } };
  const requests = [line, { ...line, custom_id: 'b' }];
  const made = await rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  expect(made.added).toMatch(/^max_tokens=\d+$/);
  expect(Number(rig.held[0]?.['tokens'])).toBeLessThanOrEqual(1500);
  expect(JSON.stringify(rigs.vendor.batches[0]?.requests[0]?.body)).toMatch(
    /"max_(?:completion_)?tokens":\d+/,
  );
});

const LINE = ask('a', 'one');
it.each<[string, readonly JsonObject[], RegExp]>([
  ['none', [], /has no request/],
  ['two of one name', [LINE, LINE], /request 2 .*'a' is the custom_id of two/],
  ['no name', [{ body: {} }], /request 1 .*custom_id/],
  ['another model', [ask('a', 'x', { model: 'gpt-4o' })], /names the model 'gpt-4o'/],
  ['a stream', [ask('a', 'x', { stream: true })], /streams nothing/],
  ['two bodies', [{ ...LINE, params: {} }], /'body', as OpenAI/],
  ['no body', [{ custom_id: 'a' }], /'body', as OpenAI/],
  ['a strange address', [{ ...LINE, url: '/v1/files' }], /'url' is one of/],
  ['a strange field', [{ ...LINE, priority: 1 }], /'priority' is nothing/],
  ['two kinds', [LINE, tell('b', 'x')], /of one kind/],
  ['another method', [{ ...LINE, method: 'GET' }], /only be POST/],
])('refuses a batch with %s, and names what is wrong', async (_, requests, said) => {
  const rig = await rigs.start();
  const submitted = rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  await expect(submitted).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    message: expect.stringMatching(said),
  });
  expect(rigs.vendor.got).toEqual([]);
});
