/** Who offers what: by roster, by the DHT above a bound, and who is passed over. */
import { encode, decode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createProviders } from '../../src/directory/index.ts';
import type { Providers, ProvidersComponents } from '../../src/directory/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { soon } from '../network/support.ts';

const identityOf = (seed: number) => createIdentity(Buffer.alloc(32, seed));
const [ALICE, BOB, CAROL, DAVE] = [1, 2, 3, 4].map((seed) => identityOf(seed).peerId) as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
];
const HALF_HOUR_MS = 1_800_000;
const TEN_MINUTES_MS = 600_000;

/** What the DHT keeps, and who can be reached, for all nodes of a test. */
interface World {
  readonly clock: TestClock;
  readonly records: Map<string, Set<PeerId>>;
  readonly frames: Map<PeerId, (bytes: Uint8Array, from: PeerId) => void>;
  readonly dialled: PeerId[];
  readonly provided: string[];
  readonly reported: string[];
}

const createWorld = (): World => ({
  clock: createTestClock(),
  records: new Map(),
  frames: new Map(),
  dialled: [],
  provided: [],
  reported: [],
});

const view = (
  peerId: PeerId,
  more: Partial<PeerView> & { offers?: string[]; load?: number } = {},
) =>
  ({
    peerId,
    state: 'alive',
    alias: peerId.slice(-4),
    ...more,
    presence: { offers: more.offers, load: more.load ?? 0 },
  }) as unknown as PeerView;

function createNode(
  world: World,
  seed: number,
  init: {
    readonly offers?: readonly string[];
    readonly peers?: readonly PeerView[];
    readonly rosterMax?: number;
    readonly strangers?: readonly PeerId[];
    readonly identity?: ProvidersComponents['identity'];
  },
): Providers {
  const own = identityOf(seed);
  const { peers = [], strangers = [] } = init;
  const components: ProvidersComponents = {
    network: {
      isConnected: () => false,
      dial: async (target) => (world.dialled.push(target as PeerId), target as PeerId),
      report: (_, what) => void world.reported.push(what),
      onFrame(_, hear) {
        world.frames.set(own.peerId, hear);
        return () => void world.frames.delete(own.peerId);
      },
      async sendFrame(peer, _, payload) {
        const hear = world.frames.get(peer);
        setImmediate(() => hear?.(payload, own.peerId));
        return hear !== undefined;
      },
      async provide(name) {
        world.provided.push(name);
        world.records.set(name, (world.records.get(name) ?? new Set()).add(own.peerId));
      },
      async findProviders(name, found) {
        for (const peer of world.records.get(name) ?? []) found(peer);
      },
    },
    membership: {
      peers: () => peers,
      peer: (id) => peers.find(({ peerId }) => peerId === id),
    },
    isMember: (peer) => !strangers.includes(peer),
    identity: init.identity ?? own,
    offers: () => init.offers ?? [],
    clock: world.clock,
    random: () => 0,
    logger: silentLogger,
  };
  return createProviders(components, { rosterMax: init.rosterMax ?? 2000 });
}

const turns = async (): Promise<void> => {
  for (let at = 0; at < 10; at += 1) await new Promise((resolve) => setImmediate(resolve));
};
const found = async (node: Providers, kind = 'search'): Promise<readonly PeerId[]> =>
  (await node.find(kind, soon())).map(({ peer }) => peer);

describe('a mesh in which everybody knows everybody', () => {
  const peers = [
    view(BOB, { offers: ['search'], load: 3 }),
    view(CAROL, { offers: ['search', 'plan'], load: 1, rttMs: 9 }),
    view(DAVE, { offers: ['search'], load: 1, rttMs: 2 }),
    view(ALICE, { offers: ['search'], state: 'dead' }),
  ];

  it('finds who says so in its presence: who has less to do first, then who is nearer', async () => {
    const world = createWorld();
    const node = createNode(world, 9, { peers });
    expect(await found(node)).toEqual([DAVE, CAROL, BOB]);
    expect(await found(node, 'plan')).toEqual([CAROL]);
    expect(await found(node, 'dig')).toEqual([]);
    expect(world.dialled).toEqual([]);
  });

  it('tells the DHT of nothing', async () => {
    const world = createWorld();
    const node = createNode(world, 9, { peers, offers: ['search'] });
    await node.start();
    world.clock.advance(HALF_HOUR_MS);
    await turns();
    await node.stop();
    expect(world.provided).toEqual([]);
    expect(world.clock.waiting()).toBe(0);
  });

  it('passes over who lacks what it claims, and puts it last for as long again', async () => {
    const world = createWorld();
    const node = createNode(world, 9, { peers });
    node.lacking.lacks(DAVE, 'search');
    expect(await found(node)).toEqual([CAROL, BOB]);
    world.clock.advance(TEN_MINUTES_MS);
    expect(await found(node)).toEqual([CAROL, BOB, DAVE]);
    world.clock.advance(TEN_MINUTES_MS);
    expect(await found(node)).toEqual([DAVE, CAROL, BOB]);
  });

  it('has kinds that are words, and nothing else', async () => {
    const node = createNode(createWorld(), 9, {});
    await expect(node.find('Search it!', soon())).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  });
});

describe('a mesh with more peers than the roster has', () => {
  const crowd = { rosterMax: 0, peers: [view(DAVE)] };

  it('finds by the DHT who then proves by its signature what it offers, and until when', async () => {
    const world = createWorld();
    const bob = createNode(world, 2, { ...crowd, offers: ['search'] });
    await bob.start();
    world.clock.advance(1);
    await turns();
    expect(world.provided).toEqual(['search']);
    const node = createNode(world, 9, crowd);
    await node.start();
    const until = Math.trunc(world.clock.now()) + HALF_HOUR_MS;
    expect(await node.find('search', soon())).toEqual([{ peer: BOB, by: 'dht', until }]);
    expect(world.dialled).toEqual([BOB]);
    world.clock.advance(TEN_MINUTES_MS);
    await turns();
    expect(world.provided).toEqual(['search', 'search']);
  });

  it('does not believe who offers it no more, who signs wrongly, who is silent, or who is no member', async () => {
    const world = createWorld();
    await createNode(world, 1, { ...crowd, offers: ['plan'] }).start();
    await createNode(world, 2, { ...crowd, offers: ['search'], identity: identityOf(7) }).start();
    world.records.set('search', new Set([ALICE, BOB, CAROL, DAVE]));
    const node = createNode(world, 9, { ...crowd, strangers: [DAVE] });
    await node.start();
    const search = found(node);
    await turns();
    world.clock.advance(5000);
    expect(await search).toEqual([]);
    expect(world.dialled).toEqual([ALICE, BOB, CAROL]);
    // For ten minutes nobody of them is asked again.
    expect(await found(node)).toEqual([]);
    expect(world.dialled).toHaveLength(3);
  });

  it('answers a flood of questions for a while only, and none that is malformed', async () => {
    const world = createWorld();
    const bob = createNode(world, 2, { ...crowd, offers: ['search'] });
    await bob.start();
    const answers: unknown[] = [];
    world.frames.set(ALICE, (bytes) => void answers.push(decode(bytes)));
    const ask = world.frames.get(BOB);
    for (let count = 0; count < 40; count += 1) ask?.(encode({ kind: 'search' }), ALICE);
    ask?.(encode({ kind: 'Not A Kind' }), ALICE);
    ask?.(Buffer.of(0xff), ALICE);
    await turns();
    expect(answers).toHaveLength(32);
    expect(new Set(world.reported)).toEqual(new Set(['control', 'malformed']));
  });
});
