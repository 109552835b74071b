/** Clients of a gateway in tests: the official one, plain HTTP, and plain lines on the socket. */
import { EventEmitter, once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ATTACH_METHOD, ATTACH_OPERATOR } from '../../../src/config/index.ts';
import { defer } from './cleanup.ts';
import type { TestNode } from './gateways.ts';
import { sessionFetch } from '../../../sim/session-fetch.ts';

/** The official client on the node's HTTP endpoint. */
export async function httpClient(node: TestNode): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const token = await node.token();
  await client.connect(
    new StreamableHTTPClientTransport(new URL(node.gateway.endpoints().url ?? ''), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      fetch: sessionFetch,
    }),
  );
  defer(() => client.close());
  return client;
}

/** Names of all tools that a client sees. */
export async function toolNames(client: Client): Promise<string[]> {
  const { tools } = await client.listTools();
  return tools.map((tool) => tool.name).sort();
}

/** The text of a tool's result. */
export function textOf(result: unknown): string {
  const { content } = result as { content: { text: string }[] };
  return content[0]?.text ?? '';
}

/** Waits until `condition` holds, looking every few milliseconds; at most a minute. */
export async function until(condition: () => unknown): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`it never came true: ${String(condition)}`);
    await new Promise((wake) => {
      setTimeout(wake, 5);
    });
  }
}

/** An answer to a plain HTTP request. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One HTTP request without any client library, by default as MCP wants it, token included. */
export async function http(
  node: TestNode,
  init: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string | undefined>>;
    readonly body?: string | Buffer;
  },
): Promise<Answer> {
  const url = new URL(node.gateway.endpoints().url ?? '');
  const headers = {
    authorization: `Bearer ${await node.token()}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...init.headers,
  };
  const sent = request({
    host: url.hostname,
    port: url.port,
    path: init.path ?? url.pathname,
    method: init.method ?? 'POST',
    headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    agent: false,
  });
  sent.end(init.body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString('utf8');
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

/** The `initialize` request. */
export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
};

/** Opens a session by plain HTTP; returns its id. */
export async function openSession(node: TestNode): Promise<string> {
  const answer = await http(node, { body: JSON.stringify(INITIALIZE) });
  return String(answer.headers['mcp-session-id']);
}

/** A client on the node's socket that speaks plain lines. */
export interface LineClient {
  send(message: unknown): void;
  /** The next message. */
  next(): Promise<Record<string, unknown>>;
  /** No more to say. */
  end(): void;
  readonly closed: Promise<void>;
}

/** Connects to the node's socket, as the operator, as `client:<name>`, or (empty) without a word of who comes. */
export async function lineClient(
  node: TestNode,
  as: string = ATTACH_OPERATOR,
): Promise<LineClient> {
  const socket = connect(node.gateway.endpoints().socket);
  await once(socket, 'connect');
  const messages = new EventEmitter<{ message: [] }>();
  const queue: Record<string, unknown>[] = [];
  let rest = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) queue.push(JSON.parse(line) as Record<string, unknown>);
    messages.emit('message');
  });
  socket.on('error', () => socket.destroy());
  defer(() => socket.destroy());
  const client: LineClient = {
    send: (message) =>
      void socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    async next() {
      while (queue.length === 0)
        await once(messages, 'message', { signal: AbortSignal.timeout(60_000) });
      return queue.shift() ?? {};
    },
    end: () => void socket.end(),
    closed: once(socket, 'close').then(() => undefined),
  };
  if (as === '') return client;
  client.send({ jsonrpc: '2.0', id: 'as', method: ATTACH_METHOD, params: { as } });
  await client.next();
  return client;
}
