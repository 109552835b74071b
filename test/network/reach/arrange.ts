/** Two nodes that are linked, by fakes, so that what they say about reaching each other comes at once. */
import { multiaddr } from '@multiformats/multiaddr';
import type { Connection } from '@libp2p/interface';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { Logger, PeerId, Scope } from '../../../src/core/index.ts';
import type { Links } from '../../../src/network/links/links.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

/** What both ends share. */
export interface Bench {
  readonly clock: TestClock;
  readonly scope: Scope;
  readonly logger: Logger;
}

/** A clock, its scope and no log. */
export function makeBench(): Bench {
  const clock = createTestClock();
  return { clock, scope: createScope(clock), logger: silentLogger };
}

/** A connection to `peer` as libp2p gives it. */
export function connectionTo(
  peer: PeerId,
  init: { direct: boolean; direction?: 'inbound' | 'outbound'; at?: string },
): Connection {
  const { direct, direction = 'outbound', at = '/ip4/11.77.0.1/tcp/4040' } = init;
  return {
    remotePeer: { toString: () => peer },
    remoteAddr: multiaddr(at),
    direct,
    direction,
    status: 'open',
  } as unknown as Connection;
}

/** The links of a node that has this one. */
export function linksOf(connection: Connection, peer: PeerId): Links {
  return {
    peers: () => [peer],
    of: (one: PeerId) => (one === peer ? [connection] : []),
    best: (one: PeerId) => (one === peer ? connection : undefined),
  } as unknown as Links;
}

/** Lets promises that are settled be heard. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
