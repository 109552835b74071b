/**
 * What everything that a room keeps does on a disk that fails: what was acknowledged is there after the next
 * start, and what was refused is nowhere, neither now nor then.
 */
import { describe, expect, it } from 'vitest';
import type { Table } from '../../src/store/index.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { faultyTable, seeded } from './support/faulty-table.ts';
import type { Fault, FaultyTable } from './support/faulty-table.ts';
import { KEPT_ROOMS } from './support/kept-rooms.ts';
import type { KeptRoom, OpenRoom } from './support/kept-rooms.ts';

const CHANGES = 40;
/** By then all that ends is over and forgotten. */
const YEAR_MS = 366 * 86_400_000;

/** A room on a disk of its own. */
interface OnDisk {
  readonly disk: readonly FaultyTable[];
  /** Whether writes go wrong from now on. */
  fail(isFaulty: boolean): void;
  /** Opens the room, `laterMs` after the first time. */
  open(laterMs?: number): Promise<KeptRoom>;
}

function onDisk(openRoom: OpenRoom, fault: Fault, random: () => number, every = 3): OnDisk {
  const rows = new Map<string, ReturnType<typeof memoryTable>>();
  const faulty = new Map<string, FaultyTable>();
  const table = (name: string): Table => {
    const below = rows.get(name) ?? memoryTable();
    rows.set(name, below);
    const own = faulty.get(name) ?? faultyTable(below, { fault, every, random });
    faulty.set(name, own);
    return own;
  };
  return {
    get disk() {
      return [...faulty.values()];
    },
    fail(isFaulty) {
      for (const one of faulty.values()) one.isFaulty = isFaulty;
    },
    open: (laterMs = 0) => openRoom(table, laterMs),
  };
}

/** Asks for one change; true when it was made. */
async function changes(room: KeptRoom, random: () => number): Promise<boolean> {
  const change = { thing: Math.floor(random() * 6), number: Math.floor(random() * 1000) };
  return room.change(change).then(
    () => true,
    () => false,
  );
}

describe.each(Object.entries(KEPT_ROOMS))('%s, on a disk that fails', (_name, openRoom) => {
  it('are what was acknowledged and nothing else, now and after the next start', async () => {
    for (const seed of [1, 2]) {
      const random = seeded(seed);
      const on = onDisk(openRoom, 'refused', random);
      let room = await on.open();
      for (let step = 0; step < CHANGES; step += 1) {
        const before = await room.seen();
        on.fail(true);
        const isMade = await changes(room, random);
        on.fail(false);
        const after = await room.seen();
        if (!isMade) expect(after).toEqual(before);
        if (step % 10 !== 9) continue;
        // As after kill -9: nothing is said to the room.
        room = await on.open();
        expect(await room.seen()).toEqual(after);
      }
      expect(on.disk.some(({ refused }) => refused > 0)).toBe(true);
      await room.close();
    }
  });

  it('are there when they were acknowledged by a slow disk', async () => {
    const random = seeded(4);
    const on = onDisk(openRoom, 'slow', random);
    const room = await on.open();
    on.fail(true);
    for (let step = 0; step < CHANGES / 3; step += 1)
      expect(await changes(room, random)).toBe(true);
    const seen = await room.seen();
    expect(await (await on.open()).seen()).toEqual(seen);
    await room.close();
  });

  it('can be opened after a write that was torn, and go on', async () => {
    for (const seed of [5]) {
      const random = seeded(seed);
      const on = onDisk(openRoom, 'torn', random);
      let room = await on.open();
      for (let step = 0; step < CHANGES; step += 1) {
        on.fail(true);
        await changes(room, random);
        on.fail(false);
        if (step % 10 === 9) room = await on.open();
      }
      expect(await changes(room, random)).toBe(true);
      const seen = await room.seen();
      expect(await (await on.open()).seen()).toEqual(seen);
      await room.close();
    }
  });

  it('are all there, and more can be made later, when the room is opened on a disk that refuses all', async () => {
    for (const laterMs of [0, YEAR_MS]) {
      const random = seeded(6);
      const on = onDisk(openRoom, 'refused', random, 1);
      const room = await on.open();
      for (let step = 0; step < CHANGES / 2; step += 1) await changes(room, random);
      const seen = await room.seen();
      on.fail(true);
      // After a year what is over has to be forgotten, which the disk refuses as well.
      const again = await on.open(laterMs);
      on.fail(false);
      if (laterMs > 0) continue;
      expect(await again.seen()).toEqual(seen);
      let isMade = false;
      for (let step = 0; step < CHANGES && !isMade; step += 1)
        isMade = await changes(again, random);
      expect(isMade).toBe(true);
      await again.close();
    }
  });
});
