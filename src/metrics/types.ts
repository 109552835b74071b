/** What a node tells of itself in numbers, and what that is read from. */
import type { CallPoint } from './call-history.ts';

/** What is read of the rooms, at each look. Counts by the words of a label. */
export interface MetricsSources {
  callsNow(): number;
  sessions(): Readonly<Record<string, number>>;
  peers(): Readonly<Record<string, number>>;
  /** The state of each MCP server. */
  servers(): readonly string[];
  boards(): number;
  tasks(): Readonly<Record<string, number | undefined>>;
  /** Those that are not closed. */
  budgets(): readonly BudgetFigures[];
  /** Whether each agent of this node is stopped. */
  agents(): readonly boolean[];
  models(): readonly ModelFigures[];
  isAuditHealthy(): boolean;
  auditEntries(): number;
  warnings(): number;
  spans(): SpanFigures;
}

/** What has become of the spans of calls; all 0 where none are collected. */
export interface SpanFigures {
  readonly sent: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly limited: number;
  readonly waiting: number;
}

/** The figures of one budget, in its unit; dollars in millionths. */
export interface BudgetFigures {
  readonly unit: string;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly free: number;
}

/** The figures of some models. */
export interface ModelFigures {
  readonly calls: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** What was paid since the node started, and in the last 60 minutes, micro-dollars. */
  readonly costMicroUsd: number;
  readonly lastHourMicroUsd: number;
  /** Answers that were checked, that stood in a vote, and that were graded; of the grades the sum, 0 to 1 each. */
  readonly checked: number;
  readonly passed: number;
  readonly voted: number;
  readonly agreed: number;
  readonly graded: number;
  readonly gradeSum: number;
}

/** Counts by a word: of states, of doors. */
export type Counts = Readonly<Record<string, number>>;

/** What all open budgets of one unit come to; dollars in millionths. */
export interface UnitFigures extends BudgetFigures {
  readonly budgets: number;
}

/** The node at one glance. */
export interface NodeFigures {
  /** When this was so, ms since the epoch. */
  readonly at: number;
  readonly calls: CallPoint & {
    /** In the ten seconds that were over last. */
    readonly perSecond: number;
    readonly underWay: number;
    /** How many there were in each of the last 60 minutes, the oldest first. */
    readonly minutes: readonly number[];
  };
  /** By state. */
  readonly peers: Counts;
  /** By door. */
  readonly sessions: Counts;
  /** MCP servers of this node, by state. */
  readonly servers: Counts;
  /** Agents of this node: `active` and `stopped`. */
  readonly agents: Counts;
  /** Tasks that were given here, by state. */
  readonly tasks: Counts;
  readonly budgets: readonly UnitFigures[];
  readonly models: {
    /** Since the node started. */
    readonly calls: number;
    readonly failed: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
    /** Micro-dollars, since the node started and in the last 60 minutes. */
    readonly costMicroUsd: number;
    readonly lastHourMicroUsd: number;
  };
  readonly boards: number;
  /** Lasting troubles: `starling status` names them. */
  readonly warnings: number;
  /** Processor time that the node has used since it started, ms. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
}
