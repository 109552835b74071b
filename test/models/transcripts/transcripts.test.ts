/** Prompts and answers that are kept: only where the operator says so, for as long as that says, and for nobody else. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createTranscripts } from '../../../src/models/index.ts';
import { readCall } from '../../../src/models/read-call.ts';
import { eventText } from '../../../src/models/translate/stream-translator.ts';
import type { ModelAnswer, ModelForm } from '../../../src/models/types.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const DAY = 86_400_000;
const KEPT = {
  about: { who: 'client:editor', what: { ability: 'model/use', resource: 'model:gpu/qwen' } },
  of: 7,
};

/** What is kept on `table`, of the models that `kept` names. */
async function keeper(
  kept: Record<string, number> = { 'gpu/*': 7 * DAY },
  table: Table = memoryTable(),
  clock = createTestClock(),
) {
  const transcripts = createTranscripts(
    { config: () => ({ transcripts: kept }), table, clock, logger: silentLogger },
    { messageBytes: 1024 * 1024 },
  );
  await transcripts.start();
  /** One call, from its beginning to its end. */
  const call = async (
    parts: readonly string[],
    {
      form = 'chat',
      model = 'gpu/qwen',
      content = 'why',
      stream = true,
      fails = false,
    }: {
      readonly form?: ModelForm;
      readonly model?: string;
      readonly content?: string;
      readonly stream?: boolean;
      readonly fails?: boolean;
    } = {},
  ) => {
    const body = JSON.stringify({ model, stream, messages: [{ role: 'user', content }] });
    const read = readCall(form, Buffer.from(body), {});
    const recording = transcripts.begin({ model, kept: KEPT }, read);
    const answer: ModelAnswer = {
      isStream: stream,
      headers: {},
      body: (async function* () {
        for (const part of parts) yield Buffer.from(part);
        if (fails) throw new Error('it broke');
      })(),
    };
    const heard: string[] = [];
    const reading = async (): Promise<void> => {
      for await (const chunk of recording?.of(answer) ?? answer.body) {
        heard.push(Buffer.from(chunk).toString());
      }
    };
    await reading().then(
      () => recording?.over('ok'),
      () => recording?.over('failed', 'STARLING_MODEL_CUT'),
    );
    return { heard: heard.join(''), headers: recording?.headers };
  };
  const list = (filter: { model?: string; before?: string; limit?: number } = {}) =>
    transcripts.list({ limit: 20, ...filter });
  return { call, clock, kept, list, table, transcripts };
}

const piece = (delta: object, finish: string | null = null): string =>
  eventText({ choices: [{ index: 0, delta, finish_reason: finish }] } as never);
const CHAT = [piece({ content: 'The sky' }), piece({ content: ' is.' }), piece({}, 'stop')];

it('keeps nothing by default, and of other models than those that are named', async () => {
  const none = await keeper({});
  expect(await none.call(CHAT)).toEqual({ heard: CHAT.join(''), headers: undefined });
  expect(await none.list()).toEqual({ keeps: [], transcripts: [] });
  const some = await keeper({ 'gpu/*': DAY });
  await some.call(CHAT, { model: 'anthropic/claude' });
  expect(await some.list()).toEqual({ keeps: ['gpu/*'], transcripts: [] });
});

it('keeps request and answer as words, tells the caller for how long, and changes no byte', async () => {
  const { call, list } = await keeper();
  expect(await call(CHAT)).toEqual({
    heard: CHAT.join(''),
    headers: { 'starling-kept': '604800s' },
  });
  const { transcripts } = await list();
  expect(transcripts).toMatchObject([
    {
      model: 'gpu/qwen',
      who: 'client:editor',
      entry: 7,
      outcome: 'ok',
      request: expect.stringContaining('"content":"why"'),
      answer: 'The sky is.',
    },
  ]);
});

it.each<[string, ModelForm, boolean, readonly string[], string]>([
  [
    'a call of a tool',
    'chat',
    true,
    [
      piece({ tool_calls: [{ index: 0, function: { name: 'look', arguments: '{"at"' } }] }),
      piece({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }, 'tool_calls'),
    ],
    '→ look {"at":1}',
  ],
  [
    'a whole chat',
    'chat',
    false,
    [JSON.stringify({ choices: [{ message: { content: 'Yes.' }, finish_reason: 'stop' }] })],
    'Yes.',
  ],
  [
    'a message of the other API',
    'messages',
    true,
    [eventText({ type: 'content_block_delta', index: 0, delta: { text: 'Hi' } })],
    'Hi',
  ],
  ['an embedding', 'embeddings', false, ['{"data":[1]}'], '{"data":[1]}'],
  ['what is no stream of its API', 'chat', true, [...CHAT, 'data: {"choi\n\n'], 'The sky is.'],
])('of %s it keeps what was said', async (_, form, stream, parts, said) => {
  const { call, list } = await keeper();
  expect((await call(parts, { form, stream })).heard).toBe(parts.join(''));
  expect((await list()).transcripts[0]?.answer).toBe(said);
});

