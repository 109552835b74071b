/**
 * A table that lives in memory, for tests: as far as its users can see it behaves like one of the store,
 * which `test/compliance/tables.test.ts` checks.
 */
import type { Table, Write } from '../../src/store/types.ts';

const UNFIT_KEY = /\0|\p{Surrogate}/u;

/** Makes an empty table, or one over `rows`; `rows` is what it holds. */
export function memoryTable(
  rows: Map<string, Uint8Array> = new Map(),
): Table & { readonly rows: Map<string, Uint8Array> } {
  const batch = async (writes: readonly Write[]): Promise<void> => {
    for (const { key } of writes) checkKey(key);
    applyTo(rows, writes);
  };
  return {
    rows,
    get: async (key) => copyOf(rows.get(checkKey(key))),
    put: (key, value) => batch([{ key, value }]),
    delete: (key) => batch([{ key }]),
    batch,
    entries: (prefix = '') => entriesOf(rows, checkKey(prefix)),
  };
}

/** Writes copies, as a database does: the bytes stay what they were when they were given. */
export function applyTo(rows: Map<string, Uint8Array>, writes: readonly Write[]): void {
  for (const { key, value } of writes) {
    if (value === undefined) rows.delete(key);
    else rows.set(key, new Uint8Array(value));
  }
}

/** Entries by the bytes of their keys, as they were when the listing began. */
export async function* entriesOf(
  rows: ReadonlyMap<string, Uint8Array>,
  prefix: string,
): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
  const found = [...rows]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]) => ({ key, value, order: Buffer.from(key) }));
  found.sort((a, b) => Buffer.compare(a.order, b.order));
  for (const { key, value } of found) yield [key, new Uint8Array(value)] as const;
}

/** @throws TypeError for a key that the store refuses */
export function checkKey(key: string): string {
  if (UNFIT_KEY.test(key)) throw new TypeError('a key holds no U+0000 and no half of a character');
  return key;
}

/** What a read gives: a copy, which is the reader's own. */
export function copyOf(value: Uint8Array | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : new Uint8Array(value);
}
