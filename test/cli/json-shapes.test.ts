/**
 * What `--json` prints is an interface: scripts read it. Every command is run against real nodes (a
 * double only where a person would have to log in, or a sandbox be there), and the shape of what it prints must be the literal
 * one in `test/golden/json-shapes.json`: every key, and the type of every value. A change of that file is
 * one that scripts will notice.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { attach } from '../../src/cli/node/client.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { noteNode } from '../../src/config/known-nodes.ts';
import type { StarlingNode } from '../../src/index.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { startNode } from '../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../fixtures/whole-nodes.ts';
import { showCard } from '../agents/a2a/shown-card.ts';
import { serving, startFakeNode } from './fake-node.ts';
import { withProposals } from './proposals-printed.ts';
import { startBatchVendor } from '../models/batches/fake-batches.ts';
import type { FakeBatches } from '../models/batches/fake-batches.ts';
import { startVendor } from '../models/fake-vendor.ts';
import { shapeOf } from './json-shape.ts';
import type { Shape } from './json-shape.ts';
import { run, start } from './support.ts';

let batchVendor: FakeBatches | undefined;
const GOLDEN = resolve(import.meta.dirname, '../golden/json-shapes.json');
/** By the words of the command. */
const SHAPES = JSON.parse(readFileSync(GOLDEN, 'utf8')) as Readonly<Record<string, Shape>>;
const WORKER = resolve(import.meta.dirname, '../fixtures/agents/worker.mjs');
const PLAIN = resolve(import.meta.dirname, '../fixtures/servers/plain.mjs');
/**
 * `mcp` and `agent healer` print what a protocol says, `completion` what a shell runs, `demo` a story; `sim`, and `top`,
 * whose figures come and go, have tests of their own.
 */
const WITHOUT = ['agent healer', 'completion', 'demo', 'mcp', 'sim', 'top'];

const printed = new Map<string, Shape>();
const cleanups: Cleanups = [];

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'starling-shapes-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  const memory = new MemoryNetwork();
  const alice = await aliceIn(memory, root);
  const bob = await nodeIn(memory, join(root, 'bob'), '10.7.0.2', {
    name: 'bob',
    join: (await alice.createTicket()).ticket,
  });
  const isMet = (): boolean => alice.peers().some(({ state }) => state === 'alive');
  while (!isMet()) await new Promise((wake) => void alice.events.once('peer', wake));
  await withNodes(alice, bob);
  await withSwarm(['--state', alice.status().stateDir]);
  await withFiles(root, alice);
  await withoutNode(root);
  await withLogin();
  cleanups.push(...(await withProposals(root, keep)));
  await withKnock(root);
  await thatGoOn(root, alice);
  await atTheEnd(alice, bob);
});

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

it.each(commandsOf(buildProgram({ exitCode: 0 })).filter((words) => !WITHOUT.includes(words)))(
  'starling %s --json prints what it always printed',
  (words) => {
    expect(printed.get(words)).toEqual(SHAPES[words]);
    expect(SHAPES[words]).toBeDefined();
  },
);

it('an error has a code, a message and a hint', async () => {
  const { stdout } = await run('status', '--json', '--state', join(tmpdir(), 'no-node-here'));
  expect(shapeOf(JSON.parse(stdout))).toEqual(SHAPES['(an error)']);
});

/** A node with a server, one of whose tools hides a character and one of which needs an approval. */
async function aliceIn(memory: MemoryNetwork, root: string): Promise<StarlingNode> {
  const vendor = await startVendor();
  const batches = await startBatchVendor();
  batchVendor = batches;
  cleanups.push(
    () => vendor.stop(),
    () => batches.stop(),
  );
  const [text, log, policy] = ['note.txt', 'log', 'policy.yaml'].map((name) => join(root, name));
  await writeFile(text ?? '', 'reads\u200B it');
  await writeFile(policy ?? '', 'callers: { operator: { approval_required: [plain/who] } }\n');
  return nodeIn(memory, join(root, 'alice'), '10.7.0.1', {
    name: 'alice',
    policy: policy ?? '',
    models: {
      providers: { gpu: { endpoint: vendor.url }, batches: { endpoint: batches.url } },
      transcripts: { 'gpu/other': '1h' },
    },
    agents: {
      unconfined: true,
      kinds: {
        // Without a sandbox on every machine: the answer says by what files are bounded.
        echo: { command: process.execPath, args: [WORKER], protocol: 'lines', sandbox: false },
        learner: { model: 'gpu/qwen', learning: { ways: { plain: {}, short: { steps: 2 } } } },
      },
    },
    mcpServers: {
      plain: {
        command: process.execPath,
        args: [PLAIN, '--era', 'legacy', '--log', log ?? '', '--text', text ?? ''],
      },
    },
  });
}

