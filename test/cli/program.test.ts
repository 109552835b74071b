/** The command line itself: wrong use, help, what is loaded, and readers that go away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { MEANT_OPTIONS, meantOption } from '../../src/cli/groups/command-line/meant-options.ts';
import { isOwnWord } from '../../src/cli/groups/command-line/own-words.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { slipsOf } from '../../src/core/words/slips.ts';
import { fakeNode, run, start } from './support.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

/** Words that only hold commands together. */
const GROUPS =
  'grant policy identity key pin audit board budget agent capability context learn task swarm secret service model llm'.split(
    ' ',
  );
/** Words of every command that can be run. */
const COMMANDS = commandsOf(buildProgram({ exitCode: 0 })).filter(
  (words) => !GROUPS.includes(words),
);

function commandsOf(command: Command, before: readonly string[] = []): string[] {
  return command.commands.flatMap((below) => {
    const words = [...before, below.name()];
    return [words.join(' '), ...commandsOf(below, words)];
  });
}

it('makes a command alone just as it is among all, and for the script that tells of all, all', () => {
  const shapeOf = (command: Command | undefined): unknown => [
    command?.helpInformation(),
    command?.aliases(),
    command?.commands.map(shapeOf),
  ];
  const all = buildProgram({ exitCode: 0 }).commands;
  for (const command of all) {
    const made = buildProgram({ exitCode: 0 }, command.name()).commands;
    const words = command.name() === 'completion' ? all : [command];
    expect(made.map((one) => one.name())).toEqual(words.map((one) => one.name()));
    expect(shapeOf(made.find((one) => one.name() === command.name()))).toEqual(shapeOf(command));
    // By another name it would be looked for among all, and found.
    expect(command.aliases()).toEqual([]);
  }
  expect(buildProgram({ exitCode: 0 }, 'statsu').commands).toHaveLength(all.length);
});

