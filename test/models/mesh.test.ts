/** A peer's model, used by name with no key and no port: two whole nodes whose mesh is in memory, and a vendor at the wire. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { beforeAll, expect, it, vi } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { makeKey, wholeNodes } from '../fixtures/whole-nodes.ts';
import type { Machine, NodeFlags } from '../fixtures/whole-nodes.ts';
import { startVendor } from './fake-vendor.ts';
import type { FakeVendor } from './fake-vendor.ts';
import { TEXT } from './model-box.ts';

const SECRET = 'sk-of-the-box-3141';
const PROMPT = 'what does the heron whisper';
const nodes = wholeNodes('mesh-models');

let vendor: FakeVendor;
let box: StarlingNode;
let ofBox: NodeClient;
let laptop: StarlingNode;
let base: string;
let openai: OpenAI;
let grant: string;

beforeAll(async () => {
  vendor = await startVendor();
  nodes.cleanups.push(() => vendor.stop());
  const provider = { endpoint: vendor.url, keyFrom: 'env:VENDOR_KEY' };
  ({ node: box, operator: ofBox } = await start('10.79.0.1', {
    name: 'box',
    http: { enabled: false },
    models: { providers: { gpu: provider, claude: { ...provider, api: 'anthropic' } } },
  }));
  const { ticket } = await box.createTicket();
  const ofLaptop = await start('10.79.0.2', { name: 'laptop', join: ticket });
  laptop = ofLaptop.node;
  const isMet = (): boolean => box.peers().some(({ state }) => state === 'alive');
  while (!isMet()) await new Promise((wake) => void box.events.once('peer', wake));
  base = new URL('/v1', laptop.status().endpoints.url).href;
  const key = await makeKey(ofLaptop.operator, 'editor', ['model:@box/**']);
  openai = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
}, 60_000);

/** Each with its log beside its state folder. */
async function start(ip: string, flags: NodeFlags & { readonly name: string }): Promise<Machine> {
  const log = { level: 'debug' as const, file: join(await nodes.root(), `${flags.name}.log`) };
  return nodes.start({ log, ...flags }, { ip, env: { VENDOR_KEY: SECRET } });
}

const messages = [{ role: 'user' as const, content: PROMPT }];

