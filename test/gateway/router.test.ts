/** What each caller sees, and where a name leads. */
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createDirectory } from '../../src/directory/index.ts';
import type { Directory, ListedTool } from '../../src/directory/index.ts';
import { createRouter } from '../../src/gateway/router.ts';
import type { Router } from '../../src/gateway/router.ts';
import type { Link, Upstream, UpstreamsEvents } from '../../src/gateway/types.ts';
import { parseResource, matchResource } from '../../src/grants/index.ts';
import type { Guard, Principal } from '../../src/guard/index.ts';
import { createIdentity, didFromPeerId } from '../../src/identity/index.ts';
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

interface House {
  readonly router: Router;
  readonly directory: Directory;
  readonly membership: FakeMembership;
  readonly asked: string[];
  granted: string[];
  changed(): void;
}

const inputSchema = { type: 'object' };
const tool = (name: string, extra: object = {}): ListedTool => ({ name, inputSchema, ...extra });
const linkTo = (server: string): Link => ({ server }) as unknown as Link;

function houseOf(servers: Record<string, readonly ListedTool[]>): House {
  const events = new EventEmitter<UpstreamsEvents>();
  const all = Object.entries({ ...servers, starling: [tool('status'), tool('grant_create')] }).map(
    ([server, tools]): Upstream => ({
      server,
      status: () => ({ server, kind: 'stdio', state: 'ready', tools: tools.length }),
      tools: () => (server === 'down' ? [] : tools),
      link() {
        if (server !== 'down') return linkTo(server);
        throw new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', "server 'down' exited");
      },
      forOperatorOnly: (name) => name === 'grant_create',
    }),
  );
  const directory = createDirectory({ logger: silentLogger }, { tools: 100, bytes: 100_000 });
  const membership = createFakeMembership();
  const asked: string[] = [];
  const guard: Guard = {
    decide(principal, { resource }) {
      asked.push(resource);
      if (principal.kind === 'operator') return { allow: true };
      if (house.granted.some((pattern) => matchResource(pattern, resource))) return { allow: true };
      const hint = `starling grant create bob --tool '${resource}'`;
      return { allow: false, refusal: { rule: 'not-granted', text: `not ${resource}` }, hint };
    },
  };
  const router = createRouter({
    upstreams: {
      events,
      all: () => all,
      get: (server) => all.find((upstream) => upstream.server === server),
      settled: () => Promise.resolve(),
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
    },
    directory,
    membership,
    guard,
    self: 'workstation',
  });
  const house: House = {
    router,
    directory,
    membership,
    asked,
    granted: [],
    changed: () => events.emit('change', 'files'),
  };
  return house;
}

