/**
 * A table in memory that remembers every durable write in order, so that a test can look at the
 * disk as it was at each moment, and that can be told to fail.
 */
import type { Table, Write } from '../../src/store/types.ts';

export interface JournalTable extends Table {
  readonly rows: Map<string, Uint8Array>;
  /** Every batch that became durable. */
  readonly journal: (readonly Write[])[];
  /** How many of the next writes are rejected. */
  failures: number;
  /** Holds writes back until it is called off. */
  hold(): () => void;
  /** The table as it was after `count` batches. */
  at(count: number): JournalTable;
}

export function journalTable(from: Iterable<readonly Write[]> = []): JournalTable {
  const rows = new Map<string, Uint8Array>();
  const journal: (readonly Write[])[] = [];
  let gate: Promise<void> = Promise.resolve();
  const apply = (writes: readonly Write[]): void => {
    journal.push(writes);
    for (const { key, value } of writes) {
      if (value === undefined) rows.delete(key);
      else rows.set(key, new Uint8Array(value));
    }
  };
  for (const writes of from) apply(writes);

  const batch = async (writes: readonly Write[]): Promise<void> => {
    const own = writes.map((write) => ({ ...write }));
    await gate;
    if (table.failures > 0) {
      table.failures -= 1;
      throw new Error('no space left on device');
    }
    apply(own);
  };
  const table: JournalTable = {
    rows,
    journal,
    failures: 0,
    hold() {
      let release = (): void => undefined;
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    at: (count) => journalTable(journal.slice(0, count)),
    get: async (key) => rows.get(key),
    put: (key, value) => batch([{ key, value }]),
    delete: (key) => batch([{ key }]),
    batch,
    async *entries(prefix = '') {
      const keys = [...rows.keys()].filter((key) => key.startsWith(prefix)).sort();
      for (const key of keys) yield [key, rows.get(key) ?? new Uint8Array()] as const;
    },
  };
  return table;
}
