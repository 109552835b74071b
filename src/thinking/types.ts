/** What a thought is made of: the steps by which an agent with a model deals with one message. */
import type { JsonObject } from '../core/index.ts';
import type { Zone } from '../guard/index.ts';
import type { Beginning } from '../learning/index.ts';

/** A call that a model wants. */
export interface WantedCall {
  /** As the model calls it, so that the result finds its call. */
  readonly id: string;
  readonly tool: string;
  /** JSON as the model wrote it, which may be none. */
  readonly args: string;
}

/** What came of a call. */
export interface ToolOutcome {
  readonly text: string;
  readonly isError: boolean;
  /** From where it comes. */
  readonly zone: Zone;
}

/** One step, as it is kept. Each is on disk before it is acted on. */
export type Step =
  /** `mark` stands before and behind what is data, and is known to nobody else. */
  | { readonly kind: 'begun'; readonly digest: string; readonly mark: string; readonly at: number }
  /** How the thought goes on, where its agent learns: the same way and the same words after the node ended in between. */
  | { readonly kind: 'chosen'; readonly beginning: Beginning }
  | { readonly kind: 'said'; readonly text: string; readonly calls: readonly WantedCall[] }
  /** The call goes out now: from here on it may have happened. */
  | { readonly kind: 'calling'; readonly call: string }
  | ({ readonly kind: 'result'; readonly call: string } & ToolOutcome)
  | { readonly kind: 'answered'; readonly text: string };

/** The steps of one thought. */
export interface StepLog {
  readonly steps: readonly Step[];
  /** Resolves when the step is on disk. @throws STARLING_STATE_UNUSABLE */
  add(step: Step): Promise<void>;
}

/** A tool as a model may use it. */
export interface UsableTool {
  /** As the node lists it. */
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject | undefined;
  /** To call it twice does what to call it once does. */
  readonly isRepeatable: boolean;
}

/** What a thought may use. */
export interface Toolbox {
  /** The tools of now, at most `TOOLS_MAX`, and how many there are besides. */
  list(
    signal: AbortSignal,
  ): Promise<{ readonly tools: readonly UsableTool[]; readonly others: number }>;
  /**
   * Calls a tool. What it or the road refuses is an outcome, too. `key` is the same for the same call of the same task,
   * whoever makes it: a server that heeds it does nothing twice. @throws only what `signal` says
   */
  call(tool: UsableTool, args: JsonObject, signal: AbortSignal, key?: string): Promise<ToolOutcome>;
  /** The least trusted zone from which it was given anything. */
  heard(zone: Zone): void;
}

/** What happens in a thought, for whoever watches. */
export type ThoughtEvent =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'calls'; readonly tool: string; readonly args: string }
  | {
      readonly kind: 'result';
      readonly tool: string;
      readonly isError: boolean;
      readonly text: string;
    };

/** What a thought came to. */
export interface Thought {
  readonly text: string;
  /** How often the model was asked, since the thought began. */
  readonly steps: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Micro-dollars, by list price; absent where that of a turn is not known, or a turn was before the node ended. */
  readonly costMicroUsd?: number;
}

/** What a model means to do for a question: what `ask` gives without `tools`. */
export interface AskPlanResult {
  readonly plan: readonly string[];
  /** By the names that lists show; `ask` with these may call them. */
  readonly tools: readonly string[];
  readonly model: string;
}

/** The answer to a question: what `ask` gives with `tools`. */
export interface AskResult {
  readonly response: string;
  readonly model: string;
  /** How often the model was asked. */
  readonly steps: number;
  /** The tools that it called, in their order. */
  readonly calls: readonly string[];
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly took_ms: number;
}