function listed(router: Router, principal: Principal): ListedTool[] {
  const page = router.view(principal).page(0)?.toString() ?? '';
  return (JSON.parse(`{${page}}`) as { tools: ListedTool[] }).tools;
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

const noPeers = { get: () => linkTo('no peer') };

describe('the operator', () => {
  it('sees own tools as they are, and peers’ tools with who owns them', () => {
    const { router, directory, membership } = houseOf({
      files: [tool('read', { title: 'R', x: 1 })],
    });
    membership.set('alice', alice);
    directory.set(alice, [tool('git__log', { _meta: { own: 1, 'starling/server': 'git' } })]);
    expect(listed(router, OPERATOR)).toEqual([
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

  it('is not fooled by a peer that says a tool is another’s', () => {
    const { router, directory, membership } = houseOf({});
    membership.set('alice', alice);
    directory.set(alice, [tool('x', { _meta: { 'starling/peer': 'somebody else' } })]);
    const [, , theirs] = listed(router, OPERATOR);
    expect(theirs).toMatchObject({ _meta: { 'starling/peer': alice } });
  });

  it('keeps own names when a peer takes the name of a server', () => {
    const { router, directory, membership } = houseOf({ files: [tool('read')] });
    membership.set('files', alice);
    directory.set(alice, [tool('read')]);
    expect(router.route(OPERATOR, 'files__read').link(noPeers)).toEqual({ server: 'files' });
    const theirs = listed(router, OPERATOR).find(({ _meta }) => _meta !== undefined);
    expect(theirs?.name).toMatch(/^files__read_[0-9a-f]{6}$/);
    expect(router.route(OPERATOR, theirs?.name ?? '').name).toBe('read');
  });

  it('loses the tools of a peer that dies, keeps those of a suspect, and gets them back', () => {
    const { router, directory, membership } = houseOf({});
    membership.set('alice', alice);
    directory.set(alice, [tool('git__log')]);
    const sees = (): boolean => router.view(OPERATOR).names.includes('alice__git__log');
    let changes = 0;
    router.events.on('change', () => void (changes += 1));
    membership.set('alice', alice, { state: 'suspect' });
    expect(sees()).toBe(true);
    expect(changes).toBe(0);
    for (const state of ['dead', 'left'] as const) {
      membership.set('alice', alice, { state });
      expect(sees()).toBe(false);
    }
    expect(changes).toBe(1);
    membership.set('alice', alice);
    expect(sees()).toBe(true);
  });

  it('reaches a peer’s tool by its table, whatever the name looks like', () => {
    const { router, directory, membership } = houseOf({});
    membership.set('alice', alice);
    const long = `git__${'a'.repeat(70)}`;
    directory.set(alice, [tool(long)]);
    const name = router.view(OPERATOR).names.at(-1) ?? '';
    expect(name).toHaveLength(48);
    const peers: PeerId[] = [];
    const route = router.route(OPERATOR, name);
    void route.link({ get: (peer) => (peers.push(peer.peerId), linkTo('alice')) });
    expect(route.name).toBe(long);
    expect(peers).toEqual([alice]);
  });

  it('is let through to a peer for a tool that it can not see: the peer says why', () => {
    const { router, membership } = houseOf({});
    membership.set('alice', alice);
    expect(router.route(OPERATOR, 'alice__files__secret').name).toBe('files__secret');
  });

  it('is told since when a dead peer is silent', () => {
    const { router, membership } = houseOf({});
    membership.set('alice', alice, { state: 'dead' });
    const error = refusal(() => router.route(OPERATOR, 'alice__files__read'));
    expect(error.code).toBe('STARLING_PEER_UNREACHABLE');
    expect(error.message).toContain('peer alice is unreachable');
    expect(error.message).toContain('2026-06-01T00:00:00.000Z');
  });

  it('is told what a mistyped name may have been', () => {
    const { router } = houseOf({ files: [tool('read_file'), tool('write_file')] });
    const hintOf = (name: string): string | undefined =>
      refusal(() => router.route(OPERATOR, name)).hint;
    expect(hintOf('files__raed_file')).toBe('did you mean files__read_file?');
    expect(hintOf('file__read_file')).toContain('files__read_file');
    expect(hintOf('zzz')).toContain('starling tools');
  });

  it('is told why a server’s tools are missing', () => {
    const { router } = houseOf({ down: [] });
    expect(refusal(() => router.route(OPERATOR, 'down__x')).message).toBe("server 'down' exited");
  });
});

describe('a peer', () => {
  it('sees only what it is granted of our own, and never what other peers offer', () => {
    const house = houseOf({ files: [tool('read'), tool('write')], git: [tool('log')] });
    house.membership.set('alice', alice);
    house.directory.set(alice, [tool('x')]);
    expect(listed(house.router, BOB)).toEqual([]);
    house.granted = ['tool:files/read', 'tool:starling/*', 'tool:alice/*'];
    expect(listed(house.router, BOB)).toEqual([
      { name: 'files__read', inputSchema, _meta: { 'starling/server': 'files' } },
      { name: 'starling__status', inputSchema, _meta: { 'starling/server': 'starling' } },
    ]);
    expect(refusal(() => house.router.route(BOB, 'alice__x')).code).toBe('STARLING_TOOL_UNKNOWN');
  });

  it('gets the same refusal for a tool that exists and one that does not', () => {
    const { router } = houseOf({ files: [tool('read')] });
    const [real, made] = ['files__read', 'files__made'].map((name) =>
      refusal(() => router.route(BOB, name)),
    );
    for (const error of [real, made]) {
      expect(error?.code).toBe('STARLING_CALL_REFUSED');
      expect(error?.row.rpc).toBe(-32003);
      expect(error?.hint).toContain('run on workstation: starling grant create bob');
    }
    expect(made?.message.replace('made', 'read')).toBe(real?.message);
    expect(made?.hint?.replace('made', 'read')).toBe(real?.hint);
  });

  it('is asked about before anything is looked up, and again when grants change', () => {
    const house = houseOf({ files: [tool('read')] });
    refusal(() => house.router.route(BOB, 'nowhere__x'));
    expect(house.asked).toEqual(['tool:nowhere/x']);
    house.granted = ['tool:files/*'];
    const { wanted } = house.router.route(BOB, 'files__read');
    expect(wanted).toEqual({ resource: 'tool:files/read', ability: 'tool/call' });
    expect(house.router.judge(BOB, wanted ?? { resource: '', ability: '' }).allow).toBe(true);
  });

  it('that may call a server’s tools is told of a name that is none', () => {
    const house = houseOf({ files: [tool('read')] });
    house.granted = ['tool:files/*'];
    expect(refusal(() => house.router.route(BOB, 'files__raed'))).toMatchObject({
      code: 'STARLING_TOOL_UNKNOWN',
      hint: 'did you mean files__read?',
    });
  });

  it('reaches a tool by a name that was made to fit', () => {
    const house = houseOf({ files: [tool('read.it')] });
    house.granted = ['tool:files/read.it'];
    const [name = ''] = house.router.view(BOB).names;
    expect(name).toMatch(/^files__read_it_[0-9a-f]{6}$/);
    expect(house.router.route(BOB, name).name).toBe('read.it');
  });

  it('is refused or told unknown for any name, and nothing breaks', () => {
    const house = houseOf({ files: [tool('read')] });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        for (const called of [name, `files__${name}`, `__${name}`]) {
          if (called === 'files__read') continue;
          expect(refusal(() => house.router.route(BOB, called)).code).toBe('STARLING_CALL_REFUSED');
          expect(refusal(() => house.router.route(OPERATOR, called)).code).toBe(
            'STARLING_TOOL_UNKNOWN',
          );
        }
      }),
      { seed: 5, numRuns: 300 },
    );
    expect(parseResource('tool:files/read').scheme).toBe('tool');
  });
});

describe('the operator’s view', () => {
  it('is made once for all sessions, until something changes', () => {
    const house = houseOf({ files: [tool('read')] });
    const { router } = house;
    const view = router.view(OPERATOR);
    expect(router.view(OPERATOR)).toBe(view);
    house.changed();
    expect(router.view(OPERATOR)).not.toBe(view);
    expect(router.view(OPERATOR).digest).toBe(view.digest);
  });
});