describe('wrong use', () => {
  it.each([
    ['statsu', /unknown command 'statsu'[^]*Did you mean status\?/],
    ['call files__read --path=/x', /arguments of the tool stand without dashes: write path=\/x/],
    ['status --jsno', /unknown option '--jsno'[^]*Did you mean --json\?/],
    ['grant create bob', /--tool[^]*--server git/],
    [
      'board get plan',
      /missing required argument 'key'[^]*starling board get <board> <key> \(see: starling board get --help/,
    ],
    ['invite --expires soon', /90s, 15m, 8h or 7d/],
    ['invite --uses 1000', /1 to 100/],
    ['up --http-port 70000', /0 to 65535/],
    ['up --tcp 70000', /0 to 65535/],
    ['sim --nodes 1', /2 to 50/],
    ['mcp lsit', /no such command[^]*add, remove, list and import/],
    ['mcp add files npx -y srv', /unknown option '-y'[^]*go after --/],
    ['mcp add --transport carrier-pigeon x y', /stdio, http, sse/],
    ['connect', /missing required argument 'client'[^]*starling connect <client>/],
    ['request files/*', /starling request <resource> --because <text> \(see/],
    ['grant create bob files', /starling grant create <peer> --tool '<server>\/\*'/],
    ['peers bob', /starling peers show <peer>/],
  ])('starling %s: exit code 2, with what to do', async (words, says) => {
    const ran = await run(...words.split(' '));
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(says);
    expect(ran.stderr).toMatch(/^error: .*\[STARLING_USAGE\]\n/);
  });

  it('is told as JSON to who asked for JSON', async () => {
    const ran = await run('status', '--json', '--zzz');
    expect(ran).toMatchObject({ code: 2, stderr: '' });
    expect(JSON.parse(ran.stdout)).toEqual({
      error: {
        code: 'STARLING_USAGE',
        message: "unknown option '--zzz'",
        hint: 'see: starling status --help',
      },
    });
  });

  it.each([[], ['grant'], ['key'], ['board']])(
    '%s alone shows what there is, as help that was asked for',
    async (...args) => {
      const ran = await run(...args);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout).toContain('Commands:');
    },
  );
});

describe('did you mean', () => {
  /** Options that people try. */
  const TRIED =
    'wide name role date long all force dry-run quiet silent verbose debug trace output format file path host ' +
    'port user group tag label key token secret value type kind id mode level size sort order filter limit page ' +
    'from to since until time days hours rate retry tool server peer mesh board scope reason note text raw table ' +
    'csv yaml color config home root dir node nodes state status now new old only not any each max min count uses ' +
    'use yes no watch follow tail head lines line link list show open close join leave invite local global ' +
    'project remote url uri http https tls tcp ssl ca cert confirm ask call caller args seed end env why';
  /** Nobody means one of these who types the other, beyond these slips. */
  const SLIPS = [
    ['--addr', '--add'],
    ['--args', '--arg'],
    ['--lan', '--plan'],
    ['--nodes', '--node'],
    ['--old', '--hold'],
    ['--plain', '--plan'],
    ['--uri', '--url'],
    ['--use', '--uses'],
  ];
  const tried = new Set([
    ...TRIED.split(' ').map((word) => `--${word}`),
    ...Object.values(MEANT_OPTIONS).flatMap((meant) => Object.keys(meant)),
  ]);

  it('never offers an option that is farther in meaning than in letters', () => {
    const program = buildProgram({ exitCode: 0 });
    const offered = new Set<string>();
    const look = (command: Command, path: readonly string[]): void => {
      const known = [command, program].flatMap((one) => one.options.map(({ long }) => long ?? ''));
      for (const word of tried) {
        if (known.includes(word) || isOwnWord(word)) continue;
        if (meantOption(path.join(' '), word, known) !== undefined) continue;
        for (const option of slipsOf(word, known)) offered.add(`${word} ${option}`);
      }
      for (const below of command.commands) look(below, [...path, below.name()]);
    };
    look(program, []);
    expect([...offered].toSorted()).toEqual(SLIPS.map((pair) => pair.join(' ')));
  });

  it.each([
    ['members --wide', /all fields: starling members --json/],
    ['approvals --wide', /all fields: starling approvals --json/],
    ['audit query --wide', /all fields: --json/],
    ['audit tail --wide', /all fields: --json/],
    ['audit query --date 2026-01-01', /did you mean --since <when>/],
    ['invite --name bob', /starling up --join <ticket> --name <name>/],
    ['key create ci --role admin', /did you mean --scope <pattern>/],
    ['invoke files__read', /starling call <tool>/],
    ['audit import x', /error: [^\n]*\n[^\n]*see: starling audit --help/],
  ])('starling %s is told what is meant, and no other word', async (words, says) => {
    const { stderr } = await run(...words.split(' '));
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/Did you mean/);
  });
});

describe('help', () => {
  it.each([...COMMANDS, ...GROUPS])('of %s says what for, and shows how', async (words) => {
    const { code, stdout } = await run(...words.split(' '), '--help');
    expect(code).toBe(0);
    const [usage = '', , about = ''] = stdout.split('\n');
    expect(usage).toContain(`starling ${words}`);
    expect(about.length).toBeGreaterThan(20);
    expect(stdout).toMatch(words === 'mcp' ? /"command": "starling"/ : /\$ starling /);
  });

  it('names every command', async () => {
    const { stdout } = await run('--help');
    for (const words of COMMANDS) expect(stdout).toContain(`\n  ${words.split(' ')[0]}`);
  });

  it('offers --json with all that print data', async () => {
    // A client, the node or a shell reads what three of these print, and a person the story of the fourth.
    // `llm batch` prints nothing itself.
    const others = ['mcp', 'agent healer', 'completion', 'demo', 'llm batch'];
    for (const words of COMMANDS.filter((name) => !others.includes(name))) {
      expect((await run(...words.split(' '), '--help')).stdout, words).toContain('--json');
    }
  });
});