it('keeps what came of an answer that broke off, and says that of what is too long a part is kept', async () => {
  const { call, list } = await keeper();
  await call(CHAT.slice(0, 1), { fails: true });
  await call([piece({ content: 'x'.repeat(50_000) }), piece({ content: 'y'.repeat(50_000) })], {
    content: 'z'.repeat(90_000),
  });
  const { transcripts } = await list();
  expect(transcripts[1]).toMatchObject({
    outcome: 'failed',
    reason: 'STARLING_MODEL_CUT',
    answer: 'The sky',
  });
  expect(transcripts[0]).toMatchObject({ isCut: true });
  expect([transcripts[0]?.request.length, transcripts[0]?.answer.length]).toEqual([65_536, 65_536]);
});

it('erases what is too old, or of a model that is named no more, also after a restart', async () => {
  const made = await keeper({ 'gpu/*': 2 * DAY, 'far/*': 30 * DAY });
  await made.call(CHAT);
  await made.call(CHAT, { model: 'far/qwen' });
  made.clock.advance(3 * DAY);
  expect((await made.list()).transcripts.map(({ model }) => model)).toEqual(['far/qwen']);
  const { rows } = made.table as ReturnType<typeof memoryTable>;
  await new Promise((resolve) => void setImmediate(resolve));
  made.clock.advance(3_600_000);
  await made.list();
  expect(rows.size).toBe(1);
  delete made.kept['far/*'];
  expect((await made.list()).transcripts).toEqual([]);
  await made.transcripts.stop();
  await keeper(made.kept, made.table, made.clock);
  expect(rows.size).toBe(0);
});

it('is bounded in rows, whatever is asked, and goes by pages, the newest first', async () => {
  const made = await keeper();
  for (let at = 0; at < 25; at += 1) {
    made.clock.advance(1);
    await made.call(CHAT, { content: `q${at}`, model: at % 5 === 0 ? 'gpu/other' : 'gpu/qwen' });
  }
  const first = await made.list({ limit: 10 });
  const next = await made.list({
    limit: 20,
    ...(first.next === undefined ? {} : { before: first.next }),
  });
  const asked = [...first.transcripts, ...next.transcripts].map(
    ({ request }) => /q\d+/.exec(request)?.[0],
  );
  expect(asked).toEqual(Array.from({ length: 25 }, (_, at) => `q${24 - at}`));
  expect(next.next).toBeUndefined();
  expect((await made.list({ model: 'gpu/other' })).transcripts).toHaveLength(5);
  expect((await made.list({ model: 'gpu' })).transcripts).toHaveLength(20);
});

it('costs a call nothing where the disk takes no more, and keeps the next ones once it does', async () => {
  const table = memoryTable();
  let isFull = true;
  const put: Table['put'] = async (key, value) => {
    if (isFull) throw new Error('no space is left');
    await table.put(key, value);
  };
  const { call, list } = await keeper({ 'gpu/*': DAY }, { ...table, put });
  expect((await call(CHAT)).heard).toBe(CHAT.join(''));
  expect((await list()).transcripts).toEqual([]);
  isFull = false;
  await call(CHAT);
  expect((await list()).transcripts).toHaveLength(1);
});

it('leaves out what waits behind a slow disk in too great a number', async () => {
  const table = memoryTable();
  let go = (): void => undefined;
  const slow = new Promise<void>((resolve) => (go = resolve));
  const put: Table['put'] = (key, value) => slow.then(() => table.put(key, value));
  const { call, list } = await keeper({ 'gpu/*': DAY }, { ...table, put });
  for (let at = 0; at < 300; at += 1) await call(CHAT);
  go();
  expect((await list({ limit: 200 })).transcripts).toHaveLength(200);
  expect(table.rows.size).toBe(256);
});

it('leaves out what is damaged, and erases it', async () => {
  const table = memoryTable();
  for (const text of ['no JSON', '{"at":1}', 'null']) await table.put(text, Buffer.from(text));
  const { list } = await keeper({ 'gpu/*': DAY }, table);
  expect((await list()).transcripts).toEqual([]);
  expect(table.rows.size).toBe(0);
});