function nodeIn(
  memory: MemoryNetwork,
  stateDir: string,
  ip: string,
  flags: NodeFlags & { readonly name: string },
): Promise<StarlingNode> {
  // No round trip is measured, and nobody suspected, while this test runs.
  const heartbeat = { intervalMs: 60_000 };
  return startNode(cleanups, { stateDir, heartbeat, ...flags }, { host: { memory, ip } });
}

/** Runs a command and keeps the shape of what it prints under the `words` of it; gives the value. */
async function keep<T>(words: string, ...rest: readonly string[]): Promise<T> {
  const ran = await run(...words.split(' '), '--json', ...rest);
  const lines = ran.stdout.trim().split('\n');
  if (ran.stdout.trim() === '') throw new Error(`${words} printed nothing: ${ran.stderr}`);
  const values = lines.map((line): unknown => JSON.parse(line));
  const [first] = values;
  const shape = words === 'audit export' ? shapeOf(values) : shapeOf(first);
  printed.set(words, shape);
  return first as T;
}

/** Until an agent that the node runs has written something. */
async function said(alice: StarlingNode, agentId: string): Promise<void> {
  const client = await attach(alice.status().stateDir);
  await client.builtin('agent_logs', { agentId, timeout_s: 30 });
  client.close();
}

interface Granted {
  readonly grant: { readonly id: string };
}

