/**
 * A table whose writes fail as a seed says: for all rooms' tests. Reads go on, as they do on a full disk.
 * What is refused is not there, as a table promises; but `torn` writes leave their first rows behind, as
 * no table may, to see that a room does not lose by that what it had acknowledged before.
 */
import type { Table, Write } from '../../../src/store/types.ts';

/** How a write may go wrong. */
export type Fault = 'refused' | 'slow' | 'torn';

/** A table that fails. */
export interface FaultyTable extends Table {
  /** Whether any write goes wrong; at first none does. */
  isFaulty: boolean;
  /** Writes that were refused so far. */
  readonly refused: number;
}

/** Numbers in [0, 1) by `seed` (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Puts a disk between `table` and its users on which one write in `every`, about, goes wrong by `fault`. */
export function faultyTable(
  table: Table,
  init: { readonly fault: Fault; readonly every: number; readonly random: () => number },
): FaultyTable {
  const { fault, every, random } = init;
  let refused = 0;
  let last: Promise<unknown> = Promise.resolve();
  const full = (): Error => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await new Promise((go) => setImmediate(go));
  };
  const write = async (writes: readonly Write[]): Promise<void> => {
    if (!faulty.isFaulty || random() >= 1 / every) return table.batch(writes);
    if (fault === 'slow') {
      await turns(1 + Math.floor(random() * 20));
      return table.batch(writes);
    }
    if (fault === 'torn') await table.batch(writes.slice(0, Math.floor(random() * writes.length)));
    refused += 1;
    throw full();
  };
  // In the order in which they were asked for, however slow one is.
  const batch = (writes: readonly Write[]): Promise<void> => {
    const own = writes.map(({ key, value }) =>
      value === undefined ? { key } : { key, value: new Uint8Array(value) },
    );
    const done = last.then(() => write(own));
    last = done.catch(() => undefined);
    return done;
  };
  const faulty: FaultyTable = {
    isFaulty: false,
    get refused() {
      return refused;
    },
    get: (key) => table.get(key),
    put: (key, value) => batch([{ key, value }]),
    delete: (key) => batch([{ key }]),
    batch,
    entries: (prefix) => table.entries(prefix),
  };
  return faulty;
}
