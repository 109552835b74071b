/** A program that holds a node: what waits for a person, and how it answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { Approval, StarlingNode } from '../../src/index.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { startMachine, startNode } from '../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../fixtures/whole-nodes.ts';
import { eventually } from './support.ts';

const NO_DOOR = { enabled: false } as const;

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A node whose operator needs an approval for `starling/peers`, and a client of the operator. */
async function nodeWithClient(): Promise<{ node: StarlingNode; client: NodeClient }> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-library-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const policy = join(folder, 'policy.yaml');
  await writeFile(policy, 'callers: { operator: { approval_required: [starling/peers] } }\n');
  const flags = { name: 'alice', stateDir: join(folder, 'alice'), http: NO_DOOR, policy };
  const { node, operator } = await startMachine(cleanups, flags);
  return { node, client: operator };
}

/** A started node whose network is in memory. */
const memoryNode = (
  memory: MemoryNetwork,
  ip: string,
  flags: NodeFlags & { readonly name: string },
): Promise<StarlingNode> =>
  startNode(cleanups, { http: NO_DOOR, ...flags }, { host: { memory, ip } });

/** The next approval that waits. */
function nextPending(node: StarlingNode): Promise<Approval> {
  return new Promise((resolve) => void node.approvals.events.once('pending', resolve));
}

it('hears of what waits, approves it once, and the call goes on', async () => {
  const { node, client } = await nodeWithClient();
  const heard = nextPending(node);
  const call = client.builtin('peers');
  const { id } = await heard;
  expect(node.approvals.list('pending')).toMatchObject([
    { id, resource: 'tool:starling/peers', principal: { kind: 'operator' } },
  ]);
  const closed: Approval[] = [];
  node.approvals.events.on('closed', (approval) => void closed.push(approval));
  await node.approvals.approve(id.slice(0, 8), 'from the dashboard');
  expect(await call).toMatchObject({ peers: [] });
  expect(closed).toMatchObject([{ id, state: 'approved', reason: 'from the dashboard' }]);
  expect(node.approvals.find(id).answeredBy).toBe('the operator');
  await expect(node.approvals.deny(id)).rejects.toMatchObject({
    code: 'STARLING_APPROVAL_CLOSED',
  });
});

it('denies with a reason that the caller is told', async () => {
  const { node, client } = await nodeWithClient();
  const heard = nextPending(node);
  const call = client.builtin('peers');
  const refused = expect(call).rejects.toThrow(/and it is denied: not now/);
  await node.approvals.deny((await heard).id, 'not now');
  await refused;
  expect(node.approvals.list('pending')).toEqual([]);
  await expect(node.approvals.approve('nothing-like-it')).rejects.toMatchObject({
    code: 'STARLING_APPROVAL_UNKNOWN',
  });
});

it('judges calls under way again when the policy file changes', async () => {
  const { node, client } = await nodeWithClient();
  // Waits for changes of a board that nobody changes.
  const { cursor } = await client.builtin<{ cursor: string }>('board_watch', { board: 'plan' });
  const waiting = client.builtin('board_watch', { board: 'plan', cursor });
  const ended = expect(waiting).rejects.toThrow(/approve/);
  await client.builtin('status');
  const file = join(node.status().stateDir, '../policy.yaml');
  await writeFile(file, 'callers: { operator: { approval_required: [starling/board_watch] } }\n');
  await ended;
});

it('says goodbye to its peers when it stops: the network is stopped after those who need it', async () => {
  const memory = new MemoryNetwork();
  const alice = await memoryNode(memory, '10.0.0.1', { name: 'alice' });
  const { ticket } = await alice.createTicket();
  const bob = await memoryNode(memory, '10.0.0.2', { name: 'bob', join: ticket });
  const states: string[] = [];
  const left = new Promise<void>((resolve) => {
    alice.events.on('peer', ({ state }) => {
      if (state !== states.at(-1)) states.push(state);
      if (state === 'left') resolve();
    });
  });
  const met = alice.peers().some(({ state }) => state === 'alive')
    ? Promise.resolve()
    : new Promise<void>((resolve) => {
        alice.events.on('peer', ({ state }) => {
          if (state === 'alive') resolve();
        });
      });
  await met;
  await bob.stop();
  await left;
  expect(states.filter((state) => state !== 'alive')).toEqual(['left']);
});

