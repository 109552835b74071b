import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createPeerRows } from '../../../src/membership/peers/peer-rows.ts';
import { readPeers } from '../../../src/membership/peers/saved-peers.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const IDS = [2, 3, 4].map((seed) => createIdentity(Buffer.alloc(32, seed)).peerId);

function arrange(isFull = false) {
  const inner = createTestClock();
  const set = { backMs: 0 };
  const clock = { ...inner, now: () => inner.now() - set.backMs };
  const table = memoryTable();
  const batches: number[] = [];
  const gone = new Set<PeerId>();
  const unsaved: PeerId[] = [];
  const rows = createPeerRows({
    clock,
    logger: silentLogger,
    table: {
      ...table,
      batch: async (writes) => {
        if (isFull) throw new Error('disk full');
        batches.push(writes.length);
        await table.batch(writes);
      },
    },
    rowOf: (peerId) =>
      gone.has(peerId)
        ? undefined
        : { peerId, alias: `p${IDS.indexOf(peerId)}`, addresses: [], lastHeartbeatAt: clock.now() },
    unsaved: (peer) => void unsaved.push(peer),
  });
  return { batches, clock, gone, rows, set, table, unsaved };
}

describe('rows of peers', () => {
  it('that change close together are one write, and each is written as it is then', async () => {
    const { batches, clock, gone, rows, table } = arrange();
    for (const peer of [...IDS, ...IDS]) rows.later(peer);
    expect(batches).toEqual([]);
    for (const peer of IDS.slice(2)) gone.add(peer);
    clock.advance(500);
    await rows.now();
    expect(batches).toEqual([2]);
    const saved = await readPeers(table, silentLogger);
    expect(saved.map(({ alias }) => alias).toSorted()).toEqual(['p0', 'p1']);
  });

  it('that follow are one write each two seconds, however many come, and no later where the clock was set back', async () => {
    const { batches, clock, rows, set } = arrange();
    for (let tenth = 0; tenth < 70; tenth += 1) {
      for (const peer of IDS) rows.later(peer);
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // At 0.5, 2.5, 4.5 and 6.5 s.
    expect(batches).toEqual([3, 3, 3, 3]);
    clock.advance(2000);
    await new Promise((resolve) => setImmediate(resolve));
    batches.length = 0;
    set.backMs = 3_600_000;
    for (const peer of IDS) rows.later(peer);
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
    expect(batches).toEqual([3]);
  });

  it('that wait are written by a stop, after which nothing is due', async () => {
    const { batches, clock, rows } = arrange();
    for (const peer of IDS) rows.later(peer);
    await rows.now();
    await rows.now();
    expect(batches).toEqual([3]);
    expect(clock.waiting()).toBe(0);
  });

  it('that the disk does not take are told of, so that they are tried again', async () => {
    const { rows, unsaved } = arrange(true);
    for (const peer of IDS) rows.later(peer);
    await rows.now();
    expect(unsaved).toEqual(IDS);
  });
});
