/** What is waited for: one line on a terminal, after a second, gone when it is over; nothing where nobody looks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { createProgress, createWorkProgress } from '../../../src/cli/terminal/progress.ts';
import type { WorkProgress } from '../../../src/cli/terminal/progress.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { serving } from '../fake-node.ts';
import type { Answer } from '../fake-node.ts';
import { fakeNode, temporaryFolder } from '../support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from './on-terminal.ts';

const CLEAR = '\r\u001B[2K';
const HEARD = ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

function terminal(
  init: {
    readonly columns?: number;
    readonly env?: NodeJS.ProcessEnv;
    readonly isTTY?: boolean;
  } = {},
): {
  readonly work: WorkProgress;
  readonly clock: TestClock;
  /** What was written since the last call. */
  said(this: void): string;
} {
  const { columns = 80, env = { TERM: 'xterm' }, isTTY = true } = init;
  const clock = createTestClock();
  let written = '';
  const screen = { isTTY, columns, write: (text: string) => void (written += text) };
  const work = createWorkProgress({ screen, env, clock });
  return {
    work,
    clock,
    said() {
      const said = written;
      written = '';
      return said;
    },
  };
}

const listeners = (): readonly number[] => HEARD.map((name) => process.listenerCount(name));

describe('work on a terminal', () => {
  it('says nothing of what is over within a second, and keeps no timer', () => {
    const { work, clock, said } = terminal();
    work.show('copying');
    clock.advance(999);
    work.show('copying more', 0.5);
    work.done();
    clock.advance(10_000);
    expect([said(), clock.waiting()]).toEqual(['', 0]);
  });

  it('shows what is done, how much of it and for how long, and is gone when it is over', () => {
    const before = listeners();
    const { work, clock, said } = terminal();
    work.show('copying 1 of 4', 0.25);
    clock.advance(1000);
    expect(said()).toBe(`${'█'.repeat(5)}${'░'.repeat(15)}  25 % copying 1 of 4…`);
    work.show('copying 2 of 4', 0.5);
    expect(said()).toBe(`${CLEAR}${'█'.repeat(10)}${'░'.repeat(10)}  50 % copying 2 of 4…`);
    clock.advance(4000);
    expect(said()).toMatch(/copying 2 of 4… 5 s$/);
    work.done();
    expect([said(), clock.waiting(), listeners()]).toEqual([CLEAR, 0, before]);
  });

  it('lets lines that stay come above it, on either stream', () => {
    const { work, clock, said } = terminal();
    work.show('copying');
    clock.advance(1000);
    said();
    let stdout = '';
    work.above(() => void (stdout += `${said()}a result\n`));
    expect([stdout, said()]).toEqual([`${CLEAR}a result\n`, 'copying…']);
    work.say('a word');
    expect(said()).toBe(`${CLEAR}a word\ncopying…`);
    work.done();
  });

  it.each([80, 59, 40, 12, 5, 1])('is never wider than a terminal of %i columns', (columns) => {
    const { work, clock, said } = terminal({ columns });
    work.show(`copying 漢字 to ${'a long name '.repeat(20)}`, 1.7);
    clock.advance(9000);
    for (const drawn of said().split(CLEAR))
      expect(stringWidth(drawn)).toBeLessThan(Math.max(2, columns));
    work.done();
  });

  it('shows no control characters of others, and takes any share', () => {
    const { work, clock, said } = terminal();
    work.show('board \u001B[2J\n', -3);
    clock.advance(1000);
    work.show('board', Number.NaN);
    expect(said().replaceAll(CLEAR, '')).not.toMatch(/[\u001B\n]/);
    work.done();
  });
});

describe('work where nobody looks', () => {
  it.each([
    ['in a pipe', { isTTY: false }],
    ['where CI is set', { env: { TERM: 'xterm', CI: 'true' } }],
    ['on a dumb terminal', { env: { TERM: 'dumb' } }],
  ])('is quiet %s, but for lines that stay', (_, init) => {
    const { work, clock, said } = terminal(init);
    work.show('copying', 0.5);
    clock.advance(5000);
    work.say('a word');
    work.done();
    expect(said()).toBe('a word\n');
  });
});

describe('the news of a node', () => {
  it('is a line each where CI is set, as in a pipe', () => {
    let written = '';
    const screen = { isTTY: true, columns: 80, write: (text: string) => void (written += text) };
    const progress = createProgress(true, { screen, env: { TERM: 'xterm', CI: '1' } });
    progress.show('joining');
    progress.done();
    expect(written).toBe('joining\n');
  });
});

describe('a signal while a line is shown', () => {
  it('takes the line away, and is left to who listens for it', () => {
    const { work, clock, said } = terminal();
    const heard: string[] = [];
    const before = listeners();
    process.once('SIGTERM', (signal) => heard.push(`${signal} after ${JSON.stringify(said())}`));
    work.show('copying');
    clock.advance(1000);
    said();
    // What the system's signal does to the listeners, and no more.
    process.emit('SIGTERM', 'SIGTERM');
    expect(heard).toEqual([`SIGTERM after ${JSON.stringify(CLEAR)}`]);
    work.done();
    expect(listeners()).toEqual(before);
  });
});

describe.skipIf(!(await hasTerminals()))('a command that waits for its node', () => {
  it('says so on a terminal until the node answers; Ctrl-C in an import leaves the terminal whole', async () => {
    const answers = serving({ board_list: { boards: ['plan'] } });
    let release = (): void => undefined;
    const slow: Answer = (message, connection) => {
      const { name } = (message.params ?? {}) as { readonly name?: string };
      if (name === 'starling__board_set') return undefined;
      if (name !== 'starling__board_list') return answers(message, connection);
      release = () => {
        const result = answers(message, connection);
        connection.send({ jsonrpc: '2.0', id: message['id'], result: result ?? {} });
      };
      return undefined;
    };
    const { stateDir } = await fakeNode({ answer: slow });
    const list = startOnTerminal(['board', 'list', '--state', stateDir], {
      env: { NO_COLOR: '1' },
    });
    await list.shows('reading boards…');
    release();
    const ended = await list.ended();
    expect([ended.code, ended.screen.trim()]).toEqual([0, 'plan']);
    expect(list.raw()).not.toContain('\u001B[2m');

    const broken = startOnTerminal(['board', 'list', '--state', stateDir]);
    await broken.shows('reading boards…');
    broken.type(CTRL_C);
    const cut = await broken.ended();
    expect([cut.code, cut.screen]).toEqual([130, '']);

    const file = join(await temporaryFolder(), 'plan.jsonl');
    await writeFile(file, '{"key": "a", "value": 1}\n');
    const load = startOnTerminal(['board', 'import', 'plan', file, '--state', stateDir], {
      columns: 40,
    });
    await load.shows("reading board 'plan'");
    release();
    await load.shows('0 % writing to board');
    load.type(CTRL_C);
    const left = await load.ended();
    expect([left.code, left.screen.trim()]).toEqual([
      130,
      'what was written stays; the same\n  command goes on with the rest',
    ]);
  });
});
