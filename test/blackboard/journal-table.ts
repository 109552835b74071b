/**
 * A table in memory that remembers every durable write in order, so that a test can look at the
 * disk as it was at each moment, and that can be told to fail.
 */
import type { Table, Write } from '../../src/store/types.ts';
import { applyTo, checkKey, copyOf, entriesOf } from '../grants/memory-table.ts';

export interface JournalTable extends Table {
  readonly rows: Map<string, Uint8Array>;
  /** Every batch that became durable. */
  readonly journal: (readonly Write[])[];
  /** How many of the next writes are rejected. */
  failures: number;
  /** A write that is rejected is on the disk all the same. */
  keepsFailed: boolean;
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
    applyTo(rows, writes);
  };
  for (const writes of from) apply(writes);

  const batch = async (writes: readonly Write[]): Promise<void> => {
    // Copies at once: the caller may use its buffers again while the write waits.
    const own = writes.map(({ key, value }) => {
      const copy = copyOf(value);
      return { key: checkKey(key), ...(copy === undefined ? {} : { value: copy }) };
    });
    if (own.length === 0) return;
    await gate;
    if (table.failures > 0) {
      table.failures -= 1;
      if (table.keepsFailed) apply(own);
      throw new Error('no space left on device');
    }
    apply(own);
  };
  const table: JournalTable = {
    rows,
    journal,
    failures: 0,
    keepsFailed: false,
    hold() {
      let release = (): void => undefined;
      gate = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
    at: (count) => journalTable(journal.slice(0, count)),
    get: async (key) => copyOf(rows.get(checkKey(key))),
    put: (key, value) => batch([{ key, value }]),
    delete: (key) => batch([{ key }]),
    batch,
    entries: (prefix = '') => entriesOf(rows, checkKey(prefix)),
  };
  return table;
}
