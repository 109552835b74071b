/** Every command that the help, a message or a hint shows can be pasted: the program understands it. */
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { MEANT_OPTIONS } from '../../src/cli/groups/command-line/meant-options.ts';
import { MEANT_HINTS, sameVerb } from '../../src/cli/groups/command-line/meant-commands.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { run } from './support.ts';

const SRC = resolve(import.meta.dirname, '../../src');

/** Words after `starling` in prose, where the program or the product is meant and no command. */
const PROSE = ['help', 'that', 'and', 'open', 'nonsense', 'ticket'];
/** A command of the text: `starling`, and the words up to where the shell or the sentence ends it. */
const SHOWN = /(?<![\w/.@-])starling ((?:-{1,2})?[a-z][^`'"\\)(;|,\n]*)/g;

function all(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(all)];
}

/** The program as it is looked at. */
const PROGRAM = buildProgram({ exitCode: 0 });
/** The program, whose commands do nothing when they are run; each run begins anew. */
const IDLE = buildProgram({ exitCode: 0 });
for (const command of all(IDLE)) {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  command.action(() => undefined);
}

/** The examples in a command's help. */
function examplesOf(command: Command): readonly string[] {
  let help = '';
  command.configureOutput({ writeOut: (text) => void (help += text) });
  command.outputHelp();
  return [...help.matchAll(/^ {2}\$ (?:.*\| )?starling (.*)$/gm)].map(([, line = '']) => line);
}

/** Splits a line as a shell does, as far as our examples go. */
function wordsOf(line: string): readonly string[] {
  const [command = ''] = line.split(/ [|<>] /);
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

const EXAMPLES = all(buildProgram({ exitCode: 0 })).flatMap(examplesOf);

describe('an example of the help', () => {
  it.each([...new Set(EXAMPLES)])('starling %s is understood', async (line) => {
    await IDLE.parseAsync([...wordsOf(line)], { from: 'user' });
  });
});

/** What is wrong with a command that some text shows; undefined when it can be typed so. */
function faultOf(shown: string): string | undefined {
  const words = shown.trim().split(/\s+/);
  let at: Command = PROGRAM;
  for (const word of words) {
    const below = at.commands.find((one) => one.name() === word);
    if (below === undefined) break;
    at = below;
  }
  if (at === PROGRAM && !PROSE.includes(words[0] ?? '') && words[0]?.startsWith('-') !== true) {
    return `there is no command ${words[0]}`;
  }
  const options = [PROGRAM, at].flatMap((command) =>
    command.options.flatMap(({ long, short }) => [long, short]),
  );
  for (const word of words.slice(0, words.includes('--') ? words.indexOf('--') : undefined)) {
    const option = /^--[a-z][a-z-]*/.exec(word)?.[0];
    if (option !== undefined && option !== '--help' && !options.includes(option)) {
      return `${at.name()} has no option ${option}`;
    }
  }
  return undefined;
}

function shownIn(text: string): readonly string[] {
  const plain = text.replaceAll(/\$\{\w+\}/g, '');
  return [...plain.matchAll(SHOWN)].map(([, words = '']) => words);
}

it('a command that a message, a hint or a comment shows exists, with its options', () => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.tsx?$/.test(file),
  );
  const faults: string[] = [];
  let seen = 0;
  for (const file of files) {
    for (const shown of shownIn(readFileSync(resolve(SRC, file), 'utf8'))) {
      seen += 1;
      const fault = faultOf(shown);
      if (fault !== undefined) faults.push(`${file}: starling ${shown}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
  expect(seen).toBeGreaterThan(150);
});

