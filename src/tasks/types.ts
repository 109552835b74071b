/** The words of tasks. */
import type { Fund } from '../budget/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import type { Taint } from '../guard/index.ts';

/** Where a task is in its life; see `machine.ts`. */
export const TASK_STATES = [
  'submitted',
  'planned',
  'bidding',
  'leased',
  'running',
  'input_required',
  'reported',
  'verified',
  'done',
  'failed',
  'cancelled',
  'expired',
] as const;
/** See {@link TASK_STATES}. */
export type TaskState = (typeof TASK_STATES)[number];

/** How urgent a task is; `medium` is `normal`. */
export const TASK_PRIORITIES = ['low', 'medium', 'normal', 'high'] as const;
/** See {@link TASK_PRIORITIES}. */
export type TaskPriority = (typeof TASK_PRIORITIES)[number];

/** What is done when a worker fails: `lost` tries again where the worker was lost, `none` never does. */
export const RETRY_POLICIES = ['none', 'lost', 'exponential_backoff'] as const;
/** See {@link RETRY_POLICIES}: `exponential_backoff` tries again whatever the reason. */
export type RetryPolicy = (typeof RETRY_POLICIES)[number];

/** Why a task was not done. */
export interface TaskFault {
  /** A word: `failed`, `poison`, `attempts`, `lost`, `size`, … */
  readonly reason: string;
  readonly message: string;
}

/** What an attempt waits for: a person at the worker's node, or something that its agent needs to know. */
export interface TaskQuestion {
  /** `approval`: whoever owns the agent's node must agree. `input`: the submitter is to answer. */
  readonly kind: 'approval' | 'input';
  /** Tells questions of one task apart: one that was answered is not asked again. */
  readonly key: string;
  readonly message: string;
  /** JSON Schema of the answer; of an `input` only. */
  readonly schema?: JsonObject;
}

/** One time that a task was given to an agent. */
export interface Attempt {
  /** The fencing token: higher with each attempt of the task. */
  readonly token: number;
  /** `<agent>@<node>`. */
  readonly agent: string;
  /** The did:key of the agent's node. */
  readonly did: string;
  /** `keyOf` whoever had announced the agent, where that is of this node. */
  readonly owner?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** Absent while it is under way. */
  readonly outcome?: 'done' | 'failed' | 'lost' | 'cancelled';
  readonly why?: string;
  /** It was lost while a person was to agree: no agent has had it, and it counts for nothing. */
  readonly idle?: true;
}

/** A result that came when another one, or the end of the task, had counted. */
export interface LateResult {
  readonly token: number;
  readonly agent: string;
  readonly at: number;
  /** The result, where it is small; else how many bytes it has. */
  readonly result?: Json;
  readonly bytes?: number;
  readonly error?: string;
}

/** What a worker says of how far it is. */
export interface Progress {
  /** From 0 to 1. */
  readonly part?: number;
  readonly text?: string;
}

/** What does not change of a task. */
export interface TaskOrder {
  readonly id: string;
  /** In the order of the submissions to this node. */
  readonly seq: number;
  /** `mesh`: its owner and its end are in a register that several nodes keep. */
  readonly durable?: 'mesh';
  readonly capability?: string;
  /** Only this agent. */
  readonly agentId?: string;
  readonly priority: 'low' | 'normal' | 'high';
  readonly retry: RetryPolicy;
  readonly tags?: readonly string[];
  readonly prefer?: string;
  /** How long one attempt may take, ms. */
  readonly attemptMs: number;
  /**
   * `keyOf` whoever submitted it, and those for whom that one works, a line each; of a durable one as other nodes read
   * it.
   */
  readonly submitter: string;
  /** How people call the submitter. */
  readonly from: string;
  /** Milliseconds since the epoch. */
  readonly submittedAt: number;
  readonly expiresAt: number;
  /** When its time was begun anew: it was tried again. */
  readonly retriedAt?: number;
  /** Its place among others is that of this time: the clock was set back before it was submitted. */
  readonly placedAt?: number;
  readonly inputBytes: number;
  /** The least trusted zone that what was submitted may be made of; absent where that is this node alone. */
  readonly taint?: Taint;
  /** The budgets that its attempts count against, and what its agent does here meanwhile. */
  readonly fund?: Fund;
  /** What the guide's TaskMessage said of itself, given back as it came. */
  readonly said?: JsonObject;
}

/** A task as it is kept; its input and its result lie beside it. */
export interface TaskRow {
  readonly order: TaskOrder;
  readonly state: TaskState;
  /** The highest fencing token that was given. */
  readonly token: number;
  readonly attempts: readonly Attempt[];
  /** Failures of attempts with higher tokens count: `task retry` moves it. */
  readonly roundFrom: number;
  /** Higher with each change that can be seen. */
  readonly version: number;
  readonly error?: TaskFault;
  /** The agent whose result counts. */
  readonly processedBy?: string;
  /** Of that result, as JSON. */
  readonly resultBytes?: number;
  /** The choice in that result, as the agent's node has signed it. */
  readonly ballot?: string;
  readonly late?: readonly LateResult[];
  /** The least trusted zone that what its agents have said may be made of: its result, and all else. */
  readonly taint?: Taint;
  readonly progress?: Progress;
  /** What is waited for, in the state `input_required`. */
  readonly question?: TaskQuestion;
  /** Answers by the keys of their questions: an attempt that comes later is not asked again. */
  readonly answers?: Readonly<Record<string, Json>>;
  readonly endedAt?: number;
}