it('the entry statically imports commander, what shuts the debugger and single files of core, nothing else', () => {
  const outside = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, target = ''] of text.matchAll(/^import (?!type )[^;]*?'([^']+)';/gm)) {
      if (target.startsWith('.')) visit(resolve(dirname(file), target));
      else outside.add(target);
    }
  };
  visit(resolve(SRC, 'cli/main.ts'));
  expect([...outside].toSorted()).toEqual(['commander', 'node:inspector']);
  expect([...seen].map((file) => file.slice(SRC.length + 1)).sort()).toEqual([
    'cli/groups/agents/agent.ts',
    'cli/groups/agents/board.ts',
    'cli/groups/agents/capability.ts',
    'cli/groups/agents/context.ts',
    'cli/groups/agents/events.ts',
    'cli/groups/agents/learn.ts',
    'cli/groups/agents/llm-batch.ts',
    'cli/groups/agents/model.ts',
    'cli/groups/agents/swarm.ts',
    'cli/groups/agents/task.ts',
    'cli/groups/command-line/client-names.ts',
    'cli/groups/command-line/completion.ts',
    'cli/groups/command-line/define-command.ts',
    'cli/groups/command-line/help.ts',
    'cli/groups/command-line/meant-commands.ts',
    'cli/groups/command-line/meant-options.ts',
    'cli/groups/command-line/own-words.ts',
    'cli/groups/command-line/typed-words.ts',
    'cli/groups/command-line/usage-errors.ts',
    'cli/groups/mesh/demo.ts',
    'cli/groups/mesh/identity.ts',
    'cli/groups/mesh/members.ts',
    'cli/groups/mesh/mesh.ts',
    'cli/groups/mesh/node.ts',
    'cli/groups/mesh/service.ts',
    'cli/groups/mesh/sim.ts',
    'cli/groups/rights/approvals.ts',
    'cli/groups/rights/audit.ts',
    'cli/groups/rights/budget.ts',
    'cli/groups/rights/grant.ts',
    'cli/groups/rights/key.ts',
    'cli/groups/rights/pin.ts',
    'cli/groups/rights/policy.ts',
    'cli/groups/rights/proposals.ts',
    'cli/groups/rights/secret.ts',
    'cli/groups/servers/connect.ts',
    'cli/groups/servers/mcp.ts',
    'cli/groups/servers/tools.ts',
    'cli/main.ts',
    'cli/options/parsers.ts',
    'cli/program.ts',
    'cli/terminal/refused-output.ts',
    'core/errors.ts',
    'core/exit-codes.ts',
    'core/system/debugger.ts',
    'core/system/disk-trouble.ts',
    'core/time/duration.ts',
    'core/version.ts',
    'core/words/audit-words.ts',
    'core/words/slips.ts',
    'core/words/system-words.ts',
  ]);
});

it('a reader that has seen enough, like head, ends a command quietly', async () => {
  const tools = Array.from({ length: 20_000 }, (_, index) => ({ name: `tool${index}` }));
  const node = await fakeNode({ answer: () => ({ tools }) });
  const { child, says, ended } = start(['tools', '--json', '--state', node.stateDir]);
  await says('tool0');
  child.stdout?.destroy();
  expect(await ended()).toMatchObject({ code: 0, stderr: '' });
});

it.skipIf(process.platform !== 'linux')(
  'a disk that is full behind a command is told in words, and by the exit code',
  async () => {
    const full = await open('/dev/full', 'w');
    try {
      const child = spawn(process.execPath, [CLI, 'help', 'up'], {
        stdio: ['ignore', full.fd, 'pipe'],
      });
      const [said, [code]] = await Promise.all([
        text(child.stderr ?? Readable.from([])),
        once(child, 'exit'),
      ]);
      expect(said).toMatch(/^error: .*the disk is full \[STARLING_STATE_UNUSABLE\]\n  → .*df -h/);
      expect(code).toBe(1);
    } finally {
      await full.close();
    }
  },
);

it.each([{ CI: '1' }, { FORCE_COLOR: '1' }])(
  'no colour goes into a pipe, not even with %j',
  async (env) => {
    const ran = await start(['status', '--state', '/no/such/folder'], env).ended();
    expect(ran.stderr).toMatch(/^error: /);
    expect(ran.stderr).not.toContain('\u001B');
  },
);
