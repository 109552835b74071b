/** A node that stops is seen to leave, whenever it stops: over real networks on loopback. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import type { Membership } from '../../src/membership/index.ts';
import { acquaint, makeMember, soon, stopAll, until } from '../network/support.ts';
import type { Member } from '../network/support.ts';
import { createView } from './arrange.ts';

afterEach(stopAll);

/** Turns of the event loop; a join takes some hundreds of them. */
const turns = async (count: number): Promise<void> => {
  for (let at = 0; at < count; at += 1) await new Promise((resolve) => setImmediate(resolve));
};

const viewOf = ({ network }: Member, name: string): Membership =>
  createView({ network, clock: systemClock, name: () => name });

const stateOf = (view: Membership, peer: PeerId): string | undefined => view.peer(peer)?.state;

it('a node that stops within the second in which it joined is seen to leave', async () => {
  const alice = await makeMember('alice');
  await alice.network.start();
  const seen = viewOf(alice, 'alice');
  await seen.start();
  const ends: (string | undefined)[] = [];
  for (let round = 0; round < 15; round += 1) {
    const bob = await makeMember(`bob-${round}`);
    acquaint([alice, bob]);
    await bob.network.start();
    const own = viewOf(bob, `bob-${round}`);
    await own.start();
    // Either dials, and in every third round both do at once.
    const dials: Promise<unknown>[] = [];
    if (round % 3 !== 1) dials.push(bob.network.dial(alice.address(), soon()));
    if (round % 3 !== 0) dials.push(alice.network.dial(bob.address(), soon()));
    await Promise.any(dials);
    await until(() => bob.network.isConnected(alice.id), 'connected');
    await turns(2 * round * round);
    await own.stop();
    await bob.network.stop();
    await Promise.allSettled(dials);
    await until(() => !alice.network.isConnected(bob.id), 'gone');
    await turns(20);
    ends.push(stateOf(seen, bob.id));
  }
  await seen.stop();
  expect(ends).toEqual(Array.from({ length: 15 }, () => 'left'));
});

it('whatever a node has said before it stops comes, and its goodbye last', async () => {
  const [alice, bob] = [await makeMember('alice'), await makeMember('bob')];
  acquaint([alice, bob]);
  const heard: string[] = [];
  alice.network.onFrame('word', (payload) => void heard.push(String(payload)));
  alice.network.topic('news').subscribe((payload) => void heard.push(String(payload)));
  const news = bob.network.topic('news');
  await Promise.all([alice.network.start(), bob.network.start()]);
  const [seen, own] = [viewOf(alice, 'alice'), viewOf(bob, 'bob')];
  await Promise.all([seen.start(), own.start()]);
  news.subscribe(() => undefined);
  await bob.network.dial(alice.address(), soon());
  await until(() => stateOf(seen, bob.id) === 'alive', 'alive');
  // Gossip has its own stream by then.
  const early = setInterval(() => void news.publish(Buffer.from('early')), 10);
  await until(() => heard.includes('early'), 'gossip').finally(() => clearInterval(early));
  const words = Array.from({ length: 50 }, (_, at) => `${at} `.padEnd(1000, '.'));
  for (const word of words) void bob.network.sendFrame(alice.id, 'word', Buffer.from(word));
  await news.publish(Buffer.from('late'));
  await own.stop();
  await bob.network.stop();
  await until(() => !alice.network.isConnected(bob.id), 'gone');
  expect(heard.filter((text) => text.endsWith('.'))).toEqual(words);
  expect(heard).toContain('late');
  expect(stateOf(seen, bob.id)).toBe('left');
  await seen.stop();
});
