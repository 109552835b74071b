/** A peer's list is asked for when its heartbeat says that it changed, until it is had. */
import { describe, expect, it } from 'vitest';
import { StarlingError, createHealth, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import type { ServerCatalog } from '../../../src/directory/index.ts';
import { createPeerCatalogs } from '../../../src/gateway/upstreams/peer-catalogs.ts';
import type { PeerCatalogs } from '../../../src/gateway/upstreams/peer-catalogs.ts';
import type { ServerChannel } from '../../../src/gateway/channel-types.ts';
import type { NotificationFrame, ResponseFrame } from '../../../src/gateway/frame-types.ts';
import { notificationBytes, parseFrame } from '../../../src/gateway/wire/frame.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createDirectory } from '../../../src/directory/index.ts';
import { catalogOf } from '../../directory/arrange.ts';
import { manualClock } from '../../grants/arrange.ts';
import { createFakeMembership } from '../support/gateways.ts';

const alice = createIdentity(Buffer.alloc(32, 2)).peerId;
const CHANGED = parseFrame(
  notificationBytes('notifications/tools/list_changed'),
) as NotificationFrame;

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Peer {
  readonly catalogs: PeerCatalogs;
  readonly clock: ReturnType<typeof manualClock>;
  /** Servers in the directory, by their names. */
  listed: readonly string[] | undefined;
  /** Whether its list is over the longest message. */
  isTooLong: boolean;
  /** What the peer answers; undefined: it does not answer in time. */
  servers: readonly string[] | undefined;
  /** Whether there is a link to it. */
  isLinked: boolean;
  /** It is no neighbour. */
  isSpare: boolean;
  /** It has granted something. */
  isWanted: boolean;
  /** How often it was asked whether it has granted something. */
  looks: number;
  /** Lists that it was asked for, and sessions that were opened. */
  asked: number;
  opened: number;
  /** Times that it told of a change while it was over its allowance. */
  complaints: number;
  notify(): void;
  end(): void;
  beat(digest: string): void;
}

async function followed(digest = 'one', isWanted = true): Promise<Peer> {
  const clock = manualClock();
  const membership = createFakeMembership();
  let hear: (frame: NotificationFrame) => void = () => undefined;
  let end: () => void = () => undefined;
  const answer = (servers: readonly string[]): ResponseFrame => {
    const result = { servers: servers.map((name) => catalogOf(name)) };
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result });
    return parseFrame(Buffer.from(text)) as ResponseFrame;
  };
  const open = async (): Promise<ServerChannel> => {
    peer.opened += 1;
    if (peer.opened > 1000) throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many sessions');
    return {
      relay: () => ({ cancel: () => undefined }),
      async request() {
        peer.asked += 1;
        await settle();
        if (peer.isTooLong) throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too long');
        if (peer.servers === undefined) throw new StarlingError('STARLING_TIMEOUT', 'no answer');
        return answer(peer.servers);
      },
      notify: () => undefined,
      ended: new Promise((resolve) => {
        end = () => resolve(new StarlingError('STARLING_PEER_UNREACHABLE', 'gone'));
      }),
      close: () => undefined,
    };
  };
  const catalogs = createPeerCatalogs({
    changesTooOften: (_, times) => void (peer.complaints += times),
    membership,
    directory: {
      set: (_: PeerId, servers: readonly ServerCatalog[]) => {
        peer.listed = servers.map(({ server }) => server);
      },
      clear: () => {
        peer.listed = undefined;
      },
    },
    isConnected: () => peer.isLinked,
    isSpare: () => peer.isSpare,
    isWanted(): boolean {
      peer.looks += 1;
      return peer.isWanted;
    },
    listed: () => undefined,
    open(_, notification) {
      hear = notification;
      return open();
    },
    clock,
    random: () => 0.5,
    logger: silentLogger,
  });
  const peer: Peer = {
    catalogs,
    clock,
    listed: undefined,
    servers: ['files'],
    isLinked: true,
    isSpare: false,
    isWanted,
    isTooLong: false,
    looks: 0,
    asked: 0,
    opened: 0,
    complaints: 0,
    notify: () => hear(CHANGED),
    end: () => end(),
    beat: (digest) => membership.set('alice', alice, { presence: { catalog: digest } as never }),
  };
  peer.beat(digest);
  catalogs.start();
  await clock.advance(0);
  await settle();
  await settle();
  return peer;
}

