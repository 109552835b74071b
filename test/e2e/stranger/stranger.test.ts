/**
 * The README, followed by a stranger: two machines with nothing but Debian and Node.js, each a host of its own, the
 * package on each, and then no line that does not stand in the README, up to a call, a budget, a task, and the dashboard
 * in a real browser. `npm run long` types it; `npm test` holds that the README has each line.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM, startBrowser } from '../../../sim/chromium.ts';
import { packInto } from '../../build/packed.ts';
import { someOf } from '../../long/extent.ts';
import { watched } from '../browser/browser.ts';
import { show } from '../browser/dashboard-window.ts';
import { createTestNetwork, namespacesMissing } from '../mesh/namespaces.ts';
import { createWorld } from '../support.ts';
import { bareRootMissing, makeBareRoot } from './bare-root.ts';
import { sitBefore, shown } from './machine.ts';
import type { Machine } from './machine.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const REGISTRY = resolve(import.meta.dirname, '../../fixtures/npm-registry.mjs');
/** Much more than the ten minutes that it is to take: making two machines comes before, and others may be busy here. */
const WALK_MS = 1_800_000;
/** The code of a node that Ctrl-C has ended. */
const INTERRUPTED = 130;

const README = await readFile(join(ROOT, 'README.md'), 'utf8');

/** Lines as the README has them. What stands for something else is in angle brackets, or ends in dots. */
const LINES = {
  install: 'npm install -g <file>',
  file: 'sudo mkdir -p /srv/docs && sudo chown $USER /srv/docs && echo hello > /srv/docs/notes.txt',
  up: 'starling up --config starling.json',
  join: 'starling up --name laptop --join starling2…',
  peers: 'starling peers',
  grant: "starling grant create laptop --tool 'files/*'",
  tools: 'starling tools workstation',
  call: 'starling call workstation__files__read_text_file --arg path=/srv/docs/notes.txt',
  budget: 'starling budget create reads --limit 100calls --for peer:laptop',
  spent: 'starling budget show reads',
  announce: 'starling agent announce helper --capability translate',
  grantAgent: 'starling grant create laptop --agent helper',
  task: "starling task run 'good morning' --need translate",
  inbox: 'starling agent inbox helper',
  dashboard: 'starling dashboard',
} as const;

/** The config file that the README has a stranger save. */
const CONFIG = /```json\n(\{\n {2}"name"[^]*?)```/.exec(README)?.[1] ?? '';

it.each(Object.entries(LINES))('the README has the line %s', (_, line) => {
  expect(README).toContain(line);
  expect(JSON.parse(CONFIG)).toHaveProperty('mcpServers.files.command', 'npx');
});

const missing =
  (await namespacesMissing()) ??
  bareRootMissing() ??
  (CHROMIUM === undefined ? 'there is no Chromium' : undefined);

describe.each(someOf(['two bare machines'], () => false))('a stranger with %s', () => {
  if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

  it.skipIf(missing !== undefined)(
    'comes to a call, a budget, a task and the dashboard',
    walk,
    WALK_MS,
  );
});

/** The two machines, before anybody has typed anything. */
interface Machines {
  readonly a: Machine;
  readonly b: Machine;
  /** Chromium on the first machine. */
  readonly browser: string;
  /** What `npm pack` has made, in the home of both. */
  readonly tarball: string;
}

