/** The node at one glance: what `starling top` shows, in one answer whose size does not grow with the mesh. */
import type { Clock } from '../core/index.ts';
import type { CallHistory } from './call-history.ts';
import { countOf } from './count-of.ts';
import type {
  BudgetFigures,
  Counts,
  MetricsSources,
  ModelFigures,
  NodeFigures,
  UnitFigures,
} from './types.ts';

/** Reads the rooms once. */
export function glanceOf(
  sources: MetricsSources,
  history: Pick<CallHistory, 'recent'>,
  clock: Pick<Clock, 'now'>,
): NodeFigures {
  const { minutes, now } = history.recent();
  const { user, system } = process.cpuUsage();
  return {
    at: clock.now(),
    calls: {
      ...now,
      // Whoever looks makes one call for that.
      underWay: Math.max(0, sources.callsNow() - 1),
      minutes: minutes.map(({ calls }) => calls),
    },
    peers: sources.peers(),
    sessions: sources.sessions(),
    servers: countOf(sources.servers(), (state) => state),
    agents: countOf(sources.agents(), (isStopped) => (isStopped ? 'stopped' : 'active')),
    tasks: present(sources.tasks()),
    budgets: byUnit(sources.budgets()),
    models: sumOfModels(sources.models()),
    boards: sources.boards(),
    warnings: sources.warnings(),
    cpuMs: Math.round((user + system) / 1000),
    memoryBytes: process.memoryUsage.rss(),
  };
}

function present(counts: Readonly<Record<string, number | undefined>>): Counts {
  return Object.fromEntries(
    Object.entries(counts).flatMap(([word, count]) => (count === undefined ? [] : [[word, count]])),
  );
}

function byUnit(budgets: readonly BudgetFigures[]): readonly UnitFigures[] {
  const sums = new Map<string, UnitFigures>();
  for (const { unit, limit, spent, held, free } of budgets) {
    const sum = sums.get(unit) ?? { unit, budgets: 0, limit: 0, spent: 0, held: 0, free: 0 };
    sums.set(unit, {
      unit,
      budgets: sum.budgets + 1,
      limit: sum.limit + limit,
      spent: sum.spent + spent,
      held: sum.held + held,
      free: sum.free + free,
    });
  }
  return [...sums.values()];
}

function sumOfModels(all: readonly ModelFigures[]): NodeFigures['models'] {
  const sum = {
    calls: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    costMicroUsd: 0,
    lastHourMicroUsd: 0,
  };
  for (const one of all) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += one[key];
  }
  return sum;
}
