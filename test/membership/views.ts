/** Live views of a mesh over a network in memory, each on a clock of its own that tests move. */
import { EventEmitter } from 'node:events';
import type { PeerId } from '../../src/core/index.ts';
import type { Identity } from '../../src/identity/index.ts';
import type { Membership } from '../../src/membership/index.ts';
import type { Network } from '../../src/network/index.ts';
import { calm } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import { createView, meshOfAll } from './arrange.ts';

/** A view, and what it stands on. */
export interface View {
  readonly view: Membership;
  readonly network: Network;
  /** Whose membership is not known. */
  readonly strangers: Set<PeerId>;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly recordAdded: () => void;
}

/** Makes the view of a node, started; whoever calls stops it. */
export async function makeView(hub: Hub, identity: Identity, name: string): Promise<View> {
  const clock = createTestClock();
  const strangers = new Set<PeerId>();
  const added = new EventEmitter();
  const ownMesh = meshOfAll({
    hasMember: (peer) => !strangers.has(peer),
    onAdded: (listener) => {
      added.on('added', listener);
      return () => added.off('added', listener);
    },
  });
  const network: Network = {
    ...hub.network(identity.peerId),
    dial: () => Promise.reject(new Error('gone')),
    ping: () => Promise.reject(new Error('gone')),
  };
  const view = createView({
    network,
    ownMesh,
    identity,
    clock,
    name: () => name,
    addresses: [`/ip4/192.0.2.1/tcp/${name.length}`],
  });
  await view.start();
  return {
    view,
    network,
    strangers,
    clock,
    recordAdded: () => added.emit('added', 'a.record.text'),
  };
}

/** Lets what is under way arrive. */
export async function settle(...nodes: readonly View[]): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    await calm(6);
    for (const { clock } of nodes) clock.advance(60);
  }
}

/** Lets time pass at a node, half a second at a time. */
export async function pass({ clock }: View, seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 2; step += 1) {
    clock.advance(500);
    await calm(3);
  }
}