async function withNodes(alice: StarlingNode, bob: StarlingNode): Promise<void> {
  const [at, other] = [alice, bob].map((node) => ['--state', node.status().stateDir]) as [
    string[],
    string[],
  ];
  await keep('peers', ...at);
  await keep('ping', 'bob', '--count', '1', ...at);
  await keep('peers forgive', 'bob', ...at);
  await keep('peers rename', 'bob', 'bob', ...at);
  await keep('tools', 'board_get', ...at);
  await keep('tools show', 'starling__board_get', ...at);
  await keep('call', 'plain__pid', ...at);
  await keep('trace', 'plain__pid', ...at);
  await keep('invite', ...at);
  const board = ['plan', 'owner'];
  await keep('board create', 'plan', ...at);
  await keep('board set', ...board, 'alice', ...at);
  await keep('board set', ...board, 'bob', ...at);
  await keep('board history', 'plan', ...at);
  await keep('board undo', ...board, ...at);
  await keep('board grant', 'plan', 'client:cursor', 'write', ...at);
  await keep('board info', 'plan', ...at);
  await keep('board revoke', 'plan', 'client:cursor', ...at);
  await keep('board export', 'plan', ...at);
  const file = join(alice.status().stateDir, 'plan.jsonl');
  await writeFile(file, '{"key":"imported","value":1}\n');
  await keep('board import', 'plan', file, ...at);
  await run('board', 'delete', 'plan', 'imported', ...at);
  await keep('board get', ...board, ...at);
  await keep('board list', 'plan', ...at);
  await keep('board delete', ...board, ...at);
  await run('board', 'create', 'other', ...at);
  await keep('board drop', 'other', ...at);
  await run('board', 'create', 'jobs', '--strong', 'alice', ...at);
  await keep('board cas', 'jobs', 'leader', 'alice', ...at);
  await keep('board lease', 'jobs', 'printer', ...at);
  await keep('board replicas', 'jobs', ...at);
  await keep('agent announce', 'coder', '--capability', 'review', ...at);
  const card = await showCard();
  await keep('agent add', card.url, '--yes', ...at);
  await run('agent', 'retire', 'planner', ...at);
  card.close();
  await keep('agent list', ...at);
  await keep('agent info', 'coder', ...at);
  await keep('agent message', 'coder', 'hello', ...at);
  await keep('agent inbox', 'coder', ...at);
  await keep('capability list', ...at);
  const asking = keep('capability request', 'review', 'main.rs', ...at);
  await answerFrom(alice, 'coder');
  await asking;
  const doing = keep<{ taskId: string }>('task run', 'main.rs', '--need', 'review', ...at);
  await answerFrom(alice, 'coder');
  const { taskId } = await doing;
  for (const look of ['info', 'result', 'watch']) await keep(`task ${look}`, taskId, ...at);
  await keep('task list', ...at);
  const given = await run('task', 'run', 'y', '--need', 'review', '--detach', '--json', ...at);
  const asked = (JSON.parse(given.stdout) as { taskId: string }).taskId;
  const { told } = await asksFor(alice, 'coder', asked);
  await keep('task answer', asked, 'yes', ...at);
  await told;
  await run('task', 'cancel', asked, ...at);
  const idle = await run('task', 'run', 'x', '--need', 'nothing', '--detach', '--json', ...at);
  const waiting = (JSON.parse(idle.stdout) as { taskId: string }).taskId;
  await keep('task cancel', waiting, ...at);
  await keep('task retry', waiting, ...at);
  await run('task', 'cancel', waiting, ...at);
  await withBudgets(at, other);
  await keep('agent stop', 'coder', ...at);
  await keep('agent retire', 'coder', ...at);
  await keep('agent spawn', 'echo', ...at);
  await said(alice, 'echo');
  await keep('agent logs', 'echo', ...at);
  await run('agent', 'retire', 'echo', ...at);
  await keep('broadcast', 'hello', ...at);
  await keep('events', ...at);
  const conditions = ['--uses', '5', '--rate', '5/s', '--arg', 'a=b', '--max-depth', '1'];
  const { grant } = await keep<Granted>(
    'grant create',
    'bob',
    '--tool',
    'plain/*',
    ...conditions,
    ...at,
  );
  await keep('grant list', '--all', ...at);
  await keep('peers show', 'bob', ...at);
  await keep('grant show', grant.id, ...at);
  const { tokens } = await keep<{ tokens: string[] }>('grant export', grant.id, ...at);
  await keep('grant verify', ...tokens);
  await keep('grant import', ...tokens, ...other);
  const carol = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';
  await keep('grant delegate', grant.id, carol, '--tool', 'plain/pid', ...other);
  await keep('grant revoke', grant.id, ...at);
  await keep('key create', 'ci', '--scope', 'tool:plain/*', '--expires', '1d', ...at);
  await keep('key list', ...at);
  await keep('key revoke', 'ci', ...at);
  await keep('key rotate-token', ...at);
  await keep('pin list', ...at);
  await keep('pin approve', '--all', ...at);
  await keep('policy show', ...at);
  await keep('policy check', ...at);
  await keep('policy explain', '--as', 'bob', '--on', 'tool:plain/pid', ...at);
  await withApprovals(alice, at);
  await keep('audit query', '--limit', '500', ...at);
  await keep('audit verify', ...at);
  await keep('audit export', ...at);
  await keep(
    'secret set',
    'API_KEY',
    '--file',
    join(alice.status().stateDir, '../note.txt'),
    ...at,
  );
  await withModels(at);
  await keep('secret list', ...at);
  await keep('secret remove', 'API_KEY', ...at);
  await keep('identity show', ...at);
  await keep('status', ...at);
  await keep('dashboard', '--close', ...at);
}

/** Of two agents, one of which has left again. */
async function withSwarm(at: readonly string[]): Promise<void> {
  await run('agent', 'announce', 'writer', ...at);
  await run('agent', 'announce', 'reader', ...at);
  await keep('swarm create', 'fix', '--agent', 'writer', '--threshold', '0.7', ...at);
  await keep('swarm join', 'fix', '--agent', 'reader', ...at);
  await keep('swarm list', ...at);
  await keep('swarm status', 'fix', '--edges', ...at);
  await keep('swarm leave', 'fix', '--agent', 'reader', ...at);
  await run('agent', 'retire', 'reader', ...at);
}

/** Of a provider that the node has, and of one that is written into a file of its own. */
async function withModels(at: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-shapes-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const own = ['--config', join(folder, 'starling.json'), ...at];
  await keep('model add', 'box', '--url', 'http://127.0.0.1:11434', ...own);
  await keep('model list', ...own);
  await keep('model remove', 'box', ...own);
  await keep('model test', 'gpu', ...at);
  await keep('llm ask', 'why', '--model', 'gpu/qwen', ...at);
  await keep('llm stats', ...at);
  await keep('model stats', ...at);
  await keep('llm replay');
  const questions = join(folder, 'questions.jsonl');
  const question = { class: 'why', prompt: 'why', expect: { words: ['mesh'] } };
  await writeFile(questions, JSON.stringify(question));
  const both = ['--model', 'gpu/qwen', '--model', 'gpu/other'];
  await keep('llm record', questions, '--out', join(folder, 'mix.jsonl'), ...both, ...own);
  await keep('llm transcripts', ...at);
  await withBatch(folder, at);
  await keep('grant propose', 'let bob', '--model', 'gpu/proposes', ...at);
  await keep('ask', 'why', '--model', 'gpu/plans', ...at);
  await withContext(at);
  await withLearner(at);
}

