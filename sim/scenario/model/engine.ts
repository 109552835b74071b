/** The engine `model`: carries a scenario out as events, at several sizes up to the one asked for. */
import type { Plan } from '../plan.ts';
import type { Plot, RunReport, Verdict } from '../report.ts';
import type { Scenario } from '../schema.ts';
import { MEASURED } from './measured.ts';
import { COSTS, PROTOCOL, heartbeatEveryMs } from './parameters.ts';
import { simulate } from './simulate.ts';
import type { ModelResult } from './simulate.ts';

/** Heartbeats that are followed copy by copy: each is a copy and more at every node. */
const FOLLOWED = 8;
/** Least time that is simulated: that of a death which nobody is told of by a broken connection. */
const DURATION_MIN_MS = 30_000;
/** Sizes of the curves below the one asked for. */
const SIZES = [10, 100, 1000, 10_000, 100_000] as const;

/** When the model says that the protocol is too much: share of a core, kB/s, age of what a heartbeat says, ms. */
const BREAKS = { cpuShare: 0.05, kilobytes: 100, heartbeatMs: 600_000, deadMs: 15_000 } as const;

/** Runs it. The report has no time of this machine in it: the same seed gives the same bytes. */
export function runModel(
  scenario: Scenario,
  plan: Plan,
  tell: (text: string, done: number) => void,
): Pick<RunReport, 'pass' | 'notes' | 'figures' | 'verdicts' | 'events' | 'plots'> {
  const nodes = plan.names.length;
  const sizes = [...SIZES.filter((size) => size < nodes), nodes];
  const rows = sizes.map((size) => {
    const result = simulate(initOf(scenario, plan, size, tell));
    return { size, result };
  });
  const result = (rows.at(-1) as (typeof rows)[number]).result;
  const figures = { ...result };
  const verdicts = plan.after.flatMap((claim): readonly Verdict[] => {
    if (claim.that !== 'at-most' && claim.that !== 'at-least') return [];
    const measured = (figures as Readonly<Record<string, number>>)[claim.figure] ?? Number.NaN;
    const pass = claim.that === 'at-most' ? measured <= claim.value : measured >= claim.value;
    return [{ claim: `${claim.figure} ${claim.that}`, pass, measured, limit: claim.value }];
  });
  return {
    pass: verdicts.every(({ pass }) => pass),
    notes: [
      'the protocol is the one of the product',
      `costs: ${MEASURED.source}`,
      ...breaksOf(rows),
    ],
    figures,
    verdicts,
    events: plan.steps.map(({ atMs, act }) => ({ atMs, text: act })),
    plots: plotsOf(rows),
  };
}

function initOf(
  scenario: Scenario,
  plan: Plan,
  nodes: number,
  tell: (text: string, done: number) => void,
): Parameters<typeof simulate>[0] {
  const all = plan.names.length;
  const at = (name: string): number => Math.floor(((Number(name.slice(1)) - 1) / all) * nodes);
  const durationMs = Math.max(DURATION_MIN_MS, plan.endMs);
  const deaths = plan.steps.flatMap((step) => {
    if (step.act === 'kill') return [{ atMs: step.atMs, node: at(step.node), isSilent: false }];
    if (step.act !== 'cut') return [];
    return step.from.map((name) => ({ atMs: step.atMs, node: at(name), isSilent: true }));
  });
  const seen = new Set<number>();
  return {
    nodes,
    seed: plan.seed,
    durationMs,
    protocol: PROTOCOL,
    costs: COSTS,
    link: scenario.links.default,
    deaths: deaths.filter(({ node }) => !seen.has(node) && seen.add(node).size < nodes),
    lookups: plan.lookups.map(({ atMs, from }) => ({ atMs, from: at(from) })),
    followed: FOLLOWED,
    tell: (nowMs, events) =>
      tell(`${nodes} nodes, ${nowMs / 1000} s, ${events} events`, nowMs / durationMs),
  };
}

interface Row {
  readonly size: number;
  readonly result: ModelResult;
}

/** Where it breaks, in words. */
function breaksOf(rows: readonly Row[]): readonly string[] {
  const first = (name: string, isOver: (row: Row) => boolean): string => {
    const row = rows.find(isOver);
    return row === undefined
      ? `${name}: not up to ${rows.at(-1)?.size} nodes`
      : `${name}: at ${row.size} nodes`;
  };
  return [
    [
      first('over 5 % of a core a node', ({ result }) => result.cpuShare > BREAKS.cpuShare),
      first('over 100 kB/s a node', ({ result }) => result.kilobytesPerSecond > BREAKS.kilobytes),
      first(
        'what a heartbeat says is over ten minutes old',
        ({ size }) => heartbeatEveryMs(size, PROTOCOL) > BREAKS.heartbeatMs,
      ),
      first(
        'the dead are known later than after 15 s',
        ({ result }) => result.cutDeadAllMs > BREAKS.deadMs,
      ),
    ].join('; '),
  ];
}

function plotsOf(rows: readonly Row[]): readonly Plot[] {
  const curve = (title: string, pick: (result: ModelResult) => number): Plot['curves'][number] => ({
    title,
    points: rows.map(({ size, result }) => [size, pick(result)] as const),
  });
  const plot = (title: string, y: string, ...curves: Plot['curves'][number][]): Plot => ({
    title,
    x: 'nodes',
    y,
    curves,
    isLog: true,
  });
  return [
    plot(
      'Messages',
      'a node and second',
      curve('messages', (row) => row.messagesPerSecond),
    ),
    plot(
      'Bytes',
      'kB/s a node',
      curve('bytes', (row) => row.kilobytesPerSecond),
    ),
    plot(
      'CPU',
      '% of a core a node',
      curve('CPU', (row) => row.cpuShare * 100),
    ),
    plot(
      'Detection',
      'ms',
      curve('killed: dead for all', (row) => row.killedDeadAllMs),
      curve('cut off: dead for all', (row) => row.cutDeadAllMs),
    ),
    plot(
      'A heartbeat',
      'ms',
      curve('half have it', (row) => row.floodHalfMs),
      curve('all have it', (row) => row.floodAllMs),
    ),
    plot(
      'Look-ups',
      'rounds',
      curve('rounds', (row) => row.lookupRounds),
      curve('questions', (row) => row.lookupQuestions),
    ),
  ];
}
