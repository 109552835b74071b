/**
 * One trace over two peers: from a client by HTTP to its node, over the mesh to the node of the server, to the server's
 * process; both nodes send their spans to a real receiver of OTLP. The mesh is in memory, all else is real.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { attach } from '../../../src/cli/node/client.ts';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { run } from '../../cli/support.ts';
import { startNode as startWholeNode } from '../../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../../fixtures/whole-nodes.ts';
import { eventually } from '../support.ts';
import { startReceiver } from '../../traces/receiver.ts';
import type { ReceivedSpan, Receiver } from '../../traces/receiver.ts';

const PLAIN = resolve(import.meta.dirname, '../../fixtures/servers/plain.mjs');
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CLIENT_SPAN = '00f067aa0ba902b7';
const WAIT = { timeout: 60_000 };

const cleanups: Cleanups = [];
let folder: string;
let receiver: Receiver;
let alice: StarlingNode;
let bob: StarlingNode;
let client: NodeClient;

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const startNode = (
  memory: MemoryNetwork,
  ip: string,
  flags: NodeFlags & { readonly name: string },
): Promise<StarlingNode> =>
  startWholeNode(
    cleanups,
    {
      stateDir: join(folder, flags.name),
      log: { level: 'silent,gateway=debug', file: logFileOf(flags.name) },
      ...flags,
    },
    {
      host: { memory, ip },
      // As any program with OpenTelemetry is told.
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-key=of%20the%20collector',
        OTEL_SERVICE_NAME: 'lab',
      },
    },
  );

const logFile = (): string => join(folder, 'plain.log');
const logFileOf = (name: string): string => join(folder, `${name}.log`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-traces-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  receiver = await startReceiver();
  cleanups.push(() => receiver.stop());
  const memory = new MemoryNetwork();
  alice = await startNode(memory, '10.79.0.1', {
    name: 'alice',
    mcpServers: {
      tools: { command: process.execPath, args: [PLAIN, '--era', 'legacy', '--log', logFile()] },
    },
  });
  const { ticket } = await alice.createTicket();
  bob = await startNode(memory, '10.79.0.2', { name: 'bob', join: ticket });
  await eventually(
    'alice sees bob',
    async () => alice.peers(),
    (peers) => peers.some(({ state }) => state === 'alive'),
  );
  await alice.grant({ peer: bob.peerId, tools: ['tools/*'] });
  client = await attach(bob.status().stateDir);
  cleanups.push(() => client.close());
  await eventually(
    'bob lists what alice has granted',
    () => client.tools(),
    (tools) => tools.some(({ name }) => name === 'alice__tools__note'),
  );
});

/** The span that a node has sent of a trace. */
async function spanOf(node: StarlingNode, traceId: string): Promise<ReceivedSpan> {
  const find = (): ReceivedSpan | undefined =>
    receiver.spans.find(
      (span) => span.traceId === traceId && span.resource['service.instance.id'] === node.peerId,
    );
  await expect.poll(() => find() !== undefined, WAIT).toBe(true);
  const found = find();
  if (found === undefined) throw new Error('no span');
  return found;
}

/** What the server has heard of a trace. */
async function heardByServer(traceId: string): Promise<string | undefined> {
  const lines = (await readFile(logFile(), 'utf8')).split('\n');
  const line = lines.findLast((one) => one.includes(traceId));
  return line === undefined ? undefined : /"traceparent":"([^"]*)"/.exec(line)?.[1];
}

/** A call without the forms of MCP, with what W3C Trace Context has in headers. */
async function callByHttp(traceparent: string): Promise<Response> {
  const { tokenFile, url } = bob.status().endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  return fetch(new URL('/mcp/tools/alice__tools__note', url), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      traceparent,
      tracestate: 'vendor=1',
    },
    body: '{"text":"a word that nobody else may read"}',
  });
}

it('goes from the client over both nodes to the server, each the child of the one before', async () => {
  const answer = await callByHttp(`00-${TRACE}-${CLIENT_SPAN}-01`);
  expect(answer.status).toBe(200);
  const entry = await spanOf(bob, TRACE);
  const owner = await spanOf(alice, TRACE);
  expect(entry.parentSpanId).toBe(CLIENT_SPAN);
  expect(owner.parentSpanId).toBe(entry.spanId);
  expect(await heardByServer(TRACE)).toBe(`00-${TRACE}-${owner.spanId}-01`);
  expect(entry).toMatchObject({
    name: 'tools/call note',
    isError: false,
    resource: { 'service.name': 'lab', 'starling.node': 'bob' },
    attributes: {
      'starling.peer': alice.peerId,
      'starling.server': 'tools',
      'starling.outcome': 'ok',
    },
  });
  expect(owner.attributes['starling.caller']).toContain(bob.status().did);
  // By one clock the child is within its parent, but for its rounding.
  const slackNs = 10_000_000n;
  expect(owner.beganNs).toBeGreaterThanOrEqual(entry.beganNs - slackNs);
  expect(owner.endedNs).toBeLessThanOrEqual(entry.endedNs + slackNs);
  expect(receiver.headers[0]).toMatchObject({ 'x-key': 'of the collector' });
  expect(receiver.bodies.join()).not.toContain('nobody else');
  expect(bob.status().traces).toMatchObject({ to: receiver.url, dropped: 0, rejected: 0 });
});

