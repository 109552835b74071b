/** What the gateway's tests share: whole gateways on loopback, joined by streams in memory. */
import { EventEmitter } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config, McpServer } from '../../../src/config/index.ts';
import { createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, PeerId } from '../../../src/core/index.ts';
import { createDisabledAudit } from '../../../src/audit/index.ts';
import type { Audit } from '../../../src/audit/index.ts';
import { createDirectory } from '../../../src/directory/index.ts';
import type { Directory } from '../../../src/directory/index.ts';
import {
  createApiKeys,
  createAttachedClients,
  createTokenClients,
  createNodeToken,
  createGateway,
  createLogins,
  createPins,
  createUpstreams,
} from '../../../src/gateway/index.ts';
import type {
  ApiKeys,
  AttachedClients,
  BuiltinTool,
  Gateway,
  GatewayInit,
  NodeToken,
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
import type { Approvals, Guard, GuardWanted } from '../../../src/guard/index.ts';
import { createIdentity, didFromPeerId, sealerOf } from '../../../src/identity/index.ts';
import { changesOf } from '../../../src/membership/peers/peer-diff.ts';
import type { Membership, MembershipEvents, PeerView } from '../../../src/membership/index.ts';
import type { PeerNetwork } from '../../../src/gateway/gateway-components.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import type { Table } from '../../../src/store/index.ts';
import { createLoginStore } from '../../../src/secrets/index.ts';
import { defer } from './cleanup.ts';
import { createWire, networkOf } from './memory-streams.ts';
import type { Wire } from './memory-streams.ts';

export { defer, runCleanup, useCleanup } from './cleanup.ts';
export {
  INITIALIZE,
  http,
  httpClient,
  lineClient,
  openSession,
  textOf,
  toolNames,
  until,
} from './clients.ts';
export type { Answer, LineClient } from './clients.ts';
export { createWire, streamPair } from './memory-streams.ts';
export type { Wire } from './memory-streams.ts';

/** The stdio server beside this file, as configuration. */
export const STDIO_SERVER = {
  type: 'stdio',
  command: process.execPath,
  args: [resolve(import.meta.dirname, 'stdio-server.mjs')],
  env: {},
  timeoutMs: 60_000,
  shared: false,
  peerRoots: false,
  idleMs: 600_000,
} as const satisfies McpServer;

/** Bounds of a gateway in tests: the defaults, with time for a busy machine. */
export const LIMITS: Config['limits'] = {
  messageBytes: 10 * 1024 * 1024,
  callTimeoutMs: 60_000,
  callTotalMs: 60_000,
  callsPerSession: 1000,
  sessions: 1000,
  sessionIdleMs: 1_800_000,
  instances: 100,
  tools: 10_000,
  requestsPerSecond: 1_000_000,
  connections: 300,
};

/** A view of peers that a test sets by hand. */
export interface FakeMembership extends Pick<
  Membership,
  'peers' | 'peer' | 'byAlias' | 'inStep' | 'events'
> {
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
    byAlias: (alias) => [...views.values()].find((view) => view.alias === alias),
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
      // The fake does not compare: it says of everything that it changed.
      events.emit('change', view, before, changesOf(view, undefined));
    },
  };
}

/** A tool of the built-in server that gives back what it gets. */
export function echoTool(overrides: Partial<BuiltinTool> = {}): BuiltinTool {
  return {
    definition: { name: 'status', description: 'echo', inputSchema: { type: 'object' } },
    clients: 'yes',
    peers: 'granted',
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
  readonly clients: AttachedClients;
  readonly nodeToken: NodeToken;
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
  /** In place of the wire. */
  readonly network?: PeerNetwork;
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
  /** What a gateway before has kept of calls that are tasks. */
  readonly callTable?: Table;
  /** Hears what the guard is asked. */
  readonly asked?: (wanted: GuardWanted) => void;
}

function listening(asked: TestNodeInit['asked'], guard: Guard): Guard {
  if (asked === undefined) return guard;
  return {
    ...guard,
    decide(principal, wanted) {
      asked(wanted);
      return guard.decide(principal, wanted);
    },
  };
}

/** A started gateway. */
export async function startNode(name: string, init: TestNodeInit = {}): Promise<TestNode> {
  const identity = createIdentity(Buffer.alloc(32, init.seed ?? 1));
  const folder = await mkdtemp(join(tmpdir(), 'starling-gw-'));
  defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
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
  const tokens = createLoginStore({
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
  const keys: ApiKeys = createApiKeys({
    table: memoryTable(),
    holderOf: (name) => clients.holderOf(name),
    clock,
    logger,
  });
  const clients = createAttachedClients({ table: memoryTable(), keys, logger });
  const token = createNodeToken(join(folder, 'token'));
  const builtin = init.builtin ?? [echoTool()];
  const upstreams = createUpstreams(
    {
      servers,
      builtin,
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
  const callerRules = createCallerRules({
    policy: { current },
    mesh: { isOpen: () => false, isMember: () => true, formerly: () => [] },
  });
  const approvals = createApprovals({ table: memoryTable(), clock, logger, callerRules });
  await approvals.start();
  const gateway = createGateway(
    {
      self: identity.did,
      signer: identity,
      upstreams,
      directory,
      keys,
      clients,
      tokens: createTokenClients(),
      token,
      pins,
      guard: listening(
        init.asked,
        createGuard({
          grants,
          counters,
          clock,
          approvals,
          policy: { callerRules, current },
          self: { name, did: identity.did },
          clientAccess: (tool) =>
            builtin.find(({ definition }) => definition.name === tool)?.clients ?? 'no',
        }),
      ),
      approvals,
      audit: init.audit ?? createDisabledAudit(),
      callTable: init.callTable ?? memoryTable(),
      grants,
      network: init.network ?? networkOf(identity.peerId, init.wire ?? createWire()),
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
      keepAlive: { intervalMs: 30_000 },
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
    clients,
    nodeToken: token,
    pins,
    approvals,
    membership,
    folder,
    govern(yaml) {
      policy = parsePolicy(yaml, 'the test');
      gateway.recheck();
    },
    token: async () => (await readFile(join(folder, 'token'), 'utf8')).trim(),
    grant: (peer, pattern) => grantOf(peer, `tool:${pattern}`, 'tool/call'),
    grantOf,
  };
}

/** Two gateways that see each other: alice with the stdio server `files` and others, and bob. */
export async function startPair(
  init: TestNodeInit = {},
  ofBob: TestNodeInit = {},
): Promise<{ alice: TestNode; bob: TestNode; wire: Wire }> {
  const wire = createWire();
  const alice = await startNode('alice', {
    ...init,
    wire,
    seed: 2,
    servers: { files: STDIO_SERVER, ...init.servers },
  });
  const bob = await startNode('bob', { ...init, wire, seed: 3, servers: {}, ...ofBob });
  alice.membership.set('bob', bob.peerId);
  bob.membership.set('alice', alice.peerId);
  return { alice, bob, wire };
}
