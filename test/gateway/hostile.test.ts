/**
 * Random and malformed messages at every way in, while well-behaved clients with the same ids call all
 * along: nothing ends the node, nobody hears another's answer, and every request is answered once.
 */
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIdentity } from '../../src/identity/index.ts';
import { openLines, openPeer, openSse, openWebSocket } from './hostile/connections.ts';
import type { Connection } from './hostile/connections.ts';
import { converse } from './hostile/judge.ts';
import { MESSAGE_BYTES, message } from './hostile/messages.ts';
import { closeKeySession, openKeySession, post, posted } from './hostile/posts.ts';
import { INITIALIZE, workOver, workOverHttp } from './hostile/well-behaved.ts';
import type { WellBehaved } from './hostile/well-behaved.ts';
import { createWire, runCleanup, startNode, until } from './support/gateways.ts';
import type { TestNode, Wire } from './support/gateways.ts';
import { upTo } from '../long/extent.ts';

/** Runs for each way in, of a seed of its own, so that a failure comes again. */
const RUNS = upTo(6, 120);
/** What may stay of all runs in the heap, that of the test runner and of fast-check included. */
const GROWTH_BYTES_MAX = 48 * 1024 * 1024;

const SERVER = {
  type: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dirname, 'hostile/upstream.mjs')],
  env: {},
  timeoutMs: 50_000,
  shared: false,
  peerRoots: false,
  idleMs: 1000,
} as const;
const LIMITS = { messageBytes: MESSAGE_BYTES, callTimeoutMs: 50_000, sessions: 200 };

let wire: Wire;
let alice: TestNode;
let token: string;
let url: string;
let good: (WellBehaved & { readonly sessionId?: string })[];
let baseSessions: number;
let heapBefore: number;

/** What is alive on the heap and beside it, after a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const count = (node: TestNode): number =>
  Object.values(node.gateway.sessions()).reduce((sum, one) => sum + one, 0);

beforeAll(async () => {
  wire = createWire();
  const init = { wire, limits: LIMITS, tcp: { enabled: true }, servers: { up: SERVER } };
  alice = await startNode('alice', { ...init, seed: 2 });
  const bob = await startNode('bob', { wire, limits: LIMITS, seed: 3 });
  await alice.grant(bob, 'up/*');
  alice.membership.set('bob', bob.peerId);
  bob.membership.set('alice', alice.peerId);
  token = await alice.token();
  url = alice.gateway.endpoints().url ?? '';
  await until(() => bob.directory.servers(alice.peerId).length > 0);
  const socket = alice.gateway.endpoints().socket;
  good = [
    await workOver('one', 'up__echo', await openLines(socket)),
    await workOver('two', 'up__echo', await openLines(socket)),
    await workOverHttp('http', 'up__echo', url, token),
    await workOver('peer', 'alice__up__echo', await openLines(bob.gateway.endpoints().socket)),
  ];
  await until(() => good.every((client) => client.calls() > 0));
  baseSessions = count(alice);
  heapBefore = heapBytes();
});

afterAll(async () => {
  await runCleanup();
});

const TOKEN_INITIALIZE = (): Buffer => {
  const own = JSON.parse(INITIALIZE) as { params: object };
  const _meta = { 'starling/token': token };
  return Buffer.from(JSON.stringify({ ...own, params: { ...own.params, _meta } }));
};

const shown = (bytes: Buffer): string =>
  `  ${bytes.length} bytes: ${bytes.toString().slice(0, 400)}`;

/** Runs the property over connections that `open` makes. */
async function assertHolds(
  seed: number,
  open: () => Promise<Connection>,
  opening: () => readonly Buffer[],
): Promise<void> {
  const talk = fc.tuple(
    fc.array(message, { minLength: 1, maxLength: 12 }),
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
    fc.boolean(),
  );
  const holds = fc.asyncProperty(talk, async ([messages, cuts, isOpened]) => {
    const wrong = await converse(await open(), isOpened ? opening() : [], messages, cuts);
    if (wrong.length > 0) throw new Error([...wrong, ...messages.map(shown)].join('\n'));
  });
  await fc.assert(holds, { seed, numRuns: RUNS });
  await until(() => count(alice) <= baseSessions);
}

describe('hostile input', () => {
  const hello = (): readonly Buffer[] => [Buffer.from(INITIALIZE)];

  it('is answered by the rules on the node’s socket', async () => {
    const { socket } = alice.gateway.endpoints();
    await assertHolds(1000, () => openLines(socket), hello);
  });

  it('is answered by the rules over TCP, before and after the token', async () => {
    const tcp = alice.gateway.endpoints().tcp ?? '';
    await assertHolds(
      2000,
      () => openLines(tcp),
      () => [TOKEN_INITIALIZE()],
    );
  });

  it('is answered by the rules over WebSocket', async () => {
    await assertHolds(3000, () => openWebSocket(url, token), hello);
  });

  it('is answered by the rules over HTTP+SSE', async () => {
    await assertHolds(4000, () => openSse(url, token), hello);
  });

  it('is answered by the rules when it comes from a peer', async () => {
    const mallory = createIdentity(Buffer.alloc(32, 9));
    await alice.grant({ peerId: mallory.peerId } as TestNode, 'up/*');
    const opening = (): readonly Buffer[] => {
      const own = JSON.parse(INITIALIZE) as { params: object };
      const _meta = { 'starling/server': 'up' };
      return [Buffer.from(JSON.stringify({ ...own, params: { ...own.params, _meta } }))];
    };
    await assertHolds(5000, () => openPeer(wire, alice.peerId, mallory.peerId), opening);
  });

  it('is answered by the rules over Streamable HTTP, with sessions and without', async () => {
    const { key } = await alice.keys.create({ name: 'mallory', scopes: ['*'] });
    const guarded = good.find((client) => client.sessionId !== undefined)?.sessionId ?? '';
    const posing = { url, token, key: key.reveal(), guarded };
    const talk = fc.array(post, { minLength: 1, maxLength: 12 });
    const holds = fc.asyncProperty(talk, async (posts) => {
      const own = await openKeySession(posing);
      const wrong = (await Promise.all(posts.map((one) => posted(posing, own, one)))).flat();
      await closeKeySession(posing, own);
      if (wrong.length > 0) {
        const sent = posts.map(({ body, ...how }) => `${JSON.stringify(how)}${shown(body)}`);
        throw new Error([...wrong, ...sent].join('\n'));
      }
    });
    await fc.assert(holds, { seed: 6000, numRuns: RUNS });
  });

  it('is not felt by clients that do all right', async () => {
    const before = good.map((client) => client.calls());
    await until(() => good.every((client, index) => client.calls() > (before[index] ?? 0) + 10));
    const results = await Promise.all(good.splice(0).map((client) => client.stop()));
    expect(results.flatMap(({ wrongs }) => wrongs)).toEqual([]);
  });

  it('leaves nothing behind: no call, no session, no memory', async () => {
    await until(() => alice.gateway.load() === 0);
    await until(() => alice.gateway.sessions().socket === 0);
    const { tcp, peer } = alice.gateway.sessions();
    expect(tcp).toBe(0);
    // The other node's session for its list, and the one of its own client.
    expect(peer).toBeLessThanOrEqual(2);
    expect(heapBytes() - heapBefore).toBeLessThan(GROWTH_BYTES_MAX);
  });
});
