/**
 * How many tokens fit into a model: as the configuration says, as its provider lists it, as is known of models by their names,
 * or as little as can be meant. Pure.
 */
import type { ModelTier } from '../config/index.ts';
import { longest, matches } from './prices/patterns.ts';

/** What fits into a model of which nobody says it: local servers cut longer prompts without a word. */
export const CONTEXT_TOKENS_MIN = 4096;
/** The same of a vendor elsewhere. */
const CONTEXT_TOKENS_FAR = 32_768;

/** By the beginning of a model's own name; of several the longest counts. */
const KNOWN: Readonly<Record<string, number>> = {
  'claude-': 200_000,
  'gemini-': 1_000_000,
  'gpt-4.1': 1_000_000,
  'gpt-4o': 128_000,
  // Of 400,000 that they take in all, for what is asked.
  'gpt-5': 272_000,
  'gpt-6': 922_000,
  o1: 200_000,
  o3: 200_000,
  o4: 200_000,
};

/** Tokens of the model `name`, as `provider/model` or `@peer/provider/model`; `listed` is what its provider says. */
export function contextTokensOf(
  name: string,
  set: Readonly<Record<string, number>>,
  listed: number | undefined,
  tier: ModelTier,
): number {
  const known = knownContextOf(name, set, listed);
  return known ?? (tier === 'central' ? CONTEXT_TOKENS_FAR : CONTEXT_TOKENS_MIN);
}

/** The same, where somebody knows it. */
export function knownContextOf(
  name: string,
  set: Readonly<Record<string, number>>,
  listed: number | undefined,
): number | undefined {
  const pattern = longest(Object.keys(set).filter((one) => matches(one, name)));
  const told = (pattern === undefined ? undefined : set[pattern]) ?? listed;
  if (told !== undefined) return told;
  const model = name.slice(name.lastIndexOf('/') + 1);
  const start = longest(Object.keys(KNOWN).filter((one) => model.startsWith(one)));
  return start === undefined ? undefined : KNOWN[start];
}