it('is in `_meta` of MCP as well, and what the caller does not keep nobody keeps', async () => {
  const unkept = '11111111111111111111111111111111';
  const kept = '22222222222222222222222222222222';
  for (const [traceId, flags] of [
    [unkept, '00'],
    [kept, '01'],
  ]) {
    const meta = { traceparent: `00-${traceId}-${CLIENT_SPAN}-${flags}` };
    await client.call('alice__tools__note', {}, { meta });
  }
  const owner = await spanOf(alice, kept);
  expect(owner.parentSpanId).toBe((await spanOf(bob, kept)).spanId);
  expect(await heardByServer(unkept)).toBe(`00-${unkept}-${CLIENT_SPAN}-00`);
  expect(receiver.spans.filter(({ traceId }) => traceId === unkept)).toEqual([]);
});

it('of a batch is that of its headers, for each call of it', async () => {
  const batched = '33333333333333333333333333333333';
  const { tokenFile, url = '' } = bob.status().endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const post = (body: unknown, more: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...more,
      },
      body: JSON.stringify(body),
    });
  const clientInfo = { name: 'old', version: '1' };
  const hello = { protocolVersion: '2025-03-26', capabilities: {}, clientInfo };
  const opened = await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params: hello });
  const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
  const params = { name: 'alice__tools__note', arguments: {} };
  const calls = [1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params }));
  const answer = await post(calls, {
    ...session,
    traceparent: `00-${batched}-${CLIENT_SPAN}-01`,
  });
  expect(answer.status).toBe(200);
  const spans = (): readonly ReceivedSpan[] =>
    receiver.spans.filter(
      (span) => span.traceId === batched && span.resource['starling.node'] === 'bob',
    );
  await expect.poll(() => spans().length, WAIT).toBe(2);
  expect(spans().map(({ parentSpanId }) => parentSpanId)).toEqual([CLIENT_SPAN, CLIENT_SPAN]);
});

it('is begun by the node where the client names none, or none that could be', async () => {
  expect((await callByHttp(`00-${'0'.repeat(32)}-${CLIENT_SPAN}-01`)).status).toBe(200);
  await client.call('alice__tools__note', {}, { meta: { traceparent: 'x'.repeat(4096) } });
  const roots = (): readonly ReceivedSpan[] =>
    receiver.spans.filter(
      ({ name, parentSpanId, resource }) =>
        name === 'tools/call note' && parentSpanId === '' && resource['starling.node'] === 'bob',
    );
  await expect.poll(() => roots().length, WAIT).toBe(2);
  for (const root of roots()) {
    const { parentSpanId } = await spanOf(alice, root.traceId);
    expect(parentSpanId).toBe(root.spanId);
  }
});

it('is told by `starling trace` with the ids by which the collector has it', async () => {
  const { stateDir } = bob.status();
  const traced = await run('trace', 'alice__tools__note', '--json', '--state', stateDir);
  const { traceId, ways } = JSON.parse(traced.stdout) as {
    readonly traceId: string;
    readonly ways: readonly { readonly part: string; readonly spanId?: string }[];
  };
  const spanIds = ways.flatMap(({ spanId }) => spanId ?? []);
  expect(spanIds).toEqual([
    (await spanOf(bob, traceId)).spanId,
    (await spanOf(alice, traceId)).spanId,
  ]);
  const shown = await run('trace', 'alice__tools__note', '--state', stateDir);
  expect(shown.stdout).toMatch(/^trace [0-9a-f]{32}$/m);
  expect(shown.stdout).toMatch(/bob: checked and sent on \(span [0-9a-f]{16}\)$/m);
});

it('has the call that its server fails, by a code, and so has the log of each node', async () => {
  await expect(client.call('alice__tools__nothing', {})).rejects.toThrow();
  const failed = (node: StarlingNode): ReceivedSpan | undefined =>
    receiver.spans.find(
      ({ isError, resource }) => isError && resource['service.instance.id'] === node.peerId,
    );
  await expect.poll(() => [alice, bob].every(failed), WAIT).toBe(true);
  expect(failed(alice)?.traceId).toBe(failed(bob)?.traceId);
  for (const node of [alice, bob]) {
    const { attributes, spanId, traceId } = failed(node) ?? {};
    expect(attributes).toMatchObject({
      'error.type': 'STARLING_UPSTREAM_UNAVAILABLE',
      'starling.outcome': 'failed',
    });
    const lines = (await readFile(logFileOf(node.status().name), 'utf8')).split('\n');
    const line = lines.find((one) => one.includes('"trace_id"'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ trace_id: traceId, span_id: spanId });
  }
});
