/** Who waits for whose dial. The host is a stub: what is dialled stays open until a test ends it. */
import type { Connection, Libp2p } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import {
  isOwnListener,
  withPublicListeners,
} from '../../../src/network/addresses/own-listeners.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createAdmissionStates } from '../../../src/network/admission/admission-states.ts';
import { createDialer } from '../../../src/network/dialing/dialer.ts';
import type { Dialer } from '../../../src/network/dialing/dialer.ts';
import { createLinks } from '../../../src/network/links/links.ts';
import type { Links } from '../../../src/network/links/links.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { soon } from '../support.ts';

const SELF = '12D3KooWA1hTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo' as PeerId;
const PEER = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo' as PeerId;

/** Where this node listens: on all addresses, so on loopback too. */
const LISTENS = ['/ip4/127.0.0.1/tcp/4040', '/ip6/::1/tcp/4040', '/ip4/10.0.0.9/tcp/4040'].map(
  (text) => multiaddr(text),
);
/** What a peer may say of itself that leads here. */
const OWN = [
  '/ip4/127.0.0.1/tcp/4040',
  '/ip4/127.0.0.2/tcp/4040',
  '/ip4/0.0.0.0/tcp/4040',
  '/ip6/::1/tcp/4040',
  '/ip6/::ffff:127.0.0.1/tcp/4040',
  '/ip4/10.0.0.9/tcp/4040',
];

interface Rig {
  readonly dialer: Dialer;
  readonly links: Links;
  readonly clock: TestClock;
  readonly dialled: string[];
  readonly failed: string[];
  /** Whether others could be dialled in each search of the DHT. */
  readonly lookedUp: boolean[];
}

function makeRig({ moved, isClosed = false }: { moved?: string; isClosed?: boolean } = {}): Rig {
  const clock = createTestClock();
  const links = createLinks(SELF, clock);
  const dialled: string[] = [];
  const failed: string[] = [];
  const lookedUp: boolean[] = [];
  const node = {
    getConnections: () => [],
    peerStore: { has: async () => false },
    dial: (addresses: readonly unknown[], { signal }: { readonly signal: AbortSignal }) => {
      dialled.push(String(addresses[0]));
      if (isClosed) return Promise.reject(new Error('refused'));
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    },
  } as unknown as Libp2p;
  const gate = createAdmissionStates();
  const dialer = createDialer(
    {
      node,
      gate,
      links,
      clock,
      random: () => 0,
      logger: silentLogger,
      encryption: { prefer: () => undefined },
      findPeer: async (_, { dials }) => {
        lookedUp.push(dials);
        return moved === undefined ? Promise.reject(new Error('nobody knows')) : [multiaddr(moved)];
      },
      scope: createScope(clock),
    },
    {
      self: SELF,
      connections: 10,
      relay: false,
      signal: new AbortController().signal,
      isDenied: () => false,
      isOwn: (address) => isOwnListener(address, LISTENS),
      onFailed: (address) => void failed.push(address),
    },
  );
  return { dialer, links, clock, dialled, failed, lookedUp };
}

const relayed = {
  remotePeer: { toString: () => PEER },
  status: 'open',
  direct: false,
  direction: 'outbound',
  timeline: { open: 0 },
} as unknown as Connection;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('dialling', () => {
  it('never dials itself at a place that a peer has on its own machine too', async () => {
    const { dialer, dialled } = makeRig();
    dialer.learn(PEER, [...OWN, '/ip4/192.0.2.1/tcp/4040']);
    void dialer.dial(PEER, soon()).catch(() => undefined);
    await turn();
    await turn();
    expect(dialled).toEqual([`/ip4/192.0.2.1/tcp/4040/p2p/${PEER}`]);
  });

  it.each(OWN)('never dials itself when %s is told as the place of a peer', async (address) => {
    const { dialer, dialled } = makeRig();
    await expect(dialer.dial(`${address}/p2p/${PEER}`, soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
    });
    await expect(dialer.dial(address, soon())).rejects.toThrow('is this node itself');
    expect(dialled).toEqual([]);
  });

  it('dials a peer once for all who ask at the same time', async () => {
    const { dialer, clock, dialled, failed } = makeRig();
    dialer.learn(PEER, ['/ip4/192.0.2.1/tcp/4040']);
    const dials = [dialer.dial(PEER, soon()), dialer.dial(PEER, soon())];
    const refused = Promise.all(
      dials.map((dial) =>
        expect(dial).rejects.toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' }),
      ),
    );
    await turn();
    expect(dialled).toEqual([`/ip4/192.0.2.1/tcp/4040/p2p/${PEER}`]);
    clock.advance(20_000);
    await refused;
    expect(failed).toEqual([PEER]);
    expect(clock.waiting()).toBe(0);
  });

  it('ends by the clock of the node, with no timer left', async () => {
    const { dialer, clock } = makeRig();
    const dial = dialer.dial('/ip4/192.0.2.1/tcp/4040', soon());
    const refused = expect(dial).rejects.toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' });
    await turn();
    clock.advance(19_999);
    expect(clock.waiting()).toBe(1);
    clock.advance(1);
    await refused;
    expect(clock.waiting()).toBe(0);
  });

  it('gives a peer that is reached through a relay at once, though a direct way is being tried', async () => {
    const { dialer, links, dialled } = makeRig();
    links.add(relayed);
    dialer.learn(PEER, ['/ip4/192.0.2.1/tcp/4040']);
    const upgrade = dialer.dial(PEER, { ...soon(), upgrade: true });
    upgrade.catch(() => undefined);
    await turn();
    expect(dialled).toHaveLength(1);
    expect(await dialer.dial(PEER, soon())).toBe(PEER);
  });

  it('leaves the dial of others alone when one of them gives up', async () => {
    const { dialer, clock, failed } = makeRig();
    const impatient = new AbortController();
    const target = '/ip4/192.0.2.1/tcp/4040';
    const first = dialer.dial(target, { signal: impatient.signal });
    const second = dialer.dial(target, soon());
    const gaveUp = expect(first).rejects.toMatchObject({ message: 'given up' });
    const late = expect(second).rejects.toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' });
    await turn();
    impatient.abort();
    await gaveUp;
    expect(failed).toEqual([]);
    clock.advance(20_000);
    await late;
  });
});

