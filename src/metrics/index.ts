/** The door of the room: what a node tells of itself in numbers. */
export type { CallPoint, RecentCalls } from './call-history.ts';
export { metricsTools } from './tools.ts';
export { createMetrics, createMetricsRegistry } from './metrics.ts';
export type { Metrics } from './metrics.ts';
export type {
  BudgetFigures,
  MetricsSources,
  ModelFigures,
  NodeFigures,
  UnitFigures,
} from './types.ts';
export { FIGURES } from './names.ts';
export type { Figure } from './names.ts';
