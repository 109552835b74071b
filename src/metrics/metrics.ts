/**
 * What a node tells Prometheus. Calls are counted as they end; all else is read from the rooms when somebody asks, and
 * costs nothing before. `prom-client` writes the text, and is loaded when it is first asked for.
 */
import { performance } from 'node:perf_hooks';
import type { Metric, Registry } from 'prom-client';
import { VERSION } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { CallMeter, MetricsFace, MetricsText } from '../gateway/index.ts';
import { createCallHistory } from './call-history.ts';
import type { RecentCalls } from './call-history.ts';
import { glanceOf } from './glance.ts';
import { createCallCounts } from './call-counts.ts';
import type { CallCounts, Sample } from './call-counts.ts';
import { countOf } from './count-of.ts';
import { FIGURES } from './names.ts';
import type { Figure, FigureKey } from './names.ts';
import type { BudgetFigures, MetricsSources, ModelFigures, NodeFigures } from './types.ts';

/** Prometheus is told of dollars. */
const PARTS_OF_A_DOLLAR = 1_000_000;

/** What a scrape is answered with, and what hears of calls meanwhile. */
export interface Metrics extends MetricsFace {
  readonly calls: CallMeter;
  /** The calls of the last hour. */
  recent(): RecentCalls;
  /** All that a person wants to see at one glance: small, however much there is. */
  glance(): NodeFigures;
}

/** Makes the figures; nothing is read before somebody asks. */
export function createMetrics(sources: MetricsSources, clock: Pick<Clock, 'now'>): Metrics {
  const calls = createCallCounts();
  const history = createCallHistory(clock);
  let registry: Promise<Registry> | undefined;
  let asked: Promise<MetricsText> | undefined;
  const text = async (): Promise<MetricsText> => {
    registry ??= registryOf(sources, calls);
    const made = await registry;
    return { type: made.contentType, text: await made.metrics() };
  };
  return {
    calls: {
      ended(method, isPeers, outcome, ms) {
        calls.ended(method, isPeers, outcome, ms);
        history.ended(outcome, ms);
      },
    },
    recent: () => history.recent(),
    glance: () => glanceOf(sources, history, clock),
    text() {
      // Who asks while an answer is made has that answer.
      asked ??= text().finally(() => {
        asked = undefined;
      });
      return asked;
    },
  };
}

async function registryOf(sources: MetricsSources, calls: CallCounts): Promise<Registry> {
  const readers = readersOf(sources, calls);
  const figures = Object.entries(FIGURES) as [FigureKey, Figure][];
  return createMetricsRegistry(figures.map(([key, figure]) => [figure, readers[key]]));
}

/** Makes what writes the text of figures, each with what reads it when somebody asks. */
export async function createMetricsRegistry(
  figures: readonly (readonly [figure: Figure, read: () => readonly Sample[]])[],
): Promise<Registry> {
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const [figure, read] of figures) registry.registerMetric(metricOf(figure, read));
  return registry;
}

/** What a registry takes: an object that gives its values when it is asked. */
function metricOf({ name, help, type }: Figure, read: () => readonly Sample[]): Metric {
  const get = async (): Promise<object> => ({ name, help, type, values: read() });
  return { name, help, type, get } as unknown as Metric;
}

