/**
 * List prices of vendors, dollars for a million tokens, for requests that are neither batched, flexible nor hurried, and the
 * share of them that batches cost. Each list says when it was looked up and where. Pure.
 */
import type { ModelPrice } from '../../config/index.ts';

/** A price as vendors list it. */
export interface ListPrice extends ModelPrice {
  /** All tokens of a request with a longer prompt cost this. */
  readonly long?: ModelPrice & { readonly above: number };
  /** The most tokens that one picture takes, where a model counts more than others do. */
  readonly pictureTokens?: number;
}

/** The prices of one vendor. */
export interface PriceList {
  readonly vendor: string;
  /** The day on which they were looked up. */
  readonly asOf: string;
  /** The page on which the vendor has them. */
  readonly source: string;
  /** Who has written them down from there, and of which day, where the page itself was not read. */
  readonly reportedBy?: readonly string[];
  /** The share that a request in a batch costs; absent where this node has no batches of the vendor. */
  readonly batch?: number;
  /** By a model's own name, without a date. Cache writes as of the longer time, which is dearer. */
  readonly prices: Readonly<Record<string, ListPrice>>;
}

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

/** Twice for input and one and a half times for output, of prompts of more than 272,000 tokens. */
const withLong = (usual: ModelPrice): ListPrice => ({
  ...usual,
  long: {
    above: 272_000,
    ...price(
      usual.input * 2,
      usual.output * 1.5,
      (usual.cachedInput ?? usual.input) * 2,
      usual.cacheWrite === undefined ? undefined : usual.cacheWrite * 2,
    ),
  },
});

const ANTHROPIC: PriceList = {
  vendor: 'Anthropic',
  asOf: '2026-11-29',
  source: 'platform.claude.com/docs/en/about-claude/pricing',
  batch: 0.5,
  prices: {
    'claude-fable-5-1': price(10, 50, 0.25, 20),
    'claude-fable-5': price(10, 50, 1, 20),
    'claude-mythos-5-1': price(10, 50, 0.25, 20),
    'claude-mythos-5': price(10, 50, 1, 20),
    'claude-opus-5-5': price(4, 20, 0.2, 8),
    'claude-opus-5': price(5, 25, 0.5, 10),
    'claude-opus-4-8': price(5, 25, 0.5, 10),
    'claude-opus-4-7': price(5, 25, 0.5, 10),
    'claude-opus-4-6': price(5, 25, 0.5, 10),
    'claude-opus-4-5': price(5, 25, 0.5, 10),
    'claude-opus-4-1': price(15, 75, 1.5, 30),
    'claude-opus-4': price(15, 75, 1.5, 30),
    'claude-sonnet-5-5': price(2, 10, 0.1, 4),
    'claude-sonnet-5': price(2, 10, 0.2, 4),
    'claude-sonnet-4-6': price(3, 15, 0.3, 6),
    'claude-sonnet-4-5': price(3, 15, 0.3, 6),
    'claude-sonnet-4': price(3, 15, 0.3, 6),
    'claude-haiku-5-5': {
      ...price(0.1, 0.5, 0.01, 0.2),
      long: { above: 100_000, ...price(0.5, 2.5, 0.05, 1) },
    },
    'claude-haiku-4-5': price(1, 5, 0.1, 2),
    'claude-3-opus': price(15, 75, 1.5, 30),
    'claude-3-7-sonnet': price(3, 15, 0.3, 6),
    'claude-3-5-sonnet': price(3, 15, 0.3, 6),
    'claude-3-5-haiku': price(0.8, 4, 0.08, 1.6),
    'claude-3-haiku': price(0.25, 1.25, 0.03, 0.5),
  },
};