describe('the list of a peer', () => {
  it('is asked for when the peer appears, and not again while nothing changes', async () => {
    const peer = await followed();
    expect(peer.listed).toEqual(['files']);
    for (let beat = 0; beat < 5; beat += 1) {
      peer.beat('one');
      await peer.clock.advance(5000);
    }
    expect([peer.asked, peer.opened]).toEqual([1, 1]);
    peer.catalogs.stop();
    expect(peer.listed).toBeUndefined();
  });

  it('is said to come until it is there for the first time, and not where nobody is asked', async () => {
    const peer = await followed('one', false);
    expect(peer.catalogs.coming()).toEqual([]);
    peer.isWanted = true;
    peer.servers = undefined;
    peer.catalogs.look();
    await settle();
    await settle();
    expect([peer.asked, peer.catalogs.coming()]).toEqual([1, [alice]]);
    expect(peer.catalogs.isAnyArriving()).toBe(true);
    // Who does not give its list for long is not waited for.
    await peer.clock.advance(10_000);
    expect([peer.catalogs.coming(), peer.catalogs.isAnyArriving()]).toEqual([[alice], false]);
    peer.servers = ['files'];
    await peer.clock.advance(60_000);
    await settle();
    await settle();
    expect([peer.listed, peer.catalogs.coming()]).toEqual([['files'], []]);
    // A list that changes is none that is waited for.
    peer.servers = undefined;
    peer.beat('two');
    await peer.clock.advance(1000);
    expect(peer.catalogs.coming()).toEqual([]);
    peer.catalogs.stop();
  });

  it('comes soon when it was told of as changed, or something was granted, and for a short time only', async () => {
    const peer = await followed();
    expect(peer.catalogs.isAnyArriving()).toBe(false);
    peer.notify();
    expect(peer.catalogs.isAnyArriving()).toBe(true);
    await peer.clock.advance(100);
    await settle();
    expect([peer.asked, peer.catalogs.isAnyArriving()]).toEqual([2, false]);
    peer.catalogs.look();
    expect(peer.catalogs.isAnyArriving()).toBe(true);
    await peer.clock.advance(2000);
    expect(peer.catalogs.isAnyArriving()).toBe(false);
    peer.catalogs.stop();
    expect(peer.catalogs.isAnyArriving()).toBe(false);
  });

  it.each([
    { who: 'that does not answer when it is asked anew', isFirst: false, isSilent: true },
    { who: 'that never gave one', isFirst: true, isSilent: true },
    { who: 'that tells of changes without end', isFirst: false, isSilent: false },
  ])('of a peer $who is not waited for over and over', async ({ isFirst, isSilent }) => {
    const peer = await followed('one', !isFirst);
    if (isSilent) peer.servers = undefined;
    peer.isWanted = true;
    if (isFirst) peer.catalogs.look();
    let waited = 0;
    for (let at = 0; at < 600; at += 1) {
      // Its beats say what they said before, but for the one that tells of a change.
      if (at % 50 === 0) peer.beat('two');
      if (!isFirst) peer.notify();
      await peer.clock.advance(200);
      await settle();
      if (peer.catalogs.isAnyArriving()) waited += 200;
    }
    expect(peer.asked).toBeGreaterThan(5);
    // Of two minutes, for which callers of names that nobody has would wait.
    expect(waited).toBeLessThan(30_000);
    peer.catalogs.stop();
  });

  it('costs nobody a walk through all grants who asks whether it comes, where it is not wanted or is there', async () => {
    for (const isWanted of [false, true]) {
      const peer = await followed('one', isWanted);
      await peer.clock.advance(20_000);
      const { looks } = peer;
      expect([peer.catalogs.coming(), peer.catalogs.isAnyArriving()]).toEqual([[], false]);
      expect(peer.looks).toBe(looks);
      peer.catalogs.stop();
    }
  });

  it('is not dialled for: without a link nobody asks, and the link is enough', async () => {
    const peer = await followed();
    peer.isLinked = false;
    peer.end();
    await peer.clock.advance(300_000);
    expect(peer.opened).toBe(1);
    peer.isLinked = true;
    peer.beat('one');
    await settle();
    await settle();
    expect(peer.opened).toBe(2);
    peer.catalogs.stop();
  });

  it('of a neighbour that has granted nothing is not asked for, whatever it offers, until it grants something', async () => {
    const peer = await followed('one', false);
    await peer.clock.advance(300_000);
    peer.beat('two');
    await peer.clock.advance(300_000);
    expect(peer.opened).toBe(0);
    peer.isWanted = true;
    peer.catalogs.look();
    await settle();
    await settle();
    expect([peer.opened, peer.listed]).toEqual([1, ['files']]);
    peer.catalogs.stop();
  });

  it('of a peer that is no neighbour is asked for in a session of its own, once for each digest', async () => {
    const peer = await followed();
    peer.isSpare = true;
    peer.isLinked = false;
    peer.end();
    await peer.clock.advance(60_000);
    expect(peer.opened).toBe(1);
    peer.servers = ['git'];
    peer.beat('two');
    await peer.clock.advance(60_000);
    await settle();
    expect([peer.listed, peer.opened]).toEqual([['git'], 2]);
    peer.beat('two');
    await peer.clock.advance(60_000);
    peer.isWanted = false;
    peer.beat('three');
    await peer.clock.advance(300_000);
    expect(peer.opened).toBe(2);
    // Something more was granted.
    peer.isWanted = true;
    peer.catalogs.look();
    await peer.clock.advance(300_000);
    expect(peer.opened).toBe(3);
    peer.catalogs.stop();
  });

  it.each([
    ['after it has granted something more', (peer: Peer) => peer.catalogs.look()],
    ['after it has told of another digest', (peer: Peer) => peer.beat('two')],
  ])('of a peer that is no neighbour is asked for until it is had, %s', async (_, changes) => {
    const peer = await followed();
    peer.isSpare = true;
    peer.isLinked = false;
    peer.end();
    await peer.clock.advance(60_000);
    const before = peer.asked;
    peer.servers = undefined;
    changes(peer);
    for (let n = 0; n < 20; n += 1) await settle();
    expect([peer.asked > before, peer.listed]).toEqual([true, ['files']]);
    peer.servers = ['git'];
    for (let n = 0; n < 5; n += 1) {
      await peer.clock.advance(60_000);
      await settle();
    }
    expect(peer.listed).toEqual(['git']);
    const asked = peer.asked;
    await peer.clock.advance(600_000);
    expect(peer.asked).toBe(asked);
    peer.catalogs.stop();
  });

  it('of a peer that is no neighbour costs no session while no list of it may be read', async () => {
    const peer = await followed();
    peer.isSpare = true;
    peer.isLinked = false;
    peer.servers = Array.from({ length: 900 }, (_, at) => `server${at}-${'x'.repeat(20)}`);
    peer.end();
    for (let beat = 0; beat < 300; beat += 1) {
      peer.beat(`${beat}`);
      await peer.clock.advance(100);
      await settle();
      await settle();
    }
    expect(peer.opened).toBeLessThanOrEqual(peer.asked);
    expect(peer.opened).toBeLessThan(50);
    await peer.clock.advance(120_000);
    expect(peer.listed).toHaveLength(900);
    peer.catalogs.stop();
  });

  it('is asked for again when another digest comes with a heartbeat', async () => {
    const peer = await followed();
    peer.servers = ['files', 'git'];
    peer.beat('two');
    await peer.clock.advance(100);
    await settle();
    expect(peer.listed).toEqual(['files', 'git']);
    peer.beat('two');
    await peer.clock.advance(60_000);
    expect(peer.asked).toBe(2);
    peer.catalogs.stop();
  });

  it('that could not be had is asked for until it is, less and less often', async () => {
    const peer = await followed();
    peer.servers = undefined;
    peer.beat('two');
    await peer.clock.advance(60_000);
    expect(peer.listed).toEqual(['files']);
    expect(peer.asked).toBeGreaterThan(3);
    expect(peer.asked).toBeLessThan(12);
    peer.servers = ['git'];
    await peer.clock.advance(30_000);
    await settle();
    expect(peer.listed).toEqual(['git']);
    const { asked } = peer;
    peer.beat('two');
    await peer.clock.advance(300_000);
    expect([peer.asked, peer.opened]).toEqual([asked, 1]);
    peer.catalogs.stop();
  });

  it('is asked for once more when the peer tells of a change while it answers', async () => {
    const peer = await followed();
    peer.notify();
    await peer.clock.advance(30);
    peer.servers = ['git'];
    peer.notify();
    await peer.clock.advance(100);
    await settle();
    expect(peer.asked).toBe(3);
    expect(peer.listed).toEqual(['git']);
    peer.catalogs.stop();
  });

  it('is asked for in a new session when the old one has ended, and no more after a stop', async () => {
    const peer = await followed();
    peer.end();
    await settle();
    await peer.clock.advance(1000);
    await settle();
    expect([peer.asked, peer.opened]).toEqual([2, 2]);
    peer.notify();
    peer.catalogs.stop();
    await peer.clock.advance(300_000);
    expect([peer.asked, peer.opened]).toEqual([2, 2]);
  });

  it('is asked for once a second at most when the peer tells of changes without end', async () => {
    const peer = await followed();
    for (let at = 0; at < 600; at += 1) {
      peer.notify();
      await peer.clock.advance(100);
      await settle();
    }
    // Twenty at once, and one a second.
    expect(peer.asked).toBeGreaterThan(60);
    expect(peer.asked).toBeLessThan(100);
    expect(peer.complaints).toBeGreaterThan(100);
    peer.servers = ['git'];
    await peer.clock.advance(120_000);
    await settle();
    peer.notify();
    await peer.clock.advance(100);
    await settle();
    expect(peer.listed).toEqual(['git']);
    peer.catalogs.stop();
  });

  it('that was too much is not read again in a new session before its time', async () => {
    const peer = await followed();
    peer.servers = Array.from({ length: 900 }, (_, at) => `server${at}-${'x'.repeat(20)}`);
    for (let session = 0; session < 200; session += 1) {
      peer.end();
      await peer.clock.advance(300);
      peer.beat(`${session}`);
      await settle();
      await settle();
    }
    expect(peer.opened).toBeGreaterThan(100);
    expect(peer.asked).toBeLessThan(80);
    expect(peer.complaints).toBeGreaterThan(50);
    await peer.clock.advance(600_000);
    expect(peer.listed).toHaveLength(900);
    peer.catalogs.stop();
  });

  it('that is too long to be read costs as much as one that is as long as may be', async () => {
    const peer = await followed();
    peer.isTooLong = true;
    for (let session = 0; session < 100; session += 1) {
      peer.end();
      await peer.clock.advance(300);
      peer.beat(`${session}`);
      await settle();
      await settle();
    }
    expect(peer.opened).toBeGreaterThan(50);
    expect(peer.asked).toBeLessThan(5);
    expect(peer.complaints).toBeGreaterThan(500);
    peer.catalogs.stop();
  });
});

