/** What each caller sees, and where a name leads. */
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError, createHealth, silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createDirectory } from '../../src/directory/index.ts';
import type { Directory, ListedTool, ServerItems } from '../../src/directory/index.ts';
import { createPins } from '../../src/gateway/pins.ts';
import type { Pins } from '../../src/gateway/pins.ts';
import { createRouter } from '../../src/gateway/router.ts';
import type { Route, Router, RouterComponents, ViewSpec } from '../../src/gateway/router.ts';
import type { Upstream, UpstreamsEvents } from '../../src/gateway/types.ts';
import type { ListKind } from '../../src/gateway/views.ts';
import { parseResource, matchResource } from '../../src/grants/index.ts';
import type { Guard, Principal } from '../../src/guard/index.ts';
import { createIdentity, didFromPeerId } from '../../src/identity/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { catalogOf } from '../directory/arrange.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createFakeMembership } from './support.ts';
import type { FakeMembership } from './support.ts';

const alice = createIdentity(Buffer.alloc(32, 2)).peerId;
const carol = createIdentity(Buffer.alloc(32, 4)).peerId;
const OPERATOR: Principal = { kind: 'operator' };
const BOB: Principal = {
  kind: 'peer',
  peerId: carol,
  did: didFromPeerId(carol),
  alias: 'bob',
};
const AGENT: Principal = { kind: 'agent', did: didFromPeerId(carol), name: 'helper' };
const ALL: ViewSpec = { kind: 'all' };
const CATALOG: ViewSpec = { kind: 'catalog' };
const server = (name: string, peer?: string): ViewSpec => ({
  kind: 'server',
  server: name,
  ...(peer === undefined ? {} : { peer }),
});

interface House {
  readonly router: Router;
  readonly directory: Directory;
  readonly membership: FakeMembership;
  readonly pins: Pins;
  readonly asked: string[];
  granted: string[];
  /** Replaces what an own server lists. */
  relist(server: string, items: Partial<ServerItems>): void;
}

type Items = Partial<ServerItems>;

const inputSchema = { type: 'object' };
const tool = (name: string, extra: object = {}): ListedTool => ({ name, inputSchema, ...extra });

/** Says yes to what `granted` has, and to the operator. */
function patternGuard(house: () => House): Guard {
  return {
    decide(principal, { resource }) {
      house().asked.push(resource);
      if (principal.kind === 'operator') return { allow: true };
      if (house().granted.some((pattern) => matchResource(pattern, resource))) {
        return { allow: true };
      }
      const hint = `starling grant create bob --tool '${resource}'`;
      return { allow: false, refusal: { rule: 'not-granted', text: `not ${resource}` }, hint };
    },
  };
}

async function houseOf(
  servers: Readonly<Record<string, Items>>,
  init: Partial<Omit<RouterComponents, 'config'>> & {
    readonly list?: Partial<RouterComponents['config']['list']>;
    readonly views?: RouterComponents['config']['views'];
    readonly capabilities?: Readonly<Record<string, JsonObject>>;
  } = {},
): Promise<House> {
  const events = new EventEmitter<UpstreamsEvents>();
  const listed = new Map(
    Object.entries({ ...servers, starling: { tools: [tool('status'), tool('grant_create')] } }).map(
      ([name, items]) => [name, catalogOf(name, items, init.capabilities?.[name])] as const,
    ),
  );
  const all = [...listed.keys()].map((name): Upstream => ({
    server: name,
    status: () => ({
      server: name,
      kind: 'stdio',
      state: name === 'down' ? 'failed' : 'ready',
      tools: listed.get(name)?.tools.length ?? 0,
      resources: 0,
      prompts: 0,
      instances: 0,
      ...(name === 'down' ? { error: 'it exited with code 3', hint: 'mend it' } : {}),
    }),
    catalog: () => listed.get(name) ?? catalogOf(name),
    open: () => {
      throw new Error('nobody calls here');
    },
    forOperatorOnly: (toolName) => toolName === 'grant_create',
  }));
  const directory = createDirectory({ logger: silentLogger }, { tools: 100, bytes: 100_000 });
  const membership = createFakeMembership();
  const pins = createPins(
    {
      table: memoryTable(),
      clock: createTestClock(),
      logger: silentLogger,
      health: createHealth(),
    },
    { mode: 'strict', perServerMax: 1000 },
  );
  await pins.start();
  const router = createRouter({
    upstreams: {
      events,
      all: () => all,
      get: (name) => all.find((upstream) => upstream.server === name),
      settled: () => Promise.resolve(),
      configure: () => Promise.resolve(),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    },
    directory,
    membership,
    guard: init.guard ?? patternGuard(() => house),
    self: 'workstation',
    pins,
    config: {
      list: { tools: 'all', prefix: 'always', nameMax: 48, merge: false, ...init.list },
      views: init.views ?? {},
    },
    facts: { serverInfo: { name: 'starling' }, instructions: 'do' },
  });
  const house: House = {
    router,
    directory,
    membership,
    pins,
    asked: [],
    granted: [],
    relist(name, items) {
      listed.set(name, catalogOf(name, items));
      events.emit('change', name);
    },
  };
  return house;
}

