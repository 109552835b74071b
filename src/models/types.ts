/** The words of the models' room: what is asked of a model, and what it answers. */
import type { AuditOutcome } from '../audit/index.ts';
import type { ProviderView } from '../config/index.ts';
import type { JsonObject } from '../core/index.ts';

/**
 * What a request is in: Chat Completions, embeddings, responses and moderations of the OpenAI API, messages and the count of
 * their tokens of the Anthropic API.
 */
export const MODEL_FORMS = [
  'chat',
  'embeddings',
  'messages',
  'count_tokens',
  'responses',
  'moderations',
] as const;

export type ModelForm = (typeof MODEL_FORMS)[number];

/** One request for a model. */
export interface ModelCall {
  readonly form: ModelForm;
  /** As the caller named it: `gpu/qwen`, `@box/gpu/qwen`. */
  readonly model: string;
  /** The request as it came. */
  readonly body: Buffer;
  /** What of the caller's headers the provider may see, in small letters. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A request whose body is read: what of it decides where it goes. */
export interface ReadCall extends ModelCall {
  readonly fields: JsonObject;
  readonly isStream: boolean;
  /** The task that the caller says it is for; counts are kept by it. */
  readonly task?: string;
  /** Ids of budgets that it counts against besides those of the caller, which may spend of them. */
  readonly budgets?: readonly string[];
  /** The server that asks during a call of the caller, as `server:<name>`: the audit log has it by this name. */
  readonly asker?: string;
}

/** Tokens that a call took. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  /** Of `input`, read from the provider's cache. */
  readonly cachedInput?: number;
  /** Of `input`, written to the provider's cache. */
  readonly cacheWrite?: number;
  /** Of `input`, pictures, where the provider tells them apart. */
  readonly imageInput?: number;
  /** True where the provider did not say, so that they are reckoned from the length of the texts. */
  readonly isEstimated?: true;
}

/** An answer that has begun, in the form of its request. */
export interface ModelAnswer {
  readonly isStream: boolean;
  /** `starling-ignored` and the like, and ids of the provider. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Its bytes; of a stream as they come. Ends early by a StarlingError; whoever stops reading cancels the call.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Tokens that it took, once the body has ended; absent where nobody knows. */
  usage?(): Usage | undefined;
  /** Counts what was found out about it; absent of one that nobody counts. */
  found?(finding: Finding): void;
}

/** A model that somebody may use. */
export interface ListedModel {
  /** By which it is asked for: `gpu/qwen`, of a peer `@box/gpu/qwen`. */
  readonly name: string;
  /** Short name, where it is this model alone that has it. */
  readonly shortName?: string;
  /** The peer that has it; absent for this node. */
  readonly peer?: string;
  /** It is a name of this node for several models. */
  readonly isRoute?: true;
  /** Its weights, as its server says: `8.2B`. */
  readonly parameters?: string;
  /** Tokens that fit into it at the most, as its server says. */
  readonly contextTokens?: number;
}

/** What was measured of a model's answers; what was not measured is absent. */
export interface ModelQuality {
  /** Answers that a program looked at, since a route escalates: whole, and of the schemas that the request names. */
  readonly checks?: { readonly passed: number; readonly of: number };
  /** Answers that stood in a vote, and those that most of the others agreed with. */
  readonly votes?: { readonly agreed: number; readonly of: number };
  /** Answers that a program has graded by what was expected (`llm record`); the mean is 0 to 1. */
  readonly grades?: { readonly mean: number; readonly of: number };
}

/** One thing that was found out about an answer. */
export type Finding =
  | { readonly what: 'check'; readonly isPassed: boolean }
  | { readonly what: 'vote'; readonly isAgreed: boolean }
  | { readonly what: 'grade'; readonly score: number };

/** What went through, of one model, caller and task. */
export interface ModelStats {
  readonly model: string;
  /** Who called, as messages name it. */
  readonly caller: string;
  /** The agent that called, where the caller is one. */
  readonly agent?: string;
  /** For whom the caller worked. */
  readonly onBehalfOf?: string;
  /** The task that the caller said the calls were for. */
  readonly task?: string;
  /** When the first and the last of these calls ended, ms since the epoch. */
  readonly since: number;
  readonly lastAt: number;
  readonly calls: number;
  readonly failed: number;
  /** Calls that were requests of a batch: their time does not count. */
  readonly batched?: number;
  /** Calls whose answer was kept from an earlier one. */
  readonly cacheHits: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input, read from the provider's cache. */
  readonly cachedInputTokens: number;
  /** What they cost by the price table, micro-dollars. */
  readonly costMicroUsd: number;
  /** Of the tokens, at least one call's are reckoned and not told. */
  readonly hasEstimates: boolean;
  /** Nobody knows the price of at least one call, which counts as the dearest. */
  readonly hasGuessedPrices?: true;
  /** Mean time to the first byte, and to the end, ms. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** How good its answers were, as far as that was measured. */
  readonly quality?: ModelQuality;
}

/** A provider or peer whose models are not known now. */
export interface ListFailure {
  /** Name of the provider, or of the peer as `@box`. */
  readonly from: string;
  readonly error: string;
}

