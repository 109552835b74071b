/** What one use of a model may cost at the most, before anything is sent, and what it did cost. Pure. */
import { StarlingError } from '../core/index.ts';
import type { Cost } from '../budget/index.ts';
import { countIn } from './json-reading.ts';
import type { ReadCall, Usage } from './types.ts';

/** Characters of a token, at the least. */
const CHARS_PER_TOKEN = 3;
/** Tokens that an answer is reckoned to have where the request names no limit. */
const OUTPUT_UNSAID = 4096;
/** Answers to one request. */
const ANSWERS_MAX = 128;

/** Errors by which whoever was asked says that it has done nothing. */
const UNDONE: readonly string[] = [
  'STARLING_CALL_REFUSED',
  'STARLING_MODEL_CONTEXT',
  'STARLING_MODEL_KEY_REFUSED',
  'STARLING_MODEL_OVERLOADED',
  'STARLING_MODEL_REJECTED',
  'STARLING_MODEL_UNKNOWN',
  'STARLING_MODEL_UNSUPPORTED',
  'STARLING_RATE_LIMITED',
  'STARLING_BUDGET_EXHAUSTED',
  'STARLING_BUDGET_CLOSED',
  'STARLING_USAGE',
];

/** The most tokens that the call may take: its whole body, and all that it lets be answered. */
export function worstCase({ body, fields, form }: ReadCall): Cost {
  if (form === 'count_tokens') return {};
  const input = Math.ceil(body.length / CHARS_PER_TOKEN);
  if (form === 'embeddings') return { tokens: input };
  const { max_tokens: one, max_completion_tokens: other, n } = fields;
  const limit = countIn(one) || countIn(other) || OUTPUT_UNSAID;
  return { tokens: input + limit * Math.min(ANSWERS_MAX, countIn(n) || 1) };
}

/**
 * What a call did cost: by the word of whoever answered; nothing where the call was refused, or nothing was sent. Undefined where
 * nobody knows, since then it may have cost all.
 */
export function costOfUse(usage: Usage | undefined, error: unknown): Cost | undefined {
  if (usage !== undefined) return { tokens: usage.input + usage.output };
  if (!(error instanceof StarlingError)) return undefined;
  const { status, unsent } = error.data;
  const isUndone = UNDONE.includes(error.code) || typeof status === 'number' || unsent === true;
  return isUndone ? { tokens: 0, calls: 0, usd: 0 } : undefined;
}