/** Of one request, which is answered, written to a file, and forgotten. */
async function withBatch(folder: string, at: readonly string[]): Promise<void> {
  const file = join(folder, 'requests.jsonl');
  const messages = [{ role: 'user', content: 'why' }];
  await writeFile(file, JSON.stringify({ custom_id: '1', body: { messages } }));
  const { id } = await keep<{ id: string }>(
    'llm batch submit',
    file,
    '--model',
    'batches/any',
    ...at,
  );
  await keep('llm batch list', ...at);
  batchVendor?.finish();
  await keep('llm batch result', id, '--out', join(folder, 'answers.jsonl'), ...at);
  await keep('llm batch cancel', id, '--forget', ...at);
}

/** Of one message, which is graded before all is forgotten. */
async function withLearner(at: readonly string[]): Promise<void> {
  await run('agent', 'spawn', 'learner', ...at);
  const { stdout } = await run(
    'agent',
    'message',
    'learner',
    'hello',
    '--type',
    'query',
    '--json',
    ...at,
  );
  const { messageId } = JSON.parse(stdout) as { messageId: string };
  // It learns a moment after its answer.
  await vi.waitFor(async () => {
    const { stdout: known } = await run('learn', 'stats', 'learner', ...at);
    expect(known).toContain(messageId);
  }, 20_000);
  await keep('learn grade', 'learner', messageId, 'success', '--feedback', 'well done', ...at);
  await keep('learn stats', ...at);
  await keep('learn forget', 'learner', ...at);
  await run('agent', 'stop', 'learner', ...at);
}

/** Of one conversation, which is shown to bob before it is deleted. */
async function withContext(at: readonly string[]): Promise<void> {
  const model = ['--model', 'gpu/qwen'];
  await run('agent', 'spawn', 'researcher', '--name', 'clerk', ...model, ...at);
  const said = ['clerk', 'hello', '--type', 'query', '--session', 'books'];
  await run('agent', 'message', ...said, ...at);
  const { stdout } = await run('context', 'list', ...at);
  const [id = ''] = /ctx_[0-9a-f]{16}/.exec(stdout) ?? [];
  await keep('context summarise', id, ...model, ...at);
  await keep('context share', id, 'bob', '--view', 'last', ...at);
  await keep('context list', ...at);
  await keep('context show', id, ...at);
  await keep('context delete', id, '--yes', ...at);
  await run('agent', 'stop', 'clerk', ...at);
}

/** One that bob may spend as well, and one that is closed. */
async function withBudgets(at: readonly string[], other: readonly string[]): Promise<void> {
  await keep('budget create', 'research', '--limit', '100calls', ...at);
  await keep('budget grant', 'research', 'bob', '10calls', ...at);
  await keep('budget give', 'research', 'bob', '5calls', ...at);
  // Bob answers a request once it knows the budget.
  let known = '';
  while (!known.includes('free here 15')) {
    known = (await run('budget', 'show', 'research', ...other)).stdout;
  }
  await keep('budget request', 'research', '1calls', ...at);
  await keep('budget rebalance', 'research', ...at);
  await keep('budget list', ...at);
  await keep('budget show', 'research', ...at);
  await keep('budget history', 'research', ...at);
  await run('budget', 'create', 'short', '--limit', '1usd', ...at);
  await keep('budget close', 'short', ...at);
}

/** Answers the next query to the agent. */
async function answerFrom(node: StarlingNode, name: string): Promise<void> {
  const client = await attach(node.status().stateDir);
  const { messages } = await client.builtin<{ messages: readonly { id: string }[] }>(
    'agent_inbox',
    {
      name,
    },
  );
  const inReplyTo = messages[0]?.id ?? '';
  await client.builtin('agent_message', { type: 'response', inReplyTo, message: 'no holes' });
  client.close();
}

