/** What one use of a model may cost at the most, before anything is sent, and what it did cost. Pure. */
import { StarlingError } from '../core/index.ts';
import type { Json } from '../core/index.ts';
import type { Cost } from '../budget/index.ts';
import type { ModelPrice } from '../config/index.ts';
import { countIn } from './json-reading.ts';
import { costOfUsage, worstCost } from './prices/price-table.ts';
import { limitKeys, withLimit } from './read-call.ts';
import type { LimitKey } from './read-call.ts';
import type { ModelForm, ReadCall, Usage } from './types.ts';

/** Characters of a token, at the least. */
const CHARS_PER_TOKEN = 3;
/** Tokens that an answer is reckoned to have where the request names no limit. */
const OUTPUT_UNSAID = 4096;
/** The shortest answer that is worth asking for: a call that can't pay for so much is refused. */
const OUTPUT_MIN = 256;
/** No answer is longer. */
const OUTPUT_MOST = 10_000_000;
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

/** A request as it is sent, what it may cost, and what the caller is told of the difference. */
export interface Fitted {
  readonly call: ReadCall;
  readonly worst: Cost;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The call as `room` pays for it: one that names no limit gets one, and one that may cost more than there is room for a lower
 * one, of at least {@link OUTPUT_MIN} tokens. Where nothing is bounded in tokens or dollars, the call stays as it is.
 * `limitKey` is what a limit is called where there is none.
 */
export function fitted(call: ReadCall, price: ModelPrice, room: Cost, limitKey: LimitKey): Fitted {
  const { body, fields, form } = call;
  if (form === 'count_tokens') return { call, worst: {}, headers: {} };
  const input = Math.ceil(body.length / CHARS_PER_TOKEN);
  const costOf = (output: number): Cost => ({
    tokens: input + output,
    usd: worstCost(price, { input, output }),
  });
  if (form === 'embeddings' || form === 'moderations')
    return { call, worst: costOf(0), headers: {} };
  const answers = form === 'responses' ? 1 : answersIn(fields['n']);
  const said = Math.max(...limitKeys(form).map((key) => countIn(fields[key])));
  const wanted = said || OUTPUT_UNSAID;
  const asItCame = { call, worst: costOf(wanted * answers), headers: {} };
  if (room.tokens === undefined && room.usd === undefined) return asItCame;
  const limit = Math.min(wanted, Math.max(OUTPUT_MIN, payable(room, costOf, answers)));
  if (limit === said) return asItCame;
  return {
    call: withLimit(call, limitKey, limit),
    worst: costOf(limit * answers),
    headers: { 'starling-added': `${addedAs(form)}=${limit}` },
  };
}

/** What the caller is told that was added. */
function addedAs(form: ModelForm): LimitKey {
  return form === 'responses' ? 'max_output_tokens' : 'max_tokens';
}

/** Answers that are asked for; what is no count may be read as one by the provider, so it counts as the most. */
function answersIn(n: Json | undefined): number {
  if (n === undefined || n === null) return 1;
  return Math.min(ANSWERS_MAX, countIn(n) || ANSWERS_MAX);
}

/** The longest answer that the room pays for, in tokens. */
function payable(room: Cost, costOf: (output: number) => Cost, answers: number): number {
  const fits = (output: number): boolean => {
    const { tokens = 0, usd = 0 } = costOf(output * answers);
    return tokens <= (room.tokens ?? Infinity) && usd <= (room.usd ?? Infinity);
  };
  let [low, high] = [0, OUTPUT_MOST];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * What a call did cost: by the word of whoever answered; nothing where the call was refused, or nothing was sent. Undefined where
 * nobody knows, since then it may have cost all.
 */
export function costOfUse(
  usage: Usage | undefined,
  price: ModelPrice,
  error: unknown,
): Cost | undefined {
  if (usage !== undefined) {
    return { tokens: usage.input + usage.output, usd: costOfUsage(price, usage) };
  }
  if (!(error instanceof StarlingError)) return undefined;
  const { status, unsent } = error.data;
  const isUndone = UNDONE.includes(error.code) || typeof status === 'number' || unsent === true;
  return isUndone ? { tokens: 0, calls: 0, usd: 0 } : undefined;
}

/** What a peer says that a call did cost counts up to what was held for it, or one peer's word could empty a budget. */
export function withinHeld(
  cost: Cost | undefined,
  { tokens = 0, usd = 0 }: Cost,
): Cost | undefined {
  if (cost === undefined) return undefined;
  return {
    ...cost,
    tokens: Math.min(cost.tokens ?? tokens, tokens),
    usd: Math.min(cost.usd ?? usd, usd),
  };
}
