/**
 * What a person reads on a terminal, from the first start to the last Ctrl-C, on real nodes. Golden files hold
 * the output at 80 columns; what differs from run to run stands there in a form of its own.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeAll, expect, it } from 'vitest';
import stringWidth from 'string-width';
import { socketPath } from '../../src/config/paths.ts';
import { run, temporaryFolder } from './support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from './terminal/on-terminal.ts';
import type { OnTerminal } from './terminal/on-terminal.ts';

const SERVERS = resolve(import.meta.dirname, '../fixtures/servers');
const ROOT = resolve(import.meta.dirname, '../..');
const GOLDEN = resolve(import.meta.dirname, '../golden/terminal');

const toolbox = {
  command: process.execPath,
  args: [resolve(import.meta.dirname, '../../dist/sim-server.js')],
};
/** A busy machine takes its time. */
const SOON = { timeout: 60_000, interval: 50 };
const opened: OnTerminal[] = [];
let here = false;

beforeAll(async () => {
  here = await hasTerminals();
  if (!here) process.stderr.write('skipped: there is no python3 to open terminals with\n');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((terminal) => terminal.close()));
});

interface Home {
  readonly folder: string;
  readonly config: string;
  readonly stateDir: string;
}

async function home(
  name: string,
  mcpServers: Readonly<Record<string, unknown>> = {},
): Promise<Home> {
  const folder = await temporaryFolder();
  const [config, stateDir] = [join(folder, 'starling.json'), join(folder, 'state')];
  await writeFile(config, JSON.stringify(configOf(name, stateDir, mcpServers)));
  return { folder, config, stateDir };
}

function configOf(
  name: string,
  stateDir: string,
  mcpServers: Readonly<Record<string, unknown>>,
): object {
  return {
    name,
    stateDir,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    http: { port: 0 },
    mdns: false,
    relay: false,
    mcpServers,
  };
}

const fixture = (file: string, ...args: string[]): object => ({
  command: process.execPath,
  args: [join(SERVERS, file), ...args],
});

function open(args: readonly string[], columns = 80): OnTerminal {
  const terminal = startOnTerminal(args, { columns });
  opened.push(terminal);
  return terminal;
}

const up = ({ config }: Home, ...args: string[]): OnTerminal =>
  open(['up', '--config', config, ...args]);

/** A program called `npx` that never says a word, as while it downloads. */
async function slowNpx(folder: string): Promise<object> {
  const command = join(folder, 'bin', 'npx');
  await mkdir(join(folder, 'bin'));
  await writeFile(
    command,
    `#!/bin/sh\nexec '${process.execPath}' '${join(SERVERS, 'silent.mjs')}'\n`,
  );
  await chmod(command, 0o755);
  return { command, args: ['-y', 'some-server'] };
}

/** The text with what differs from run to run in a form of the same width, where the width counts. */
function stable(text: string, { folder }: Home): string {
  return text
    .replaceAll(folder, '/home/me')
    .replaceAll(
      /(12D3KooW|did:key:z6Mk)(\w+)/g,
      (_, head: string, rest: string) => head + 'x'.repeat(rest.length),
    )
    .replaceAll(/starling2[\w-]+/g, 'starling2…')
    .replaceAll(/\d\d:\d\d:\d\d/g, '05:29:07')
    .replaceAll(/ticket of \d\d:\d\d/g, 'ticket of 05:29')
    .replaceAll(/127\.0\.0\.1:\d{4,5}/g, '127.0.0.1:40404')
    .replaceAll(/tcp\/\d{4,5}/g, 'tcp/40404')
    .replaceAll(/pid \d+/g, 'pid 4242')
    .replaceAll(/up \d+s/g, 'up 7s')
    .replaceAll(process.execPath, '/usr/bin/node')
    .replaceAll(ROOT, '/home/me/starling')
    .replaceAll(/^ci {4}\S{12}/gm, 'ci    a1b2c3d4e5f6')
    .replaceAll(/…\w{6}$/gm, '…a1b2c3')
    .replaceAll(/\d+s ago/g, '2s ago')
    .replaceAll(/[a-z]+ [a-z]+ [a-z]+ [a-z]+(?=\)|$)/gm, (words) =>
      WORDS.includes(words) ? 'one two three four' : words,
    );
}

/** Fingerprints of this test's meshes. */
const WORDS: string[] = [];

const ticketOn = (terminal: OnTerminal): string =>
  /starling2[\w-]+/.exec(terminal.screen())?.[0] ?? 'no ticket';