/** The same with words in quotes, up to where the text of the code ends. */
const SHOWN_WHOLE =
  /(?<![\w/.@-])starling ((?:-{1,2})?[a-z](?:(?<=[ =])'[^'\n]*'|[^`'"\\)(;|,\n])*)/g;

/** The words of a command that stands in a text, up to where the text goes on; `<…>` is one word. */
function pasted(shown: string): readonly string[] {
  const [command = ''] = shown.split(/['"`]\s*[\]}]/);
  return [...command.matchAll(/<[^>]*>|'([^']*)'|(\S+)/g)]
    .map(([all, quoted, bare]) => (quoted ?? bare ?? all).replace(/['.:]+$/, ''))
    .filter((word) => word !== '');
}

it('a command that a message or a hint shows has all that it needs, and no shell takes it apart', async () => {
  const needs = ['commander.missingArgument', 'commander.optionMissingArgument'];
  const faults: string[] = [];
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.tsx?$/.test(file) && !/^cli.(groups|reference)/.test(file),
  );
  for (const file of files) {
    const code = readFileSync(resolve(SRC, file), 'utf8').replaceAll(/^\s*(\/?\*|\/\/).*$/gm, '');
    for (const [, shown = ''] of code.replaceAll(/\$\{[^}]*\}/g, 'x').matchAll(SHOWN_WHOLE)) {
      if (/^[a-z ]*[a-z]\|[a-z]/.test(shown)) faults.push(`${file}: a pipe: starling ${shown}`);
      const fault = await IDLE.parseAsync([...pasted(shown)], { from: 'user' }).then(
        () => '',
        (error: unknown) => (error instanceof CommanderError ? error.code : String(error)),
      );
      if (needs.includes(fault)) faults.push(`${file}: starling ${shown}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
});

/** Words that people type and that are no command; some are near to one in letters, and none means it. */
const FAR = `
  down, kill, quit, exit, restart, reload, shutdown, ps, info,
  id, who, new, share, allow, trust, deny, ban, kick,
  block, rm, remove, install, uninstall, server, clients, mesh, find,
  search, history, health, test, ask, tail, open, send,
  chat, read, write, use, set, get, put, sync, update,
  upgrade, peers ping, peers add, grant add, grant give, key new, key show, pin show, board put,
  secret get, service start, service status, mcp start, mcp delete, audit log
`
  .split(',')
  .map((word) => word.trim());

describe('a word of other programs', () => {
  it('names a command of ours that there is', () => {
    for (const hint of MEANT_HINTS) {
      for (const shown of shownIn(hint)) expect(faultOf(shown), hint).toBeUndefined();
    }
  });

  it.each([
    ['stop', /starling nodes shows: kill <pid>/],
    ['logs', /starling audit tail/],
    ['join starling1abc', /starling up --join <ticket>/],
    ['up starling1abc', /starling up --join <ticket>/],
    ['revoke 3f9c', /starling grant revoke <id>/],
    ['kick bob', /starling peers remove <peer>/],
    ['quit', /starling leave/],
  ])('starling %s is told which command does that', async (words, says) => {
    const ran = await run(...words.split(' '));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).not.toMatch(/Did you mean/);
  });

  it.each([
    ['task show task_1', 'starling task info'],
    ['task delete task_1', 'starling task cancel'],
    ['swarm info lab', 'starling swarm status'],
    ['swarm rm lab', 'starling swarm dissolve'],
    ['budget info gpu', 'starling budget show'],
    ['budget delete gpu', 'starling budget close'],
    ['context rm ctx_1', 'starling context delete'],
    ['mcp new x', 'starling mcp add'],
    ['peers info bob', 'starling peers show'],
    ['peers list', 'starling peers'],
    ['members list', 'starling members'],
    ['approvals ls', 'starling approvals'],
    ['key show', 'starling key list'],
    ['task show task_1 --help', 'starling task info'],
  ])('starling %s is told what that is called in this group: %s', async (words, meant) => {
    const ran = await run(...words.split(' '));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(new RegExp(`→ .*${meant}(?: |\\n|$)`));
  });

  it('of each group leads to a command that the group has', () => {
    const verbs = 'show info status get list ls remove rm delete new create add make watch follow';
    const groups = PROGRAM.commands.filter((group) => group.commands.length > 1);
    let told = 0;
    for (const group of groups) {
      const names = group.commands.map((one) => one.name());
      for (const verb of verbs.split(' ')) {
        const meant = sameVerb(verb, names);
        const isThere = group.commands.some((one) => one.aliases().includes(verb));
        if (meant === undefined || names.includes(verb) || isThere) continue;
        told += 1;
        expect(names).toContain(meant);
      }
    }
    expect(told).toBeGreaterThan(30);
  });

  it.each(FAR)(
    'starling %s is never answered with a word that is only near in letters',
    async (word) => {
      const ran = await run(...word.split(' '));
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).not.toMatch(/Did you mean/);
      expect(ran.stderr, word).toMatch(/→ .*starling /);
    },
  );

  it.each([
    ['statsu', 'status'],
    ['stauts', 'status'],
    ['peer', 'peers'],
    ['doctr', 'doctor'],
    ['grnat list', 'grant'],
    ['grant creat bob', 'create'],
    ['grant lsit', 'list'],
    ['aprovals', 'approvals'],
    ['conect cursor', 'connect'],
    ['status --jsn', '--json'],
  ])('a slip like %s is told with what was meant', async (words, meant) => {
    const ran = await run(...words.split(' '));
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`Did you mean ${meant}?`);
  });

  it.each([
    ['grant create bob --calls 5', /did you mean --uses <count>\?/],
    ['grant create bob --ttl=1h', /did you mean --expires <duration>\?/],
    ['up --port 4040', /did you mean --listen .*--http-port/],
    ['up --ticket starling2abc', /did you mean --join <ticket>\?/],
    ['up -d', /starling service install/],
    ['call x --params {}', /did you mean --args/],
    ['request a/b --reason x', /did you mean --because <text>\?/],
    ['audit query --from 2h', /did you mean --since <when>\?/],
    ['status -o json', /did you mean --json\?/],
    ['peers --state-dir /x', /did you mean --state <folder>\?/],
    ['secret set x --value y', /history of the shell/],
  ])('starling %s, an option of other programs, is told with ours', async (words, says) => {
    const ran = await run(...words.split(' '));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
  });

  it('an option that is suggested is one of the command', () => {
    for (const [path, meant] of Object.entries(MEANT_OPTIONS)) {
      let at = buildProgram({ exitCode: 0 });
      for (const word of path.split(' ')) at = at.commands.find((one) => one.name() === word) ?? at;
      const has = at.options.map(({ long }) => long);
      for (const [typed, answer] of Object.entries(meant)) {
        // Whole commands have options of their own, and are pasted above.
        for (const [option] of answer.replace(/starling .*/, '').matchAll(/--[a-z][a-z-]*/g))
          expect(has, `${path} ${typed}: ${answer}`).toContain(option);
        expect(has, `${path} has ${typed} itself`).not.toContain(typed);
      }
    }
  });

  it.each([
    ['version', /^\d+\.\d+\.\d+\n$/],
    ['-v', /^\d+\.\d+\.\d+\n$/],
    ['-V', /^\d+\.\d+\.\d+\n$/],
    ['help', /Usage: starling \[options\] \[command\]/],
    ['help grant', /Usage: starling grant /],
    ['help grant create', /Usage: starling grant create /],
    ['grant help create', /Usage: starling grant create /],
    ['grant rm --help', /Usage: starling grant revoke/],
    ['grant delete --help', /Usage: starling grant revoke/],
    ['grant ls --help', /Usage: starling grant list/],
    ['peers rm --help', /Usage: starling peers remove/],
    ['peers delete --help', /Usage: starling peers remove/],
  ])('starling %s does what is meant', async (words, prints) => {
    const ran = await run(...words.split(' '));
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(prints);
  });

  it.each(['help nonsense', 'nonsense --help', 'grant nonsense --help'])(
    'starling %s is no command, and no help of another',
    async (words) => {
      const ran = await run(...words.split(' '));
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toMatch(/unknown command 'nonsense'/);
    },
  );
});
