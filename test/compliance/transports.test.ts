/**
 * One list of behaviours, on every way into a node. What a way can't have is in its row, with the
 * reason. The node is a whole gateway in this process; its one server is `transports/server.mjs`.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { didFromPeerId } from '../../src/identity/index.ts';
import type { Network } from '../../src/network/index.ts';
import { STDIO_SERVER, defer, runCleanup, startNode, until } from '../gateway/support/gateways.ts';
import type { TestNode } from '../gateway/support/gateways.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { acquaint, makeMember, soon, stopAll } from '../network/support.ts';
import { ANSWER } from './transports/client.ts';
import type { Client, Message } from './transports/client.ts';
import {
  peerClient,
  socketClient,
  sseClient,
  stdioClient,
  tcpClient,
  webSocketClient,
} from './transports/pipes.ts';
import { statelessClient, streamableClient } from './transports/posts.ts';
import { someOf, upTo } from '../long/extent.ts';

const MESSAGE_BYTES = 5 * 1024 * 1024;
const BIG_BYTES = 4 * 1024 * 1024;
/** More than any way queues for a client that does not read (64 MiB). */
const FLOOD = upTo(17, 20);
/** Calls at once, each of which may be for a process of its own. */
const AT_ONCE = upTo(8, 100);

/** What a way may lack. */
type Lacking = 'refusal' | 'limit answered' | 'giving up' | 'end heard' | 'one process';

interface Way {
  readonly name: string;
  readonly connect: (house: House, token: string) => Promise<Client>;
  readonly tool?: (name: string) => string;
  readonly lacks?: Readonly<Partial<Record<Lacking, string>>>;
}

/** A node, and what its ways need. */
interface House {
  readonly node: TestNode;
  readonly token: string;
  /** The node's network, as a peer knows it. */
  readonly owner: PeerId;
  /** The network of a peer that may call everything. */
  readonly peer: Network;
  /** How many calls hang at the server, or hung there, were given up, and asked for much. */
  counts(): Promise<{
    readonly hanging: number;
    readonly cancelled: number;
    readonly large: number;
  }>;
}

const BY_FILE_MODE = 'whoever may open the socket is the operator: the file mode is the door';
const ONE_RESPONSE_A_CALL =
  'each answer has a response of its own: limits.messageBytes times limits.callsPerSession bounds them';

const WAYS: readonly Way[] = [
  {
    name: 'stdio (`starling mcp`)',
    connect: ({ node }) => stdioClient(node),
    lacks: {
      refusal: BY_FILE_MODE,
      'giving up':
        '`starling mcp` reads no more from the node than its client reads: the socket below has the bound',
    },
  },
  {
    name: 'Streamable HTTP',
    connect: ({ node }, token) => streamableClient(node, token),
    lacks: {
      'giving up': ONE_RESPONSE_A_CALL,
      'end heard': 'a session without an open request has no connection that could end',
    },
  },
  {
    name: 'HTTP, stateless',
    connect: ({ node }, token) => statelessClient(node, token),
    lacks: {
      'giving up': ONE_RESPONSE_A_CALL,
      'end heard': 'there is no session',
      'one process': 'without a session each call has a process of the server for itself',
    },
  },
  { name: 'HTTP+SSE', connect: ({ node }, token) => sseClient(node, token) },
  {
    name: 'WebSocket',
    connect: ({ node }, token) => webSocketClient(node, token),
    lacks: {
      'limit answered': 'the connection ends with code 1009, message too big (RFC 6455 §7.4.1)',
    },
  },
  { name: 'TCP', connect: ({ node }, token) => tcpClient(node, token) },
  {
    name: 'Unix socket',
    connect: ({ node }) => socketClient(node),
    lacks: { refusal: BY_FILE_MODE },
  },
  {
    name: 'libp2p',
    connect: ({ peer, owner }) => peerClient(peer, owner, 's'),
    tool: (name) => name,
    lacks: {
      refusal:
        'a connection carries no stream before its hello is accepted (test/network/admission/gating.test.ts)',
    },
  },
];

let hosts = 0;