/** What a command prints on a terminal of this width. */
async function printed(columns: number, args: readonly string[]): Promise<string> {
  const { stdout } = process;
  const before = { isTTY: stdout.isTTY, columns: stdout.columns };
  Object.assign(stdout, { isTTY: true, columns });
  try {
    const ran = await run(...args);
    expect(ran.code, ran.stderr).toBe(0);
    return ran.stdout;
  } finally {
    Object.assign(stdout, before);
  }
}

/** What is not broken for a terminal, which would spoil a paste: paths, addresses and what is to be typed. */
const TO_COPY = /→|starling |^config file: |^(?:state|token|MCP|PeerId|identity|address) +/;

/** The command's lines on terminals of 60, 80 and 120 columns: none goes over; gives those at 80. */
async function fits(args: readonly string[]): Promise<string> {
  for (const columns of [60, 80, 120]) {
    const lines = (await printed(columns, args)).split('\n');
    const wide = lines.filter((line) => stringWidth(line) > columns && !TO_COPY.test(line));
    expect(wide, `starling ${args.join(' ')} at ${columns}`).toEqual([]);
  }
  return printed(80, args);
}

it('the first hour of two machines, as their terminals tell it', async () => {
  if (!here) return;
  const a = await home('workstation', { files: toolbox, broken: fixture('exits.mjs') });
  const npx = await slowNpx(a.folder);
  const servers = { files: toolbox, broken: fixture('exits.mjs'), slow: npx };
  await writeFile(a.config, JSON.stringify(configOf('workstation', a.stateDir, servers)));
  const workstation = up(a);
  await workstation.shows('✓ files');
  await workstation.shows('✗ broken  failed:');
  const banner = workstation.screen().split('✓ files')[0]?.split('✗ broken')[0] ?? '';
  WORDS.push(/fingerprint {2}(.*)/.exec(banner)?.[1] ?? '');
  await expect(stable(banner, a)).toMatchFileSnapshot(join(GOLDEN, 'up.txt'));

  const b = await home('laptop');
  const laptop = up(b, '--join', ticketOn(workstation));
  await laptop.shows(/✓ joined workstation-mesh \(.*\): workstation is here/);
  await laptop.shows('servers      none');
  await expect(stable(laptop.screen(), b)).toMatchFileSnapshot(join(GOLDEN, 'up-join.txt'));
  await workstation.shows("starling grant create laptop --tool 'files/*'");

  await listsOf(a);
  await workstation.shows('… slow: npx may be downloading its package');

  await writeFile(
    a.config,
    JSON.stringify(configOf('workstation', a.stateDir, { files: servers.files, more: toolbox })),
  );
  await workstation.shows(
    'the config file was taken up: more was added, broken was removed, slow was removed',
  );
  await workstation.shows('✓ more');
  await writeFile(
    join(a.folder, 'policy.yaml'),
    'callers: { operator: { approval_required: ["files/delete_*"] } }\n',
  );
  await workstation.shows(/the policy file was taken up:\n {2}\S+/);

  const question = open(['leave', '--config', b.config]);
  await question.shows('[no/yes]');
  question.type(CTRL_C);
  const unanswered = await question.ended();
  expect(unanswered.code).toBe(130);
  expect(unanswered.screen.trimEnd().split('\n').at(-1)).toBe('nothing was changed');

  laptop.type(CTRL_C);
  const left = await laptop.ended();
  expect(left.code).toBe(130);
  expect(left.screen.trimEnd().split('\n').at(-1)).toBe('laptop has stopped');
  await workstation.shows('laptop said goodbye');
  const said = workstation
    .screen()
    .split('\n')
    // When that is said depends on how long the rest has taken.
    .filter((line) => !line.includes('may be downloading'))
    .join('\n')
    .split(/^(?=.*laptop joined)/m)[1];
  await expect(stable(said ?? '', a)).toMatchFileSnapshot(join(GOLDEN, 'up-later.txt'));
  workstation.type(CTRL_C);
  expect((await workstation.ended()).code).toBe(130);
  // The one multiaddr is to be pasted.
  const read = workstation.raw().replaceAll('--listen /ip4/', '');
  expect(read).not.toMatch(/\{"level"|\[object|\/ip4\/|^\s+at /m);
});

const SET_UP: readonly (readonly string[])[] = [
  ['grant', 'create', 'laptop', '--tool', 'files/*', '--tool', 'git/log', '--expires', '8h'],
  ['grant', 'create', 'laptop', '--tool', 'mail/send', '--uses', '5', '--rate', '1/m'],
  ['key', 'create', 'ci', '--scope', 'tool:files/*', '--scope', 'tool:git/log'],
  [
    'board',
    'set',
    'plan',
    'owner',
    'a value of many words that says who owns what, and since when',
    '--create',
  ],
];

const LISTS: readonly (readonly string[])[] = [
  ['status'],
  ['peers'],
  ['peers', 'show', 'laptop'],
  ['members'],
  ['tools', 'files'],
  ['tools', 'show', 'files__add'],
  ['grant', 'list'],
  ['key', 'list'],
  ['pin', 'list'],
  ['secret', 'list'],
  ['approvals'],
  ['board', 'list'],
  ['board', 'list', 'plan'],
  ['audit', 'query', '--limit', '5'],
  ['audit', 'verify'],
  ['ping', 'laptop', '--count', '1'],
  ['mcp', 'list'],
];

/** Lists with ids, times and paths in each line, or in an order that the clock decides. */
const OF_THE_RUN = new Set(['audit', 'board', 'grant', 'mcp', 'members', 'peers', 'pin', 'ping']);

/** Every list of a running node, at 80 columns. */
async function listsOf(a: Home): Promise<void> {
  for (const words of SET_UP) {
    expect(await run(...words, '--config', a.config)).toMatchObject({ code: 0 });
  }
  const shown: string[] = [];
  for (const words of LISTS) {
    const text = await fits([...words, '--config', a.config]);
    if (!OF_THE_RUN.has(words[0] ?? '')) shown.push(`$ starling ${words.join(' ')}\n${text}`);
  }
  await expect(stable(shown.join('\n'), a)).toMatchFileSnapshot(join(GOLDEN, 'lists.txt'));
}

it('Ctrl-C says what it waits for, and once more ends all at once', async () => {
  if (!here) return;
  const name = `stubborn-${process.pid}`;
  const a = await home('workstation', { stubborn: fixture('stubborn.mjs', name) });
  const workstation = up(a);
  await workstation.shows('✓ stubborn');
  workstation.type(CTRL_C);
  await workstation.shows('stopping: waits for stubborn to end; Ctrl-C again ends at once');
  workstation.type(CTRL_C);
  const ended = await workstation.ended();
  expect(ended.code).toBe(130);
  expect(ended.screen).toContain('ended at once: peers that have heard no goodbye');
  expect(ended.screen).not.toContain('has stopped');
  expect(existsSync(socketPath(a.stateDir))).toBe(false);
  await expect.poll(() => processesWith(name), SOON).toEqual([]);
  // Nothing holds the folder.
  const again = up(a);
  await again.shows('✓ stubborn');
  // The window of the terminal is closed: no crash, and nothing goes on without a person.
  expect(await again.close()).toBe(129);
  expect(processesWith(name)).toEqual([]);
});

it('Ctrl-C while a server still starts and while nobody lets it in leaves nothing', async () => {
  if (!here) return;
  const a = await home('workstation');
  await writeFile(
    a.config,
    JSON.stringify(configOf('workstation', a.stateDir, { slow: await slowNpx(a.folder) })),
  );
  const workstation = up(a);
  await workstation.shows('starling up --join');
  const ticket = ticketOn(workstation);
  workstation.type(CTRL_C);
  const { code, screen } = await workstation.ended();
  expect(code).toBe(130);
  expect(screen).toMatch(/workstation has stopped\n*$/);

  const b = await home('laptop');
  const laptop = up(b, '--join', ticket);
  await laptop.shows(
    /can't reach 127\.0\.0\.1:\d+: nothing listens there; trying on, Ctrl-C to stop/,
  );
  laptop.type(CTRL_C);
  const stopped = await laptop.ended();
  expect(stopped.code).toBe(130);
  const lines = stopped.screen.trim().split('\n');
  expect(lines.filter((line) => line.includes("can't reach"))).toHaveLength(1);
  expect(lines.at(-1)).toBe('laptop has stopped');
});

it('whoever wants more of the log has it, in lines for people', async () => {
  if (!here) return;
  const a = await home('workstation');
  const workstation = up(a, '--verbose');
  await workstation.shows(/info starling: node started/);
  expect(workstation.raw()).not.toContain('{"level"');
});

/** Processes of this machine that have `word` among their arguments. */
function processesWith(word: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
    } catch {
      return false;
    }
  });
}