async function textOf(model: string): Promise<string> {
  const stream = await openai.chat.completions.create({ model, messages, stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

it('refuses what was not granted, before anything is sent to the vendor', async () => {
  expect((await openai.models.list()).data).toEqual([]);
  await expect(textOf('gpu/qwen')).rejects.toMatchObject({ status: 403 });
  await expect(textOf('@box/gpu/qwen')).rejects.toMatchObject({
    status: 403,
    code: 'STARLING_CALL_REFUSED',
    message: expect.stringContaining('starling grant create'),
  });
  expect(vendor.got).toEqual([]);
});

it('lets a peer use a model by its name, with the key of the node that owns the model', async () => {
  const made = await ofBox.builtin<JsonObject>('grant_create', {
    peer: 'laptop',
    models: ['gpu/*', 'claude/*'],
  });
  grant = String((made['grant'] as JsonObject)['id']);
  await expect.poll(() => textOf('gpu/qwen').catch(() => ''), { timeout: 20_000 }).toBe(TEXT);
  expect(vendor.got.at(-1)?.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(await textOf('@box/gpu/qwen')).toBe(TEXT);
  expect(await textOf('claude/qwen')).toBe(TEXT);
  expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(
    expect.arrayContaining(['gpu/qwen', 'claude/qwen']),
  );
  const whole = await openai.chat.completions
    .create({ model: 'claude/qwen', messages, seed: 3 })
    .withResponse();
  expect(whole.data.choices[0]?.message.content).toBe(TEXT);
  expect(whole.response.headers.get('starling-ignored')).toBe('seed');
  const anthropic = new Anthropic({
    baseURL: base.replace(/\/v1$/, ''),
    apiKey: openai.apiKey,
    maxRetries: 0,
  });
  const request = { model: 'gpu/qwen', max_tokens: 9, messages };
  expect((await anthropic.messages.stream(request).finalMessage()).content).toMatchObject([
    { text: TEXT },
  ]);
  // `gpu/*` is no `gpu/*/*`.
  await expect(textOf('@box/gpu/org/qwen:7b')).rejects.toMatchObject({ status: 403 });
});

it('passes failures on by their codes, before the first token and after', async () => {
  await expect(textOf('gpu/status-429-7')).rejects.toMatchObject({
    status: 429,
    code: 'STARLING_RATE_LIMITED',
  });
  await expect(textOf('gpu/status-401')).rejects.toMatchObject({
    code: 'STARLING_MODEL_KEY_REFUSED',
  });
  await expect(textOf('gpu/cut')).rejects.toThrow('STARLING_MODEL_CUT');
});

it('counts what a peer uses against a budget of the node that owns the model', async () => {
  await ofBox.builtin('budget_create', {
    name: 'gpu',
    limit: '100 tokens',
    for: 'peer:laptop',
  });
  const ask = (most: number): Promise<unknown> =>
    openai.chat.completions.create({ model: 'gpu/qwen', messages, max_tokens: most });
  await ask(40);
  await expect
    .poll(() => ofBox.builtin<JsonObject>('budget_show', { name: 'gpu' }), { timeout: 20_000 })
    .toMatchObject({ spent: 16, held: 0, free: 84 });
  const before = vendor.got.length;
  await expect(ask(2000)).rejects.toMatchObject({
    status: 402,
    code: 'STARLING_BUDGET_EXHAUSTED',
    message: expect.stringContaining("budget 'gpu' has 84 tokens left on box") as string,
  });
  expect(vendor.got).toHaveLength(before);
  // One that names no limit gets one, and can't pay for the least.
  await expect(textOf('gpu/qwen')).rejects.toMatchObject({ code: 'STARLING_BUDGET_EXHAUSTED' });
  await ofBox.builtin('budget_close', { name: 'gpu' });
});

it('shows the first words while the vendor still thinks about the rest', async () => {
  const stream = await openai.chat.completions.create({
    model: 'gpu/steps',
    messages,
    stream: true,
  });
  let count = 0;
  for await (const _ of stream) {
    count += 1;
    await vi.waitFor(() => expect(vendor.step()).toBe(true)).catch(() => undefined);
  }
  expect(count).toBe(7);
});

it('cancels at the vendor when the caller of a peer goes', async () => {
  const before = vendor.left;
  const gone = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: 'gpu/endless', messages, stream: true },
    { signal: gone.signal },
  );
  for await (const _ of stream) break;
  gone.abort();
  await vi.waitFor(() => expect(vendor.left).toBe(before + 1), { timeout: 10_000 });
});

it('holds the vendor back where the caller of a peer does not read', async () => {
  const before = vendor.written;
  const gone = new AbortController();
  await fetch(`${base}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${openai.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpu/endless', messages, stream: true }),
    signal: gone.signal,
  });
  let seen = -1;
  await vi.waitFor(
    () => {
      const now = vendor.written;
      const isStill = now > before && now === seen;
      seen = now;
      expect(isStill).toBe(true);
    },
    { timeout: 15_000, interval: 400 },
  );
  expect(seen - before).toBeLessThan(32 * 1024 * 1024);
  gone.abort();
});

it('keeps no prompt and no answer in either audit log, and says who asked', async () => {
  for (const node of [box, laptop]) {
    const folder = join(node.status().stateDir, 'audit');
    const texts = await Promise.all(
      (await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8').catch(() => '')),
    );
    const log = await readFile(`${node.status().stateDir}.log`, 'utf8').catch(() => '');
    const all = [...texts, log].join('\n');
    for (const secret of [SECRET, PROMPT, 'mesh says']) expect(all).not.toContain(secret);
    expect(texts.join('\n')).toContain('model/use');
  }
  const page = await ofBox.builtin<JsonObject>('audit_query', { limit: 50, what: 'model/use' });
  expect(JSON.stringify(page)).toContain(laptop.status().did);
  expect(JSON.stringify(page)).toContain('editor');
});

it('ends a stream under way when the grant is revoked', async () => {
  const stream = await openai.chat.completions.create({
    model: 'gpu/endless',
    messages,
    stream: true,
  });
  let isRevoked = false;
  const read = async (): Promise<void> => {
    for await (const _ of stream) {
      if (!isRevoked) await ofBox.builtin('grant_revoke', { id: grant });
      isRevoked = true;
    }
  };
  await expect(read()).rejects.toThrow('STARLING_CALL_REFUSED');
  await expect(textOf('@box/gpu/qwen')).rejects.toMatchObject({ status: 403 });
});
