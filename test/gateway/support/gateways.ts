/** What the gateway's tests share: whole gateways on loopback, joined by streams in memory. */
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach } from 'vitest';
import type { Config, McpServer } from '../../../src/config/index.ts';
import { StarlingError, createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, PeerId } from '../../../src/core/index.ts';
import { createDisabledAudit } from '../../../src/audit/index.ts';
import type { Audit } from '../../../src/audit/index.ts';
import { createDirectory } from '../../../src/directory/index.ts';
import type { Directory } from '../../../src/directory/index.ts';
import {
  createApiKeys,
  createGateway,
  createLogins,
  createPins,
  createUpstreams,
} from '../../../src/gateway/index.ts';
import type {
  ApiKeys,
  BuiltinTool,
  Gateway,
  GatewayInit,
  Pins,
} from '../../../src/gateway/index.ts';
import { createCounters, createGrantBook } from '../../../src/grants/index.ts';
import type { GrantBook } from '../../../src/grants/index.ts';
import {
  createApprovals,
  createGuard,
  createCallerRules,
  parsePolicy,
} from '../../../src/guard/index.ts';
import type { Approvals } from '../../../src/guard/index.ts';
import { createIdentity, didFromPeerId, sealerOf } from '../../../src/identity/index.ts';
import { changesOf } from '../../../src/membership/view-changes.ts';
import type { Membership, MembershipEvents, PeerView } from '../../../src/membership/index.ts';
import type { Network, PeerStream } from '../../../src/network/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { createTokenStore } from '../../../src/secrets/index.ts';

/** The stdio server beside this file, as configuration. */
export const STDIO_SERVER = {
  type: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dirname, 'stdio-server.mjs')],
  env: {},
  timeoutMs: 10_000,
  shared: false,
  peerRoots: false,
  idleMs: 600_000,
} as const satisfies McpServer;

/** Bounds of a gateway in tests: the defaults. */
export const LIMITS: Config['limits'] = {
  messageBytes: 10 * 1024 * 1024,
  callTimeoutMs: 10_000,
  callTotalMs: 60_000,
  callsPerSession: 1000,
  sessions: 1000,
  sessionIdleMs: 1_800_000,
  instances: 100,
  tools: 10_000,
  requestsPerSecond: 1_000_000,
  connections: 300,
};

type Listener = (error?: Error) => void;