/** Where each figure comes from. */
function readersOf(
  sources: MetricsSources,
  calls: CallCounts,
): Readonly<Record<FigureKey, () => readonly Sample[]>> {
  return {
    info: () => [{ labels: { version: VERSION }, value: 1 }],
    calls: () => calls.totals(),
    callSeconds: () => calls.times(FIGURES.callSeconds.name),
    callsNow: () => one(sources.callsNow()),
    sessions: () => by(FIGURES.sessions, sources.sessions()),
    peers: () => by(FIGURES.peers, sources.peers()),
    servers: () =>
      by(
        FIGURES.servers,
        countOf(sources.servers(), (state) => state),
      ),
    boards: () => one(sources.boards()),
    tasks: () => by(FIGURES.tasks, sources.tasks()),
    budgetLimit: () => by(FIGURES.budgetLimit, sumOf(sources.budgets(), 'limit')),
    budgetSpent: () => by(FIGURES.budgetSpent, sumOf(sources.budgets(), 'spent')),
    budgetHeld: () => by(FIGURES.budgetHeld, sumOf(sources.budgets(), 'held')),
    budgetFree: () => by(FIGURES.budgetFree, sumOf(sources.budgets(), 'free')),
    agents: () =>
      by(
        FIGURES.agents,
        countOf(sources.agents(), (isStopped) => (isStopped ? 'stopped' : 'active')),
      ),
    modelCalls: () => modelCalls(sources.models()),
    modelTokens: () => modelTokens(sources.models()),
    modelChecks() {
      const [checked, passed] = sums(sources.models(), 'checked', 'passed');
      return by(FIGURES.modelChecks, { passed, failed: checked - passed });
    },
    modelVotes() {
      const [voted, agreed] = sums(sources.models(), 'voted', 'agreed');
      return by(FIGURES.modelVotes, { agreed, alone: voted - agreed });
    },
    modelGrades: () => one(sums(sources.models(), 'graded', 'gradeSum')[0]),
    modelGradePoints: () => one(sums(sources.models(), 'graded', 'gradeSum')[1]),
    auditHealthy: () => one(sources.isAuditHealthy() ? 1 : 0),
    auditEntries: () => one(sources.auditEntries()),
    warnings: () => one(sources.warnings()),
    spans() {
      const { sent, rejected, dropped, limited } = sources.spans();
      return by(FIGURES.spans, { sent, rejected, dropped, limited });
    },
    spansWaiting: () => one(sources.spans().waiting),
    cpu: () => one(cpuSeconds()),
    memory: () => one(process.memoryUsage.rss()),
    started: () => one(Math.round(performance.timeOrigin) / 1000),
    heap: () => one(process.memoryUsage().heapUsed),
    busy: () => one(performance.eventLoopUtilization().active / 1000),
  };
}

function one(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}

/** A series for each word of the one label that `figure` has; what has no such word counts as the last, if that is `other`. */
function by(
  { labels }: Figure,
  values: Readonly<Record<string, number | undefined>>,
): readonly Sample[] {
  const [[label, words] = ['', []]] = Object.entries(labels);
  const rest = Object.entries(values).reduce(
    (sum, [word, value = 0]) => (words.includes(word) ? sum : sum + value),
    0,
  );
  return words.map((word) => ({
    labels: { [label]: word },
    value: (values[word] ?? 0) + (word === 'other' ? rest : 0),
  }));
}

function sumOf(
  budgets: readonly BudgetFigures[],
  what: Exclude<keyof BudgetFigures, 'unit'>,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const budget of budgets) {
    const scale = budget.unit === 'usd' ? PARTS_OF_A_DOLLAR : 1;
    sums[budget.unit] = (sums[budget.unit] ?? 0) + budget[what] / scale;
  }
  return sums;
}

function modelCalls(rows: readonly ModelFigures[]): readonly Sample[] {
  const [all, failed] = sums(rows, 'calls', 'failed');
  return by(FIGURES.modelCalls, { ok: all - failed, failed });
}

function modelTokens(rows: readonly ModelFigures[]): readonly Sample[] {
  const [input, output] = sums(rows, 'inputTokens', 'outputTokens');
  return by(FIGURES.modelTokens, { input, output });
}

function sums(
  rows: readonly ModelFigures[],
  first: keyof ModelFigures,
  second: keyof ModelFigures,
): readonly [number, number] {
  const sum = (key: keyof ModelFigures): number => rows.reduce((all, row) => all + row[key], 0);
  return [sum(first), sum(second)];
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}
