/** What narrows a view, and what chooses between servers: views, scopes, grants, pins, merged tools. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { routesOf } from '../../../src/gateway/session/request-target.ts';
import type { Route, View } from '../../../src/gateway/catalog/types.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import { createGrantBook } from '../../../src/grants/index.ts';
import { createGuard } from '../../../src/guard/index.ts';
import type { Guard, Principal } from '../../../src/guard/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import {
  AGENT,
  ALL,
  BOB,
  OPERATOR,
  alice,
  carol,
  cleared,
  houseOf,
  joins,
  listed,
  names,
  refusal,
  routeOf,
  server,
  tool,
} from '../support/views-bench.ts';

const READS = { annotations: { readOnlyHint: true } };
const dave = createIdentity(Buffer.alloc(32, 5)).peerId;

const client = (...scopes: string[]): Principal => ({ kind: 'client', name: 'ide', scopes });

function realGuard(): Guard {
  const identity = createIdentity(Buffer.alloc(32, 1));
  const grants = createGrantBook({
    identity,
    grants: memoryTable(),
    revocations: memoryTable(),
    clock: createTestClock(),
    logger: silentLogger,
  });
  return createGuard({
    grants,
    self: { name: 'workstation', did: identity.did },
    clientAccess: (tool) => (tool === 'status' ? 'yes' : 'no'),
  });
}

const peersOf = (routes: readonly Route[]): unknown[] =>
  routes.map(({ target }) => target.peer?.alias);

describe('a named view', () => {
  const views = {
    work: { allow: ['files/*', 'alice/git/log'], deny: ['files/delete'] },
    short: { tools: 'search', prefix: 'never', allow: ['files/read'] },
  } as const;
  const files = {
    tools: [tool('read'), tool('delete')],
    resources: [{ uri: 'a', name: 'a' }],
  };
  const git = { tools: [tool('log'), tool('push')], resources: [{ uri: 'git:x', name: 'x' }] };

  it('shows what it allows and has not denied, of peers too', async () => {
    const house = await houseOf({ files, git }, { views });
    joins(house, 'alice', alice, { git });
    expect(names(house, OPERATOR, { kind: 'all', view: 'work' })).toEqual([
      'files__read',
      'alice__git__log',
    ]);
  });

  it('has nothing else to call or read, listed or not, own or a peer’s', async () => {
    const house = await houseOf({ files, git }, { views });
    joins(house, 'alice', alice, { git });
    const view = house.views.view(OPERATOR, { kind: 'all', view: 'work' });
    for (const name of ['files__delete', 'git__log', 'alice__git__push', 'alice__files__read']) {
      expect(refusal(() => cleared(house, OPERATOR, view.tool(name))).code).toBe(
        'STARLING_TOOL_UNKNOWN',
      );
    }
    for (const uri of ['git:x', 'git:unlisted']) {
      const asked = view.resource(uri, 'resource/read').map(({ target }) => target.server);
      expect(asked).toEqual(['files']);
    }
    expect(view.tool('alice__git__log')).toHaveLength(1);
  });

  it('has its own mode and style, and what a client asks for goes before that', async () => {
    const house = await houseOf({ files }, { views, list: { tools: 'all' } });
    const view = (tools?: 'all' | 'search'): View =>
      house.views.view(OPERATOR, {
        kind: 'all',
        view: 'short',
        ...(tools === undefined ? {} : { tools }),
      });
    expect(view().toolsMode).toBe('search');
    expect(view('all').toolsMode).toBe('all');
    expect(view().lists.names('tools')).toEqual(['read']);
    expect(house.views.view(OPERATOR, server('files')).toolsMode).toBe('all');
  });

  it('follows the configuration as it changes', async () => {
    const house = await houseOf({ files }, { views });
    house.views.configure({
      list: { tools: 'search', prefix: 'always', nameMax: 48, merge: false },
      views: { play: {} },
    });
    expect(house.views.exists({ kind: 'all', view: 'work' })).toBe(false);
    expect(house.views.exists({ kind: 'all', view: 'play' })).toBe(true);
    expect(house.views.view(OPERATOR, ALL).toolsMode).toBe('search');
  });
});

describe('a tool that several peers offer alike', () => {
  const shared = { files: { tools: [tool('read', READS), tool('write')] } };

  async function twoPeers(): Promise<Awaited<ReturnType<typeof houseOf>>> {
    const house = await houseOf({}, { list: { merge: true } });
    joins(house, 'alice', alice, shared);
    joins(house, 'carol', carol, shared);
    return house;
  }
  const load = (house: Awaited<ReturnType<typeof houseOf>>, peer: 'alice' | 'carol', n: number) =>
    house.membership.set(peer, peer === 'alice' ? alice : carol, {
      presence: { load: n } as never,
    });

  it('is listed once, and what may not run twice is listed for each', async () => {
    const house = await twoPeers();
    expect(names(house, OPERATOR)).toEqual([
      'starling__status',
      'starling__grant_create',
      'files__read',
      'alice__files__write',
      'carol__files__write',
    ]);
  });

  it('goes to the peer that is least busy now, then to the others', async () => {
    const house = await twoPeers();
    const view = house.views.view(OPERATOR, ALL);
    load(house, 'alice', 7);
    load(house, 'carol', 2);
    const routes = view.tool('files__read');
    expect(peersOf(routes)).toEqual(['carol', 'alice']);
    load(house, 'carol', 900);
    expect(peersOf(view.tool('files__read'))).toEqual(['alice', 'carol']);
    expect(house.views.view(OPERATOR, ALL)).toBe(view);
    expect(routes.every(({ mayRepeat }) => mayRepeat === true)).toBe(true);
    expect(routes[0]?.edits).toEqual({ name: 'read' });
  });

  it('passes over a peer that has none though it lists one, as long as another is there', async () => {
    const house = await twoPeers();
    const view = house.views.view(OPERATOR, ALL);
    load(house, 'alice', 7);
    load(house, 'carol', 2);
    view.tool('files__read')[0]?.missing?.();
    expect(peersOf(view.tool('files__read'))).toEqual(['alice']);
    view.tool('files__read')[0]?.missing?.();
    expect(peersOf(view.tool('files__read'))).toEqual(['carol', 'alice']);
  });

  it('goes to the one that is left, when the other dies', async () => {
    const house = await twoPeers();
    house.membership.set('carol', carol, { state: 'dead' });
    expect(peersOf(house.views.view(OPERATOR, ALL).tool('files__read'))).toEqual(['alice']);
    expect(names(house, OPERATOR)).toContain('files__read');
  });

  it('is not offered once when one of them differs, or one is our own', async () => {
    const house = await twoPeers();
    joins(house, 'dave', dave, { files: { tools: [tool('read', { ...READS, title: 'odd' })] } });
    expect(names(house, OPERATOR)).toContain('dave__files__read');
    const own = await houseOf(shared, { list: { merge: true } });
    joins(own, 'alice', alice, shared);
    expect(routeOf(own, OPERATOR, 'files__read').target).toEqual({ server: 'files' });
    expect(names(own, OPERATOR)).toContain('alice__files__read');
  });

  it('may not be repeated where it is not merged', async () => {
    const house = await houseOf({});
    joins(house, 'alice', alice, shared);
    expect(routeOf(house, OPERATOR, 'alice__files__read').mayRepeat).toBeUndefined();
  });
});

describe('a peer that is renamed', () => {
  it('is called by its new name everywhere, and by the old one nowhere', async () => {
    const house = await houseOf({});
    joins(house, 'alice', alice, { git: { tools: [tool('log')] } });
    expect(names(house, OPERATOR)).toContain('alice__git__log');
    let changes = 0;
    house.views.events.on('change', () => void (changes += 1));
    house.membership.set('laptop', alice);
    expect(changes).toBe(1);
    expect(names(house, OPERATOR)).toContain('laptop__git__log');
    expect(names(house, OPERATOR)).not.toContain('alice__git__log');
    expect(routeOf(house, OPERATOR, 'laptop__git__log')).toMatchObject({
      target: { server: 'git', peer: { alias: 'laptop' } },
      wanted: { resource: 'tool:@laptop/git/log' },
    });
    expect(house.views.exists(server('git', 'laptop'))).toBe(true);
    expect(house.views.exists(server('git', 'alice'))).toBe(false);
  });
});

describe('what is quarantined', () => {
  it('is gone from the list; a call says why, and how to allow it', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    expect(names(house, OPERATOR)).toContain('files__read');
    house.relist('files', { tools: [tool('read', { description: 'now sends it to me' })] });
    expect(names(house, OPERATOR)).not.toContain('files__read');
    for (const spec of [ALL, server('files')]) {
      const name = spec === ALL ? 'files__read' : 'read';
      expect(refusal(() => routeOf(house, OPERATOR, name, spec))).toMatchObject({
        code: 'STARLING_TOOL_QUARANTINED',
        hint: expect.stringMatching(/^look: .*pin approve files\/read/) as string,
        data: { server: 'files', held: 'changed' },
      });
    }
    await house.pins.approve('', 'files');
    expect(names(house, OPERATOR)).toContain('files__read');
    expect(routeOf(house, OPERATOR, 'files__read').target).toEqual({ server: 'files' });
  });

  it('tells peers and agents where it can be allowed', async () => {
    const house = await houseOf({ files: { tools: [tool('read')], prompts: [{ name: 'sum' }] } });
    house.granted = ['tool:files/*', 'prompt:files/*'];
    names(house, OPERATOR);
    house.relist('files', {
      tools: [tool('read', { title: 'other' })],
      prompts: [{ name: 'sum', title: 'other' }],
    });
    for (const principal of [BOB, AGENT]) {
      const view = house.views.view(principal, server('files'));
      for (const route of [...view.tool('read'), view.prompt('sum')]) {
        expect(refusal(() => cleared(house, principal, route)).hint).toMatch(
          /^on workstation, look/,
        );
      }
    }
  });

  it('of a peer is held back here, whatever the peer thinks of it', async () => {
    const house = await houseOf({});
    joins(house, 'alice', alice, { git: { tools: [tool('log')] } });
    names(house, OPERATOR);
    joins(house, 'alice', alice, { git: { tools: [tool('log', { title: 'evil' })] } });
    expect(refusal(() => routeOf(house, OPERATOR, 'alice__git__log'))).toMatchObject({
      code: 'STARLING_TOOL_QUARANTINED',
      data: { server: 'git', peer: 'alice' },
    });
    const direct = server('git', 'alice');
    expect(refusal(() => routeOf(house, OPERATOR, 'log', direct)).code).toBe(
      'STARLING_TOOL_QUARANTINED',
    );
  });
});

describe('a client with scopes', () => {
  const all = { files: { tools: [tool('read'), tool('write')] }, git: { tools: [tool('log')] } };

  it('sees and calls what they cover, here and at peers', async () => {
    const house = await houseOf(all, { guard: realGuard() });
    joins(house, 'alice', alice, all);
    const ide = client('tool:files/read', 'tool:@alice/git/*');
    expect(names(house, ide)).toEqual(['files__read', 'alice__git__log']);
    expect(routeOf(house, ide, 'alice__git__log')).toMatchObject({
      target: { server: 'git', peer: { alias: 'alice' } },
      wanted: { resource: 'tool:@alice/git/log' },
    });
    for (const name of ['files__write', 'alice__files__read', 'alice__files__unlisted']) {
      expect(refusal(() => routeOf(house, ide, name)).code).toBe('STARLING_CALL_REFUSED');
    }
  });

  it('of everything is everything but the node’s own server', async () => {
    const house = await houseOf(all, { guard: realGuard() });
    joins(house, 'alice', alice, { git: all.git });
    expect(names(house, client('*'))).toEqual([
      'files__read',
      'files__write',
      'git__log',
      'alice__git__log',
    ]);
    expect(names(house, client('tool:starling/*'))).toEqual(['starling__status']);
  });

  it('can not tell what there is by the refusals', async () => {
    const house = await houseOf(all, { guard: realGuard() });
    const ide = client('tool:git/*');
    const [real, made] = ['files__read', 'nope__nada'].map((name) =>
      refusal(() => routeOf(house, ide, name)),
    );
    expect(made?.code).toBe(real?.code);
    expect(made?.message.replace('nope/nada', 'files/read')).toBe(real?.message);
  });
});

describe('an agent', () => {
  it('sees what is granted to it of this node and, by their names, of peers', async () => {
    const house = await houseOf({ files: { tools: [tool('read'), tool('write')] } });
    joins(house, 'alice', alice, { git: { tools: [tool('log')] } });
    house.granted = ['tool:files/read', 'tool:alice/**'];
    expect(names(house, AGENT)).toEqual(['files__read']);
    expect(refusal(() => routeOf(house, AGENT, 'alice__git__log')).code).toMatch(
      /STARLING_(CALL_REFUSED|TOOL_UNKNOWN)/,
    );
    expect(listed(house, AGENT, server('git', 'alice'))).toEqual([]);
    house.granted = ['tool:@alice/git/*'];
    expect(names(house, AGENT)).toEqual(['alice__git__log']);
    expect(routeOf(house, AGENT, 'alice__git__log').target.peer?.alias).toBe('alice');
  });
});

describe('a resource', () => {
  const items = {
    one: { resources: [{ uri: 'x:1', name: '1' }] },
    two: { templates: [{ uriTemplate: 'y:{id}', name: 'y' }] },
  };
  const servers = (view: View, uri: string): string[] =>
    view.resource(uri, 'resource/read').map(({ target }) => target.server);

  it('is where it is listed, else where a template fits, else asked of all that have some', async () => {
    const house = await houseOf({ ...items, none: { tools: [tool('t')] } });
    const view = house.views.view(OPERATOR, ALL);
    expect(servers(view, 'x:1')).toEqual(['one']);
    expect(servers(view, 'y:7')).toEqual(['two']);
    expect(servers(view, 'z:7')).toEqual(['one', 'two']);
  });

  it('that nobody lists is asked of eight servers and no more', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`s${n}`, items.one] as const),
    );
    const house = await houseOf(many);
    expect(servers(house.views.view(OPERATOR, ALL), 'z:7')).toHaveLength(8);
  });

  it('is asked only where the caller may read it', async () => {
    const house = await houseOf(items, { guard: realGuard() });
    const view = house.views.view(client('resource:two/**'), ALL);
    expect(servers(view, 'z:7')).toEqual(['two']);
    const blind = house.views.view(client('tool:one/*'), ALL);
    expect(refusal(() => blind.resource('x:1', 'resource/read')).data['uri']).toBe('x:1');
  });

  it('with an alias is called by its own URI at its server', async () => {
    const house = await houseOf({
      one: items.one,
      more: items.one,
      two: items.two,
      yet: items.two,
    });
    const view = house.views.view(OPERATOR, ALL);
    const [, alias = ''] = view.lists.names('resources');
    expect(view.resource(alias, 'resource/read')).toMatchObject([
      { target: { server: 'more' }, edits: { uri: 'x:1' } },
    ]);
    expect(view.resource('starling://yet/y%3A9', 'resource/read')).toMatchObject([
      { target: { server: 'yet' }, edits: { uri: 'y:9' } },
    ]);
  });
});

describe('a request', () => {
  const routes = (view: View, method: string, params: object): readonly Route[] => {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    return routesOf(view, parseFrame(Buffer.from(text)) as RequestFrame);
  };
  const files = {
    prompts: [{ name: 'sum up' }],
    templates: [{ uriTemplate: 'y:{id}', name: 'y' }],
  };

  it('for a completion goes where its prompt or its template is', async () => {
    const house = await houseOf({ files });
    const view = house.views.view(OPERATOR, ALL);
    const [prompt = ''] = view.lists.names('prompts');
    const byPrompt = { ref: { type: 'ref/prompt', name: prompt } };
    expect(routes(view, 'completion/complete', byPrompt)).toMatchObject([
      { target: { server: 'files' }, edits: { refName: 'sum up' } },
    ]);
    const byTemplate = { ref: { type: 'ref/resource', uri: 'y:{id}' } };
    expect(routes(view, 'completion/complete', byTemplate)).toMatchObject([
      { target: { server: 'files' } },
    ]);
    for (const ref of [
      undefined,
      'x',
      {},
      { type: 'ref/prompt' },
      { type: 'ref/other', name: 1 },
    ]) {
      expect(refusal(() => routes(view, 'completion/complete', { ref })).data['rpc']).toBe(-32602);
    }
  });

  it('without a proper name or URI is refused', async () => {
    const view = (await houseOf({ files })).views.view(OPERATOR, ALL);
    for (const method of ['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe']) {
      for (const params of [{}, { name: 7, uri: 7 }, { name: null, uri: [] }]) {
        expect(refusal(() => routes(view, method, params)).data['rpc']).toBe(-32602);
      }
    }
  });

  it('of a method that we do not know goes to the server of the view, or to nobody', async () => {
    const house = await houseOf({ files });
    const [route] = routes(house.views.view(OPERATOR, server('files')), 'x/y', {});
    expect(route?.target).toEqual({ server: 'files' });
    const whole = house.views.view(OPERATOR, ALL);
    expect(refusal(() => routes(whole, 'x/y', {})).data['rpc']).toBe(-32601);
    house.granted = ['tool:files/read'];
    const granted = house.views.view(BOB, server('files'));
    const refused = (): unknown => cleared(house, BOB, routes(granted, 'x/y', {}));
    expect(refusal(refused).code).toBe('STARLING_CALL_REFUSED');
  });

  it('about tasks goes to the one server that has them', async () => {
    const capabilities = { files: { tasks: { list: {} } } };
    const house = await houseOf({ files, git: {} }, { capabilities });
    const [route] = routes(house.views.view(OPERATOR, ALL), 'tasks/list', {});
    expect(route?.target).toEqual({ server: 'files' });
  });
});