/** The agent of a task asks something; gives what is told it then. */
async function asksFor(
  node: StarlingNode,
  name: string,
  taskId: string,
): Promise<{ readonly told: Promise<unknown> }> {
  const client = await attach(node.status().stateDir);
  await client.builtin('agent_inbox', { name });
  const question = { taskId, token: 1, key: 'sure', message: 'Are you sure?' };
  const told = client.builtin('task_ask', question).finally(() => client.close());
  const look = (version: number): Promise<{ status: string; version: number }> =>
    client.builtin('task_status', { taskId, version, timeout_s: 30 });
  let task = await look(0);
  while (task.status !== 'input_required') task = await look(task.version);
  return { told };
}

/** What nothing can be asked after. */
async function atTheEnd(alice: StarlingNode, bob: StarlingNode): Promise<void> {
  const at = ['--state', alice.status().stateDir];
  // Why is not said, so that nobody is asked and the answer is a no at once.
  const asked = ['alice/plain/pid', '--because', 'x', '--timeout', '1s'];
  await keep('request', ...asked, '--state', bob.status().stateDir);
  await run('grant', 'create', 'bob', '--tool', 'plain/*', ...at);
  await keep('swarm dissolve', 'fix', ...at);
  await keep('peers remove', 'bob', '--reason', 'it was lost', '--yes', ...at);
  await keep('budget reclaim', 'research', 'bob', '--yes', ...at);
  await keep('leave', '--yes', ...at);
}

async function withApprovals(alice: StarlingNode, at: readonly string[]): Promise<void> {
  const client = await attach(alice.status().stateDir);
  for (const answer of ['approve', 'deny'] as const) {
    const heard = new Promise<{ id: string }>(
      (resolve) => void alice.approvals.events.once('pending', resolve),
    );
    const call = client.call('plain__who', {}).catch(() => undefined);
    const { id } = await heard;
    await keep('approvals', ...at);
    await keep(`approvals ${answer}`, id, '--reason', 'because', ...at);
    await call;
  }
  client.close();
}

async function withFiles(root: string, alice: StarlingNode): Promise<void> {
  const config = join(root, 'starling.json');
  const theirs = join(root, 'mcp.json');
  await writeFile(
    theirs,
    '{"mcpServers": {"a": {"command": "x"}, "b": {"command": "y", "url": "z"}}}',
  );
  const at = ['--config', config, '--state', alice.status().stateDir];
  await keep('mcp add', ...at, 'files', '--', 'npx', '-y', 'files');
  await keep('mcp add', ...at, '--header', 'A: b', 'far', 'https://mcp.example/mcp');
  await keep('mcp import', theirs, '--yes', ...at);
  await keep('mcp list', ...at);
  await keep('mcp remove', 'files', ...at);
  const { HOME: home, XDG_STATE_HOME: notes } = process.env;
  // Where nodes are noted: those of other tests are none of this one's.
  Object.assign(process.env, { HOME: root, XDG_STATE_HOME: join(root, 'notes') });
  await keep('connect', 'cursor', '--yes', ...at);
  await keep('connect', 'cursor', '--yes', '--name', 'other', ...at);
  process.env['HOME'] = home;
  if (notes === undefined) delete process.env['XDG_STATE_HOME'];
  else process.env['XDG_STATE_HOME'] = notes;
}

async function withoutNode(root: string): Promise<void> {
  const at = ['--state', join(root, 'resting')];
  const passphrase = join(root, 'passphrase');
  await writeFile(passphrase, 'correct horse battery\n', { mode: 0o600 });
  await run('secret', 'set', 'X', '--file', passphrase, ...at);
  // With findings that say what to do, and some that need not.
  await keep('doctor', ...at);
  await keep('bugreport', '--out', join(root, 'report.md'), ...at);
  await keep('identity encrypt', '--new-passphrase-file', passphrase, ...at);
  process.env['STARLING_PASSPHRASE_FILE'] = passphrase;
  await keep('identity decrypt', ...at);
  delete process.env['STARLING_PASSPHRASE_FILE'];
}

