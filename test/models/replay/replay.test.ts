/** Recorded mixes, replayed: what is chosen, what that saves, and what it must not pretend to. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  createSyntheticMix,
  headLine,
  readMix,
  readQuestions,
  replayMix,
} from '../../../src/models/index.ts';
import { gradeOf } from '../../../src/models/replay/grading.ts';
import type { MixRequest, ModelMix } from '../../../src/models/replay/mix.ts';
import { run, temporaryFolder } from '../../cli/support.ts';

const only = (mix: ModelMix, name: string): ModelMix => ({
  ...mix,
  requests: mix.requests.filter((request) => request.class === name),
});

it('saves a fifth and more on the mix that is made up, and keeps the quality of each class', async () => {
  const mix = createSyntheticMix();
  expect(mix.requests.length).toBeGreaterThanOrEqual(200);
  const { break_even: even, classes, synthetic, total } = await replayMix(mix);
  expect(synthetic).toBe(true);
  expect(total.saved).toBeGreaterThanOrEqual(0.2);
  expect(classes.filter(({ kept = 0 }) => kept < 0.98)).toEqual([]);
  expect(even.is).toBeGreaterThan(even.needs ?? 1);
  expect(classes.map((one) => `${one.class}: ${one.way.strategy}`)).toEqual([
    'classify: alone',
    'extract: escalate',
    'summarise: alone',
    'tools: escalate',
    'reason: alone',
  ]);
});

it('saves nothing where all are hard, and says so', async () => {
  const { break_even: even, total } = await replayMix(only(createSyntheticMix(), 'reason'));
  expect(total).toMatchObject({ saved: 0, kept: 1 });
  expect(even).toEqual({ is: 0 });
});

it('shows that quality fell where the half that a way was chosen by was better than the other', async () => {
  const mix = only(createSyntheticMix(), 'classify');
  const requests = mix.requests.map((request, at): MixRequest => {
    const wrong = { choices: [{ index: 0, message: { content: '{"label":"none"}' } }] };
    const isJudged = at % 2 === 1 && at % 10 === 1;
    const [first = '', ...others] = mix.tiers.map(({ model }) => model);
    if (!isJudged) return request;
    const kept = Object.fromEntries(others.map((name) => [name, request.answers[name] ?? {}]));
    return { ...request, answers: { ...kept, [first]: wrong } };
  });
  const { classes } = await replayMix({ ...mix, requests });
  expect(classes[0]?.kept).toBeLessThan(0.98);
});

it('says nothing of a class in which the best model answers nothing right, and stays with it', async () => {
  const mix = only(createSyntheticMix(), 'classify');
  const requests = mix.requests.map((request): MixRequest => ({
    ...request,
    expect: { equals: 'never' },
  }));
  const { classes, total } = await replayMix({ ...mix, requests });
  expect(classes[0]).toMatchObject({
    score: 0,
    saved: 0,
    way: { strategy: 'alone', models: ['synthetic/best'] },
  });
  expect(classes[0]).not.toHaveProperty('kept');
  expect(total).not.toHaveProperty('kept');
  const folder = await temporaryFolder();
  const file = join(folder, 'mix.jsonl');
  const { tiers } = mix;
  const lines = [headLine(tiers), ...requests.map((request) => JSON.stringify(request))];
  await writeFile(file, `${lines.join('\n')}\n`);
  const { stdout } = await run('llm', 'replay', file);
  expect(stdout).toMatch(/classify .* 0\.000 +–$/m);
  expect(stdout).toContain('Nothing can be said of classify');
  expect(stdout).not.toContain('keeps at least');
});

it('takes no smaller model on the word of a few requests', async () => {
  const mix = only(createSyntheticMix(), 'classify');
  const { classes } = await replayMix({ ...mix, requests: mix.requests.slice(0, 30) });
  expect(classes[0]?.way).toEqual({ strategy: 'alone', models: ['synthetic/best'] });
});

it.each([
  [{ equals: 'Blue' }, ' blue. ', 1],
  [{ equals: 'blue' }, 'It is blue', 0],
  [{ json: { a: 1, b: [2] } }, '{"b":[2],"a":3}', 0.5],
  [{ json: { a: 1 } }, 'none', 0],
  [{ words: ['sky', 'sea'] }, 'The SKY.', 0.5],
])('grades %j: %j', (wanted, text, score) => {
  expect(gradeOf(wanted, { text, calls: [], finish: 'stop' })).toBe(score);
});

it('grades a call of a tool by all its arguments, and two calls as none', () => {
  const wanted = { call: { name: 'look', arguments: { at: 'sky' } } };
  const call = { name: 'look', args: { at: 'sky' } };
  const said = { text: '', finish: 'tool_calls' };
  expect(gradeOf(wanted, { ...said, calls: [call] })).toBe(1);
  expect(gradeOf(wanted, { ...said, calls: [{ name: 'look', args: { at: 'sea' } }] })).toBe(0);
  expect(gradeOf(wanted, { ...said, calls: [call, call] })).toBe(0);
  expect(gradeOf(wanted, undefined)).toBe(0);
});

const HEAD = JSON.stringify({
  mix: 1,
  tiers: ['a/s', 'a/b'].map((model) => ({ model, price: { input: 1, output: 1 } })),
});
const LINE = { class: 'x', body: { messages: [] }, expect: { equals: 'y' }, answers: {} };

it.each([
  ['', /is empty/],
  ['{', /line 1 of m is no JSON/],
  ['{"mix":2}', /line 1 of m: mix/],
  [`${HEAD}\n${JSON.stringify(LINE)}`, /line 2 of m has no answer of a\/s/],
  [`${HEAD}\n${JSON.stringify({ ...LINE, class: 'a b' })}`, /line 2 of m: class/],
])('refuses what is no mix, by its line: %s', (text, says) => {
  expect(() => readMix(text, 'm')).toThrow(says);
});

it.each([
  ['{"class":"x","prompt":"why"}', /line 1 of q/],
  ['{"class":"x","body":{},"expect":{"equals":"y"}}', /has no messages/],
])('refuses what is no question: %s', (text, says) => {
  expect(() => readQuestions(text, 'q')).toThrow(says);
});

it('says first of all that the mix is made up, and names classes where one is not there', async () => {
  const { stdout } = await run('llm', 'replay');
  expect(stdout).toMatch(/^SYNTHETIC: /);
  expect(stdout).toMatch(/^all +500 /m);
  expect(stdout).toContain('cheaper than with the best model alone.');
  const hard = await run('llm', 'replay', '--class', 'reason');
  expect(hard.stdout).toContain('No mix of these classes saves a fifth.');
  const unknown = await run('llm', 'replay', '--class', 'poems');
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('summarise') });
  const absent = await run('llm', 'replay', '/nowhere/mix.jsonl');
  expect(absent).toMatchObject({ code: 2 });
  expect(absent.stderr).toContain('/nowhere/mix.jsonl');
});

it('says of a file that is none of recorded answers how such a file is made', async () => {
  const other = '{"class":"greet","prompt":"why","expect":{"equals":"so"}}\n';
  for (const text of [other, '[]', 'null']) {
    expect(() => readMix(text, 'q.jsonl')).toThrow(
      expect.objectContaining({
        code: 'STARLING_USAGE',
        message: 'q.jsonl is no file of recorded answers',
        hint: expect.stringContaining('starling llm record') as string,
      }),
    );
  }
});
