/**
 * What models cost, dollars for a million tokens: a table of list prices, which the configuration may override. Prices
 * change, and whoever must be exact sets `models.prices`. The table has the list prices of the vendors as they were looked
 * up on 2026-03-21 (Google's on 2026-11-29, of long prompts, which are dearer), for requests that are neither batched nor
 * flexible. Pure.
 */
import type { ModelPrice } from '../../config/index.ts';
import type { Usage } from '../types.ts';

const price = (
  input: number,
  output: number,
  cachedInput: number,
  cacheWrite?: number,
): ModelPrice => ({
  input,
  output,
  cachedInput,
  ...(cacheWrite === undefined ? {} : { cacheWrite }),
});

/** By the beginning of a model's own name; of several the longest counts. Cache writes as of the longer time, which is dearer. */
const LISTED: Readonly<Record<string, ModelPrice>> = {
  'claude-opus-4-6': price(5, 25, 0.5, 10),
  'claude-opus-4-5': price(5, 25, 0.5, 10),
  'claude-opus-4': price(15, 75, 1.5, 30),
  'claude-sonnet-4': price(3, 15, 0.3, 6),
  'claude-haiku-4': price(1, 5, 0.1, 2),
  'claude-3-opus': price(15, 75, 1.5, 30),
  'claude-3-7-sonnet': price(3, 15, 0.3, 6),
  'claude-3-5-sonnet': price(3, 15, 0.3, 6),
  'claude-3-5-haiku': price(0.8, 4, 0.08, 1.6),
  'claude-3-haiku': price(0.25, 1.25, 0.03, 0.5),
  'gpt-5.4': price(2.5, 15, 0.25),
  'gpt-5-pro': price(15, 120, 15),
  'gpt-5-mini': price(0.25, 2, 0.025),
  'gpt-5-nano': price(0.05, 0.4, 0.005),
  'gpt-5': price(1.25, 10, 0.125),
  'gpt-4.1-mini': price(0.4, 1.6, 0.1),
  'gpt-4.1-nano': price(0.1, 0.4, 0.025),
  'gpt-4.1': price(2, 8, 0.5),
  'gpt-4o-mini': price(0.15, 0.6, 0.075),
  'gpt-4o': price(2.5, 10, 1.25),
  'o3-mini': price(1.1, 4.4, 0.55),
  'o4-mini': price(1.1, 4.4, 0.275),
  o3: price(2, 8, 0.5),
  o1: price(15, 60, 7.5),
  'gemini-3.1-pro': price(4, 18, 0.4),
  'gemini-3-pro': price(4, 18, 0.4),
  'gemini-3.1-flash-lite': price(0.25, 1.5, 0.025),
  'gemini-3-flash': price(0.5, 3, 0.05),
  'gemini-2.5-pro': price(2.5, 15, 0.25),
  'gemini-2.5-flash-lite': price(0.1, 0.4, 0.01),
  'gemini-2.5-flash': price(0.3, 2.5, 0.03),
  'gemini-embedding-001': price(0.15, 0, 0.15),
  'omni-moderation': price(0, 0, 0),
  'text-moderation': price(0, 0, 0),
  'text-embedding-3-small': price(0.02, 0, 0.02),
  'text-embedding-3-large': price(0.13, 0, 0.13),
};
const FREE: ModelPrice = { input: 0, output: 0 };
/** What a model costs at the most of which nobody knows the price: as the dearest in each column. */
const DEAREST: ModelPrice = {
  input: dearest(({ input }) => input),
  output: dearest(({ output }) => output),
  cacheWrite: dearest(({ input, cacheWrite = input }) => cacheWrite),
};

/** The price of one model, and how it is known. */
export interface KnownPrice extends ModelPrice {
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
  const known = longest(Object.keys(LISTED).filter((start) => isStart(start, model)));
  const listed = known === undefined ? undefined : LISTED[known];
  return listed === undefined ? { ...DEAREST, source: 'unknown' } : { ...listed, source: 'listed' };
}

/** What so many tokens cost, whole micro-dollars, rounded up: a dollar for a million is a micro-dollar for one. */
export function costOfUsage(
  { input, output, cachedInput, cacheWrite }: ModelPrice,
  usage: Usage,
): number {
  const cached = Math.min(usage.cachedInput ?? 0, usage.input);
  const written = Math.min(usage.cacheWrite ?? 0, usage.input - cached);
  const fresh = usage.input - cached - written;
  const micros =
    fresh * input +
    cached * (cachedInput ?? input) +
    written * (cacheWrite ?? input) +
    usage.output * output;
  // What binary fractions add must not make one more of a whole number.
  return Math.ceil(micros - 1e-6);
}

/** What so many tokens may cost at the most, micro-dollars: no input is read from a cache, and all is written to one. */
export function worstCost(
  { input, output, cacheWrite = input }: ModelPrice,
  tokens: { readonly input: number; readonly output: number },
): number {
  return Math.ceil(tokens.input * Math.max(input, cacheWrite) + tokens.output * output - 1e-6);
}

/** `gpt-4.1` begins `gpt-4.1-2025-04-14`, and not `gpt-4.10`. */
function isStart(start: string, model: string): boolean {
  return model === start || (model.startsWith(start) && /^[-@:]/.test(model.slice(start.length)));
}

/** Whether `name` fits: `*` is any characters. */
function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const [index, part] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const found = isLast ? name.length - part.length : name.indexOf(part, at);
    if (found < at || !name.startsWith(part, found)) return false;
    at = found + part.length;
  }
  return true;
}

function longest(texts: readonly string[]): string | undefined {
  return texts.toSorted((one, other) => other.length - one.length)[0];
}

function dearest(column: (price: ModelPrice) => number): number {
  return Math.max(...Object.values(LISTED).map(column));
}
