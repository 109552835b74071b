/**
 * Whether a history of operations on one key is linearizable: Wing and Gong's search (1993) with Lowe's memory of
 * what was seen (2017). Operations whose outcome nobody knows may have happened at any time after they began, or never.
 */
import type { Json } from '../../../../src/index.ts';

/** One operation as its client saw it. */
export interface Operation {
  readonly from: number;
  /** Infinity: its client never heard of it again. */
  readonly to: number;
  /** What the operation does to a value, and what its client must have been told then. */
  apply(value: Json | undefined): { readonly value: Json | undefined; readonly result: Json };
  /** What the client was told; undefined: nobody knows. */
  readonly result: Json | undefined;
}

/** Whether all operations can be put in an order that explains what each was told. */
export function isLinearizable(operations: readonly Operation[]): boolean {
  const ordered = operations.toSorted((a, b) => a.from - b.from);
  const seen = new Set<string>();
  const search = (done: bigint, value: Json | undefined): boolean => {
    const open = ordered.flatMap((operation, at) =>
      (done & (1n << BigInt(at))) === 0n ? [{ operation, at }] : [],
    );
    if (open.every(({ operation }) => operation.result === undefined)) return true;
    const state = `${done} ${JSON.stringify(value) ?? ''}`;
    if (seen.has(state)) return false;
    seen.add(state);
    const earliestEnd = Math.min(...open.map(({ operation }) => operation.to));
    return open.some(({ operation, at }) => {
      if (operation.from > earliestEnd) return false;
      const after = operation.apply(value);
      const isAsTold =
        operation.result === undefined ||
        JSON.stringify(after.result) === JSON.stringify(operation.result);
      return isAsTold && search(done | (1n << BigInt(at)), after.value);
    });
  };
  return search(0n, undefined);
}
