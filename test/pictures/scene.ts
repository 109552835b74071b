/** What the pictures of the dashboard show: three real nodes in which something of each kind goes on. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess } from '../../sim/process.ts';
import type { NodeProcess } from '../../sim/process.ts';
import { builtFile } from '../../sim/project-root.ts';
import { startVendor } from '../models/fake-vendor.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const example = (...path: string[]) => ({
  command: process.execPath,
  args: [resolve(ROOT, 'examples', ...path)],
});
const PATIENCE_MS = 60_000;
const POLL_MS = 200;

type Cleanups = (() => unknown)[];

/** Starts it, and gives the node whose dashboard is shown. */
export async function startScene(root: string, cleanups: Cleanups): Promise<NodeProcess> {
  const vendor = await startVendor();
  cleanups.push(() => vendor.stop());
  const start = async (
    name: string,
    config: Readonly<Record<string, unknown>>,
    args: readonly string[] = [],
  ): Promise<NodeProcess> => {
    const node = await startProcess({ cli: builtFile('cli.js'), root, name, config, args });
    cleanups.push(() => node.stop());
    return node;
  };
  const workstation = await start('workstation', configOf(root, vendor.url));
  for (const name of ['laptop', 'gpu-box']) {
    const { ticket } = JSON.parse(await said(workstation, 'invite', '--json')) as {
      readonly ticket: string;
    };
    const peer = await start(name, {}, ['--join', ticket]);
    await until(workstation, ['peers'], new RegExp(`${name} +alive`));
    if (name === 'laptop') cleanups.push(await asks(workstation, peer));
  }
  for (const line of LINES) await said(workstation, ...line);
  return workstation;
}

function configOf(root: string, endpoint: string): Readonly<Record<string, unknown>> {
  const notes = example('servers', 'notes.mjs');
  return {
    mcpServers: {
      notes: { ...notes, args: [...notes.args, join(root, 'notes')] },
      machine: example('servers', 'machine.mjs'),
      search: { command: 'search-server' },
    },
    agents: {
      unconfined: true,
      kinds: {
        reviewer: {
          ...example('agents', 'plain.mjs'),
          protocol: 'lines',
          capabilities: ['review'],
          maxReplicas: 2,
          sandbox: false,
        },
        clerk: {
          model: 'gpu/qwen',
          instructions: 'You keep the books.',
          capabilities: ['sums'],
          learning: {
            ways: { plain: {}, careful: { instructions: 'Work each sum out twice.' } },
          },
        },
      },
    },
    models: { providers: { gpu: { endpoint } } },
  };
}

/** What is typed at the node that is shown. */
const LINES: readonly (readonly string[])[] = [
  ['call', 'notes__write', '--arg', 'name=shopping', '--arg', 'text=milk'],
  ['call', 'notes__list'],
  ['call', 'notes__list'],
  ['call', 'machine__health'],
  ['agent', 'spawn', 'reviewer', '--replicas', '2'],
  ['agent', 'spawn', 'clerk'],
  ['budget', 'create', 'research', '--limit', '20usd'],
  ['llm', 'ask', 'Why is the sky blue?', '--model', 'gpu/qwen', '--budget', 'research'],
  ...['3 and 4', '12 and 30', '7 and 7', '19 and 23'].map((sum) => [
    'agent',
    'message',
    'clerk',
    `What is ${sum}?`,
    '--type',
    'query',
  ]),
  ['key', 'create', 'editor', '--scope', 'model:gpu/**'],
  ['board', 'set', 'plan', 'owner', '"ada"', '--create', '--open'],
  ['board', 'set', 'plan', 'deadline', '"friday"'],
  ['board', 'set', 'plan', 'deadline', '"monday"'],
  ['swarm', 'create', 'fix', '--topology', 'star', '--agent', 'reviewer', '--agent', 'clerk'],
  ['task', 'run', 'Read main.rs', '--need', 'review'],
  ['task', 'run', 'Read auth.rs', '--need', 'review'],
  ['task', 'run', 'Say it in French', '--need', 'translate', '--detach'],
];

/** The laptop may read notes, uses that, and asks to write one; gives what ends its question. */
async function asks(owner: NodeProcess, laptop: NodeProcess): Promise<() => unknown> {
  await said(owner, 'grant', 'create', 'laptop', '--tool', 'notes/list', '--expires', '30d');
  await said(owner, 'grant', 'create', 'laptop', '--tool', 'notes/write', '--needs-approval');
  await until(laptop, ['tools', 'workstation'], /workstation__notes__write/);
  await said(laptop, 'call', 'workstation__notes__list');
  const call = ['call', 'workstation__notes__write', '--arg', 'name=todo', '--arg', 'text=water'];
  const asked = laptop.run(call);
  await until(owner, ['approvals'], /notes/);
  return () => Promise.race([asked, sleep(POLL_MS)]);
}

/** What a command prints. @throws Error where the command fails */
async function said(node: NodeProcess, ...line: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await node.run(line);
  if (code !== 0) throw new Error(`starling ${line.join(' ')} at ${node.name}: ${stdout}${stderr}`);
  return stdout;
}

async function until(node: NodeProcess, line: readonly string[], shown: RegExp): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const printed = await said(node, ...line);
    if (shown.test(printed)) return;
    if (performance.now() > deadline) throw new Error(`${line.join(' ')} shows: ${printed}`);
    await sleep(POLL_MS);
  }
}
