/** What the benchmark of models and its asking process tell each other. */

/** A door of the OpenAI API, and what is asked for there. */
export interface Way {
  readonly title: string;
  /** With `/v1`. */
  readonly baseURL: string;
  readonly apiKey: string;
  readonly model: string;
}

/** Asks by each of `ways` in turn, `callers` at a time, until each was asked `count` times or `durationMs` is over. */
export interface AskJob {
  readonly ways: readonly Way[];
  readonly callers: number;
  readonly count: number;
  readonly durationMs?: number;
  readonly isStream: boolean;
  /** The same question each time, at temperature 0; else each is a question of its own. */
  readonly isSame?: boolean;
}

/** What was seen of one way. */
export interface Asked {
  readonly title: string;
  /** Of each answer, in the order of the questions, ms: until its first token, and until it was whole. */
  readonly firstMs: readonly number[];
  readonly wholeMs: readonly number[];
  /** Whole answers with the right text. */
  readonly answered: number;
  /** What the others failed with, and how often. */
  readonly faults: Readonly<Record<string, number>>;
}

/** All that one job saw. */
export interface AskResult {
  readonly ways: readonly Asked[];
  /** CPU of the asking process meanwhile, µs. */
  readonly cpuUs: number;
}

/** What the asking process answers. */
export type AskAnswer = AskResult | { readonly error: string };

/** What the vendor has counted since it was last asked, at `/counted`. */
export interface VendorCounts {
  /** From the end of an answer with a 5xx to the next request, ms. */
  readonly gapsMs: readonly number[];
  /** Requests, and those of them that failed on purpose, by the first part of the path. */
  readonly requests: Readonly<Record<string, number>>;
  readonly failed: Readonly<Record<string, number>>;
}

/** Pieces of an answer of the vendor, and what they say together. */
export const CHUNKS = 20;
export const TEXT = Array.from({ length: CHUNKS }, (_, at) => `word${at} `).join('');

/** Models of the vendor: at the pace of a real one, without any delay, failing every other time, and failing half. */
export const MODELS = {
  paced: 'paced',
  quick: 'quick',
  alternating: 'alternating',
  half: 'half',
} as const;

/** The pace, ms: until the first piece, and between two. */
export const PACE = { firstMs: 200, betweenMs: 20 } as const;