/** Lets a peer of this name appear, with these servers. */
function joins(
  house: House,
  alias: string,
  peerId: typeof alice,
  servers: Readonly<Record<string, Items>>,
): void {
  house.membership.set(alias, peerId);
  house.directory.set(
    peerId,
    Object.entries(servers).map(([name, items]) => catalogOf(name, items)),
  );
}

function listed(
  { router }: House,
  principal: Principal,
  spec: ViewSpec = ALL,
  kind: ListKind = 'tools',
): JsonObject[] {
  const page = router.view(principal, spec).lists.page(kind, 0)?.toString() ?? '';
  return Object.values(JSON.parse(`{${page}}`) as Record<string, JsonObject[]>)[0] ?? [];
}

const names = (house: House, principal: Principal, spec: ViewSpec = ALL): unknown[] =>
  listed(house, principal, spec).map(({ name }) => name);

/** The only route of a tool. */
function routeOf(
  { router }: House,
  principal: Principal,
  name: string,
  spec: ViewSpec = ALL,
): Route {
  const routes = router.view(principal, spec).tool(name);
  expect(routes).toHaveLength(1);
  return routes[0] as Route;
}

const refusal = (act: () => unknown): StarlingError => {
  try {
    act();
  } catch (error) {
    if (error instanceof StarlingError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('the operator', () => {
  it('sees own tools as they are, and peers’ tools with who owns them', async () => {
    const house = await houseOf({ files: { tools: [tool('read', { title: 'R', x: 1 })] } });
    joins(house, 'alice', alice, { git: { tools: [tool('log', { _meta: { own: 1 } })] } });
    expect(listed(house, OPERATOR)).toEqual([
      { name: 'files__read', inputSchema, title: 'R', x: 1 },
      { name: 'starling__status', inputSchema },
      { name: 'starling__grant_create', inputSchema },
      {
        name: 'alice__git__log',
        inputSchema,
        _meta: { own: 1, 'starling/server': 'git', 'starling/peer': alice },
      },
    ]);
  });

  it('is not fooled by a peer that says a thing is another’s', async () => {
    const house = await houseOf({});
    const _meta = { 'starling/peer': 'somebody else', 'starling/server': 'x' };
    joins(house, 'alice', alice, {
      git: { tools: [tool('x', { _meta })], resources: [{ uri: 'x:y', name: 'y', _meta }] },
    });
    const [theirs] = listed(house, OPERATOR, ALL, 'resources');
    for (const item of [listed(house, OPERATOR).at(-1), theirs]) {
      expect(item).toMatchObject({
        _meta: { 'starling/peer': alice, 'starling/server': 'git' },
      });
    }
  });

  it('keeps own names when a peer takes the name of a server', async () => {
    const house = await houseOf({ a: { tools: [tool('b__read')] } });
    joins(house, 'a', alice, { b: { tools: [tool('read')] } });
    expect(routeOf(house, OPERATOR, 'a__b__read').target).toEqual({ server: 'a' });
    const theirs = String(listed(house, OPERATOR).at(-1)?.['name']);
    expect(theirs).toMatch(/^a__b__read_[0-9a-f]{6}$/);
    expect(routeOf(house, OPERATOR, theirs)).toMatchObject({
      target: { server: 'b', peer: { peerId: alice } },
      edits: { name: 'read' },
    });
  });

  it('loses the tools of a peer that dies, keeps those of a suspect, and gets them back', async () => {
    const house = await houseOf({});
    joins(house, 'alice', alice, { git: { tools: [tool('log')] } });
    const sees = (): boolean => names(house, OPERATOR).includes('alice__git__log');
    let changes = 0;
    house.router.events.on('change', () => void (changes += 1));
    house.membership.set('alice', alice, { state: 'suspect' });
    expect(sees()).toBe(true);
    expect(changes).toBe(0);
    for (const state of ['dead', 'left'] as const) {
      house.membership.set('alice', alice, { state });
      expect(sees()).toBe(false);
    }
    expect(changes).toBe(1);
    house.membership.set('alice', alice);
    expect(sees()).toBe(true);
  });

  it('reaches a peer’s tool by its table, whatever the name looks like', async () => {
    const house = await houseOf({});
    const long = 'a'.repeat(70);
    joins(house, 'alice', alice, { git: { tools: [tool(long)] } });
    const name = String(names(house, OPERATOR).at(-1));
    expect(name).toHaveLength(48);
    expect(routeOf(house, OPERATOR, name)).toMatchObject({
      target: { server: 'git', peer: { peerId: alice } },
      edits: { name: long },
    });
  });

  it('is let through to a peer for a tool that it can not see: the peer says why', async () => {
    const house = await houseOf({});
    house.membership.set('alice', alice);
    expect(routeOf(house, OPERATOR, 'alice__files__secret')).toMatchObject({
      target: { server: 'files', peer: { peerId: alice } },
      edits: { name: 'secret' },
    });
  });

  it('is told since when a dead peer is silent', async () => {
    const house = await houseOf({});
    house.membership.set('alice', alice, { state: 'dead' });
    const error = refusal(() => routeOf(house, OPERATOR, 'alice__files__read'));
    expect(error.code).toBe('STARLING_PEER_UNREACHABLE');
    expect(error.message).toContain('peer alice is unreachable');
    expect(error.message).toContain('2026-06-01T00:00:00.000Z');
  });

  it('is told what a mistyped name may have been', async () => {
    const house = await houseOf({ files: { tools: [tool('read_file'), tool('write_file')] } });
    const hintOf = (name: string): string | undefined =>
      refusal(() => routeOf(house, OPERATOR, name)).hint;
    expect(hintOf('files__raed_file')).toBe('did you mean files__read_file?');
    expect(hintOf('file__read_file')).toContain('files__read_file');
    expect(hintOf('zzz')).toContain('starling tools');
  });

  it('is told why a server’s tools are missing, and what to do', async () => {
    const house = await houseOf({ down: {} });
    expect(refusal(() => routeOf(house, OPERATOR, 'down__x'))).toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: "server 'down' is not ready: it exited with code 3",
      hint: 'mend it',
    });
  });

  it('gets one view for all sessions, until something changes', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    const view = house.router.view(OPERATOR, ALL);
    expect(house.router.view(OPERATOR, ALL)).toBe(view);
    expect(house.router.view(OPERATOR, server('files'))).not.toBe(view);
    house.relist('files', { tools: [tool('read')] });
    const next = house.router.view(OPERATOR, ALL);
    expect(next).not.toBe(view);
    expect(next.lists.digest('tools')).toBe(view.lists.digest('tools'));
  });
});