/** One end of a stream in memory. */
class PairedStream implements PeerStream {
  readonly peer: PeerId;
  other: PairedStream | undefined;
  queuedBytes = 0;
  #reader: ((chunk: Uint8Array) => void) | undefined;
  #inbox: Uint8Array[] = [];
  #paused = false;
  #ended = false;
  #endListeners: Listener[] = [];
  #drains: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(peer: PeerId) {
    this.peer = peer;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended) return false;
    this.queuedBytes += chunk.length;
    if (this.queuedBytes > 17 * 1024 * 1024) {
      this.abort(new Error('over the hard bound'));
      return false;
    }
    setImmediate(() => this.other?.take(chunk));
    return this.queuedBytes <= 1024 * 1024;
  }

  take(chunk: Uint8Array): void {
    this.#inbox.push(chunk);
    this.#deliver();
  }

  drained(): Promise<void> {
    if (this.#ended) return Promise.reject(new Error('ended'));
    if (this.queuedBytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drains.push({ resolve, reject }));
  }

  sent(sizeBytes: number): void {
    this.queuedBytes -= sizeBytes;
    if (this.queuedBytes === 0) for (const drain of this.#drains.splice(0)) drain.resolve();
  }

  onData(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader;
    this.#deliver();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  onEnd(listener: Listener): void {
    if (this.#ended) queueMicrotask(() => listener());
    else this.#endListeners.push(listener);
  }

  async close(): Promise<void> {
    setImmediate(() => {
      this.end();
      this.other?.end();
    });
  }

  abort(error: Error): void {
    this.end(error);
    this.other?.end(new Error('reset'));
  }

  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const drain of this.#drains.splice(0)) drain.reject(new Error('ended'));
    for (const listener of this.#endListeners.splice(0)) listener(error);
  }

  #deliver(): void {
    while (this.#reader !== undefined && !this.#paused && !this.#ended) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) return;
      this.other?.sent(chunk.length);
      this.#reader(chunk);
    }
  }
}

/** Two ends of one stream; `a` is held by the node that knows the other as `peerOfA`. */
export function streamPair(peerOfA: PeerId, peerOfB: PeerId): [PeerStream, PeerStream] {
  const a = new PairedStream(peerOfA);
  const b = new PairedStream(peerOfB);
  a.other = b;
  b.other = a;
  return [a, b];
}

/** Carries streams between the gateways of one test. */
export interface Wire {
  readonly handlers: Map<PeerId, Map<string, (stream: PeerStream) => void>>;
  /** Every stream that was opened, with who opened it. */
  readonly streams: { readonly from: PeerId; readonly to: PeerId; readonly stream: PeerStream }[];
}

/** A wire that joins nobody yet. */
export function createWire(): Wire {
  return { handlers: new Map(), streams: [] };
}

function networkOf(self: PeerId, wire: Wire): Pick<Network, 'open' | 'handle'> {
  const mine = new Map<string, (stream: PeerStream) => void>();
  wire.handlers.set(self, mine);
  return {
    handle(protocol, handler) {
      mine.set(protocol, handler);
      return () => mine.delete(protocol);
    },
    async open(peer, protocol) {
      const handler = wire.handlers.get(peer)?.get(protocol);
      if (handler === undefined) {
        throw new StarlingError('STARLING_PEER_UNREACHABLE', `peer ${peer} can't be reached`);
      }
      const [near, far] = streamPair(peer, self);
      wire.streams.push({ from: self, to: peer, stream: near });
      handler(far);
      return near;
    },
  };
}

/** A view of peers that a test sets by hand. */
export interface FakeMembership extends Pick<Membership, 'peers' | 'peer' | 'inStep' | 'events'> {
  set(alias: string, peerId: PeerId, changes?: Partial<PeerView>): void;
}

/** A view without peers. */
export function createFakeMembership(): FakeMembership {
  const views = new Map<PeerId, PeerView>();
  const events = new EventEmitter<MembershipEvents>();
  return {
    events,
    peers: () => [...views.values()],
    peer: (peerId) => views.get(peerId),
    inStep: () => undefined,
    set(alias, peerId, changes = {}) {
      const before = views.get(peerId);
      const view: PeerView = {
        peerId,
        did: didFromPeerId(peerId),
        alias,
        state: 'alive',
        lastHeartbeatAt: 1_780_272_000_000,
        ...changes,
      };
      views.set(peerId, view);
      events.emit('change', view, before, changesOf(view, before));
    },
  };
}

/** A tool of the built-in server that gives back what it gets. */
export function echoTool(overrides: Partial<BuiltinTool> = {}): BuiltinTool {
  return {
    definition: { name: 'status', description: 'echo', inputSchema: { type: 'object' } },
    operatorOnly: false,
    call: async (args) => ({ echo: args }),
    ...overrides,
  };
}

/** A gateway with everything that it stands on. */
export interface TestNode {
  readonly peerId: PeerId;
  readonly name: string;
  readonly gateway: Gateway;
  readonly grants: GrantBook;
  readonly directory: Directory;
  readonly keys: ApiKeys;
  readonly pins: Pins;
  readonly approvals: Approvals;
  readonly membership: FakeMembership;
  readonly folder: string;
  token(): Promise<string>;
  /** Puts another policy in force, as YAML. */
  govern(policy: string): void;
  /** Lets `peer` call what matches `pattern`; returns the grant's id. */
  grant(peer: TestNode, pattern: string): Promise<string>;
  /** Lets `peer` read and subscribe to resources, or get prompts, of what matches. */
  grantOf(peer: TestNode, resource: string, ability: string): Promise<string>;
}

/** What differs from the defaults. */
export interface TestNodeInit {
  readonly wire?: Wire;
  readonly seed?: number;
  readonly builtin?: readonly BuiltinTool[];
  readonly clock?: Clock;
  /** As YAML. */
  readonly policy?: string;
  readonly limits?: Partial<Config['limits']>;
  readonly http?: Partial<Config['http']>;
  readonly tcp?: Partial<Config['tcp']>;
  readonly list?: Partial<GatewayInit['list']>;
  readonly views?: GatewayInit['views'];
  /** Default `strict`, as nodes have it. */
  readonly pins?: Config['pins'];
  readonly servers?: Readonly<Record<string, McpServer>>;
  /** Default: none is kept. */
  readonly audit?: Audit;
}

const cleanups: (() => unknown)[] = [];

/** Ends with the test what it started. */
export function useCleanup(): void {
  afterEach(runCleanup);
}

/** Ends what was started so far: for files whose tests share a node. */
export async function runCleanup(): Promise<void> {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}

/** Runs `cleanup` after the test. */
export function defer(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** A started gateway. */
export async function startNode(name: string, init: TestNodeInit = {}): Promise<TestNode> {
  const identity = createIdentity(Buffer.alloc(32, init.seed ?? 1));
  const folder = await mkdtemp(join(tmpdir(), 'starling-gw-'));
  defer(() => rm(folder, { recursive: true, force: true }));
  const [clock, random, logger] = [init.clock ?? systemClock, Math.random, silentLogger];
  const limits = { ...LIMITS, ...init.limits };
  const grants = createGrantBook({
    identity,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock,
    logger,
  });
  await grants.start();
  const catalog = { tools: limits.tools, bytes: 16 * 1024 * 1024 };
  const directory = createDirectory({ logger }, catalog);
  const membership = createFakeMembership();
  const servers = init.servers ?? {};
  const health = createHealth();
  const tokens = createTokenStore({
    table: memoryTable(),
    sealer: sealerOf(identity, 'logins'),
    logger,
  });
  const logins = createLogins({ servers: () => servers, tokens, clock, logger });
  const pins = createPins(
    { table: memoryTable(), clock, logger, health },
    { mode: init.pins ?? 'strict', perServerMax: limits.tools },
  );
  await pins.start();
  const keys = createApiKeys({ table: memoryTable(), clock, logger });
  const upstreams = createUpstreams(
    {
      servers,
      builtin: init.builtin ?? [echoTool()],
      builtinResources: [],
      logins,
      clock,
      random,
      logger,
      health,
    },
    {
      messageBytes: limits.messageBytes,
      callTotalMs: 60_000,
      callsMax: 4000,
      catalog,
      instancesMax: limits.instances,
    },
  );
  const counters = createCounters({
    table: memoryTable(),
    grants,
    self: identity.did,
    clock,
    logger,
  });
  await counters.start();
  let policy = parsePolicy(init.policy ?? '', 'the test');
  const current = (): typeof policy => policy;
  const standings = createCallerRules({
    policy: { current },
    mesh: { isOpen: () => false, isMember: () => true, formerly: () => [] },
  });
  const approvals = createApprovals({ table: memoryTable(), clock, logger, standings });
  await approvals.start();
  const gateway = createGateway(
    {
      self: identity.did,
      signer: identity,
      upstreams,
      directory,
      keys,
      pins,
      guard: createGuard({
        grants,
        counters,
        clock,
        approvals,
        policy: { standings, current },
        self: { name, did: identity.did },
      }),
      approvals,
      audit: init.audit ?? createDisabledAudit(),
      grants,
      network: networkOf(identity.peerId, init.wire ?? createWire()),
      membership,
      clock,
      random,
      logger,
    },
    {
      name,
      http: {
        enabled: true,
        host: '127.0.0.1',
        port: 0,
        allowedOrigins: [],
        allowedHosts: [],
        allowedAddresses: [],
        ...init.http,
      },
      tcp: { enabled: false, host: '127.0.0.1', port: 0, requireToken: true, ...init.tcp },
      limits,
      list: { tools: 'all', prefix: 'always', nameMax: 48, merge: false, ...init.list },
      views: init.views ?? {},
      socketPath: join(folder, 'socket'),
      tokenFile: join(folder, 'token'),
    },
  );
  defer(async () => {
    await gateway.stop();
    await approvals.stop();
    await counters.stop();
    logins.stop();
    await pins.stop();
    await grants.stop();
  });
  await gateway.start();
  await gateway.settled();
  const grantOf: TestNode['grantOf'] = async (peer, resource, ability) => {
    const grant = await grants.issue({
      aud: didFromPeerId(peer.peerId),
      capabilities: [{ resource, ability }],
      expiresAtMs: clock.now() + 3_600_000,
    });
    return grant.claims.jti;
  };
  return {
    peerId: identity.peerId,
    name,
    gateway,
    grants,
    directory,
    keys,
    pins,
    approvals,
    membership,
    folder,
    govern(yaml) {
      policy = parsePolicy(yaml, 'the test');
      gateway.rejudge();
    },
    token: async () => (await readFile(join(folder, 'token'), 'utf8')).trim(),
    grant: (peer, pattern) => grantOf(peer, `tool:${pattern}`, 'tool/call'),
    grantOf,
  };
}

/** Two gateways that see each other: alice with the stdio server `files` and others, and bob. */
export async function startPair(
  init: TestNodeInit = {},
): Promise<{ alice: TestNode; bob: TestNode; wire: Wire }> {
  const wire = createWire();
  const alice = await startNode('alice', {
    ...init,
    wire,
    seed: 2,
    servers: { files: STDIO_SERVER, ...init.servers },
  });
  const bob = await startNode('bob', { ...init, wire, seed: 3, servers: {} });
  alice.membership.set('bob', bob.peerId);
  bob.membership.set('alice', alice.peerId);
  return { alice, bob, wire };
}

/** The official client on the node's HTTP endpoint. */
export async function httpClient(node: TestNode): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const token = await node.token();
  await client.connect(
    new StreamableHTTPClientTransport(new URL(node.gateway.endpoints().url ?? ''), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
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

/** Waits until `condition` holds, looking every few milliseconds; at most 10 s. */
export async function until(condition: () => unknown): Promise<void> {
  const deadline = Date.now() + 10_000;
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

/** Connects to the node's socket. */
export async function lineClient(node: TestNode): Promise<LineClient> {
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
  return {
    send: (message) =>
      void socket.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`),
    async next() {
      while (queue.length === 0)
        await once(messages, 'message', { signal: AbortSignal.timeout(10_000) });
      return queue.shift() ?? {};
    },
    end: () => void socket.end(),
    closed: once(socket, 'close').then(() => undefined),
  };
}
