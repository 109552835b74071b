/** A table that lives in memory, for tests. */
import type { Table } from '../../src/store/types.ts';

/** Makes an empty table; `rows` is what it holds. */
export function memoryTable(): Table & { readonly rows: Map<string, Uint8Array> } {
  const rows = new Map<string, Uint8Array>();
  const write = (key: string, value: Uint8Array | undefined): void => {
    if (value === undefined) rows.delete(key);
    else rows.set(key, value);
  };
  return {
    rows,
    get: async (key) => rows.get(key),
    put: async (key, value) => write(key, value),
    delete: async (key) => write(key, undefined),
    async batch(writes) {
      for (const { key, value } of writes) write(key, value);
    },
    async *entries(prefix = '') {
      const keys = [...rows.keys()].filter((key) => key.startsWith(prefix)).sort();
      for (const key of keys) yield [key, rows.get(key) ?? new Uint8Array()] as const;
    },
  };
}