describe('a client with scopes', () => {
  const client: Principal = { kind: 'client', name: 'ci', scopes: ['*'] };

  it('gets one view for all its sessions, and another client its own', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    const { router } = house;
    const view = router.view(client, ALL);
    expect(router.view(client, ALL)).toBe(view);
    expect(router.view({ ...client }, ALL)).not.toBe(view);
    expect(router.view(AGENT, ALL)).not.toBe(router.view(AGENT, ALL));
    house.relist('files', { tools: [tool('write')] });
    expect(router.view(client, ALL)).not.toBe(view);
  });

  it('has no more views kept than there is use for, whatever paths it asks at', async () => {
    const { router } = await houseOf({});
    const first = router.view(client, server('x0'));
    for (let count = 1; count <= 64; count += 1) router.view(client, server(`x${count}`));
    expect(router.view(client, server('x64'))).toBe(router.view(client, server('x64')));
    expect(router.view(client, server('x0'))).not.toBe(first);
  });
});

describe('one server', () => {
  it('has its names untouched, here and at a peer', async () => {
    const house = await houseOf({ files: { tools: [tool('read.it'), tool('a__b')] } });
    joins(house, 'alice', alice, { git: { tools: [tool('x'.repeat(100))] } });
    expect(names(house, OPERATOR, server('files'))).toEqual(['read.it', 'a__b']);
    expect(names(house, OPERATOR, server('git', 'alice'))).toEqual(['x'.repeat(100)]);
    expect(routeOf(house, OPERATOR, 'read.it', server('files'))).toEqual({
      target: { server: 'files' },
    });
    expect(routeOf(house, OPERATOR, 'x', server('git', 'alice'))).toMatchObject({
      target: { server: 'git', peer: { peerId: alice } },
    });
  });

  it('says of itself what the server says', async () => {
    const house = await houseOf(
      { files: { tools: [tool('read')] } },
      { capabilities: { files: { tools: {}, experimental: { x: 1 } } } },
    );
    expect(house.router.view(OPERATOR, server('files')).facts).toEqual({
      serverInfo: { name: 'the files', version: '1' },
      capabilities: { tools: { listChanged: true }, experimental: { x: 1 } },
    });
    expect(house.router.view(OPERATOR, ALL).facts).toMatchObject({
      serverInfo: { name: 'starling' },
      instructions: 'do',
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
    });
  });

  it('of nobody is known not to exist; of a known peer it may come to be', async () => {
    const house = await houseOf({ files: {} }, { views: { work: {} } });
    house.membership.set('alice', alice);
    const exists = (spec: ViewSpec): boolean => house.router.exists(spec);
    expect(exists(server('files'))).toBe(true);
    expect(exists(server('nope'))).toBe(false);
    expect(exists(server('later', 'alice'))).toBe(true);
    expect(exists(server('files', 'nobody'))).toBe(false);
    expect(exists({ kind: 'all', view: 'work' })).toBe(true);
    for (const view of ['play', 'toString', '__proto__']) {
      expect(exists({ kind: 'all', view })).toBe(false);
    }
  });

  it('of a peer that is away says since when', async () => {
    const house = await houseOf({});
    house.membership.set('alice', alice, { state: 'left' });
    const calling = (): Route => routeOf(house, OPERATOR, 'x', server('git', 'alice'));
    expect(refusal(calling)).toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
      message: expect.stringContaining('peer alice has left the mesh') as string,
    });
    const nobody = (): Route => routeOf(house, OPERATOR, 'x', server('git', 'nobody'));
    expect(refusal(nobody).code).toBe('STARLING_PEER_UNKNOWN');
  });
});

