/**
 * Caveats: conditions on a capability, all of which must hold. What each means, and when a child's is
 * as narrow as its parent's. A capability with a caveat that this version does not know, or that is
 * malformed, is void: it allows nothing. Pure. PROTOCOLS.md "Grants".
 */
import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../../core/index.ts';
import { coversArguments, parseArgumentRules } from './argument-caveat.ts';
import type { ArgumentRules } from './argument-caveat.ts';
import { coversHours, parseHours } from './hours-caveat.ts';
import type { Hours } from './hours-caveat.ts';
import { isObject, printable } from '../../core/index.ts';

/** Uses, a burst and a rate are at most this. */
const COUNT_MAX = 1_000_000_000;

/** At most `perSecond` calls on average, and `burst` at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Parsed caveats. */
export interface Caveats {
  /** Why the capability allows nothing. */
  readonly void?: string;
  readonly args?: ArgumentRules;
  readonly hours?: Hours;
  readonly rate?: Rate;
  readonly uses?: number;
  /** Budget, by name or id, against which each call counts, and the most that one call may cost of it. */
  readonly budget?: BudgetCaveat;
  /** True when a person must say yes to each call. */
  readonly approval: boolean;
}

/** See {@link Caveats.budget}; amounts are whole numbers of the budget's unit, `usd` in micro-dollars. */
export interface BudgetCaveat {
  readonly id: string;
  readonly max?: number;
}

type Raw = Readonly<Record<string, Json>>;

/** Stands for a caveat that is not there; undefined stands for one that does not parse. */
const NOTHING = Symbol('nothing');
const NONE: Caveats = { approval: false };
const KNOWN: readonly string[] = ['args', 'hours', 'rate', 'uses', 'approval', 'budget'];

/** Parses what stands in a capability. */
export function parseCaveats(raw: Raw | undefined): Caveats {
  if (raw === undefined || Object.keys(raw).length === 0) return NONE;
  const unknown = Object.keys(raw).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) return isVoid(`the caveat ${printable(unknown)} is not known here`);
  const budget = Object.hasOwn(raw, 'budget') ? parseBudget(raw['budget']) : NOTHING;
  const args = Object.hasOwn(raw, 'args') ? parseArgumentRules(raw['args']) : NOTHING;
  const hours = Object.hasOwn(raw, 'hours') ? parseHours(raw['hours']) : NOTHING;
  const rate = Object.hasOwn(raw, 'rate') ? parseRate(raw['rate']) : NOTHING;
  const uses = Object.hasOwn(raw, 'uses') ? parseUses(raw['uses']) : NOTHING;
  if (args === undefined) return isVoid('its caveat args is malformed');
  if (hours === undefined) return isVoid('its caveat hours is malformed');
  if (rate === undefined) return isVoid('its caveat rate is malformed');
  if (uses === undefined) return isVoid('its caveat uses is malformed');
  if (budget === undefined) return isVoid('its caveat budget is malformed');
  if (Object.hasOwn(raw, 'approval') && raw['approval'] !== 'required') {
    return isVoid('its caveat approval is malformed');
  }
  return {
    ...(args === NOTHING ? {} : { args }),
    ...(hours === NOTHING ? {} : { hours }),
    ...(rate === NOTHING ? {} : { rate }),
    ...(uses === NOTHING ? {} : { uses }),
    ...(budget === NOTHING ? {} : { budget }),
    approval: Object.hasOwn(raw, 'approval'),
  };
}

/**
 * The name of a caveat of `parent` that `child` lacks or widens; undefined when it keeps them all.
 * Caveats that can't be understood are kept only by being the same.
 */
export function widenedCaveat(parent: Raw | undefined, child: Raw | undefined): string | undefined {
  return Object.entries(parent ?? {}).find(([name, wider]) => {
    const narrower = child !== undefined && Object.hasOwn(child, name) ? child[name] : undefined;
    if (narrower === undefined) return true;
    return !isDeepStrictEqual(wider, narrower) && !isNarrower(name, wider, narrower);
  })?.[0];
}

function isNarrower(name: string, wider: Json, narrower: Json): boolean {
  if (name === 'args') {
    return both(wider, narrower, parseArgumentRules, coversArguments);
  }
  if (name === 'hours') return both(wider, narrower, parseHours, coversHours);
  if (name === 'uses') return both(wider, narrower, parseUses, (a, b) => b <= a);
  if (name === 'rate') {
    return both(
      wider,
      narrower,
      parseRate,
      (a, b) => b.perSecond <= a.perSecond && b.burst <= a.burst,
    );
  }
  if (name === 'budget') {
    return both(
      wider,
      narrower,
      parseBudget,
      (a, b) => a.id === b.id && (b.max ?? Infinity) <= (a.max ?? Infinity),
    );
  }
  // There is one value for `approval`, and what is not known can't be compared.
  return false;
}

function both<Parsed>(
  wider: Json,
  narrower: Json,
  parse: (value: Json) => Parsed | undefined,
  covers: (wider: Parsed, narrower: Parsed) => boolean,
): boolean {
  const [above, below] = [parse(wider), parse(narrower)];
  return above !== undefined && below !== undefined && covers(above, below);
}

function parseUses(value: unknown): number | undefined {
  return isPositive(value) && Number.isInteger(value) ? value : undefined;
}

function parseRate(value: unknown): Rate | undefined {
  if (!isObject(value)) return undefined;
  const { per_s: perSecond, burst, ...others } = value;
  if (!isPositive(perSecond) || parseUses(burst) === undefined) return undefined;
  return Object.keys(others).length > 0 ? undefined : { perSecond, burst: Number(burst) };
}

function parseBudget(value: unknown): BudgetCaveat | undefined {
  if (!isObject(value)) return undefined;
  const { id, max, ...others } = value;
  if (typeof id !== 'string' || id === '' || id.length > 64) return undefined;
  if (max !== undefined && !(Number.isSafeInteger(max) && Number(max) > 0)) return undefined;
  if (Object.keys(others).length > 0) return undefined;
  return { id, ...(max === undefined ? {} : { max: Number(max) }) };
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= COUNT_MAX;
}

function isVoid(why: string): Caveats {
  return { void: why, approval: false };
}
