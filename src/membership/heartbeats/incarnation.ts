/**
 * The incarnation of this node: which of its runs a heartbeat is of. It never goes back, so that a node
 * that comes back with its clock behind is still believed to be alive.
 */
import type { Clock } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';

const KEY = 'incarnation';
/**
 * Highest incarnation that somebody else may make this node jump past: a member that means harm can use
 * up numbers to here, and as many are left above it.
 */
const SEEN_MAX = 2 ** 52;

/** The incarnations of a node, kept over restarts. */
export interface Incarnations {
  /** Begins a run: the time, or one more than that of the run before. On disk before it resolves. */
  begin(): Promise<number>;
  /**
   * Somebody knows this node by `seen`. Gives a later incarnation when ours is an older one, once that
   * is on disk; else undefined.
   */
  pass(seen: number): Promise<number | undefined>;
}

/** Makes the incarnations of a node. */
export function createIncarnations({
  table,
  clock,
}: {
  readonly table: Table;
  readonly clock: Clock;
}): Incarnations {
  let current = 0;
  const take = async (next: number): Promise<number> => {
    current = next;
    await table.put(KEY, Buffer.from(String(next), 'utf8'));
    return next;
  };
  return {
    async begin() {
      return take(Math.max(clock.now(), (await read(table)) + 1, current + 1));
    },
    async pass(seen) {
      if (seen <= current || seen > SEEN_MAX) return undefined;
      return take(seen + 1);
    },
  };
}

/** The last one that was written down; 0 when none was, or when it is damaged. */
async function read(table: Table): Promise<number> {
  const bytes = await table.get(KEY);
  const value = bytes === undefined ? 0 : Number(Buffer.from(bytes).toString('utf8'));
  return Number.isSafeInteger(value) && value > 0 && value < Number.MAX_SAFE_INTEGER ? value : 0;
}
