/** A thousand spend at once, at five nodes that reach each other, what is enough for a hundred. */
import { NAME, builtin, faultsOf, settled, withBudget } from './mesh.ts';

/** What came of it. */
export interface ParallelRow {
  readonly calls: number;
  readonly limit: number;
  readonly acked: number;
  /** Until the last was told yes or no, ms. */
  readonly ms: number;
  readonly faults: readonly string[];
}

const LIMIT = 100;
const CALLS = 1000;

/** Runs it. Needs root, for network namespaces. */
export function runParallel(): Promise<ParallelRow> {
  return withBudget(LIMIT, async (mesh) => {
    const startedAt = performance.now();
    const tries = Array.from({ length: CALLS }, (_, at) =>
      builtin(mesh.nodes[at % mesh.nodes.length], 'budget_report', { name: NAME, amount: 1 }),
    );
    const acked = (await Promise.all(tries)).filter((one) => one !== undefined).length;
    const ms = performance.now() - startedAt;
    const faults = faultsOf(await settled(mesh), acked, LIMIT);
    return { calls: CALLS, limit: LIMIT, acked, ms, faults };
  });
}
