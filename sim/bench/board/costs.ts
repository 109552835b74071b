/**
 * What nodes of this process do while they are measured: syncs of disks, rows of strong keys, signatures made and checked, and
 * writes to links. Counts, which say the same on a busy machine.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { ClassicLevel } from 'classic-level';

/** What was done so far. */
export interface Costs {
  readonly syncs: number;
  /** Rows of strong keys that were written. */
  readonly rows: number;
  readonly signed: number;
  readonly checked: number;
  /** Chunks that went to a link. */
  readonly chunks: number;
}

let counted: Counted | undefined;

/** How the rows of strong keys are called in a node's database. */
const STRONG_ROW = 'board-quorum\0row/';

/** Begins to count, once; then gives what was done so far. */
export function costsSoFar(chunks: number): Costs {
  counted ??= count();
  return { ...counted, chunks };
}

/** What was done between two looks, for each of so many writes. */
export function costsOf(before: Costs, after: Costs, writes: number): Costs {
  return {
    syncs: (after.syncs - before.syncs) / writes,
    rows: (after.rows - before.rows) / writes,
    signed: (after.signed - before.signed) / writes,
    checked: (after.checked - before.checked) / writes,
    chunks: (after.chunks - before.chunks) / writes,
  };
}

interface Counted {
  syncs: number;
  rows: number;
  signed: number;
  checked: number;
}

interface WriteOptions {
  readonly sync?: boolean;
}

/** A batch of LevelDB that is filled write by write. */
interface Chained {
  put(key: string, value: unknown): unknown;
  write(options?: WriteOptions): Promise<void>;
}

function count(): Counted {
  const counts = { syncs: 0, rows: 0, signed: 0, checked: 0 };
  const level = ClassicLevel.prototype as unknown as { batch: () => Chained };
  const { batch } = level;
  // The store collects its writes in such a batch, and writes that.
  level.batch = function () {
    const chained = Reflect.apply(batch, this, []);
    const put = chained.put.bind(chained);
    const write = chained.write.bind(chained);
    return Object.assign(chained, {
      put(key: string, value: unknown) {
        if (key.startsWith(STRONG_ROW)) counts.rows += 1;
        return put(key, value);
      },
      write(options?: WriteOptions) {
        if (options?.sync === true) counts.syncs += 1;
        return write(options);
      },
    });
  };
  const { sign, verify } = crypto;
  const replaced = {
    sign: (...args: unknown[]): unknown => {
      counts.signed += 1;
      return Reflect.apply(sign, crypto, args);
    },
    verify: (...args: unknown[]): unknown => {
      counts.checked += 1;
      return Reflect.apply(verify, crypto, args);
    },
  };
  Object.assign(crypto, replaced);
  syncBuiltinESMExports();
  return counts;
}
