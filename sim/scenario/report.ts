/** What a run of a scenario tells: as JSON, and as lines for people. */
import type { CallTally } from './calls.ts';
import type { EngineName } from './schema.ts';

/** Something that was claimed, and how it came. */
export interface Verdict {
  readonly claim: string;
  readonly pass: boolean;
  /** What was measured: ms until it came true, a share, a value. */
  readonly measured?: number;
  readonly limit?: number;
  readonly detail?: string;
}

/** How things stood at one time. */
export interface Sample {
  readonly atMs: number;
  /** Share of the pairs of running nodes that have one another alive. */
  readonly known: number;
  /** Share of a core a node since the sample before. */
  readonly cpu: number;
  /** kB/s a node since the sample before. */
  readonly kilobytes: number;
}

/** A curve of a plot. */
export interface Curve {
  readonly title: string;
  readonly points: readonly (readonly [number, number])[];
}

/** A plot of the report. */
export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly curves: readonly Curve[];
  /** Both axes by powers of ten. */
  readonly isLog?: boolean;
}

/** One run: a scenario on an engine with so many nodes and a seed. */
export interface RunReport {
  readonly scenario: string;
  readonly about: string;
  readonly engine: EngineName;
  readonly nodes: number;
  readonly seed: number;
  readonly pass: boolean;
  /** The command that runs the same again. */
  readonly replay: string;
  readonly notes: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  readonly calls?: CallTally;
  readonly verdicts: readonly Verdict[];
  /** What happened, at which ms. */
  readonly events: readonly { readonly atMs: number; readonly text: string }[];
  readonly plots: readonly Plot[];
}

/** The command that runs a scenario again. */
export function replayLine(init: {
  readonly given: string;
  readonly seed: number;
  readonly engine: EngineName;
  readonly nodes: number;
}): string {
  return `starling sim ${init.given} --engine ${init.engine} --nodes ${init.nodes} --seed ${init.seed}`;
}

/** A run for people. */
export function renderRun(report: RunReport): string {
  const { scenario, engine, nodes, seed, verdicts, figures, notes, calls } = report;
  const lines = [
    `${scenario}: ${nodes} nodes, engine ${engine}, seed ${seed}`,
    ...notes.map((note) => `  (${note})`),
    ...verdicts.map(renderVerdict),
    ...(calls === undefined || calls.sent === 0 ? [] : [`  calls ${describe(calls)}`]),
    `  ${describe(figures)}`,
    report.pass ? `  passed` : `  FAILED; to run it again: ${report.replay}`,
  ];
  return `${lines.join('\n')}\n`;
}

function renderVerdict({ claim, pass, measured, limit, detail }: Verdict): string {
  const value = measured === undefined ? '' : `  ${round(measured)}`;
  const bound = limit === undefined ? '' : ` of ${round(limit)}`;
  const why = detail === undefined ? '' : `: ${detail}`;
  return `  ${pass ? '✓' : '✗'} ${claim}${value}${bound}${why}`;
}

function describe(values: object): string {
  return Object.entries(values as Readonly<Record<string, number>>)
    .map(([name, value]) => `${name} ${round(value)}`)
    .join(', ');
}

/** A number with as many digits as one reads. */
export function round(value: number): number {
  if (!Number.isFinite(value)) return value;
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
