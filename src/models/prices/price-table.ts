/**
 * What models cost, dollars for a million tokens, by a table of list prices (`list-prices.ts`) which the configuration may
 * override. Prices change, and whoever must be exact sets `models.prices`. Pure.
 */
import type { ModelPrice } from '../../config/index.ts';
import { longest, matches } from './patterns.ts';
import type { Usage } from '../types.ts';
import { LISTED, RETIRED } from './list-prices.ts';
import type { ListPrice } from './list-prices.ts';

const FREE: ModelPrice = { input: 0, output: 0 };
/** What a model costs at the most of which nobody knows the price: as the dearest in each column, of prompts of the usual length. */
const DEAREST: ModelPrice = {
  input: dearest(({ input }) => input),
  output: dearest(({ output }) => output),
  cacheWrite: dearest(({ input, cacheWrite = input }) => cacheWrite),
};

/** The price of one model, and how it is known. */
export interface KnownPrice extends ListPrice {
  /** `set` in the configuration; `listed` in the table; `own` machine, so nothing; `unknown`, so as the dearest. */
  readonly source: 'set' | 'listed' | 'own' | 'unknown';
}

/**
 * The price of `name`, as `provider/model` or `@peer/provider/model`. `isOwnMachine` says that it runs where nobody is paid.
 */
export function priceOf(
  name: string,
  set: Readonly<Record<string, ModelPrice>>,
  isOwnMachine: boolean,
): KnownPrice {
  const patterns = Object.keys(set).filter((pattern) => matches(pattern, name));
  const chosen = longest(patterns);
  const own = chosen === undefined ? undefined : set[chosen];
  if (own !== undefined) return { ...own, source: 'set' };
  if (isOwnMachine) return { ...FREE, source: 'own' };
  const model = name.slice(name.lastIndexOf('/') + 1);
  const table = { ...LISTED, ...RETIRED };
  const known = longest(Object.keys(table).filter((start) => isStart(start, model)));
  const listed = known === undefined ? undefined : table[known];
  return listed === undefined ? { ...DEAREST, source: 'unknown' } : { ...listed, source: 'listed' };
}

/** The same for a request in a batch: the share that the list or the configuration names, or all of it where nobody does. */
export function batchPriceOf(price: KnownPrice): KnownPrice {
  const { batch: share = 1, long } = price;
  return {
    ...price,
    ...scaled(price, share),
    ...(long === undefined ? {} : { long: { above: long.above, ...scaled(long, share) } }),
  };
}

function scaled(
  { input, output, cachedInput, cacheWrite, imageInput }: ModelPrice,
  share: number,
): ModelPrice {
  return {
    input: input * share,
    output: output * share,
    ...(imageInput === undefined ? {} : { imageInput: imageInput * share }),
    ...(cachedInput === undefined ? {} : { cachedInput: cachedInput * share }),
    ...(cacheWrite === undefined ? {} : { cacheWrite: cacheWrite * share }),
  };
}

/** What so many tokens cost, whole micro-dollars, rounded up: a dollar for a million is a micro-dollar for one. */
export function costOfUsage(price: ListPrice, usage: Usage): number {
  const { input, output, cachedInput, cacheWrite, imageInput } = ofLength(price, usage.input);
  const cached = Math.min(usage.cachedInput ?? 0, usage.input);
  const written = Math.min(usage.cacheWrite ?? 0, usage.input - cached);
  const unread = usage.input - cached - written;
  const pictures = Math.min(usage.imageInput ?? 0, unread);
  const micros =
    (unread - pictures) * input +
    pictures * (imageInput ?? input) +
    cached * (cachedInput ?? input) +
    written * (cacheWrite ?? input) +
    usage.output * output;
  // What binary fractions add must not make one more of a whole number.
  return Math.ceil(micros - 1e-6);
}

/** What so many tokens may cost at the most, micro-dollars: no input is read from a cache, and all is written to one. */
export function worstCost(
  price: ListPrice,
  tokens: { readonly input: number; readonly output: number },
): number {
  const { input, output, cacheWrite = input, imageInput = input } = ofLength(price, tokens.input);
  const dearest = Math.max(input, cacheWrite, imageInput);
  return Math.ceil(tokens.input * dearest + tokens.output * output - 1e-6);
}

/** Of a long prompt all tokens have another price at some vendors. */
function ofLength(price: ListPrice, inputTokens: number): ModelPrice {
  return price.long !== undefined && inputTokens > price.long.above ? price.long : price;
}

/** What may stand behind a name of the table: dates, and words of versions that cost the same. `-pro` and `-5` are other models. */
const SAME = /^(?:[-@:](?:\d{2,8}|latest|preview|exp|chat|codex|free|beta|thinking|v\d+))*$/;

/** `gpt-4.1` begins `gpt-4.1-2025-04-14`, and neither `gpt-4.10` nor `gpt-4.1-mini`. */
function isStart(start: string, model: string): boolean {
  return model.startsWith(start) && SAME.test(model.slice(start.length));
}

function dearest(column: (price: ModelPrice) => number): number {
  return Math.max(...Object.values(LISTED).map(column));
}