it('a function on one machine is called on another, tells how far it is, fails and is cancelled there', async () => {
  const memory = new MemoryNetwork();
  const alice = await memoryNode(memory, '10.0.0.1', { name: 'alice' });
  const { ticket } = await alice.createTicket();
  const bob = await memoryNode(memory, '10.0.0.2', { name: 'bob', join: ticket });
  const isMet = (): boolean => alice.peers().some(({ state }) => state === 'alive');
  while (!isMet()) await new Promise((wake) => void alice.events.once('peer', wake));
  let aborted: () => void = () => undefined;
  const isAborted = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  let started: () => void = () => undefined;
  const isStarted = new Promise<void>((resolve) => {
    started = resolve;
  });
  const double = { name: 'double', inputSchema: { type: 'object', required: ['n'] } };
  const remove = await alice.tool(double, async ({ n }, { progress, signal }) => {
    if (n === 'wait') {
      started();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      aborted();
    }
    if (typeof n !== 'number') throw new Error('it is no number');
    progress(1, 2, 'half way');
    return { doubled: n * 2 };
  });
  expect(await alice.call('functions__double', { n: 4 })).toMatchObject({
    structuredContent: { doubled: 8 },
  });
  // One that comes later needs nobody's approval: the program has made both.
  const removeTriple = await alice.tool({ name: 'triple' }, ({ n }) => ({
    tripled: Number(n) * 3,
  }));
  expect(await alice.call('functions__triple', { n: 4 })).toMatchObject({
    structuredContent: { tripled: 12 },
  });
  removeTriple();
  await alice.grant({ peer: 'bob', tools: ['functions/double'] });
  const name = 'alice__functions__double';
  const offered = async (): Promise<unknown> => bob.call(name, { n: 1 }).catch(() => undefined);
  await eventually('bob may call it', offered, (answer) => answer !== undefined);
  const told: unknown[] = [];
  const onProgress = (one: unknown): void => void told.push(one);
  expect(await bob.call(name, { n: 21 }, { onProgress })).toMatchObject({
    structuredContent: { doubled: 42 },
  });
  expect(told).toMatchObject([{ progress: 1, total: 2, message: 'half way' }]);
  expect(await bob.call(name, { n: 'x' })).toMatchObject({
    isError: true,
    content: [{ text: 'it is no number' }],
  });
  await expect(bob.call(name, {})).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  const abort = new AbortController();
  const waiting = bob.call(name, { n: 'wait' }, { signal: abort.signal });
  const refused = expect(waiting).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
  await isStarted;
  abort.abort();
  await refused;
  await isAborted;
  await expect(alice.tool(double, () => null)).rejects.toThrow(/can't name a function/);
  const odd = { name: 'odd', inputSchema: { not: { type: 'number' } } };
  await expect(alice.tool(odd, () => null)).rejects.toMatchObject({
    code: 'STARLING_USAGE',
    message: expect.stringMatching(/^the input schema of function 'odd': it can't be checked: /),
  });
  remove();
  const gone = (): Promise<unknown> => alice.call('functions__double', { n: 4 }).catch(codeOf);
  await eventually('it is gone', gone, (code) => code === 'STARLING_TOOL_UNKNOWN');
});

it('a function that two machines offer is listed once; the other one is asked where one is lost, and a call is tried again', async () => {
  const memory = new MemoryNetwork();
  const alice = await memoryNode(memory, '10.0.0.1', { name: 'alice', list: { merge: true } });
  const { ticket } = await alice.createTicket({ uses: 2 });
  const bob = await memoryNode(memory, '10.0.0.2', { name: 'bob', join: ticket });
  const carol = await memoryNode(memory, '10.0.0.3', { name: 'carol', join: ticket });
  const calls = { bob: 0, carol: 0 };
  let hang: (() => void) | undefined;
  const double = { name: 'double', annotations: { idempotentHint: true } };
  for (const [name, node] of [
    ['bob', bob],
    ['carol', carol],
  ] as const) {
    await node.tool(double, async ({ n }) => {
      calls[name] += 1;
      if (n === 'hang' && hang !== undefined) {
        const lost = hang;
        hang = undefined;
        lost();
        await new Promise(() => undefined);
      }
      return { by: name };
    });
    await node.tool({ ...double, name: `of_${name}` }, () => ({ by: name }));
    const tools = ['functions/double', `functions/of_${name}`];
    await eventually(
      'it knows alice',
      async () => node.grant({ peer: 'alice', tools }).catch(() => undefined),
      (grant) => grant !== undefined,
    );
  }
  const name = 'functions__double';
  const ask = async (tool = name): Promise<unknown> => {
    const answer = await alice.call(tool, { n: 1 }).catch(() => undefined);
    return (answer?.['structuredContent'] as { by?: string } | undefined)?.by;
  };
  for (const by of ['bob', 'carol']) {
    await eventually(
      `${by} is asked by its name`,
      () => ask(`${by}__${name}`),
      (one) => one === by,
    );
  }
  // Whoever is known by name can be called by the name of both, though no list may be here yet.
  expect(['bob', 'carol']).toContain(await ask());
  // A call knows those whose lists are here when it begins: both must be.
  for (const by of ['bob', 'carol']) {
    await eventually(
      `the list of ${by} is here`,
      () => ask(`functions__of_${by}`),
      (one) => one === by,
    );
  }
  const isLost = new Promise<string>((resolve) => {
    const before = { ...calls };
    hang = () => resolve(calls.bob > before.bob ? 'bob' : 'carol');
  });
  const answer = alice.call(name, { n: 'hang' });
  const lost = await isLost;
  const other = lost === 'bob' ? 'carol' : 'bob';
  // While one is busy the other one is asked.
  await eventually(
    'the other one is asked',
    () => ask(),
    (by) => by === other,
  );
  memory.forget(lost === 'bob' ? '10.0.0.2' : '10.0.0.3');
  expect(await answer).toMatchObject({ structuredContent: { by: other } });
});

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}