/** A whole gateway on real libp2p, and a peer beside it. */
async function startHouse(): Promise<House> {
  hosts += 2;
  const memory = new MemoryNetwork();
  const [own, other] = [`10.80.0.${hosts}`, `10.80.0.${hosts + 1}`] as const;
  const member = await makeMember(
    `owner ${hosts}`,
    { listen: [`/ip4/${own}/tcp/4040`] },
    { transports: [memory.host(own)] },
  );
  const peer = await makeMember(
    `caller ${hosts}`,
    { listen: [] },
    { transports: [memory.host(other)] },
  );
  acquaint([member, peer]);
  await Promise.all([member.network.start(), peer.network.start()]);
  const folder = await mkdtemp(join(tmpdir(), 'starling-ways-'));
  defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const log = join(folder, 'log');
  await writeFile(log, '');
  const args = [resolve(import.meta.dirname, 'transports/server.mjs')];
  const server = { ...STDIO_SERVER, args, env: { LOG: new Secret(log) } };
  const node = await startNode('alice', {
    network: member.network,
    limits: { messageBytes: MESSAGE_BYTES },
    tcp: { enabled: true },
    servers: { s: server },
  });
  await node.grants.issue({
    aud: didFromPeerId(peer.id),
    capabilities: [{ resource: 'tool:s/*', ability: 'tool/call' }],
    expiresAtMs: Date.now() + 3_600_000,
  });
  await peer.network.dial(member.address(), soon());
  return {
    node,
    token: await node.token(),
    owner: member.id,
    peer: peer.network,
    async counts() {
      const lines = (await readFile(log, 'utf8')).split('\n');
      const count = (word: string): number => lines.filter((line) => line === word).length;
      return {
        hanging: count('hanging'),
        cancelled: count('cancelled'),
        large: count('large'),
      };
    },
  };
}

/** Ends what a house has started. */
async function endHouse(): Promise<void> {
  await runCleanup();
  await stopAll();
}

const textOf = (answer: Message): string => {
  const { result } = answer as { result?: { content: readonly { text: string }[] } };
  return result?.content[0]?.text ?? JSON.stringify(answer);
};

const codeOf = (answer: Message): number | undefined =>
  (answer as { readonly error?: { readonly code: number } }).error?.code;

