/** The small parts of the CLI: arguments, durations, tables, and text that is safe to print. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { endText } from '../../src/cli/commands/task/task-lines.ts';
import { startWords, upWords } from '../../src/cli/node/start-words.ts';
import { defaultConfigFile, defaultStateDir } from '../../src/config/paths.ts';
import { writeAbout } from '../../src/config/known-nodes.ts';
import type { TaskResult } from '../../src/tasks/types.ts';
import { readArguments } from '../../src/cli/options/tool-arguments.ts';
import { parseDuration } from '../../src/cli/options/parsers.ts';
import { duration, safe, table } from '../../src/cli/terminal/output.ts';
import { readValue, showChange } from '../../src/cli/options/board-value.ts';
import type { Did } from '../../src/core/index.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    count: { type: 'integer' },
    deep: { type: 'boolean' },
    tags: { type: 'array' },
    name: { type: 'string' },
  },
};

describe('--arg', () => {
  it('is typed as the tool says', async () => {
    const words = ['count=3', 'deep=true', 'tags=["a"]', 'name=7', 'other=8'];
    expect(await readArguments(words, SCHEMA)).toEqual({
      count: 3,
      deep: true,
      tags: ['a'],
      name: '7',
      other: '8',
    });
  });

  it('takes JSON with := and keeps everything after the first =', async () => {
    expect(await readArguments(['x:={"a":[1]}', 'url=http://h/?q=1'], undefined)).toEqual({
      x: { a: [1] },
      url: 'http://h/?q=1',
    });
  });

  it('reads a file with =@', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-arg-'));
    const file = join(folder, 'text');
    await writeFile(file, 'from a file');
    expect(await readArguments([`name=@${file}`], SCHEMA)).toEqual({ name: 'from a file' });
    await rm(folder, { recursive: true });
  });

  it.each(['count=many', 'deep=perhaps', 'tags=[', 'novalue', 'x:=nojson'])(
    'refuses %s and says which it is',
    async (word) => {
      await expect(readArguments([word], SCHEMA)).rejects.toMatchObject({
        code: 'STARLING_USAGE',
        message: expect.stringContaining(word.split(/[:=]/)[0] ?? '') as string,
      });
    },
  );
});

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['8h', 28_800_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 'h', '0s', '-1h', '1.5h', '9999999d'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/90s/);
  });

  it.each([
    ['0s', /more than 0/],
    ['99y', /\(s, m, h or d\)/],
  ])('of %s it is said what is wrong', (text, says) => {
    expect(() => parseDuration(text)).toThrow(says);
  });

  it('are shown in the unit that says most', () => {
    expect([0, 59_000, 600_000, 28_800_000, 604_800_000].map(duration)).toEqual([
      '0s',
      '59s',
      '10m',
      '8h',
      '7d',
    ]);
  });
});

describe('what comes from elsewhere', () => {
  it('cannot move the cursor, ring the bell or turn the text around', () => {
    const hostile = '\u001B[2Jgone\u0007\u202Eevil\u200B\r';
    expect(safe(hostile)).not.toMatch(/[\u001B\u0007\u202E\u200B\r]/);
    expect(table(['NAME'], [[hostile]])).not.toContain('\u001B[2J');
  });

  it('keeps its lines and its letters', () => {
    expect(safe('line one\nline two\tÄöü 漢字')).toBe('line one\nline two\tÄöü 漢字');
  });
});

describe('board values', () => {
  it('are JSON where they are JSON, else text', () => {
    expect(['1', '{"a":2}', '"x"', 'plain', 'null'].map(readValue)).toEqual([
      1,
      { a: 2 },
      'x',
      'plain',
      null,
    ]);
  });

  it('are shown as one line a change', () => {
    const entry = { key: 'k', value: { a: 1 }, by: 'did:key:z' as Did, at: 0, clock: {} };
    expect(showChange({ key: 'k', entry })).toBe('+ k = {"a":1}');
    expect(showChange({ key: 'k' })).toBe('- k');
  });
});

describe('the end of a task', () => {
  const ended = {
    taskId: 't1',
    status: 'failed',
    attempts: [],
    error: { reason: 'failed', message: 'no such bird', retryable: true },
  } as unknown as TaskResult;
  const again = 'to have it done after all: starling task retry t1';

  it('says the reason once, and beside the state where that says more', () => {
    expect(endText(ended)).toBe(`failed: no such bird; ${again}`);
    const late = { ...ended, error: { ...ended.error, reason: 'late' } } as TaskResult;
    expect(endText(late)).toBe(`failed (late): no such bird; ${again}`);
  });
});

describe('how a node is started again', () => {
  it('names its folder and its config file, where it is not found without them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-start-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const [usual, config] = [defaultConfigFile(process.env), join(folder, 'lab node.json')];
    const usualState = resolve(defaultStateDir(process.env));
    expect([upWords(usualState, usual), upWords(usualState, undefined)]).toEqual(['', '']);
    expect(upWords(usualState, '/etc/lab.json')).toBe(' --config /etc/lab.json');
    expect(upWords('/l 2', usual)).toBe(" --state '/l 2'");
    await writeAbout(folder, { name: 'lab', configFile: config });
    // A file that is gone is no help.
    expect(await startWords(folder)).toBe(` --state ${folder}`);
    await writeFile(config, '{}');
    expect(await startWords(folder)).toBe(` --state ${folder} --config '${config}'`);
  });
});