describe('a peer that lists a hundred thousand tools', () => {
  const LISTED = 100_000;
  const KEPT = 1000;

  /** A list of so many tools that counts how many of them are looked at. */
  function endless(): { readonly tools: readonly object[]; readonly looked: () => number } {
    let looked = 0;
    const tools = new Proxy<object[]>(Array.from({ length: LISTED }), {
      get(target, key) {
        if (typeof key !== 'string' || !/^\d+$/.test(key))
          return Reflect.get(target, key) as unknown;
        looked += 1;
        return { name: `tool-${key}`, inputSchema: { type: 'object' } };
      },
    });
    return { tools, looked: () => looked };
  }

  it('has as many looked at as one peer may have, the cut told by its name, and is not asked soon again', async () => {
    const clock = manualClock();
    const membership = createFakeMembership();
    membership.set('mallory', alice, { presence: { catalog: 'one' } as never });
    const health = createHealth();
    const logger = silentLogger;
    const directory = createDirectory(
      { logger, health, nameOf: () => 'mallory' },
      { tools: KEPT, bytes: 10 * 1024 * 1024 },
    );
    const { tools, looked } = endless();
    let asked = 0;
    let complaints = 0;
    let hear: (frame: NotificationFrame) => void = () => undefined;
    const catalogs = createPeerCatalogs({
      isConnected: () => true,
      isSpare: () => false,
      isWanted: () => true,
      listed: () => undefined,
      changesTooOften: () => void (complaints += 1),
      membership,
      directory,
      async open(_, notification) {
        hear = notification;
        return {
          relay: () => ({ cancel: () => undefined }),
          async request() {
            asked += 1;
            const result = { servers: [{ server: 'many', tools }] };
            return { kind: 'response', bytes: Buffer.alloc(0), id: 1, result } as never;
          },
          notify: () => undefined,
          ended: new Promise(() => undefined),
          close: () => undefined,
        };
      },
      clock,
      random: () => 0.5,
      logger,
    });
    catalogs.start();
    await clock.advance(0);
    await settle();
    await settle();
    expect(directory.servers(alice)[0]?.tools).toHaveLength(KEPT);
    expect(looked()).toBeLessThan(KEPT + 200);
    const [warning] = health.warnings();
    expect(warning?.text).toMatch(/mallory offers more .* 99000 of its tools/);
    expect(warning?.hint).toContain('limits.tools');
    // Each list has its price: for minutes nothing that the peer says has it listed anew.
    const before = looked();
    for (let second = 0; second < 300; second += 1) {
      hear(CHANGED);
      membership.set('mallory', alice, { presence: { catalog: `now ${second}` } as never });
      await clock.advance(1000);
    }
    expect([asked, looked()]).toEqual([1, before]);
    expect(complaints).toBe(300);
    catalogs.stop();
  });
});
