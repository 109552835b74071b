/**
 * What a holder's grants say to one call: yes, no, or only if a person agrees. Knows nothing of
 * policies and principals. No I/O and no signature check; the only thing it changes are counters.
 */
import type { JsonObject } from '../../core/index.ts';
import { allows } from '../chain/capability.ts';
import type { Asked } from '../chain/capability.ts';
import type { Counters } from './counters.ts';
import { tryParseTarget } from '../format/resource.ts';
import type { ResourceTarget } from '../format/resource.ts';
import type { Grant, Refusal, Wanted } from '../types.ts';

/** A call that somebody wants to make. */
export interface WantedCall extends Wanted {
  /** Its arguments, read by `readCallArguments`; a call without arguments counts as `{}`. */
  readonly args?: JsonObject;
  /** `jti` of the grant for which a person has agreed to this very call. */
  readonly approved?: string;
}

/**
 * No grant is about the call, so that no grant has words for why. The guard words it
 * (`guard/decision/refusal-reasons.ts`): it knows of scopes, and of grants that are no longer valid.
 */
export interface NothingCovers {
  /** `malformed`: no grant can name the resource; `no-grant`: the holder has none; else its grants are about other things. */
  readonly rule: 'malformed' | 'no-grant' | 'not-covered';
}

/** The answer. */
export type CallEvaluation =
  | {
      readonly allow: true;
      readonly grant: Grant;
      /** Where present, to be awaited before the call runs: see `Counters.take`. */
      readonly settled?: Promise<void>;
    }
  | { readonly allow: false; readonly refusal: Refusal | NothingCovers }
  /** Nothing was taken yet: ask again with `approved`, and with the grants that count then. */
  | { readonly ask: 'approval'; readonly grant: Grant };

interface Candidate {
  readonly grant: Grant;
  readonly index: number;
}

/** Parsed resources kept; the whole cache is dropped when it is full. */
const TARGETS_MAX = 1024;
/** Reasons in one refusal. */
const CAUSES_MAX = 8;

const MALFORMED: CallEvaluation = { allow: false, refusal: { rule: 'malformed' } };
const NO_GRANT: CallEvaluation = { allow: false, refusal: { rule: 'no-grant' } };
const NOT_COVERED: CallEvaluation = { allow: false, refusal: { rule: 'not-covered' } };

const targets = new Map<string, ResourceTarget>();

/** {@link tryParseTarget}, remembering the last ones. */
export function targetOf(resource: string): ResourceTarget | undefined {
  const known = targets.get(resource);
  if (known !== undefined) return known;
  const target = tryParseTarget(resource);
  if (target === undefined) return undefined;
  if (targets.size >= TARGETS_MAX) targets.clear();
  targets.set(resource, target);
  return target;
}

/**
 * Evaluates one call by the valid grants of its caller, and takes what it costs. What costs nothing is
 * preferred, then what needs nobody's approval. Without `counters` it says whether there is a call of
 * this kind that might be allowed (for lists, and for a call that runs already): hours, uses and rate
 * are not looked at, arguments only when they are given, and nothing is taken.
 */
export function evaluateCall(
  grants: readonly Grant[],
  wanted: WantedCall,
  counters: Counters | undefined,
  nowMs: number,
): CallEvaluation {
  const target = targetOf(wanted.resource);
  if (target === undefined) return MALFORMED;
  const asked: Asked = counters === undefined ? wanted : { args: wanted.args ?? {}, nowMs };
  const counted: Candidate[] = [];
  const refusals: Refusal[] = [];
  let toAsk: Grant | undefined;
  for (const grant of grants) {
    const { cap, jti } = grant.claims;
    let index = -1;
    for (const capability of cap) {
      index += 1;
      const verdict = allows(capability, wanted.ability, target, asked);
      if (!verdict.allow) {
        const { refusal } = verdict;
        if (refusal !== undefined && refusals.length < CAUSES_MAX) refusals.push(refusal);
        continue;
      }
      const { needs } = verdict;
      if (needs === undefined) return { allow: true, grant };
      const mustAsk = needs.approval && wanted.approved !== jti;
      // Nobody is asked about what is used up, and it hides no grant that is not.
      const spent = mustAsk ? counters?.lacks(grant, index, nowMs) : undefined;
      if (spent !== undefined) refusals.push(spent);
      else if (mustAsk) toAsk ??= grant;
      else if (counters === undefined) return { allow: true, grant };
      else if (needs.uses === undefined && needs.rate === undefined) return { allow: true, grant };
      else counted.push({ grant, index });
    }
  }
  for (const { grant, index } of counted) {
    const taken = counters?.take(grant, index, nowMs);
    if (taken?.ok === true) return { allow: true, grant, ...settledOf(taken.settled) };
    if (taken !== undefined) refusals.push(taken.refusal);
  }
  if (toAsk !== undefined) return { ask: 'approval', grant: toAsk };
  return refusals.length > 0 ? refuse(refusals) : grants.length === 0 ? NO_GRANT : NOT_COVERED;
}

function settledOf(settled: Promise<void> | undefined): { readonly settled?: Promise<void> } {
  return settled === undefined ? {} : { settled };
}

function refuse(refusals: readonly Refusal[]): CallEvaluation {
  const [first] = refusals;
  if (first !== undefined && refusals.length === 1) return { allow: false, refusal: first };
  return {
    allow: false,
    refusal: {
      rule: first?.rule ?? 'not-covered',
      text: 'none of its grants covers the call',
      causes: refusals.slice(0, CAUSES_MAX),
    },
  };
}
