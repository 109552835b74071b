/** The views of a node with everything that they ask, all of it in memory and in the hands of the test. */
import { EventEmitter } from 'node:events';
import { expect } from 'vitest';
import { StarlingError, createHealth, silentLogger } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { createDisabledAudit } from '../../../src/audit/index.ts';
import { createDirectory, createLacking } from '../../../src/directory/index.ts';
import type { Directory, ListedTool, ServerItems } from '../../../src/directory/index.ts';
import { createPins } from '../../../src/gateway/pins/pins.ts';
import type { Pins } from '../../../src/gateway/pins/pins.ts';
import { createViews } from '../../../src/gateway/catalog/views.ts';
import type { ViewsComponents } from '../../../src/gateway/catalog/views.ts';
import type { Route, Views, ViewSpec } from '../../../src/gateway/catalog/types.ts';
import { createClearance } from '../../../src/gateway/clearance/clearance.ts';
import type { Clearance } from '../../../src/gateway/clearance/clearance.ts';
import type { Upstream, UpstreamsEvents } from '../../../src/gateway/types.ts';
import type { ListKind } from '../../../src/gateway/catalog/lists.ts';
import { matchResource } from '../../../src/grants/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import type { Guard, Principal } from '../../../src/guard/index.ts';
import { createIdentity, didFromPeerId } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { catalogOf } from '../../directory/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { createFakeMembership } from './gateways.ts';
import type { FakeMembership } from './gateways.ts';

export const alice = createIdentity(Buffer.alloc(32, 2)).peerId;
export const carol = createIdentity(Buffer.alloc(32, 4)).peerId;
export const OPERATOR: Principal = { kind: 'operator' };
export const BOB: Principal = {
  kind: 'peer',
  peerId: carol,
  did: didFromPeerId(carol),
  alias: 'bob',
};
export const AGENT: Principal = { kind: 'agent', did: didFromPeerId(carol), name: 'helper' };
export const ALL: ViewSpec = { kind: 'all' };
export const CATALOG: ViewSpec = { kind: 'catalog' };
export const server = (name: string, peer?: string): ViewSpec => ({
  kind: 'server',
  server: name,
  ...(peer === undefined ? {} : { peer }),
});

export interface House {
  readonly views: Views;
  readonly clearance: Clearance;
  readonly directory: Directory;
  readonly membership: FakeMembership;
  readonly pins: Pins;
  readonly asked: string[];
  granted: string[];
  /** Peers whose lists are on their way. */
  coming: (typeof alice)[];
  /** Replaces what an own server lists. */
  relist(server: string, items: Partial<ServerItems>): void;
}

type Items = Partial<ServerItems>;

export const inputSchema = { type: 'object' };
export const tool = (name: string, extra: object = {}): ListedTool => ({
  name,
  inputSchema,
  ...extra,
});

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

export async function houseOf(
  servers: Readonly<Record<string, Items>>,
  init: {
    readonly guard?: Guard;
    readonly list?: Partial<ViewsComponents['config']['list']>;
    readonly views?: ViewsComponents['config']['views'];
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
      state: name === 'down' ? 'failed' : name === 'slow' ? 'starting' : 'ready',
      tools: listed.get(name)?.tools.length ?? 0,
      resources: 0,
      prompts: 0,
      instances: 0,
      ...(name === 'down' ? { error: 'it exited with code 3', hint: 'mend it' } : {}),
    }),
    stillStarting: () =>
      new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${name}' is still starting`),
    catalog: () => listed.get(name) ?? catalogOf(name),
    open: () => {
      throw new Error('nobody calls here');
    },
    leftOut: () => undefined,
    isBarred: (toolName, { kind }) => kind !== 'operator' && toolName === 'grant_create',
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
  const clearance = createClearance(
    {
      guard: init.guard ?? patternGuard(() => house),
      approvals: {
        ask: () => Promise.reject(new Error('nobody is asked here')),
        askLasting: () => Promise.reject(new Error('nobody is asked here')),
      },
      audit: createDisabledAudit(),
      clock: createTestClock(),
      logger: silentLogger,
    },
    { self: 'workstation' },
  );
  const views = createViews({
    upstreams: {
      events,
      all: () => all,
      get: (name) => all.find((upstream) => upstream.server === name),
    },
    directory,
    membership,
    clearance,
    self: 'workstation',
    logger: silentLogger,
    lacking: createLacking(createTestClock()),
    coming: () => house.coming,
    isAnyArriving: () => house.coming.length > 0,
    // When a pin is on disk is for the tests of pins: here each is at once.
    pins: {
      events: pins.events,
      review: (...listed) => pins.review(...listed),
      offered: (...listed) => pins.review(...listed),
      keeping: () => undefined,
      read: () => undefined,
    },
    config: {
      list: { tools: 'all', prefix: 'always', nameMax: 48, merge: false, ...init.list },
      views: init.views ?? {},
    },
    facts: { serverInfo: { name: 'starling' }, instructions: 'do' },
  });
  const house: House = {
    views,
    clearance,
    directory,
    membership,
    pins,
    asked: [],
    granted: [],
    coming: [],
    relist(name, items) {
      listed.set(name, catalogOf(name, items));
      events.emit('change', name);
    },
  };
  return house;
}

/** Lets a peer of this name appear, with these servers. */
export function joins(
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

export function listed(
  { views }: House,
  principal: Principal,
  spec: ViewSpec = ALL,
  kind: ListKind = 'tools',
): JsonObject[] {
  const page = views.view(principal, spec).lists.page(kind, 0)?.toString() ?? '';
  return Object.values(JSON.parse(`{${page}}`) as Record<string, JsonObject[]>)[0] ?? [];
}

export const names = (house: House, principal: Principal, spec: ViewSpec = ALL): unknown[] =>
  listed(house, principal, spec).map(({ name }) => name);

const REQUEST = parseFrame(
  Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}'),
) as RequestFrame;

/** The routes, once clearance has let a call by the first of them be made. */
export function cleared<Routes extends Route | readonly Route[]>(
  { clearance }: House,
  principal: Principal,
  routes: Routes,
): Routes {
  const [route] = [routes].flat() as Route[];
  if (route === undefined) throw new Error('there is no route');
  const done = clearance.clear({
    principal,
    request: REQUEST,
    wanted: route.wanted,
    obstacle: route.obstacle,
    session: 'bench',
    signal: () => new AbortController().signal,
    waits: () => () => undefined,
  });
  expect(done).not.toBeInstanceOf(Promise);
  return routes;
}

/** The only route of a tool, once the call was cleared. */
export function routeOf(
  house: House,
  principal: Principal,
  name: string,
  spec: ViewSpec = ALL,
): Route {
  const routes = house.views.view(principal, spec).tool(name);
  expect(routes).toHaveLength(1);
  return cleared(house, principal, routes)[0] as Route;
}

export const refusal = (act: () => unknown): StarlingError => {
  try {
    act();
  } catch (error) {
    if (error instanceof StarlingError) return error;
    throw error;
  }
  throw new Error('it was not refused');
};