describe.each(WAYS)('$name', (way) => {
  let house: House;
  let client: Client;
  let isGone = true;
  const { tool = (name: string) => `s__${name}`, lacks = {} } = way;
  const call = (name: string, args: Message = {}, id?: string): Promise<Message> =>
    client.ask('tools/call', { name: tool(name), arguments: args }, id);
  const idle = (): Promise<void> => until(() => house.node.gateway.load() === 0);
  /** Asks for large answers, none of which is on its way before all are asked for; waits until all are given. */
  const askLarge = async (
    count: number,
  ): Promise<{ readonly answers: readonly Promise<Message>[] }> => {
    const before = (await house.counts()).large;
    const of = lacks['one process'] === undefined ? count : 1;
    const answers = Array.from({ length: count }, () => call('big', { bytes: BIG_BYTES, of }));
    // Those that end with the connection do so before anybody looks.
    for (const answer of answers) answer.catch(() => undefined);
    await until(async () => (await house.counts()).large === before + count);
    await idle();
    return { answers };
  };
  /** A test of what the way has; where the way lacks it, the table has the reason. */
  const unlessLacking = (what: Lacking, test: () => Promise<void>): (() => Promise<void>) =>
    lacks[what] === undefined ? test : async () => expect(lacks[what]).toMatch(/\w/);

  beforeAll(async () => {
    house = await startHouse();
  });
  afterAll(endHouse);
  beforeEach(async () => {
    if (!isGone) return;
    client = await way.connect(house, house.token);
    await client.greet();
    isGone = false;
  });

  it('says who serves and what it speaks', async () => {
    const other = await way.connect(house, house.token);
    const greeting = await other.greet();
    expect(greeting).toMatchObject({ capabilities: { tools: {} } });
    expect(greeting['protocolVersion'] ?? greeting['supportedVersions']).toEqual(
      greeting['protocolVersion'] === undefined ? ['2026-07-28'] : '2025-11-25',
    );
    other.vanish();
  });

  it('answers a call, and a call of what is not there by an error', async () => {
    expect(textOf(await call('echo', { text: 'hé' }))).toBe('hé');
    // A peer is not told whether there is what it may not use: -32003 is a refusal.
    expect([-32602, -32003]).toContain(codeOf(await call('nothing')));
    expect([-32601, -32003]).toContain(codeOf(await client.ask('no/method', {})));
  });

  it('answers many calls at once, each its own answer', async () => {
    const texts = Array.from({ length: AT_ONCE }, (_, at) => `text ${at}`);
    const answers = await Promise.all(texts.map((text) => call('echo', { text })));
    expect(answers.map(textOf)).toEqual(texts);
  });

  it("tells of progress before the answer, by the caller's own token", async () => {
    const answer = await client.ask('tools/call', {
      name: tool('steps'),
      arguments: {},
      _meta: { progressToken: 'mine' },
    });
    expect(textOf(answer)).toBe('done');
    const steps = client.heard.filter(({ method }) => method === 'notifications/progress');
    expect(steps.map(({ params }) => params)).toMatchObject(
      [1, 2, 3].map((progress) => ({ progressToken: 'mine', progress, total: 3 })),
    );
  });

  it('hands on that a call is given up', async () => {
    const before = await house.counts();
    call('hang', {}, 'hanging').catch(() => undefined);
    await until(async () => (await house.counts()).hanging === before.hanging + 1);
    await client.cancel('hanging');
    await until(async () => (await house.counts()).cancelled === before.cancelled + 1);
    await idle();
    expect(textOf(await call('echo', { text: 'still here' }))).toBe('still here');
  });

  it('asks the client what a server wants to know', async () => {
    expect(JSON.parse(textOf(await call('ask')))).toMatchObject(ANSWER);
    expect(client.heard).toContainEqual(
      expect.objectContaining({
        method: 'elicitation/create',
        params: expect.objectContaining({ message: expect.stringContaining('your name') }),
      }),
    );
  });

  it(
    'refuses a message over the limit by the name of the limit, and goes on',
    unlessLacking('limit answered', async () => {
      const text = 'x'.repeat(MESSAGE_BYTES + 1);
      const params = { name: tool('echo'), arguments: { text } };
      const message = JSON.stringify({ jsonrpc: '2.0', id: 'long', method: 'tools/call', params });
      const answer = await client.sendRaw(message, 'long');
      expect(answer).toMatchObject({
        error: { message: expect.stringContaining('limits.messageBytes') as string },
      });
      expect(textOf(await call('echo', { text: 'next' }))).toBe('next');
    }),
  );

  it('answers what is no JSON by a parse error (JSON-RPC 2.0 §5.1), and goes on', async () => {
    expect(await client.sendRaw('{"jsonrpc": nothing')).toMatchObject({ error: { code: -32700 } });
    expect(textOf(await call('echo', { text: 'next' }))).toBe('next');
  });

  it('waits for a client that reads slowly, and loses nothing', async () => {
    client.pause();
    const { answers } = await askLarge(upTo(3, 4));
    client.resume();
    const lengths = (await Promise.all(answers)).map((answer) => textOf(answer).length);
    expect(lengths).toEqual(lengths.map(() => BIG_BYTES));
    expect(lengths).toHaveLength(upTo(3, 4));
  });

  it('ends the calls of a client that vanishes', async () => {
    const before = await house.counts();
    for (const id of ['one', 'two']) call('hang', {}, id).catch(() => undefined);
    await until(async () => (await house.counts()).hanging === before.hanging + 2);
    client.vanish();
    isGone = true;
    await until(async () => (await house.counts()).cancelled === before.cancelled + 2);
    await idle();
  });

  it(
    'refuses a stranger',
    unlessLacking('refusal', async () => {
      const stranger = way.connect(house, '').then((other) => other.greet());
      await expect(stranger).rejects.toThrow();
    }),
  );

  // Beside each transport is a test of what it does when too much waits (of a peer's: test/gateway/wire/peer-writer.test.ts);
  // here is one that writes lines.
  it.each(someOf(['never reads'], () => way.name === 'TCP'))(
    'gives up a client that %s',
    unlessLacking('giving up', async () => {
      client.pause();
      const { answers: asked } = await askLarge(FLOOD);
      isGone = true;
      client.resume();
      const outcomes = await Promise.allSettled(asked);
      const answers = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const whole = answers.filter((answer) => textOf(answer).length === BIG_BYTES);
      expect(whole.length).toBeLessThan(FLOOD);
      // Whoever is left without an answer has lost the connection; nobody gets half of one.
      expect(answers.every((answer) => 'error' in answer || whole.includes(answer))).toBe(true);
    }),
  );

  it('ends the call under way when the node stops, and tells its end', async () => {
    const hanging = call('hang');
    const ended = hanging.then(
      (answer) => 'error' in answer,
      () => true,
    );
    await until(() => house.node.gateway.load() === 1);
    isGone = true;
    await house.node.gateway.stop();
    expect(await ended).toBe(true);
    if (lacks['end heard'] === undefined) await client.closed;
  });
});
