/** How links are looked after: libp2p's services are told of one once at a time, however often somebody asks for that. */
import type { Connection } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createLinkUpkeep } from '../../../src/network/links/link-upkeep.ts';
import type { LinkUpkeep } from '../../../src/network/links/link-upkeep.ts';
import { createLinks } from '../../../src/network/links/links.ts';
import type { Links } from '../../../src/network/links/links.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const PEER = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo' as PeerId;
const LATER = '12D3KooWZZZZNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo' as PeerId;

interface Rig {
  readonly clock: TestClock;
  readonly links: Links;
  readonly upkeep: LinkUpkeep;
  /** Connections that services were told of, in order. */
  readonly told: Connection[];
  fails: boolean;
  readonly close: () => void;
}

function makeRig(self = LATER): Rig {
  const clock = createTestClock();
  const scope = createScope(clock);
  const links = createLinks(self, clock);
  const told: Connection[] = [];
  const rig = { clock, links, told, fails: true, close: () => scope.close() };
  const introduce = async (connection: Connection): Promise<void> => {
    told.push(connection);
    if (rig.fails) throw new Error('not stored');
  };
  const upkeep = createLinkUpkeep({
    links,
    scope,
    logger: silentLogger,
    clock,
    introduce,
  });
  return Object.assign(rig, { upkeep });
}

const INTRODUCTION = { protocols: [], addresses: [] };

/** What of a connection the upkeep looks at. */
function makeConnection(init: { readonly direct?: boolean } = {}): Connection {
  const connection = {
    remotePeer: { toString: () => PEER },
    status: 'open',
    direct: init.direct ?? true,
    direction: 'outbound',
    timeline: { open: 0 },
    streams: [],
    close: async () => {
      connection.status = 'closed';
    },
  };
  return connection as unknown as Connection;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const unknownToGossip = { peers: () => new Set<string>() };

describe('a link of which services can not be told', () => {
  it('is tried again with one timer and once at a time, though gossip asks for it every ten seconds', async () => {
    const rig = makeRig();
    const connection = makeConnection();
    rig.links.add(connection);
    rig.upkeep.introduced(connection, INTRODUCTION);
    await turn();
    for (let seconds = 0; seconds < 600; seconds += 10) {
      rig.clock.advance(10_000);
      rig.upkeep.tidy(() => false, unknownToGossip, LATER);
      await turn();
      expect(rig.clock.waiting()).toBeLessThanOrEqual(1);
    }
    // 1, 2 and 4 s apart, and then whenever gossip asks.
    expect(rig.told.length).toBeGreaterThan(60);
    expect(rig.told.length).toBeLessThan(70);
    rig.fails = false;
    rig.clock.advance(60_000);
    await turn();
    expect(rig.clock.waiting()).toBe(0);
  });

  it('is tried ever more seldom when nobody asks', async () => {
    const rig = makeRig();
    rig.upkeep.introduced(makeConnection(), INTRODUCTION);
    await turn();
    for (let seconds = 0; seconds < 600; seconds += 1) {
      rig.clock.advance(1000);
      await turn();
    }
    // 1, 2, 4, 8, 16, 32 and then 60 s apart.
    expect(rig.told.length).toBeGreaterThan(12);
    expect(rig.told.length).toBeLessThan(18);
  });

  it('is asked for no more once the link or the network is gone', async () => {
    const rig = makeRig();
    const connection = makeConnection();
    rig.upkeep.introduced(connection, INTRODUCTION);
    await turn();
    rig.upkeep.closed(connection);
    expect(rig.clock.waiting()).toBe(0);
    rig.upkeep.introduced(makeConnection(), INTRODUCTION);
    await turn();
    rig.close();
    rig.clock.advance(600_000);
    expect(rig.clock.waiting()).toBe(0);
    expect(rig.told).toHaveLength(2);
  });
});

describe('tidying', () => {
  it('closes the worse of two links once both are five seconds old by our clock', async () => {
    const rig = makeRig('12D3KooWA' as PeerId);
    const [good, worse] = [makeConnection(), makeConnection({ direct: false })];
    rig.links.add(good);
    rig.links.add(worse);
    rig.clock.advance(4000);
    rig.upkeep.tidy(() => false, unknownToGossip, '12D3KooWA' as PeerId);
    await turn();
    expect(worse.status).toBe('open');
    rig.clock.advance(1000);
    rig.upkeep.tidy(() => false, unknownToGossip, '12D3KooWA' as PeerId);
    await turn();
    expect([good.status, worse.status]).toEqual(['open', 'closed']);
  });

  it('leaves it to the end with the smaller PeerId', async () => {
    const rig = makeRig(LATER);
    const worse = makeConnection({ direct: false });
    rig.links.add(makeConnection());
    rig.links.add(worse);
    rig.clock.advance(60_000);
    rig.upkeep.tidy(() => false, unknownToGossip, LATER);
    await turn();
    expect(worse.status).toBe('open');
  });
});
