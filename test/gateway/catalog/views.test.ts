/** What each caller sees, and where a name leads. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/guard/index.ts';
import type { Route, Views, ViewSpec } from '../../../src/gateway/catalog/types.ts';
import { parseResource } from '../../../src/grants/index.ts';
import {
  AGENT,
  ALL,
  BOB,
  CATALOG,
  OPERATOR,
  alice,
  carol,
  cleared,
  houseOf,
  inputSchema,
  joins,
  listed,
  names,
  refusal,
  routeOf,
  server,
  tool,
} from '../support/views-bench.ts';
import { anyText } from '../../fixtures/any-text.ts';
import { upTo } from '../../long/extent.ts';

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

  it('finds a URI that two peers have at the same one, whichever of them came first', async () => {
    const items = { web: { resources: [{ uri: 'x:y', name: 'y' }] } };
    const orders = [
      [['ann', alice] as const, ['zoe', carol] as const],
      [['zoe', carol] as const, ['ann', alice] as const],
    ];
    for (const order of orders) {
      const house = await houseOf({});
      for (const [alias, peerId] of order) joins(house, alias, peerId, items);
      const owners = listed(house, OPERATOR, ALL, 'resources').map(({ uri, _meta }) => [
        uri,
        (_meta as Record<string, unknown>)['starling/peer'],
      ]);
      expect(owners).toEqual([
        ['x:y', alice],
        [expect.stringContaining('zoe__web'), carol],
      ]);
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

  it('has a tool of this node by its bare name too, listed once, where no listed tool is called so', async () => {
    const house = await houseOf({ files: { tools: [tool('status')] } });
    expect(names(house, OPERATOR)).toEqual(
      expect.arrayContaining(['files__status', 'starling__status']),
    );
    expect(names(house, OPERATOR)).not.toContain('status');
    expect(routeOf(house, OPERATOR, 'status')).toMatchObject({
      target: { server: 'starling' },
      edits: { name: 'status' },
    });
    // Where one server alone is listed, names are its own.
    expect(routeOf(house, OPERATOR, 'status', server('files')).target).toEqual({ server: 'files' });
  });

  it('loses the tools of a peer that dies, keeps those of a suspect, and gets them back', async () => {
    const house = await houseOf({});
    joins(house, 'alice', alice, { git: { tools: [tool('log')] } });
    const sees = (): boolean => names(house, OPERATOR).includes('alice__git__log');
    let changes = 0;
    house.views.events.on('change', () => void (changes += 1));
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

  it('is told to wait for a server that is still starting', async () => {
    const house = await houseOf({ slow: {} });
    expect(refusal(() => routeOf(house, OPERATOR, 'slow__x'))).toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: "server 'slow' is still starting",
    });
  });

  it('is told whose lists are not here yet, where one of these may bring the name', async () => {
    const house = await houseOf({}, { list: { merge: true } });
    house.membership.set('alice', alice);
    expect(house.views.awaitsLists()).toBe(false);
    house.coming = [alice];
    expect(house.views.awaitsLists()).toBe(true);
    const [route] = house.views.view(OPERATOR, ALL).tool('files__read');
    expect(route?.isUnknown).toBe(true);
    expect(refusal(() => routeOf(house, OPERATOR, 'files__read'))).toMatchObject({
      code: 'STARLING_TOOL_UNKNOWN',
      message: "no tool is called 'files__read' so far: the list of alice is not here yet",
      hint: expect.stringMatching(/^try again in a moment, .*alice__files__read/) as string,
      data: { coming: ['alice'] },
    });
    const view = house.views.view(OPERATOR, ALL);
    expect(refusal(() => view.prompt('sum')).message).toContain('the list of alice is not here');
    expect(refusal(() => routeOf(house, AGENT, 'files__read')).message).not.toContain('alice');
    // The list is here, and has no such tool.
    house.coming = [];
    const reads = { annotations: { readOnlyHint: true } };
    joins(house, 'alice', alice, { files: { tools: [tool('write', reads)] } });
    expect(names(house, OPERATOR)).toContain('files__write');
    expect(refusal(() => routeOf(house, OPERATOR, 'files__read')).message).toBe(
      "no tool is called 'files__read'",
    );
  });

  it('waits for no list where peers’ tools carry the names of peers, but for a name that was cut', async () => {
    const house = await houseOf({});
    house.membership.set('alice', alice);
    house.coming = [alice];
    const view = house.views.view(OPERATOR, ALL);
    const isUnknown = (name: string): boolean => view.tool(name)[0]?.isUnknown === true;
    expect(
      ['files__read', 'alice__files__read', 'starling__odd', 'alice__files__read_a1b2c3'].map(
        isUnknown,
      ),
    ).toEqual([false, false, false, true]);
    expect(refusal(() => routeOf(house, OPERATOR, 'files__read')).data['coming']).toBeUndefined();
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
    const view = house.views.view(OPERATOR, ALL);
    expect(house.views.view(OPERATOR, ALL)).toBe(view);
    expect(house.views.view(OPERATOR, server('files'))).not.toBe(view);
    house.relist('files', { tools: [tool('read')] });
    const next = house.views.view(OPERATOR, ALL);
    expect(next).not.toBe(view);
    expect(next.lists.digest('tools')).toBe(view.lists.digest('tools'));
  });
});

describe('a client with scopes', () => {
  const client: Principal = { kind: 'client', name: 'ci', scopes: ['*'] };

  it('is told whose lists are not here yet only where it may ask for the peers of the node', async () => {
    const house = await houseOf({}, { list: { merge: true } });
    house.membership.set('alice', alice);
    house.coming = [alice];
    const told = (): boolean[] => {
      const view = house.views.view({ ...client }, ALL);
      return [
        refusal(() => view.prompt('sum')),
        refusal(() => view.resource('x:y', 'resource/read')),
        view.tool('files__read')[0]?.obstacle?.(),
      ].map((error) =>
        JSON.stringify([error?.message, error?.hint, error?.data]).includes('alice'),
      );
    };
    house.granted = ['tool:files/*'];
    expect(told()).toEqual([false, false, false]);
    house.granted = ['tool:starling/peers'];
    expect(told()).toEqual([true, true, true]);
  });

  it('gets one view for all its sessions, and another client its own', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    const { views } = house;
    const view = views.view(client, ALL);
    expect(views.view(client, ALL)).toBe(view);
    expect(views.view({ ...client }, ALL)).not.toBe(view);
    expect(views.view(AGENT, ALL)).not.toBe(views.view(AGENT, ALL));
    house.relist('files', { tools: [tool('write')] });
    expect(views.view(client, ALL)).not.toBe(view);
  });

  it('has no more views kept than there is use for, whatever paths it asks at', async () => {
    const { views } = await houseOf({});
    const first = views.view(client, server('x0'));
    for (let count = 1; count <= 64; count += 1) views.view(client, server(`x${count}`));
    expect(views.view(client, server('x64'))).toBe(views.view(client, server('x64')));
    expect(views.view(client, server('x0'))).not.toBe(first);
  });
});

describe('one server', () => {
  it('has its names untouched, here and at a peer', async () => {
    const house = await houseOf({ files: { tools: [tool('read.it'), tool('a__b')] } });
    joins(house, 'alice', alice, { git: { tools: [tool('x'.repeat(100))] } });
    expect(names(house, OPERATOR, server('files'))).toEqual(['read.it', 'a__b']);
    expect(names(house, OPERATOR, server('git', 'alice'))).toEqual(['x'.repeat(100)]);
    const own = routeOf(house, OPERATOR, 'read.it', server('files'));
    expect([own.target, own.edits]).toEqual([{ server: 'files' }, undefined]);
    expect(routeOf(house, OPERATOR, 'x', server('git', 'alice'))).toMatchObject({
      target: { server: 'git', peer: { peerId: alice } },
    });
  });

  it('says of itself what the server says', async () => {
    const house = await houseOf(
      { files: { tools: [tool('read')] } },
      { capabilities: { files: { tools: {}, experimental: { x: 1 } } } },
    );
    expect(house.views.view(OPERATOR, server('files')).facts).toEqual({
      serverInfo: { name: 'the files', version: '1' },
      capabilities: { tools: { listChanged: true }, experimental: { x: 1 } },
    });
    expect(house.views.view(OPERATOR, ALL).facts).toMatchObject({
      serverInfo: { name: 'starling' },
      instructions: 'do',
      capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
    });
  });

  it('of nobody is known not to exist; of a known peer it may come to be', async () => {
    const house = await houseOf({ files: {} }, { views: { work: {} } });
    house.membership.set('alice', alice);
    const exists = (spec: ViewSpec): boolean => house.views.exists(spec);
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
      message: expect.stringContaining('peer alice has stopped') as string,
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
    const catalogs = (): unknown => house.views.view(BOB, CATALOG).catalogs;
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
    const view = (name: string): ReturnType<Views['view']> => house.views.view(BOB, server(name));
    for (const name of ['files', 'nowhere']) {
      for (const what of ['real', 'made']) {
        const errors = [
          refusal(() => cleared(house, BOB, view(name).tool(what))),
          refusal(() => cleared(house, BOB, view(name).prompt(what))),
          refusal(() => cleared(house, BOB, view(name).resource(`x:${what}`, 'resource/read'))),
        ];
        expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('STARLING_CALL_REFUSED'));
      }
    }
  });

  it('is asked about once for a call, whether or not there is anything to call', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    refusal(() => routeOf(house, BOB, 'x', server('nowhere')));
    expect(house.asked).toEqual(['tool:nowhere/x']);
    house.granted = ['tool:files/*'];
    const view = house.views.view(BOB, server('files'));
    expect(view.lists.names('tools')).toEqual(['read']);
    house.asked.length = 0;
    const [route] = cleared(house, BOB, view.tool('read'));
    expect(route?.wanted).toEqual({ resource: 'tool:files/read', ability: 'tool/call' });
    expect(house.asked).toEqual(['tool:files/read']);
  });

  it('that may call a tool is told that it does not exist, and nobody else is', async () => {
    const house = await houseOf({ files: { tools: [tool('read')] } });
    const helper = (): Route => routeOf(house, AGENT, 'files__nothing');
    expect(refusal(helper).code).toBe('STARLING_CALL_REFUSED');
    house.granted = ['tool:files/*'];
    expect(refusal(helper).code).toBe('STARLING_TOOL_UNKNOWN');
  });

  it('is asked about with the very URI and ability', async () => {
    const house = await houseOf({ files: { resources: [{ uri: 'x:a b/c', name: 'a' }] } });
    house.granted = ['resource:**'];
    const view = house.views.view(BOB, server('files'));
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
      fc.property(anyText(), (name) => {
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
      { seed: 5, numRuns: upTo(80, 1000) },
    );
    expect(parseResource('tool:files/read').scheme).toBe('tool');
  });
});
