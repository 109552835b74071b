/** What the figures of a node are read from. */
import type { Clock, Health } from './core/index.ts';
import { OPERATOR } from './guard/index.ts';
import { createMetrics } from './metrics/index.ts';
import type { BudgetFigures, Metrics } from './metrics/index.ts';
import type { Parts } from './node-rooms.ts';

/** Dollars are counted in millionths. */
const PARTS_OF_A_DOLLAR = 1_000_000;

/** Makes the figures over the rooms. */
export function createNodeMetrics(
  { clock, health }: { readonly clock: Clock; readonly health: Pick<Health, 'warnings'> },
  rooms: Pick<
    Parts,
    'agents' | 'audit' | 'blackboard' | 'budgets' | 'membership' | 'models' | 'tasks'
  > & {
    readonly gateway: () => Parts['gateway'];
  },
): Metrics {
  const { agents, audit, blackboard, budgets, gateway, membership, models, tasks } = rooms;
  let written = 0;
  audit.events.on('entries', (entries) => {
    written += entries.length;
  });
  return createMetrics(
    {
      callsNow: () => gateway().load(),
      sessions: () => gateway().sessions(),
      peers() {
        const counts: Record<string, number> = {};
        for (const { state } of membership.peers()) counts[state] = (counts[state] ?? 0) + 1;
        return counts;
      },
      servers: () =>
        gateway()
          .upstreams()
          .map(({ state }) => state),
      boards: () => blackboard.names().length,
      tasks: () => tasks.list(OPERATOR, { limit: 0 }).counts,
      budgets: () => budgets.sums().map((budget) => inDollars(budget)),
      agents: () => agents.stopped(),
      // Rows of single callers and tasks are forgotten in time, and what is told as a counter must not go back.
      models: () => [models.totals()],
      isAuditHealthy: () => audit.healthy(),
      auditEntries: () => written,
      warnings: () => health.warnings().length,
    },
    clock,
  );
}

function inDollars({ unit, limit, spent, held, free }: BudgetFigures): BudgetFigures {
  const scale = unit === 'usd' ? PARTS_OF_A_DOLLAR : 1;
  return {
    unit,
    limit: limit / scale,
    spent: spent / scale,
    held: held / scale,
    free: free / scale,
  };
}
