/** Being dialled back from outside: what is asked of whom, what is believed, and whom nobody dials. */
import { encode } from 'cborg';
import { multiaddr } from '@multiformats/multiaddr';
import type { Connection } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { REACH_ASKS, REACH_PAUSE_MS } from '../../../src/network/constants.ts';
import { createDialBack } from '../../../src/network/reach/dial-back.ts';
import type { DialBack } from '../../../src/network/reach/dial-back.ts';
import { connectionTo, linksOf, makeBench, settled } from './arrange.ts';
import type { Bench } from './arrange.ts';

/** Real PeerIds: they stand in multiaddrs. */
const A = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId;
const B = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu' as PeerId;
const SEEN = '11.77.0.2';
const PLACE = `/ip4/${SEEN}/tcp/4040`;

interface Scene extends Bench {
  readonly asker: DialBack;
  readonly helper: DialBack;
  readonly reached: Set<string>;
  readonly dialled: string[];
  readonly answers: string[];
  readonly linkToAsker: Connection;
  failure: Error | undefined;
  /** Frames of the asker are lost, because its stream is not there yet. */
  isEarly: boolean;
  seenAt: readonly string[];
}

/** a is seen at 11.77.0.2 by b, whom it has dialled. */
function scene({ ownIps = ['10.0.2.2'] } = {}): Scene {
  const bench = makeBench();
  const linkToHelper = connectionTo(B, { direct: true });
  const linkToAsker = connectionTo(A, {
    direct: true,
    direction: 'inbound',
    at: `/ip4/${SEEN}/tcp/51234`,
  });
  const made: Omit<Scene, 'asker' | 'helper'> = {
    ...bench,
    reached: new Set(),
    dialled: [],
    answers: [],
    linkToAsker,
    failure: undefined,
    isEarly: false,
    seenAt: [SEEN],
  };
  const state = made as Scene;
  const asker = createDialBack({
    ...bench,
    self: A,
    links: linksOf(linkToHelper, B),
    outside: { ips: () => state.seenAt, by: () => SEEN },
    listeners: () =>
      ['/ip4/127.0.0.1/tcp/4040', '/ip4/10.0.2.2/tcp/4040', '/ip6/fd00::2/tcp/4040'].map((text) =>
        multiaddr(text),
      ),
    ownIps: () => new Set(ownIps),
    reached: made.reached,
    random: () => 0.5,
    send: (_, kind, payload) => !state.isEarly && state.helper.heard(linkToAsker, kind, payload),
    dial: async () => undefined,
  });
  const helper = createDialBack({
    ...bench,
    self: B,
    links: linksOf(linkToAsker, A),
    outside: { ips: () => [], by: () => undefined },
    listeners: () => [],
    ownIps: () => new Set(),
    reached: new Set(),
    random: () => 0.5,
    send(_, kind, payload) {
      made.answers.push(kind);
      return asker.heard(linkToHelper, kind, payload);
    },
    async dial(address) {
      made.dialled.push(address.toString());
      if (state.failure !== undefined) throw state.failure;
    },
  });
  return Object.assign(state, { asker, helper });
}

describe('a node that is seen at an address of its router', () => {
  it('has a peer dial back there, and tells the address once that worked', async () => {
    const made = scene();
    made.asker.look();
    await settled();
    expect(made.dialled).toEqual([`${PLACE}/p2p/${A}`]);
    expect([...made.reached]).toEqual([`${PLACE}/p2p/${A}`]);
    expect(made.asker.found()).toEqual([{ address: PLACE, by: B }]);
    // Seen elsewhere from now on: what was reached is told no more.
    made.seenAt = [];
    made.asker.look();
    expect([made.reached.size, made.asker.found()]).toEqual([0, []]);
  });

  it('knows why nobody got in, and asks again after a while', async () => {
    const made = scene();
    made.failure = new Error('connect ETIMEDOUT');
    made.asker.look();
    await settled();
    expect(made.asker.found()).toEqual([{ address: PLACE, by: B, why: 'connect ETIMEDOUT' }]);
    made.failure = undefined;
    made.asker.look();
    expect(made.dialled).toHaveLength(1);
    made.clock.advance(REACH_PAUSE_MS);
    made.asker.look();
    await settled();
    expect(made.asker.found()).toEqual([{ address: PLACE, by: B }]);
  });

  it('asks at the next look where its link could not carry the question yet', async () => {
    const made = scene();
    made.isEarly = true;
    made.asker.look();
    await settled();
    expect(made.dialled).toEqual([]);
    made.isEarly = false;
    made.asker.look();
    await settled();
    expect(made.asker.found()).toEqual([{ address: PLACE, by: B }]);
  });

  it('asks nothing where it is seen at an address of its machine', () => {
    const made = scene({ ownIps: [SEEN] });
    made.asker.look();
    expect(made.dialled).toEqual([]);
  });

  it('believes an answer from whom it asked only', () => {
    const made = scene();
    const other = connectionTo(`12D3KooW${'C'.repeat(44)}` as PeerId, { direct: true });
    made.asker.look();
    made.asker.heard(other, 'reached', encode({ id: 2 ** 31 }));
    expect(made.reached.size).toBe(0);
  });
});

describe('a node that is asked to dial back', () => {
  it('dials the address of who asks, and no third machine', async () => {
    const made = scene();
    const ask = (address: unknown): void =>
      void made.helper.heard(made.linkToAsker, 'reach', encode({ id: 1, address }));
    ask('/ip4/11.77.0.9/tcp/4040');
    ask(`/ip4/${SEEN}/tcp/4040/p2p/${B}/p2p-circuit`);
    await settled();
    expect(made.dialled).toEqual([]);
    expect(made.answers).toEqual(['reached']);
  });

  it('does so no oftener than is allowed', async () => {
    const made = scene();
    for (let id = 0; id < REACH_ASKS.burst + 5; id += 1) {
      made.helper.heard(made.linkToAsker, 'reach', encode({ id, address: PLACE }));
      await settled();
    }
    expect(made.dialled.length).toBeLessThanOrEqual(REACH_ASKS.burst);
  });
});
