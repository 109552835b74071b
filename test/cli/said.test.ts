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
import { run, runAt, temporaryFolder } from './support.ts';
import { someOf } from '../long/extent.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from './terminal/on-terminal.ts';
import type { OnTerminal } from './terminal/on-terminal.ts';

const SERVERS = resolve(import.meta.dirname, '../fixtures/servers');
const ROOT = resolve(import.meta.dirname, '../..');
const GOLDEN = resolve(import.meta.dirname, '../golden/terminal');

const toolbox = {
  command: process.execPath,
  args: [join(SERVERS, 'toolbox.mjs')],
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
    .replaceAll(/\d{4}-\d\d-\d\d(?= \d\d:)/g, '2026-05-01')
    .replaceAll(/\d\d:\d\d:\d\d/g, '05:29:07')
    .replaceAll(/\(…\w{8}\)/g, '(…mz5T1Mjs)')
    .replaceAll(/(?<=grant revoke )[\w-]{8}$/gm, '3f9c2a7e')
    .replaceAll(/(?<=by grant )[\w-]{8}(?=;)/g, '3f9c2a7e')
    .replaceAll(/(ticket of|by laptop at) \d\d:\d\d/g, '$1 05:29')
    .replaceAll(/127\.0\.0\.1:\d{4,5}/g, '127.0.0.1:40404')
    .replaceAll(/tcp\/\d{4,5}/g, 'tcp/40404')
    .replaceAll(/pid \d+/g, 'pid 4242')
    .replaceAll(/up \d+[sm]/g, 'up 7s')
    .replaceAll(process.execPath, '/usr/bin/node')
    .replaceAll(ROOT, '/home/me/starling')
    .replaceAll(/^ci {4}\S{12}/gm, 'ci    a1b2c3d4e5f6')
    .replaceAll(/…\w{6}$/gm, '…a1b2c3')
    .replaceAll(/\d+[sm] ago/g, '2s ago')
    .replaceAll(fingerprints(), (words) => {
      const names = ['bada', 'dodo', 'fifa', 'gugu'];
      return words.replaceAll(/[a-z]+/g, () => names.shift() ?? '');
    });
}

/** Each of {@link WORDS}, also where a line ends between two of the four. */
const fingerprints = (): RegExp =>
  new RegExp(['no fingerprint', ...WORDS].join('|').replaceAll(' ', String.raw`\s+`), 'g');

/** Fingerprints of this test's meshes. */
const WORDS: string[] = [];

const ticketOn = (terminal: OnTerminal): string =>
  /starling2[\w-]+/.exec(terminal.screen())?.[0] ?? 'no ticket';

/** What a command that must succeed prints on a terminal of this width. */
async function printed(columns: number, args: readonly string[]): Promise<string> {
  const ran = await runAt(columns, ...args);
  expect(ran.code, ran.stderr).toBe(0);
  return ran.stdout;
}

/** What is not broken for a terminal, which would spoil a paste: paths, addresses and what is to be typed. */
const TO_COPY = /→|starling |^config file: |^(?:state|token|MCP|PeerId|identity|address) +/;

/** Widths of terminals at which a real node's lists are asked for; `lists` has all three by a double of a node. */
const WIDTHS = someOf([60, 80, 120], (columns) => columns === 80);

