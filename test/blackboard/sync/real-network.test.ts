/** Boards over real libp2p on loopback, on a real database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import '../../../src/core/system/node20.ts';
import { createBlackboard } from '../../../src/blackboard/index.ts';
import type { Blackboard } from '../../../src/blackboard/index.ts';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import { didFromPeerId } from '../../../src/identity/index.ts';
import { createStore } from '../../../src/store/index.ts';
import type { Store } from '../../../src/store/index.ts';
import { connectedTo, makeMembers, soon, stopAll, until } from '../../network/support.ts';

const ended: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
  await stopAll();
});

async function makeStore(): Promise<Store> {
  const dir = await mkdtemp(join(tmpdir(), 'starling-board-'));
  const store = createStore({ logger: silentLogger }, { dir });
  await store.start();
  ended.push(async () => {
    await store.stop();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  return store;
}

describe('boards of three nodes', () => {
  it('are equal after gossip, after a cut, and after a large write', async () => {
    const nodes = await makeMembers(['ann', 'bob', 'cid']);
    const [ann, bob, cid] = nodes;
    if (ann === undefined || bob === undefined || cid === undefined) throw new Error('no nodes');
    const boards: Blackboard[] = [];
    for (const { network, id } of nodes) {
      const table = (await makeStore()).table('boards');
      const blackboard = createBlackboard({
        network,
        table,
        self: didFromPeerId(id),
        clock: systemClock,
        random: Math.random,
        logger: silentLogger,
      });
      await blackboard.start();
      ended.push(() => blackboard.stop());
      boards.push(blackboard);
    }
    const [a, b, c] = await Promise.all(boards.map((blackboard) => blackboard.board('b')));
    if (a === undefined || b === undefined || c === undefined) throw new Error('no boards');
    const areEqual = (): boolean =>
      a.digest() === b.digest() && b.digest() === c.digest() && a.digest() !== '';
    // What the heartbeats do.
    const compare = (): void => {
      for (const [i, blackboard] of boards.entries()) {
        for (const [j, node] of nodes.entries()) {
          const digests = boards[j]?.digests();
          if (i !== j && digests !== undefined) blackboard.compare(node.id, digests);
        }
      }
    };

    // Written before anyone has met.
    await Promise.all(Array.from({ length: 2000 }, (_, i) => a.set(`k${i}`, { i })));
    await b.set('from bob', 1);
    await c.set('k7', 'of cid');
    await a.delete('k8');
    await bob.network.dial(ann.address(), soon());
    await cid.network.dial(ann.address(), soon());
    await cid.network.dial(bob.address(), soon());
    await Promise.all([
      connectedTo(ann.network, bob.id),
      connectedTo(ann.network, cid.id),
      connectedTo(bob.network, cid.id),
    ]);
    await until(() => (compare(), areEqual()), 'boards that are equal after meeting');
    expect([b.entries().length, c.get('k8'), a.get('from bob')?.value]).toEqual([
      2000,
      undefined,
      1,
    ]);

    await b.set('live', 'now');
    await c.delete('k9');
    await until(() => (compare(), areEqual()), 'boards that are equal after gossip');

    await a.set('large', 'x'.repeat(49_000));
    await until(() => (compare(), areEqual()), 'boards that are equal after a large write', 20_000);
    expect(c.get('large')?.value).toHaveLength(49_000);
  });
});
