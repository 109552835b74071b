/** The words of the models' room: what is asked of a model, and what it answers. */
import type { JsonObject } from '../core/index.ts';

/**
 * What a request is in: Chat Completions and embeddings of the OpenAI API, messages and the count of their tokens of the
 * Anthropic API.
 */
export const MODEL_FORMS = ['chat', 'embeddings', 'messages', 'count_tokens'] as const;

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
}

/** Tokens that a call took. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  /** Of `input`, read from the provider's cache. */
  readonly cachedInput?: number;
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
}

/** A model that somebody may use. */
export interface ListedModel {
  /** By which it is asked for: `gpu/qwen`, of a peer `@box/gpu/qwen`. */
  readonly name: string;
  /** Short name, where it is this model alone that has it. */
  readonly shortName?: string;
  /** The peer that has it; absent for this node. */
  readonly peer?: string;
}

/** What went through, of one model and one caller, since the node was started. */
export interface ModelStats {
  readonly model: string;
  readonly caller: string;
  readonly calls: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the tokens, at least one call's are reckoned and not told. */
  readonly hasEstimates: boolean;
  /** Mean time to the first byte, and to the end, ms. */
  readonly firstByteMs: number;
  readonly totalMs: number;
}