/** The models that a caller may use: what `model_list` gives. */
export interface ModelListResult {
  readonly models: readonly ListedModel[];
  /** Providers and peers whose models are not known now. */
  readonly failures: readonly ListFailure[];
  /** Providers of this node; for its operator only. */
  readonly providers?: readonly ProviderView[];
}

/** That a provider or a model answers: what `model_test` gives. */
export interface ModelTestResult {
  /** The provider or model that was asked. */
  readonly name: string;
  readonly tookMs: number;
  /** Models that the provider lists; absent where one model was asked. */
  readonly models?: readonly string[];
  /** What the model said; absent where only the provider was asked. */
  readonly response?: string;
}

/** The answer to one question, as `ai_query` gives it; a field that the model did not tell is absent. */
export interface AiQueryResult {
  readonly response: string;
  /** What the model told of its way there. */
  readonly reasoning?: string;
  /** The share of the answers of a vote that said the same, 0 to 1; absent where there was no vote. */
  readonly confidence?: number;
  readonly tokens_used: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Nobody told how many tokens it took: they are reckoned. */
  readonly is_estimated?: true;
  /** As it was asked for, or as a route chose. */
  readonly model: string;
  /** Why it ended: `stop`, `length`, `content_filter`. */
  readonly finish_reason?: string;
  /** Which of the caller's functions are to be called with what; nobody here has called them. */
  readonly function_calls?: readonly { readonly name: string; readonly arguments: JsonObject }[];
  /** Of the type `embedding`; `response` is empty then. */
  readonly embedding?: readonly number[];
  /** Of the type `moderation`: whether the text is objectionable, and in what; `response` is empty then. */
  readonly flagged?: boolean;
  readonly categories?: Readonly<Record<string, boolean>>;
  readonly took_ms: number;
  /** What it did cost, dollars, where one model was asked whose price is known. */
  readonly cost_usd?: number;
  /** What the node said of the call: headers that begin with `starling-`. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** Counts by model and caller: what `llm_stats` gives. */
export interface LlmStatsResult {
  readonly stats: readonly ModelStats[];
}

/** A prompt and its answer, as they are kept where the operator says so. */
export interface Transcript {
  readonly id: string;
  /** When the call began, ms since the epoch. */
  readonly at: number;
  /** `gpu/qwen`; with its peer, where a peer has it. */
  readonly model: string;
  /** As the audit log names who called, and for whom. */
  readonly who: string;
  readonly onBehalfOf?: string;
  readonly task?: string;
  /** The number of the call's decision in the audit log. */
  readonly entry?: number;
  readonly outcome: AuditOutcome;
  readonly reason?: string;
  /** The request as it was sent, JSON. */
  readonly request: string;
  /** What the model said, and the tools that it called. */
  readonly answer: string;
  /** One of the two was longer. */
  readonly isCut?: boolean;
}

/** What `llm_transcripts` gives, the newest first. */
export interface LlmTranscriptsResult {
  /** Patterns of models whose prompts and answers are kept. */
  readonly keeps: readonly string[];
  readonly transcripts: readonly Transcript[];
  /** Where the next page begins; absent of the last one. */
  readonly next?: string;
}

/** What `llm_grade` gives. */
export interface LlmGradeResult {
  readonly counted: number;
}

/** How a batch is. `sending`: nobody knows yet whether the vendor has it; from `completed` on it is over. */
export type BatchState =
  | 'sending'
  | 'running'
  | 'cancelling'
  | 'completed'
  | 'expired'
  | 'cancelled'
  | 'failed';

/** One batch, as people see it. */
export interface BatchView {
  readonly id: string;
  /** `anthropic/claude-haiku-4-5`. */
  readonly model: string;
  /** Who has submitted it, as messages name it. */
  readonly caller: string;
  readonly state: BatchState;
  /** Why it is so, where there is something to say. */
  readonly reason?: string;
  readonly requests: number;
  /** Of a batch that is over: requests that were answered, and those that were not. */
  readonly answered?: number;
  readonly failed?: number;
  /** Ms since the epoch. */
  readonly createdAt: number;
  readonly endedAt?: number;
  /** Until when its answers are kept. */
  readonly keptUntil?: number;
  /** What it took, and what that did cost by the price table. */
  readonly tokens?: number;
  readonly costMicroUsd?: number;
  /** Nobody knows the price, so that it counts as the dearest. */
  readonly hasGuessedPrice?: true;
  /** What the node has changed in the requests: `max_tokens=256`. */
  readonly added?: string;
}

/** What `llm_batch_list` gives, the newest first. */
export interface BatchListResult {
  readonly batches: readonly BatchView[];
}

/** What became of one request: the answer in the form of the request, or why there is none. */
export interface BatchAnswer {
  readonly custom_id: string;
  readonly response?: JsonObject;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What `llm_batch_result` gives: a page of answers in the order of the requests. */
export interface BatchResult {
  readonly batch: BatchView;
  readonly answers: readonly BatchAnswer[];
  /** Where the next page begins; absent of the last one. */
  readonly next?: number;
}