describe('a peer that is not where it was', () => {
  const [OLD, NEW] = ['/ip4/192.0.2.1/tcp/4040', '/ip4/192.0.2.9/tcp/4040'];
  const THIRD = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xp' as PeerId;

  it('is looked for in the DHT after half a minute and then every ten, by links alone', async () => {
    const rig = makeRig({ moved: NEW, isClosed: true });
    rig.links.add({ ...relayed, remotePeer: { toString: () => THIRD } } as unknown as Connection);
    rig.dialer.learn(PEER, [OLD]);
    const dialAfter = async (ms: number): Promise<readonly string[]> => {
      rig.clock.advance(ms);
      rig.dialled.length = 0;
      await rig.dialer.dial(PEER, soon()).catch(() => undefined);
      return rig.dialled;
    };
    expect(await dialAfter(0)).toEqual([`${OLD}/p2p/${PEER}`]);
    expect(await dialAfter(29_000)).toHaveLength(1);
    expect(await dialAfter(1000)).toEqual([`${OLD}/p2p/${PEER}`, `${NEW}/p2p/${PEER}`]);
    expect(await dialAfter(599_000)).toHaveLength(1);
    expect(await dialAfter(1000)).toHaveLength(2);
    expect(rig.lookedUp).toEqual([false, false]);
  });

  it('has a reason for which it is relayed: that of the last try', async () => {
    const rig = makeRig({ isClosed: true });
    expect(rig.dialer.whyRelayed(PEER)).toBe('it tells no address but those of relays');
    rig.dialer.learn(PEER, [OLD]);
    expect(rig.dialer.whyRelayed(PEER)).toBe('a direct way is being tried');
    await rig.dialer.dial(PEER, { ...soon(), upgrade: true }).catch(() => undefined);
    expect(rig.dialer.whyRelayed(PEER)).toContain('the connection failed');
  });

  it('that is known nowhere is looked for at once, and others are dialled for that', async () => {
    const rig = makeRig({ moved: NEW, isClosed: true });
    rig.links.add({ ...relayed, remotePeer: { toString: () => THIRD } } as unknown as Connection);
    await rig.dialer.dial(PEER, soon()).catch(() => undefined);
    expect([rig.dialled, rig.lookedUp]).toEqual([[`${NEW}/p2p/${PEER}`], [true]]);
  });
});

it('tells its public listeners, too, which libp2p keeps back, once each and without those of relays', () => {
  const [home, far] = ['/ip4/10.0.0.9/tcp/4040', '/ip4/11.77.0.1/tcp/4040'];
  const relay = `/ip4/11.77.0.9/tcp/4040/p2p/${SELF}/p2p-circuit`;
  const told = [multiaddr(`${home}/p2p/${PEER}`)];
  const listeners = [home, far, far, relay].map((text) => multiaddr(text));
  const all = withPublicListeners(told, listeners, PEER).map(String);
  expect(all).toEqual([`${home}/p2p/${PEER}`, `${far}/p2p/${PEER}`]);
  const again = withPublicListeners(
    all.map((text) => multiaddr(text)),
    listeners,
    PEER,
  );
  expect(again.map(String)).toEqual(all);
});
