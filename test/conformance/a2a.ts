/**
 * `npm run conformance:a2a -- <folder>`: the compatibility kit of the A2A project (`a2a-tck`, its version for A2A 1.0) against
 * the A2A endpoint of a node. The folder is that of the kit; whoever has it there installs it (Python 3.11 and what its
 * `pyproject.toml` names), for no registry of this project has it.
 *
 * The kit knows no keys, and looks for the card of its agent at the top of a host: what stands between adds the key, and has the
 * card there. Nothing else is changed on the way. What the kit wants of the agent it says by the id of each message.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { attach } from '../../src/cli/node/client.ts';
import type { Json, JsonObject } from '../../src/core/index.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import type { StarlingNode } from '../../src/index.ts';

const AGENT = 'tck';
const CARD = '/.well-known/agent-card.json';
/** Of a task that the kit comes back to. */
const LONG_MS = 4000;

const { positionals, values } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});
const [folder = ''] = positionals;

/** What the agent gives, by how the id of a message begins; see `scenarios/` of the kit. */
const ANSWERS: readonly (readonly [prefix: string, answer: Json])[] = [
  ['tck-artifact-text', 'Generated text content'],
  ['tck-artifact-file-url', file({ url: 'https://example.com/output.txt' })],
  ['tck-artifact-file', file({ raw: Buffer.from('output').toString('base64') })],
  ['tck-artifact-data', { key: 'value', count: 42 }],
  ['tck-message-response', 'Direct message response'],
  ['tck-stream-artifact-file', file({ raw: Buffer.from('output').toString('base64') })],
  ['tck-stream-artifact-text', 'Streamed text content'],
  ['tck-stream-artifact-chunked', 'chunk-1 chunk-2'],
  ['tck-stream-ordering-001', 'Ordered output'],
  ['tck-stream-003', 'Stream task lifecycle'],
  ['tck-stream-001', 'Stream hello from TCK'],
];

function file(where: JsonObject): JsonObject {
  return { parts: [{ ...where, filename: 'output.txt', mediaType: 'text/plain' }] };
}

async function announce(node: StarlingNode): Promise<void> {
  const agent = node.agent({
    name: AGENT,
    capabilities: [AGENT],
    listed: true,
    concurrency: 32,
  });
  agent.onTask(AGENT, async (_, { ask: asks, message, signal }) => {
    const { a2a } = message.metadata as { a2a?: { messageId?: string } };
    const id = a2a?.messageId ?? '';
    if (id.startsWith('tck-reject-task')) throw new Error('rejected');
    if (id.startsWith('tck-input-required')) return converse(asks);
    if (id.startsWith('test-resubscribe-message-id')) await pause(signal);
    return ANSWERS.find(([prefix]) => id.startsWith(prefix))?.[1] ?? 'Hello from TCK';
  });
  await agent.announced;
}

/** Asks until something is said that is no part of the history which the kit makes. */
async function converse(asks: (key: string, message: string) => Promise<Json>): Promise<Json> {
  for (let turn = 1; ; turn += 1) {
    const said = await asks(`turn ${turn}`, 'And then?');
    if (typeof said !== 'string' || !said.startsWith('TCK history message')) return said;
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, LONG_MS);
    signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
  });
}

/** Listens for the kit; gives where. */
async function listen(door: URL, key: string, ends: (() => unknown)[]): Promise<string> {
  const server = createServer((incoming, response) => {
    const { headers, method, url = '' } = incoming;
    const path = url === CARD ? `/a2a/${AGENT}${CARD}` : url;
    const authorization = `Bearer ${key}`;
    const { hostname, port } = door;
    // The name by which the node was called stays: its card is at this address.
    const onward = ask(
      { hostname, port, method, path, headers: { ...headers, authorization } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function runKit(host: string): Promise<number> {
  const args = ['run_tck.py', '--sut-host', host, '--transport', 'jsonrpc'];
  const child = spawn(values.python, args, { cwd: resolve(folder), stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

async function main(root: string, ends: (() => unknown)[]): Promise<number> {
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'alice',
      stateDir: join(root, 'alice'),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      http: { port: 0 },
      log: { level: 'warn' },
    },
  });
  const node = await createNode(config);
  ends.push(() => node.stop());
  await node.start();
  const operator = await attach(node.status().stateDir);
  ends.push(() => operator.close());
  await announce(node);
  const scopes = [`agent:${AGENT}`, 'tool:starling/*'];
  const { key } = await operator.builtin<{ key: string }>('key_create', { name: 'kit', scopes });
  return runKit(await listen(new URL(node.status().endpoints.url ?? ''), key, ends));
}

if (!existsSync(join(folder, 'run_tck.py'))) {
  process.stderr.write(
    'say where the kit is: npm run conformance:a2a -- <folder with run_tck.py>\n',
  );
  process.exitCode = 2;
} else {
  const ends: (() => unknown)[] = [];
  const root = await mkdtemp(join(tmpdir(), 'starling-a2a-kit-'));
  ends.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  try {
    process.exitCode = await main(root, ends);
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}
