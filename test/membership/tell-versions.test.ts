/** What the operator is told of members that speak another version. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { createHealth } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { tellVersions } from '../../src/membership/index.ts';
import type { MembershipEvents, PeerView } from '../../src/membership/index.ts';
import type { NetworkEvents } from '../../src/network/index.ts';

const BOB = '12D3KooWbob' as PeerId;

function told() {
  const health = createHealth();
  const network = { events: new EventEmitter<NetworkEvents>() };
  const bob = { alias: 'bob', peerId: BOB } as PeerView;
  const membership = {
    events: new EventEmitter<MembershipEvents>(),
    peer: (peer: PeerId) => (peer === BOB ? bob : undefined),
  };
  tellVersions({ network, membership, health });
  network.events.emit('peer:version', BOB, { version: 1 });
  return { health, network, membership, bob };
}

it('names the peer, both versions and what to do, until the peer is let in', () => {
  const { health, network } = told();
  expect(health.warnings()).toEqual([
    {
      code: `peer-version:${BOB}`,
      text: 'peer bob runs Starling 0.1 (version 1 of the protocols), this node Starling 0.2.0 (version 2 of the protocols): neither lets the other in',
      hint: 'update Starling at peer bob: its state folder is taken over as it is',
    },
  ]);
  network.events.emit('peer:version', BOB, { version: 3, release: '0.9.1' });
  expect(health.warnings()).toMatchObject([
    { hint: 'update Starling on this machine: its state folder is taken over as it is' },
  ]);
  network.events.emit('peer:version', BOB, undefined);
  expect(health.warnings()).toEqual([]);
});

it('says no more of a peer that was put out', () => {
  const { health, membership, bob } = told();
  membership.events.emit('change', { ...bob, ended: {} }, bob, new Set(['ended']));
  expect(health.warnings()).toEqual([]);
});
