/** What one capability allows, and whether one may be derived from another. Pure. */
import type { JsonObject } from '../../core/index.ts';
import { problemOf } from './argument-caveat.ts';
import { parseCaveats, widenedCaveat } from './caveats.ts';
import type { BudgetCaveat, Caveats, Rate } from './caveats.ts';
import { isWithin } from './hours-caveat.ts';
import { parseResource } from '../format/resource.ts';
import type { ResourcePattern, ResourceTarget } from '../format/resource.ts';
import { covers, matchesTarget } from './resource-match.ts';
import type { Capability, Refusal } from '../types.ts';

interface Compiled {
  readonly pattern: ResourcePattern;
  readonly caveats: Caveats;
  readonly limits: Omit<Needs, 'approval'>;
  /** What it says when its conditions are met. */
  readonly yes: Verdict;
}

/** What a call must still get before it may run. */
export interface Needs {
  readonly uses?: number;
  readonly rate?: Rate;
  /** True when a person must say yes to it. */
  readonly approval: boolean;
}

/** What a capability says to a call. */
export type Verdict =
  | { readonly allow: true; readonly needs?: Needs }
  | {
      readonly allow: false;
      /** Absent when the capability is not about what is asked for. */
      readonly refusal?: Refusal;
    };

/** A call as far as caveats look at it. */
export interface Asked {
  /** Left out when it is not known yet: then a call is meant whose arguments fit. */
  readonly args?: JsonObject;
  /** Milliseconds since the epoch. Left out: a call at a time that fits is meant. */
  readonly nowMs?: number;
}

/** Capabilities that were read, so that each is parsed once in its life. */
const compiled = new WeakMap<Capability, Compiled>();
const ALLOW: Verdict = { allow: true };
const ELSEWHERE: Verdict = { allow: false };
const ANYTHING: Asked = {};

/** The parsed form of `capability`. @throws STARLING_GRANT_MALFORMED */
function compile(capability: Capability): Compiled {
  let known = compiled.get(capability);
  if (known === undefined) {
    const caveats = parseCaveats(capability.caveats);
    const { uses, rate, approval } = caveats;
    const limits = {
      ...(uses === undefined ? {} : { uses }),
      ...(rate === undefined ? {} : { rate }),
    };
    const isFree = uses === undefined && rate === undefined && !approval;
    known = {
      pattern: parseResource(capability.resource),
      caveats,
      limits,
      yes: isFree ? ALLOW : { allow: true, needs: { ...limits, approval } },
    };
    compiled.set(capability, known);
  }
  return known;
}

/**
 * What `capability` says to `ability` on `target`. It looks and takes nothing: what uses, rate and
 * approval ask for is the caller's to get.
 */
export function allows(
  capability: Capability,
  ability: string,
  target: ResourceTarget,
  asked: Asked = ANYTHING,
): Verdict {
  if (!gives(capability.ability, ability)) return ELSEWHERE;
  const { pattern, caveats, yes } = compile(capability);
  if (ability === '*' || !matchesTarget(pattern, target)) return ELSEWHERE;
  if (caveats.void !== undefined) return refuse('caveat', caveats.void);
  const { args, hours } = caveats;
  // What a message must be, a task is not.
  if (capability.ability === 'agent/message' && ability === 'agent/task' && args !== undefined) {
    return ELSEWHERE;
  }
  if (hours !== undefined && asked.nowMs !== undefined && !isWithin(hours, asked.nowMs)) {
    return refuse('hours', 'it does not count at this hour');
  }
  if (args !== undefined && asked.args !== undefined) {
    const problem = problemOf(args, asked.args);
    if (problem !== undefined) return refuse('args', problem);
  }
  return yes;
}

/** True when `capability` allows `ability` on `target` whatever the call, as often as one likes. */
export function allowsAlways(
  capability: Capability,
  ability: string,
  target: ResourceTarget,
): boolean {
  const { caveats } = capability;
  const isBare = caveats === undefined || Object.keys(caveats).length === 0;
  return isBare && allows(capability, ability, target).allow;
}

/** Why `capability` allows nothing at all, or undefined. @throws STARLING_GRANT_MALFORMED */
export function whyVoid(capability: Capability): string | undefined {
  return compile(capability).caveats.void;
}

/** What `capability` counts. */
export function limitsOf(capability: Capability): Omit<Needs, 'approval'> {
  return compile(capability).limits;
}

/** Whether calls by `grant` may count against a budget. Most grants speak of none, and are not held against a call once more. */
export function namesBudget(grant: {
  readonly claims: { readonly cap: readonly Capability[] };
}): boolean {
  return grant.claims.cap.some((one) => compile(one).caveats.budget !== undefined);
}

/** The budget against which a call by `grant` counts, where the capability that allows the call names one. */
export function budgetOf(
  grant: { readonly claims: { readonly cap: readonly Capability[] } },
  ability: string,
  target: ResourceTarget,
  asked: Asked,
): BudgetCaveat | undefined {
  if (!namesBudget(grant)) return undefined;
  const covering = grant.claims.cap.filter((one) => allows(one, ability, target, asked).allow);
  // What may be called without a budget by the same grant costs none.
  if (covering.some((one) => compile(one).caveats.budget === undefined)) return undefined;
  return covering[0] === undefined ? undefined : compile(covering[0]).caveats.budget;
}

/** True when all that `child` allows, `parent` allows, and each caveat of `parent` is kept. */
export function attenuates(parent: Capability, child: Capability): boolean {
  return widening(parent, child) === undefined;
}

/** In what `child` goes beyond `parent`: `ability`, `resource` or the name of a caveat. */
export function widening(parent: Capability, child: Capability): string | undefined {
  if (!gives(parent.ability, child.ability)) return 'ability';
  if (!covers(compile(parent).pattern, compile(child).pattern)) return 'resource';
  return widenedCaveat(parent.caveats, child.caveats);
}

function refuse(rule: string, text: string): Verdict {
  return { allow: false, refusal: { rule, text } };
}

/** Whether whoever has the ability `granted` has `wanted`, too: whoever may write to an agent may give it a task. */
function gives(granted: string, wanted: string): boolean {
  if (granted === wanted || granted === '*') return true;
  return granted === 'agent/message' && wanted === 'agent/task';
}