const OPENAI: PriceList = {
  vendor: 'OpenAI',
  asOf: '2026-11-29',
  source: 'developers.openai.com/api/docs/pricing',
  reportedBy: [
    'GPT-4.1 to GPT-5.2, and in batches: github.com/karstenheld3/SharePoint-GPT-Middleware, copies of the page of 2026-02-07 and, in batches, 2026-03-10',
    'GPT-5.4, GPT-5.5, half of it in batches: github.com/api-evangelist/openai, plans of 2026-05-22',
    'GPT-5.6: github.com/TheKrush/PromptFuel 1.0.19 of 2026-09-07, docs.apiyi.com/models',
    'GPT-6: github.com/merefield/codexometer 0.18.4 of 2026-09-22, github.com/BerriAI/litellm/discussions/39633',
    'GPT-6.1, GPT-6.2: docs.apiyi.com/en/news/gpt-6-1-sol-launch, github.com/BerriAI/litellm/discussions/52347',
  ],
  batch: 0.5,
  prices: {
    'gpt-6.2-astra': withLong(price(8, 40, 0.4, 10)),
    'gpt-6.2-sol': withLong(price(2, 10, 0.2, 2.5)),
    'gpt-6.1-sol': withLong(price(2, 10, 0.1, 2.5)),
    'gpt-6-astra': withLong(price(10, 50, 1, 12.5)),
    'gpt-6-sol': withLong(price(2, 10, 0.2, 2.5)),
    'gpt-6-luna': withLong(price(0.1, 0.5, 0.01, 0.125)),
    'gpt-5.6-sol': withLong(price(4, 20, 0.4, 5)),
    'gpt-5.6-terra': withLong(price(2, 12, 0.2, 2.5)),
    'gpt-5.6-luna': withLong(price(0.2, 1.2, 0.02, 0.25)),
    'gpt-5.5-pro': withLong(price(30, 180, 30)),
    'gpt-5.5': withLong(price(5, 30, 0.5)),
    'gpt-5.4-pro': withLong(price(30, 180, 30)),
    'gpt-5.4-mini': price(0.75, 4.5, 0.075),
    'gpt-5.4-nano': price(0.2, 1.25, 0.02),
    'gpt-5.4': withLong(price(2.5, 15, 0.25)),
    'gpt-5.2-pro': price(21, 168, 21),
    'gpt-5.2': price(1.75, 14, 0.175),
    'gpt-5.1': price(1.25, 10, 0.125),
    'gpt-5-pro': price(15, 120, 15),
    'gpt-5-mini': price(0.25, 2, 0.025),
    'gpt-5-nano': price(0.05, 0.4, 0.005),
    'gpt-5': price(1.25, 10, 0.125),
    'gpt-4.1-mini': price(0.4, 1.6, 0.1),
    'gpt-4.1-nano': price(0.1, 0.4, 0.025),
    'gpt-4.1': price(2, 8, 0.5),
    // 2,833 and 5,667 for each of eight tiles.
    'gpt-4o-mini': { ...price(0.15, 0.6, 0.075), pictureTokens: 48_169 },
    'gpt-4o-2024-05-13': price(5, 15, 5),
    'gpt-4o': price(2.5, 10, 1.25),
    'o3-pro': price(20, 80, 20),
    'o3-mini': price(1.1, 4.4, 0.55),
    'o4-mini': price(1.1, 4.4, 0.275),
    o3: price(2, 8, 0.5),
    o1: price(15, 60, 7.5),
    'omni-moderation': price(0, 0, 0),
    'text-moderation': price(0, 0, 0),
    'text-embedding-3-small': price(0.02, 0, 0.02),
    'text-embedding-3-large': price(0.13, 0, 0.13),
  },
};

/** As of long prompts, which are dearer. */
const GOOGLE: PriceList = {
  vendor: 'Google',
  asOf: '2026-11-29',
  source: 'ai.google.dev/gemini-api/docs/pricing',
  prices: {
    'gemini-3.1-pro': price(4, 18, 0.4),
    'gemini-3-pro': price(4, 18, 0.4),
    'gemini-3.1-flash-lite': price(0.25, 1.5, 0.025),
    'gemini-3-flash': price(0.5, 3, 0.05),
    'gemini-2.5-pro': price(2.5, 15, 0.25),
    'gemini-2.5-flash-lite': price(0.1, 0.4, 0.01),
    'gemini-2.5-flash': price(0.3, 2.5, 0.03),
    'gemini-embedding-001': price(0.15, 0, 0.15),
  },
};

/** The lists of all vendors. */
export const PRICE_LISTS: readonly PriceList[] = [ANTHROPIC, OPENAI, GOOGLE];

/** All listed prices, by a model's own name without a date. */
export const LISTED: Readonly<Record<string, ListPrice>> = Object.assign(
  {},
  ...PRICE_LISTS.map(({ batch, prices }) =>
    batch === undefined
      ? prices
      : Object.fromEntries(Object.entries(prices).map(([name, one]) => [name, { ...one, batch }])),
  ),
) as Record<string, ListPrice>;

/** Of models so dear that no other which nobody knows is taken to cost as much. */
export const RETIRED: Readonly<Record<string, ListPrice>> = { 'o1-pro': price(150, 600, 150) };
