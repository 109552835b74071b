/**
 * Two peers, and a real server from npm behind HTTP that redirects every request and forgets its session again
 * and again: callers notice nothing, and nothing is said in the log.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { attach } from '../../src/cli/node/client.ts';
import { createNode, loadConfig } from '../../src/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { UNLIMITED } from '../../sim/limits.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';

const FORGETFUL = resolve(import.meta.dirname, '../fixtures/servers/forgetful.mjs');
const EVERYTHING = resolve(
  import.meta.dirname,
  '../../node_modules/@modelcontextprotocol/server-everything/dist/index.js',
);
/** Requests after which a session is forgotten: listing alone takes five. */
const LIFETIME = 4;
/** Each session starts a real server, which takes a second. */
const ROUNDS = 2;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-forgetful-'));
  cleanups.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function forgetful(): Promise<string> {
  const server = [process.execPath, EVERYTHING, 'stdio'];
  const child = spawn(process.execPath, [FORGETFUL, String(LIFETIME), '404', ...server], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(async () => {
    child.kill();
    await once(child, 'exit');
  });
  const [url] = (await once(child.stdout, 'data')) as [Buffer];
  return url.toString('utf8').trim();
}

async function start(
  memory: MemoryNetwork,
  ip: string,
  flags: Parameters<typeof loadConfig>[0]['flags'] & { readonly name: string },
): Promise<{ readonly node: StarlingNode; readonly log: () => Promise<string> }> {
  const stateDir = await folder();
  const file = join(await folder(), 'log');
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      stateDir,
      listen: [`/ip4/${ip}/tcp/4040`],
      mdns: false,
      http: { enabled: false },
      limits: { ...UNLIMITED },
      log: { level: 'warn', file },
      ...flags,
    },
  });
  const node = await createNode(config, { transports: [memory.host(ip)] });
  cleanups.push(() => node.stop());
  await node.start();
  return { node, log: () => readFile(file, 'utf8').catch(() => '') };
}

it('a server that redirects and forgets its session serves two peers, without a word in the log', async () => {
  const memory = new MemoryNetwork();
  const alice = await start(memory, '10.79.0.1', {
    name: 'alice',
    mcpServers: { far: { url: await forgetful() } },
  });
  const { ticket } = await alice.node.createTicket();
  const bob = await start(memory, '10.79.0.2', { name: 'bob', join: ticket });
  await alice.node.grant({ peer: bob.node.peerId, tools: ['far/*'] });
  const near = await attach(alice.node.status().stateDir);
  const far = await attach(bob.node.status().stateDir);
  cleanups.push(
    () => near.close(),
    () => far.close(),
  );
  await expect
    .poll(async () => (await far.tools()).map(({ name }) => name), { timeout: 60_000 })
    .toContain('alice__far__echo');
  // One after the other, and at the same moment, from both sides: each is answered once, with its own answer.
  for (let round = 0; round < ROUNDS; round += 1) {
    const answers = await Promise.all(
      [near, far].flatMap((client, side) =>
        [0, 1].map(async (call) => {
          const message = `${round} ${side} ${call}`;
          const name = side === 0 ? 'far__echo' : 'alice__far__echo';
          return [message, JSON.stringify(await client.call(name, { message }))] as const;
        }),
      ),
    );
    for (const [message, answer] of answers) expect(answer).toContain(`Echo: ${message}`);
  }
  expect(alice.node.status().upstreams).toMatchObject([{ server: 'far', state: 'ready' }, {}]);
  expect([await alice.log(), await bob.log()]).toEqual(['', '']);
});
