/** What things cost: by the prices of a node's configuration, and by what is known of one use beforehand. */
import { amountWord, readLimit } from '../core/index.ts';
import { matchesTarget, parseResource, targetOf } from '../grants/index.ts';
import type { ResourcePattern, ResourceTarget } from '../grants/index.ts';
import { UNITS } from './types.ts';
import type { Cost, Unit } from './types.ts';

/** What a tool costs a call, by a pattern. */
export interface Price {
  readonly pattern: ResourcePattern;
  readonly amount: number;
  readonly unit: Unit;
}

/** Reads prices as the configuration has them: `{ "search/*": { "call": "0.002usd" } }`. */
export function readPrices(
  given: Readonly<Record<string, { readonly call: string }>>,
): readonly Price[] {
  return Object.entries(given).flatMap(([pattern, { call }]) => {
    const [first = '', second, third] = pattern.split('/');
    // As lists name a peer's tools: the peer first.
    const named = third === undefined ? [first, second] : [`@${first}`, second, third];
    const read = readLimit(call);
    if (read === undefined) return [];
    const { amount, unit } = read;
    return [{ pattern: parseResource(`tool:${named.join('/')}`), amount, unit }];
  });
}

/** What a call of a thing costs, the highest price in each unit, as texts like `0.002usd`. */
export function pricesOf(prices: readonly Price[], resource: string): readonly string[] {
  const target = targetOf(resource);
  if (target === undefined) return [];
  const highest = new Map<Unit, number>();
  for (const { pattern, amount, unit } of prices) {
    if (!matchesTarget(pattern, target)) continue;
    highest.set(unit, Math.max(amount, highest.get(unit) ?? 0));
  }
  return [...highest].map(([unit, amount]) => amountWord(amount, unit));
}

/**
 * The most that one use may cost of budgets in each unit: one call, of several prices the highest, and not less than what
 * the caller of this reckons itself.
 */
export function costOf(
  prices: readonly Price[],
  target: ResourceTarget,
  reckoned: Cost = {},
): Required<Cost> {
  const cost = { tokens: 0, usd: 0, calls: 1 };
  for (const unit of UNITS) cost[unit] = Math.max(cost[unit], wholeOf(reckoned[unit]));
  for (const { pattern, unit, amount } of prices) {
    if (amount > cost[unit] && matchesTarget(pattern, target)) cost[unit] = amount;
  }
  return cost;
}

/** A part of a micro-dollar counts as a whole one; what nobody could reckon is more than there is of anything. */
function wholeOf(amount = 0): number {
  return Number.isNaN(amount) ? Infinity : Math.max(0, Math.ceil(amount));
}