/** The command's lines on terminals of {@link WIDTHS}: none goes over; gives those at 80. */
async function fits(args: readonly string[]): Promise<string> {
  const shown = new Map<number, string>();
  for (const columns of WIDTHS) {
    const text = await printed(columns, args);
    const wide = text
      .split('\n')
      .filter((line) => stringWidth(line) > columns && !TO_COPY.test(line));
    expect(wide, `starling ${args.join(' ')} at ${columns}`).toEqual([]);
    shown.set(columns, text);
  }
  return shown.get(80) ?? '';
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
  await workstation.shows(/taken up: more was added, broken was removed, slow\s+was\s+removed/);
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

  const ticket = JSON.parse((await run('invite', '--json', '--config', b.config)).stdout) as {
    readonly ticket: string;
  };
  const { addresses } = JSON.parse(
    (await run('status', '--json', '--config', a.config)).stdout,
  ) as {
    readonly addresses: readonly string[];
  };
  laptop.type(CTRL_C);
  const left = await laptop.ended();
  expect(left.code).toBe(130);
  expect(left.screen.trimEnd().split('\n').at(-1)).toBe('laptop has stopped');
  await workstation.shows('laptop has stopped');
  // Who made the ticket is away: another member lets the newcomer in, and names the one who did so.
  const c = await home('phone');
  const phone = up(c, '--join', ticket.ticket, '--bootstrap', addresses[0] ?? '');
  await workstation.shows(/phone joined, admitted by laptop at \d\d:\d\d; it may use nothing yet:/);
  phone.type(CTRL_C);
  expect((await phone.ended()).code).toBe(130);
  await workstation.shows('phone has stopped');
  const said = workstation
    .screen()
    .split('\n')
    // When that is said depends on how long the rest has taken.
    .filter((line) => !line.includes('may be downloading'))
    .join('\n')
    // Nor is it sure that the server without a word is removed before it is given up.
    .replaceAll(/^✗ slow .*\n(?: {4,}\S.*\n)*/gm, '')
    // A minute after another node has started, servers are told of that began before: a busy machine takes so long.
    .replaceAll(/^! servers? .* began before .*\n(?: {2,}\S.*\n)*/gm, '')
    // A node that has hardly any of the processor may be doubted for a moment.
    .replaceAll(/^\d\d:\d\d:\d\d \w+ (?:does not answer; trying on|is here)\n/gm, '')
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

/** What somebody tries who has given `laptop` a grant for all of `files` already. */
const MORE_GRANTS: readonly (readonly string[])[] = [
  ['grant', 'create', 'laptop', '--tool', 'files/echo', '--uses', '3', '--expires', '1h'],
  ['grant', 'create', 'laptop', '--tool', 'fils/*', '--expires', '1h'],
  ['grant', 'create', 'laptop', '--tool', 'files/ecko', '--expires', '1h'],
  ['grant', 'create', 'labtop', '--tool', 'files/*'],
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
  // On a busy machine the server without a word may be given up by then.
  const lists = shown
    .join('\n')
    .replaceAll(/^✗ slow .*\n(?: {4,}\S.*\n)*/gm, '… slow  starting: it has not answered yet\n');
  await expect(stable(lists, a)).toMatchFileSnapshot(join(GOLDEN, 'lists.txt'));
  const tried: string[] = [];
  for (const words of MORE_GRANTS) {
    const { stdout, stderr } = await runAt(80, ...words, '--config', a.config);
    tried.push(`$ starling ${words.join(' ')}\n${stdout}${stderr}`);
  }
  await expect(stable(tried.join('\n'), a)).toMatchFileSnapshot(join(GOLDEN, 'grants.txt'));
}

it('who asks to be let in, is admitted, and is put out again, as both terminals tell it', async () => {
  if (!here) return;
  const a = await home('workstation');
  await writeFile(
    a.config,
    JSON.stringify({ ...configOf('workstation', a.stateDir, {}), mdns: true }),
  );
  const workstation = up(a);
  await workstation.shows('starling up --join');
  const { mesh, addresses } = JSON.parse(
    (await run('status', '--json', '--config', a.config)).stdout,
  ) as { readonly mesh: { readonly fingerprint: string }; readonly addresses: readonly string[] };
  const stubborn = `stubborn-out-${process.pid}`;
  const b = await home('tablet', { stubborn: fixture('stubborn.mjs', stubborn) });
  const c = await home('phone');
  const given = up(b, '--knock', addresses[0] ?? '');
  await given.shows('words to compare');
  given.type(CTRL_C);
  expect(await given.ended()).toMatchObject({
    code: 130,
    screen: expect.stringContaining('nothing was changed: this node asks no more') as string,
  });
  // Once it has a mesh of its own, it goes over only where the person says so; Enter says no.
  const alone = up(c);
  await alone.shows('starling up --join');
  alone.type(CTRL_C);
  expect(await alone.ended()).toMatchObject({ code: 130 });
  const over = up(c, '--knock', addresses[0] ?? '');
  await over.shows('[no/yes]');
  over.type('\r');
  const stayed = await over.ended();
  expect(stayed.code).toBe(1);
  expect(stayed.screen.trim().split('\n').at(-1)).toBe('nothing was changed');
  const tablet = up(b, '--knock', addresses[0] ?? '');
  await tablet.shows('words to compare');
  await workstation.shows(/tablet \(.*\) at .* asks to join this mesh/);
  const [, words = ''] = /tablet \((.*)\) at/.exec(workstation.screen()) ?? [];
  WORDS.push(mesh.fingerprint, words);
  const shown = [`$ starling up --knock lab\n${tablet.screen()}\n`];
  expect(await run('members', 'admit', 'tablet', '--config', a.config)).toMatchObject({ code: 0 });
  await tablet.shows('✓ stubborn');
  await tablet.shows(/✓ joined workstation-mesh \(.*\): workstation is here/);
  await workstation.shows('starling grant create tablet');
  const out = ['peers', 'remove', 'tablet', '--reason', 'lost on a train', '--yes'];
  expect(await run(...out, '--config', a.config)).toMatchObject({ code: 0 });
  await workstation.shows('tablet was put out by this node');
  // Nobody has pressed Ctrl-C yet: once is enough.
  await tablet.shows('stopping: waits for stubborn to end; Ctrl-C ends at once');
  tablet.type(CTRL_C);
  const ended = await tablet.ended();
  expect(ended.code).toBe(130);
  expect(ended.screen).toContain('ended at once');
  await expect.poll(() => processesWith(stubborn), SOON).toEqual([]);
  shown.push(ended.screen.slice(ended.screen.indexOf('error:')));
  for (const word of ['status', 'invite']) {
    const { stdout, stderr } = await runAt(80, word, '--config', b.config);
    shown.push(`$ starling ${word}\n${stdout}${stderr}`);
  }
  const again = await up(b).ended();
  expect(again.code).toBe(1);
  shown.push(`$ starling up\n${again.screen}`);
  const asked = workstation.screen().split(/^(?=.*tablet \()/m)[1] ?? '';
  // Meshes of other tests may be on this network; what is told of one goes on below.
  const heard = asked.replaceAll(/^.*another mesh is here.*\n(?: {2}(?!→ let it in).*\n)*/gm, '');
  shown.push(`(meanwhile at workstation)\n${heard}`);
  await expect(stable(shown.join('\n'), b)).toMatchFileSnapshot(
    join(GOLDEN, 'knock-and-put-out.txt'),
  );
});

it('Ctrl-C says what it waits for, and once more ends all at once; whoever wants more of the log has it, in lines for people', async () => {
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
  // The terminal's own `^C` is not in the way.
  expect(ended.screen).toMatch(/^ended at once/m);
  expect(ended.screen).not.toContain('has stopped');
  expect(existsSync(socketPath(a.stateDir))).toBe(false);
  await expect.poll(() => processesWith(name), SOON).toEqual([]);
  // Nothing holds the folder.
  const again = up(a, '--verbose');
  await again.shows('✓ stubborn');
  await again.shows(/info starling: node started/);
  expect(again.raw()).not.toContain('{"level"');
  // The window of the terminal is closed: no crash, and nothing goes on without a person.
  expect(await again.close()).toBe(129);
  await expect.poll(() => processesWith(name), SOON).toEqual([]);
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
