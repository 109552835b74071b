/** The shapes of what runs agents: what it is made of, what is asked of it, and what it offers. */
import type { AgentMemory } from './agent-memory.ts';
import type { LearningSettings } from '../../config/index.ts';
import type { Funds } from '../../budget/index.ts';
import type {
  Clock,
  Did,
  Health,
  JsonObject,
  Logger,
  Random,
  Startable,
} from '../../core/index.ts';
import type { AgentProcess, AgentStart } from '../../gateway/index.ts';
import type { Guard, Link, Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import type { Agents } from '../agents.ts';
import type { AgentEndResult, AgentSpawnResult, RunView } from '../types.ts';
import type { LogPage } from './log.ts';
import type { PrepareComponents } from './prepare.ts';
import type { ResourcesInit } from './process-limits.ts';
import type { RunPart, RunRow } from './rows.ts';
import type { MindStart, RunAgent } from './run-agent.ts';

/** What running agents takes. */
export interface RunsComponents extends PrepareComponents {
  readonly table: Table;
  readonly agents: Agents;
  readonly guard: () => Pick<Guard, 'decide'>;
  startProcess(init: AgentStart): Promise<AgentProcess>;
  /** Starts what stands for a process where an agent has a model. Absent where the node has no models. */
  readonly startMind?: (init: MindStart) => Promise<AgentProcess>;
  /** Whom a link means that is no agent which this node runs; undefined for the operator. */
  principalOf(link: Link): Principal | undefined;
  /** Gives agents the budgets that they spend of; without it there are none. */
  readonly funds?: Pick<Funds, 'end' | 'of'>;
  /** What its agents remember; without it nothing is forgotten with them. */
  readonly memory?: Pick<AgentMemory, 'forget'>;
  readonly self: Did;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What somebody wants to run. */
export interface SpawnInit {
  readonly kind: string;
  readonly name?: string | undefined;
  /** Processes, or how many at least and at most, between which the queue says how many. */
  readonly replicas?: number | { readonly least: number; readonly most: number } | undefined;
  /** Default: all of its kind that the spawner has. */
  readonly tools?: readonly string[] | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly resources?: ResourcesInit | undefined;
  readonly config?: JsonObject | undefined;
  /** The model or route that it thinks with, and the prompt that it works by, in place of its kind's. */
  readonly model?: string | undefined;
  readonly prompt?: string | undefined;
  /** What its calls count against: a budget, so much of one, or so much: see {@link Funds}. */
  readonly budget?: string | undefined;
  /** Of a part of an agent that is spread over several nodes. */
  readonly part?: RunPart | undefined;
  /** How long to wait for it to be ready. */
  readonly waitMs: number;
}

/** A look at what an agent writes. */
export interface LogsInit {
  readonly agent: string;
  readonly cursor?: number | undefined;
  readonly limit: number;
  readonly waitMs: number;
}

/** An agent that the node runs, and that learns as its kind says. */
export interface Learner {
  /** Its name. */
  readonly agent: string;
  /** `keyOf` whoever spawned it: another one's agent of that name learns for itself. */
  readonly owner: string;
  readonly capabilities: readonly string[];
  readonly settings: LearningSettings;
}

/** The agents that this node runs. */
export interface Runs extends Startable {
  /**
   * @throws STARLING_AGENT_UNKNOWN for a kind that there is not, STARLING_AGENT_FAILED for resources that can't be
   * enforced, STARLING_CALL_REFUSED for more rights than there are to give, STARLING_LIMIT_EXCEEDED, STARLING_AGENT_TAKEN,
   * STARLING_MODEL_UNKNOWN for a model that nobody has
   */
  spawn(principal: Principal, init: SpawnInit, signal: AbortSignal): Promise<AgentSpawnResult>;
  /** Ends an agent that the node runs, or any other: see `Agents.end`. */
  end(principal: Principal, agent: string, how: 'stop' | 'retire'): Promise<AgentEndResult>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN for whoever did not spawn it */
  logs(principal: Principal, init: LogsInit, signal: AbortSignal): Promise<LogPage>;
  viewOf(name: string): RunView | undefined;
  /** The agent of this name that runs, where its kind says that it learns. */
  learnerOf(name: string): Learner | undefined;
  /** The agents that run now and whose kind says that they learn. */
  learners(): readonly Learner[];
  /** Ids of the budgets that what `principal` does counts against, where it is an agent that the node runs. */
  budgetsOf(principal: Principal): readonly string[];
  /** Who is meant by a link of a chain (`chainOf`) now, without those for whom that one works; undefined for the operator. */
  callerOf(link: string): Principal | undefined;
  /** What runs under `name`; undefined where nothing does. */
  running(name: string): RunAgent | undefined;
  /** Those of its agents that are parts of agents on several nodes. */
  parts(): readonly RunAgent[];
  /** What is kept of `name`, whether it runs or was stopped. */
  rowOf(name: string): Promise<RunRow | undefined>;
  /** What runs under the name of `row` is what that says from now on: on disk first. @throws STARLING_STATE_UNUSABLE, … */
  become(row: RunRow): Promise<void>;
  /**
   * How many processes of a running agent there may be, up to `wanted` and never fewer than there are: its kind and the
   * node bound them, and what `principal` may spawn. @throws STARLING_AGENT_UNKNOWN for a kind that there is no more
   */
  roomFor(principal: Principal, row: RunRow, wanted: number): number;
  /** Whoever goes by `key` is nobody any more: what it spawned ends. */
  spawnerGone(key: string): void;
}