async function walk(): Promise<void> {
  const { a, b, browser, tarball } = await unpacked();
  const clock = stopwatch();
  await a.types(LINES.install.replace('<file>', `./${tarball}`));
  clock.lap('installed');
  // A bare Debian has no sudo, and its person is root.
  await a.types(LINES.file.replaceAll('sudo ', ''));
  await a.types(`echo '${CONFIG}' > starling.json`);
  const first = a.begins(LINES.up);
  const [, ticket = ''] = await shown(first, /starling up --join (starling2\S+)/);
  clock.lap('a node runs');
  await shown(first, /✓ files +\d+ tools/);
  clock.lap('its server, which npx has downloaded');
  await b.types(LINES.install.replace('<file>', `./${tarball}`));
  const second = b.begins(LINES.join.replace('starling2…', ticket));
  await shown(second, /✓ joined .*workstation is here/);
  await shown(first, /laptop .*has joined|joined.*laptop/);
  clock.lap('the second has joined');

  await a.sees(LINES.peers, /laptop/);
  await a.types(LINES.grant);
  await b.sees(LINES.tools, /workstation__files__read_text_file/);
  expect(await b.types(LINES.call)).toContain('hello');
  clock.lap('a call');

  await a.types(LINES.budget);
  await b.types(LINES.call);
  await a.sees(LINES.spent, /^reads +limit 100 calls .*spent 1 call/m);
  clock.lap('a budget');

  await a.types(LINES.announce);
  await a.types(LINES.grantAgent);
  const task = b.begins(LINES.task);
  const asked = await a.sees(LINES.inbox, /query from operator@laptop: .*good morning/);
  const [, answer = ''] = /to answer: (starling agent message .*)\)/.exec(asked) ?? [];
  await a.types(answer.replace('<text>', "'guten Morgen'"));
  expect(await task.ended).toMatchObject({ code: 0, stdout: 'guten Morgen\n' });
  clock.lap('a task');

  await looksAt(browser, await a.types(LINES.dashboard));
  clock.lap('the dashboard');
  for (const node of [second, first]) {
    node.interrupt();
    expect((await node.ended).code).toBe(INTERRUPTED);
  }
  process.stderr.write(`${clock.laps()}\n`);
}

/** Opens the link in a browser of the first machine, and looks for all that was done. */
async function looksAt(program: string, said: string): Promise<void> {
  const browser = await startBrowser(program);
  try {
    const window = await watched(browser);
    await window.page.goto(/http:\S+/.exec(said)?.[0] ?? '');
    await window.page.getByRole('navigation').waitFor();
    for (const [name, role, what] of [
      ['Mesh', 'button', 'laptop'],
      ['Calls', 'cell', 'tool:files/read_text_file'],
      ['Budgets', 'heading', 'reads'],
      ['Agents', 'button', /^helper@/],
    ] as const) {
      await show(window, name);
      await window.page.getByRole(role, { name: what }).first().waitFor();
    }
    expect(window.complaints).toEqual([]);
  } finally {
    await browser.close();
  }
}

/** Two machines with a package on each, a network between them, and on the first the registry that `npx` asks. */
async function unpacked(): Promise<Machines> {
  const { world, end } = createWorld();
  onTestFinished(end);
  const root = await world.root();
  const network = await createTestNetwork(2);
  world.defer(() => network.remove());
  const packed = await packInto(root);
  const [one, other] = [join(root, 'a'), join(root, 'b')];
  await makeBareRoot(one);
  await copyFile(packed, join(one, 'root', basename(packed)));
  // Nothing is written into what is there: two machines may share it.
  await promisify(execFile)('cp', ['-al', one, other]);
  const registry = spawn('ip', [...network.prefix(1).slice(1), process.execPath, REGISTRY, ROOT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(registry, 'exit');
  world.defer(async () => {
    registry.kill();
    await ended;
  });
  const [listens] = (await once(registry.stdout, 'data')) as [Buffer];
  const port = /\d+/.exec(String(listens))?.[0];
  await writeFile(join(one, 'root/.npmrc'), `registry=http://127.0.0.1:${port}/\n`);
  await mkdir(join(root, 'bin'));
  const browser = join(root, 'bin/chromium');
  await writeFile(browser, `#!/bin/sh\nexec ${network.prefix(1).join(' ')} ${CHROMIUM} "$@"\n`);
  await chmod(browser, 0o755);
  const [a, b] = [sitBefore(one, network.prefix(1)), sitBefore(other, network.prefix(2))];
  for (const machine of [a, b]) world.defer(() => machine.kill());
  return { a, b, browser, tarball: basename(packed) };
}

/** How long it took, from one thing to the next. */
function stopwatch(): { readonly lap: (what: string) => void; readonly laps: () => string } {
  const beganAt = performance.now();
  const laps: string[] = [];
  return {
    lap: (what) => void laps.push(`${what} ${((performance.now() - beganAt) / 1000).toFixed(1)} s`),
    laps: () => `a stranger by the README: ${laps.join(', ')}`,
  };
}