/** A task as others see it. */
export interface TaskView {
  readonly taskId: string;
  readonly status: TaskState;
  readonly capability?: string;
  readonly agentId?: string;
  readonly priority: 'low' | 'normal' | 'high';
  readonly retryPolicy: RetryPolicy;
  /** Whether other nodes go on with it when its own is gone. */
  readonly durable?: 'mesh';
  /** Of a durable one: how many nodes keep it. */
  readonly copies?: number;
  /** Of a durable one: the node that gives it to agents now, as it is called here. */
  readonly owner?: string;
  readonly submittedBy: string;
  /** ISO 8601. */
  readonly submittedAt: string;
  readonly deadline: string;
  readonly endedAt?: string;
  readonly attempts: readonly AttemptView[];
  readonly progress?: Progress;
  readonly question?: TaskQuestion;
  /** Why nobody has it yet. */
  readonly waitsFor?: string;
  readonly processedBy?: string;
  /** The choice in the result, as the agent's node has signed it; see `ballot.ts`. */
  readonly ballot?: string;
  readonly error?: TaskFault;
  readonly late?: readonly LateResult[];
  /** The least trusted zone that what is said here, and the result, may be made of; absent where that is this node alone. */
  readonly taint?: Taint;
  /** What the guide's TaskMessage said of itself. */
  readonly message?: JsonObject;
  /** Given with the next call, waits for a change. */
  readonly version: number;
}

/** Tasks that were given in one message. */
export interface TaskBatch {
  /** In the order of their inputs. */
  readonly taskIds: readonly string[];
  /** How many are in which state. */
  readonly counts: Partial<Record<TaskState, number>>;
}

/** An attempt as others see it. */
export interface AttemptView {
  readonly token: number;
  readonly agent: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly outcome?: 'done' | 'failed' | 'lost' | 'cancelled';
  readonly why?: string;
}

/** The answer of `task_result`: the view, and the result of a task that is done. */
export interface TaskResult extends TaskView {
  readonly result?: Json;
}

/** The answer of `task_list`. */
export interface TaskListResult {
  readonly tasks: readonly TaskView[];
  /** How many the caller may see in each state. */
  readonly counts: Readonly<Partial<Record<TaskState, number>>>;
  /** The least trusted of those of the tasks. */
  readonly taint?: Taint;
}

/** What came of an attempt, by the word of the worker's node; `taint` is what the words of the agent may be made of. */
export type Outcome =
  | {
      readonly state: 'running';
      readonly news: number;
      readonly progress?: Progress;
      readonly taint?: Taint;
    }
  | {
      readonly state: 'asks';
      readonly news: number;
      readonly question: TaskQuestion;
      readonly progress?: Progress;
      readonly taint?: Taint;
    }
  | {
      readonly state: 'done';
      readonly result: Json;
      /** Where it was asked for: the choice in the result, signed by the worker's node; see `ballot.ts`. */
      readonly ballot?: string;
      readonly taint?: Taint;
    }
  | {
      readonly state: 'failed';
      readonly reason: string;
      readonly message: string;
      /** The agent has answered that it can't; false: it was lost. */
      readonly answered: boolean;
      readonly taint?: Taint;
    }
  | { readonly state: 'unknown'; readonly taint?: never };

/** A task as somebody wants to have it done. */
export interface SubmitInit {
  /** What an agent must be able to do; or a queue, `tasks.<name>`. */
  readonly capability?: string | undefined;
  /** Only this agent. */
  readonly agentId?: string | undefined;
  readonly input: Json;
  readonly priority?: TaskPriority | undefined;
  /** Default `lost`. */
  readonly retryPolicy?: RetryPolicy | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefer?: string | undefined;
  /** Until when it must have ended, ms from now; default a day. */
  readonly timeoutMs?: number | undefined;
  /** How long one attempt may take, ms; default, and at the most, five minutes. */
  readonly attemptMs?: number | undefined;
  /** `mesh`: other nodes go on with it when this one is gone. */
  readonly durable?: 'mesh' | undefined;
  /** What it counts against: a budget, so much of one, or so much; all tasks of one submission together. */
  readonly budget?: string | undefined;
  /** In place of that: what is known to be its to spend. */
  readonly fund?: Fund | undefined;
  /** What the guide's TaskMessage says of itself. Its `id` makes the same message twice one task. */
  readonly said?: JsonObject | undefined;
  /** What the input may be made of, besides what the submitter has read. */
  readonly taint?: Taint | undefined;
  /** The session that gives it, which can't approve it itself. */
  readonly session?: string | undefined;
}

/** Which tasks somebody wants to see. */
export interface TaskListInit {
  readonly states?: readonly TaskState[] | undefined;
  readonly limit?: number | undefined;
}

/** How long a look waits for something new. */
export interface TaskWait {
  /** The version that is known. */
  readonly seen: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What a submitter answers. */
export interface TaskAnswer {
  /** That of the question; default: of the one that is asked now. */
  readonly key?: string | undefined;
  readonly answer: Json;
}
