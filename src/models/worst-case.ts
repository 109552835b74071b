/** What one use of a model may cost at the most, before anything is sent, and what it did cost. Pure. */
import { StarlingError } from '../core/index.ts';
import type { Json } from '../core/index.ts';
import type { Cost } from '../budget/index.ts';
import { PICTURE_TOKENS, attachmentsIn } from './attachments.ts';
import { countIn } from './json-reading.ts';
import type { ListPrice } from './prices/list-prices.ts';
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
/** What fits into a model of which nobody knows that. */
const CONTEXT_MOST = 1_000_000;
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

/** What is known of the model that is to be asked. */
export interface AskedModel {
  readonly price: ListPrice;
  /** What a limit is called there where a request has none. */
  readonly limitKey: LimitKey;
  /** How many tokens fit into it, where that is known. */
  readonly contextTokens: number | undefined;
}

/**
 * The call as `room` pays for it: one that names no limit gets one, and one that may cost more than there is room for a lower
 * one, of at least {@link OUTPUT_MIN} tokens. Where nothing is bounded in tokens or dollars, the call stays as it is.
 */
export function fitted(call: ReadCall, asked: AskedModel, room: Cost): Fitted {
  const { fields, form } = call;
  const { limitKey, price } = asked;
  if (form === 'count_tokens') return { call, worst: {}, headers: {} };
  const input = inputOf(call, asked);
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

/** Tokens that the model may read. Of a document nobody knows how many it has, but that no more than fit are read. */
function inputOf({ body, fields }: ReadCall, { contextTokens, price }: AskedModel): number {
  const { documents, pictures } = attachmentsIn(fields);
  const text = Math.ceil(body.length / CHARS_PER_TOKEN);
  return (
    text +
    pictures * (price.pictureTokens ?? PICTURE_TOKENS) +
    (documents === 0 ? 0 : (contextTokens ?? CONTEXT_MOST))
  );
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
  price: ListPrice,
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