describe('a peer', () => {
  it('sees only what it is granted of our own, and never what other peers offer', async () => {
    const house = await houseOf({
      files: {
        tools: [tool('read'), tool('write')],
        resources: [{ uri: 'file:///a', name: 'a' }],
        prompts: [{ name: 'sum' }],
      },
      git: { tools: [tool('log')] },
    });
    joins(house, 'alice', alice, { git: { tools: [tool('x')] } });
    const catalogs = (): unknown => house.router.view(BOB, CATALOG).catalogs;
    expect(catalogs()).toEqual([]);
    house.granted = ['tool:files/read', 'tool:starling/*', 'tool:@alice/**', 'prompt:files/sum'];
    expect(catalogs()).toMatchObject([
      { server: 'files', tools: [tool('read')], prompts: [{ name: 'sum' }], resources: [] },
      { server: 'starling', tools: [tool('status')] },
    ]);
    expect(names(house, BOB, server('git', 'alice'))).toEqual([]);
    const transit = (): Route => routeOf(house, BOB, 'x', server('git', 'alice'));
    expect(refusal(transit).code).toBe('STARLING_PEER_UNKNOWN');
  });

  it('gets the same refusal for a tool that exists and one that does not', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    const [real, made] = ['read', 'made'].map((name) =>
      refusal(() => routeOf(house, BOB, name, server('files'))),
    );
    for (const error of [real, made]) {
      expect(error?.code).toBe('STARLING_CALL_REFUSED');
      expect(error?.row.rpc).toBe(-32003);
      expect(error?.hint).toContain('run on workstation: starling grant create bob');
    }
    expect(made?.message.replace('made', 'read')).toBe(real?.message);
    expect(made?.hint?.replace('made', 'read')).toBe(real?.hint);
  });

  it('gets the same refusal for a server, a resource and a prompt that are there or not', async () => {
    const house = await houseOf({
      files: { resources: [{ uri: 'x:real', name: 'r' }], prompts: [{ name: 'real' }] },
    });
    const view = (name: string): ReturnType<Router['view']> => house.router.view(BOB, server(name));
    for (const name of ['files', 'nowhere']) {
      for (const what of ['real', 'made']) {
        const errors = [
          refusal(() => view(name).tool(what)),
          refusal(() => view(name).prompt(what)),
          refusal(() => view(name).resource(`x:${what}`, 'resource/read')),
        ];
        expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('STARLING_CALL_REFUSED'));
      }
    }
  });

  it('is asked about before anything is looked up, and again when grants change', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    refusal(() => routeOf(house, BOB, 'x', server('nowhere')));
    expect(house.asked).toEqual(['tool:nowhere/x']);
    house.granted = ['tool:files/*'];
    const { wanted } = routeOf(house, BOB, 'read', server('files'));
    expect(wanted).toEqual({ resource: 'tool:files/read', ability: 'tool/call' });
    expect(house.router.judge(BOB, wanted ?? { resource: '', ability: '' }).allow).toBe(true);
  });

  it('is asked about with the very URI and ability', async () => {
    const house = await houseOf({ files: { resources: [{ uri: 'x:a b/c', name: 'a' }] } });
    house.granted = ['resource:**'];
    const view = house.router.view(BOB, server('files'));
    const [read] = view.resource('x:a b/c', 'resource/read');
    const [subscribed] = view.resource('x:a b/c', 'resource/subscribe');
    expect(read?.wanted?.ability).toBe('resource/read');
    expect(subscribed?.wanted?.ability).toBe('resource/subscribe');
    expect(parseResource(String(read?.wanted?.resource)).scheme).toBe('resource');
  });

  it('that is granted a server’s tools may not call the operator’s own ones by it', async () => {
    const house = await houseOf({});
    house.granted = ['tool:starling/*'];
    expect(names(house, BOB, server('starling'))).toEqual(['status']);
  });

  it('is refused or told unknown for any name, and nothing breaks', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        for (const called of [name, `files__${name}`, `__${name}`]) {
          if (called === 'files__read') continue;
          const asPeer = (): Route => routeOf(house, BOB, called, server('files'));
          expect(refusal(asPeer).code).toBe('STARLING_CALL_REFUSED');
          expect(refusal(() => routeOf(house, OPERATOR, called)).code).toBe(
            'STARLING_TOOL_UNKNOWN',
          );
          expect(refusal(() => routeOf(house, AGENT, called)).code).toBe('STARLING_CALL_REFUSED');
        }
      }),
      { seed: 5, numRuns: 300 },
    );
    expect(parseResource('tool:files/read').scheme).toBe('tool');
  });
});
