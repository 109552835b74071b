/** The words of orchestrations. */
import type { Fund } from '../budget/index.ts';
import type { Did, Json } from '../core/index.ts';
import type { Taint } from '../guard/index.ts';
import type { Role } from '../swarms/index.ts';
import type { TaskView } from '../tasks/index.ts';

/** In which order phases are done: `sequential` one after the other, else those at once that wait for none. */
export const STRATEGIES = ['adaptive', 'parallel', 'sequential'] as const;
/** See {@link STRATEGIES}; `adaptive` also has a phase that was found wanting done anew. */
export type Strategy = (typeof STRATEGIES)[number];

/** What is made of the results of those who did one phase. */
export const AGGREGATIONS = ['majority_vote', 'first', 'merge', 'all'] as const;
/** See {@link AGGREGATIONS}. */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** What is done where no choice has the threshold: `expert_priority`, or nothing. */
export const RESOLUTIONS = ['expert_priority', 'none'] as const;
/** See {@link RESOLUTIONS}. */
export type Resolution = (typeof RESOLUTIONS)[number];

/** A phase of a plan. */
export interface Phase {
  readonly name: string;
  /** What an agent must be able to do. */
  readonly capability: string;
  /** Names of phases that are done before. */
  readonly dependencies: readonly string[];
  /** `validator`: checks what phases before it gave, and none who worked on them does. */
  readonly role: Exclude<Role, 'coordinator'>;
  /** How many agents do it, each for itself. */
  readonly copies: number;
}

/** What does not change of an orchestration. */
export interface PlanOrder {
  readonly id: string;
  readonly swarmId: string;
  readonly description: string;
  /** What each agent gets besides, where the same is wanted of many inputs. */
  readonly input?: Json;
  readonly priority: 'low' | 'normal' | 'high';
  readonly strategy: Strategy;
  readonly aggregation: Aggregation;
  readonly resolution: Resolution;
  readonly threshold: number;
  /** Share of the agents of a phase that may fail. */
  readonly failureThreshold: number;
  readonly retry: 'none' | 'exponential_backoff';
  readonly parallelism: number;
  readonly phases: readonly Phase[];
  /** The budgets that its tasks count against. */
  readonly fund?: Fund;
  /** `keyOf` whoever wants it, and those for whom that one works, a line each. */
  readonly submitter: string;
  readonly from: string;
  /** The least trusted zone that what was wanted may be made of; absent where that is this node alone. */
  readonly taint?: Taint;
  /** Milliseconds since the epoch. */
  readonly submittedAt: number;
  readonly expiresAt: number;
}

/** One agent that has, or had, a place of a phase. */
export interface SeatRow {
  /** `<agent>@<did>`. */
  readonly member: string;
  readonly did: Did;
  /** `<agent>@<node>`. */
  readonly endpoint: string;
  readonly why: string;
  /** Its chance to be right, as this node has seen it. */
  readonly weight: number;
  /** Which round of the phase, which place in it, and how often that was given away before. */
  readonly round: number;
  readonly place: number;
  readonly nth: number;
  readonly taskId?: string;
  readonly outcome?: 'done' | 'failed';
  readonly result?: Json;
  /** Of that, as JSON. */
  readonly resultBytes?: number;
  /** The least trusted zone that its result, or its words of why there is none, may be made of. */
  readonly taint?: Taint;
  readonly error?: string;
  /** The choice as its node has signed it. */
  readonly ballot?: string;
}

/** What one of those who were asked has said, and the share that this has. */
export interface CountedBallot {
  readonly agent: string;
  /** Absent: no answer, or none that can be counted. */
  readonly choice?: string;
  /** Share of the weight of all who were asked. */
  readonly share: number;
  readonly weight: number;
  readonly confidence?: number;
  /** Its node's signature holds. */
  readonly signed: boolean;
}

/** How a vote went. */
export interface VoteView {
  readonly threshold: number;
  /** Absent: no choice was taken. */
  readonly choice?: string;
  /** Of the choice that leads. */
  readonly share: number;
  readonly by: 'majority' | 'expert_priority' | 'no_consensus';
  /** Two choices lead alike. */
  readonly tie: boolean;
  readonly ballots: readonly CountedBallot[];
  /** Who has said something else than what was taken. */
  readonly dissent: readonly string[];
}

/** Where a phase is. */
export interface PhaseRow {
  readonly name: string;
  readonly status: 'waiting' | 'running' | 'done' | 'failed';
  readonly round: number;
  readonly seats: readonly SeatRow[];
  readonly result?: Json;
  readonly vote?: VoteView;
  readonly error?: string;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** An orchestration as it is kept. */
export interface PlanState {
  readonly order: PlanOrder;
  readonly status: 'running' | 'done' | 'failed' | 'cancelled' | 'expired';
  readonly version: number;
  readonly phases: readonly PhaseRow[];
  readonly error?: { readonly reason: string; readonly message: string };
  readonly result?: Json;
  readonly endedAt?: number;
}

/** A phase as others see it. */
export interface PhaseView {
  readonly name: string;
  readonly capability: string;
  readonly role: string;
  readonly status: PhaseRow['status'];
  readonly agents: readonly string[];
  readonly dependencies?: readonly string[];
  /** Seconds: the median of the last runs of the capability; absent where there were none. */
  readonly estimatedDuration?: number;
  readonly round: number;
  readonly attempts: readonly {
    readonly agent: string;
    readonly why: string;
    readonly outcome?: string;
    readonly error?: string;
    readonly taskId?: string;
  }[];
  readonly vote?: VoteView;
  readonly error?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
}

/** An orchestration as others see it: a task, and its plan. */
export interface PlanView extends TaskView {
  readonly swarmId: string;
  readonly description: string;
  readonly assignedAgents: readonly {
    readonly agentId: string;
    readonly role: Role;
    readonly capabilities: readonly string[];
    readonly why: string;
  }[];
  readonly orchestrationPlan: { readonly phases: readonly PhaseView[] };
  readonly coordination: {
    readonly consensusThreshold: number;
    readonly votingMechanism: 'weighted';
    readonly conflictResolution: Resolution;
  };
  /** ISO 8601; absent where a duration is. */
  readonly estimatedCompletion?: string;
  readonly result?: Json;
}

/** The answer of `task_orchestrate`. */
export interface OrchestrateResult extends Omit<PlanView, 'status'> {
  /** `planned`: it was only to be seen, and is not done. */
  readonly status: 'orchestrating' | 'planned';
}