async function withLogin(): Promise<void> {
  const node = await startFakeNode({
    answer: serving({
      mcp_login: { id: '1', server: 'far', state: 'done', expiresAt: 0 },
      mcp_logout: { server: 'far', loggedOut: true },
      server_restart: {
        server: 'far',
        kind: 'stdio',
        state: 'ready',
        tools: 2,
        run: 3,
        held: false,
        pid: 7,
        startedAt: '2026-01-01T00:00:00.000Z',
        restarted: true,
      },
      server_logs: { server: 'far', lines: [{ at: 0, text: 'started, pid 7' }] },
    }),
  });
  cleanups.push(() => node.stop());
  await keep('mcp login', 'far', '--state', node.stateDir);
  await keep('mcp logout', 'far', '--state', node.stateDir);
  await keep('mcp restart', 'far', '--state', node.stateDir);
  await keep('mcp logs', 'far', '--state', node.stateDir);
}

/** Nodes of this machine, who asks to join one of them, and its service, which is only shown. */
async function withKnock(root: string): Promise<void> {
  const { HOME: home, XDG_STATE_HOME: notes } = process.env;
  // Where nodes are noted: those of other tests are none of this one's.
  Object.assign(process.env, { HOME: root, XDG_STATE_HOME: join(root, 'notes') });
  const peerId = '12D3KooWPT98FXMfDQYavZm66EeVjTqP9Nnehn1gyaydqV8L8BQw';
  const knock = { name: 'laptop', peerId, fingerprint: 'a b c d', address: '10.0.0.1', at: 1 };
  const mesh = { name: 'lab', fingerprint: 'e f g h' };
  const did = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';
  const flags = { isSelf: true, isFounder: true, canInvite: true };
  const founder = { name: 'alice', peerId, did, state: 'member', since: 1, ...flags };
  const made = { id: '3f9c2a7e', by: 'alice', isOwn: true, since: 1, expiresAt: 2 };
  const ticket = { ...made, uses: 2, usedBy: ['bob'], canInvite: true };
  const node = await startFakeNode({
    answer: serving({
      knock_list: { knocks: [knock] },
      members: {
        members: [founder, { ...founder, by: 'alice', end: { by: 'alice', at: 1 } }],
        tickets: [ticket],
      },
      knock_answer: { ...knock, admitted: true },
      status: { name: 'alice', mesh, pid: 1, configFile: join(root, 'starling.json') },
    }),
  });
  cleanups.push(() => node.stop());
  await noteNode(node.stateDir, process.env);
  const at = ['--state', node.stateDir];
  await keep('members', ...at);
  await keep('members admit', 'laptop', ...at);
  await keep('members refuse', 'laptop', ...at);
  await keep('nodes');
  await keep('service install', '--print', ...at);
  await keep('service uninstall', '--print', ...at);
  process.env['HOME'] = home;
  if (notes === undefined) delete process.env['XDG_STATE_HOME'];
  else process.env['XDG_STATE_HOME'] = notes;
}

/** Those that print a line now and then, until a signal ends them. */
async function thatGoOn(root: string, alice: StarlingNode): Promise<void> {
  const { stateDir } = alice.status();
  const at = ['--state', stateDir, '--json'];
  const lines = async (words: string, ...args: readonly string[]): Promise<void> => {
    const started = start([...words.split(' '), ...args], {}, (end) => void cleanups.push(end));
    await started.says('}\n');
    started.child.kill('SIGINT');
    const { stdout } = await started.ended();
    printed.set(words, shapeOf(JSON.parse(stdout.split('\n')[0] ?? '')));
  };
  // Not by a command of this process: what that prints would get among what the next one prints.
  const client = await attach(stateDir);
  const writes: Promise<unknown>[] = [];
  const written = setInterval(() => {
    const value = Math.random();
    writes.push(client.builtin('board_set', { board: 'plan', key: 'owner', value, create: true }));
  }, 100);
  const third = join(root, 'third');
  const quiet = ['--no-http', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0'];
  await Promise.all([
    lines('board watch', 'plan', ...at),
    lines('swarm watch', 'fix', ...at),
    lines('audit tail', '--lines', '1', '--kind', 'key', ...at),
    lines('up', ...quiet, '--state', third, '--json'),
  ]);
  clearInterval(written);
  await Promise.all(writes);
  client.close();
  await keep('identity rotate', '--state', third);
}

function commandsOf(command: Command, before: readonly string[] = []): string[] {
  return command.commands.flatMap((below) => {
    const words = [...before, below.name()];
    const isRun =
      below.commands.length === 0 || ['mcp', 'approvals', 'proposals'].includes(below.name());
    return [...(isRun ? [words.join(' ')] : []), ...commandsOf(below, words)];
  });
}
