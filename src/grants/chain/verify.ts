/**
 * Verifies a chain of grants from a leaf up to the key that owns the thing. Pure: grants come parsed
 * (so their own signatures hold), time and revocations come from the caller.
 * The idea of explaining refusals as trees is ucanto's.
 */
import { limitName, printable, rightText } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { widening } from './capability.ts';
import { NO_SUCCESSIONS } from '../format/succession.ts';
import type { Capability, Grant, Refusal, SuccessionView } from '../types.ts';

/** Links of a chain, the leaf included. */
const CHAIN_LINKS_MAX = 8;
/** Links of a membership chain at the most: the hard bound of `maxLinks`. */
export const MEMBERSHIP_LINKS_MAX = 32;
/** How far the clocks of an issuer and of whoever verifies may be apart, ms. */
export const CLOCK_SKEW_MS = 60_000;

/** True when a grant with this `exp` counts nowhere any more, so that nobody needs its revocation. */
export function isOverAt(expiresAtS: number, nowMs: number): boolean {
  return nowMs >= expiresAtS * 1000 + CLOCK_SKEW_MS;
}
/** Grants in one chain with all its branches. */
const GRANTS_PER_CHAIN_MAX = 64;
/** Longest right that a refusal repeats. */
const RIGHT_MAX = 512;
/** Failures that one refusal tells of: beyond these, the walk ends at the first. */
const FAILURES_MAX = 8;

/** What a chain is verified by. */
export interface ChainContext {
  /** A grant by its hash, or undefined when we do not have it. */
  find(hash: string): Grant | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** True when one of `mayRevoke` (the grant's issuer and those of its ancestors) revoked it. */
  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean;
  /** Default 8, at most 32 (mesh membership). */
  readonly maxLinks?: number;
  /** Whom the leaf must be addressed to; default: anybody. */
  readonly holder?: Did;
  /** The owner that the chain must end at; default: whoever the leaf names. */
  readonly owner?: Did;
  /** Forgiven clock skew; default 60000. */
  readonly skewMs?: number;
  /** Who took whose place; default: nobody. Whatever names a key means its heirs as well. */
  readonly successions?: SuccessionView;
}

/** The verdict: all grants of the chain, leaf first and each once, or why it is refused. */
export type ChainVerdict =
  | { readonly ok: true; readonly links: readonly Grant[] }
  | { readonly ok: false; readonly refusal: Refusal };

/** What one verified link passes down to its children. */
interface Verified {
  /** Its issuer and those of all its ancestors. */
  readonly issuers: ReadonlySet<Did>;
  /** Links from it to the furthest root. */
  readonly height: number;
}

type Outcome = Verified | { readonly refusal: Refusal };

interface Walk {
  readonly context: ChainContext;
  readonly maxLinks: number;
  readonly skewMs: number;
  readonly successions: SuccessionView;
  /** Hashes from the leaf to where we are. */
  readonly path: Set<string>;
  /** What came of each link that was looked at: none is walked twice, whether it holds or not. */
  readonly outcomes: Map<string, Outcome>;
  readonly links: Map<string, Grant>;
  /** Failures that may still be told besides the first of each grant. */
  moreFailures: number;
}

/**
 * Verifies the chain that ends in `leaf`. Fails closed: all that a link names must hold. Where several
 * parents of a grant do not, the refusal has them as causes, at most 8 in all and in the order of `prf`.
 */
export function verifyChain(leaf: Grant, context: ChainContext): ChainVerdict {
  const { holder, owner, successions = NO_SUCCESSIONS } = context;
  if (holder !== undefined && !successions.follows(holder, leaf.claims.aud)) {
    return refuse('audience', `${nameOf(leaf)} was given to ${leaf.claims.aud}, not to ${holder}`);
  }
  if (owner !== undefined && !successions.follows(owner, leaf.claims.sub)) {
    return refuse(
      'owner',
      `${nameOf(leaf)} is about things of ${leaf.claims.sub}, not of ${owner}`,
    );
  }
  const walk: Walk = {
    context,
    maxLinks: Math.min(context.maxLinks ?? CHAIN_LINKS_MAX, MEMBERSHIP_LINKS_MAX),
    skewMs: context.skewMs ?? CLOCK_SKEW_MS,
    successions,
    path: new Set(),
    outcomes: new Map(),
    links: new Map(),
    moreFailures: FAILURES_MAX - 1,
  };
  const outcome = verifyLink(leaf, walk);
  if ('refusal' in outcome) return { ok: false, refusal: outcome.refusal };
  return { ok: true, links: [...walk.links.values()] };
}

/** The rule at the bottom of a refusal: what really failed. */
export function ruleOf(refusal: Refusal): string {
  return bottomOf(refusal).rule;
}

function bottomOf(refusal: Refusal): Refusal {
  const [cause] = refusal.causes ?? [];
  return cause === undefined ? refusal : bottomOf(cause);
}

/** A refusal and its causes as indented lines. */
export function describeRefusal(refusal: Refusal, indent = ''): string {
  const causes = (refusal.causes ?? []).map((cause) => describeRefusal(cause, `${indent}  `));
  return [`${indent}${refusal.text}`, ...causes].join('\n');
}

function verifyLink(grant: Grant, walk: Walk): Outcome {
  const known = walk.outcomes.get(grant.hash);
  if (known !== undefined) return 'refusal' in known ? { refusal: bottomOf(known.refusal) } : known;
  const outcome = outcomeOf(grant, walk);
  walk.outcomes.set(grant.hash, outcome);
  return outcome;
}

function outcomeOf(grant: Grant, walk: Walk): Outcome {
  const refusal = checkPosition(grant, walk) ?? checkTimes(grant, walk) ?? checkKey(grant, walk);
  if (refusal !== undefined) return { refusal };
  walk.path.add(grant.hash);
  walk.links.set(grant.hash, grant);
  const outcome = verifyParents(grant, walk);
  walk.path.delete(grant.hash);
  if ('refusal' in outcome) return outcome;
  if (outcome.height > walk.maxLinks) return refuse('too-long', tooLong(walk));
  if (walk.context.isRevoked(grant, [...outcome.issuers])) {
    return refuse('revoked', `${nameOf(grant)} is revoked`);
  }
  return outcome;
}

function checkPosition(grant: Grant, walk: Walk): Refusal | undefined {
  if (walk.path.has(grant.hash)) {
    return { rule: 'cycle', text: `${nameOf(grant)} stands on itself, in a circle` };
  }
  if (walk.path.size >= walk.maxLinks) return { rule: 'too-long', text: tooLong(walk) };
  if (walk.links.size >= GRANTS_PER_CHAIN_MAX) {
    return { rule: 'too-long', text: `it stands on more than ${GRANTS_PER_CHAIN_MAX} grants` };
  }
  return undefined;
}

function checkTimes(grant: Grant, walk: Walk): Refusal | undefined {
  const { nbf, exp } = grant.claims;
  const { nowMs } = walk.context;
  if (nowMs >= exp * 1000 + walk.skewMs) {
    return { rule: 'expired', text: `${nameOf(grant)} expired at ${timeOf(exp)}` };
  }
  if (nbf !== undefined && nowMs < nbf * 1000 - walk.skewMs) {
    return { rule: 'not-yet-valid', text: `${nameOf(grant)} counts only from ${timeOf(nbf)} on` };
  }
  return undefined;
}

/**
 * A retired key has issued what its succession lists, and nothing else. Its own things are its heir's
 * now, who knows what it has issued on them: there the time is enough.
 */
function checkKey(grant: Grant, walk: Walk): Refusal | undefined {
  const { iss, sub, iat } = grant.claims;
  const succession = walk.successions.of(iss);
  if (succession === undefined || succession.keeps(grant)) return undefined;
  const retiredAt = succession.claims.iat;
  if (iss === sub && iat * 1000 <= retiredAt * 1000 + walk.skewMs) return undefined;
  const text = `${nameOf(grant)} was given by ${iss}, a key in whose place there is ${succession.claims.sub} since ${timeOf(retiredAt)}`;
  return { rule: 'retired', text };
}

function verifyParents(grant: Grant, walk: Walk): Outcome {
  const { iss, sub, prf = [] } = grant.claims;
  if (prf.length === 0) {
    if (iss === sub) return { issuers: new Set([iss]), height: 1 };
    const text = `${nameOf(grant)} was given by ${iss}, who does not own what it is about, and it stands on no other grant`;
    return refuse('root', text);
  }
  const parents: Grant[] = [];
  const failures: Refusal[] = [];
  const issuers = new Set([iss]);
  let height = 0;
  for (const hash of prf) {
    const outcome = verifyParent(grant, hash, walk);
    if (!('refusal' in outcome)) {
      for (const issuer of outcome.issuers) issuers.add(issuer);
      height = Math.max(height, outcome.height);
      parents.push(outcome.parent);
      continue;
    }
    if (failures.length > 0) walk.moreFailures -= 1;
    failures.push(outcome.refusal);
    if (walk.moreFailures <= 0) break;
  }
  const refusal = blame(grant, failures) ?? checkCapabilities(grant, parents);
  return refusal === undefined ? { issuers, height: height + 1 } : { refusal };
}

/** The parent of `grant` with this hash, and what the parent passes down. */
function verifyParent(
  grant: Grant,
  hash: string,
  walk: Walk,
): (Verified & { readonly parent: Grant }) | { readonly refusal: Refusal } {
  const parent = walk.context.find(hash);
  if (parent === undefined || parent.hash !== hash) {
    return refuse('missing-parent', `a grant on which ${nameOf(grant)} stands is missing`);
  }
  const outcome = verifyLink(parent, walk);
  if ('refusal' in outcome) return { refusal: standsOn(grant, [outcome.refusal]) };
  const refusal = checkLink(grant, parent, walk.successions);
  return refusal === undefined ? { ...outcome, parent } : { refusal };
}

/** What must hold between a grant and each of its parents. */
function checkLink(grant: Grant, parent: Grant, successions: SuccessionView): Refusal | undefined {
  const child = grant.claims;
  const above = parent.claims;
  const [name, base] = [nameOf(grant), nameOf(parent)];
  if (!successions.follows(child.iss, above.aud)) {
    const text = `${name} was given by ${child.iss}, but ${base}, on which it stands, is for ${above.aud}`;
    return { rule: 'issuer', text };
  }
  if (above.sub !== child.sub) {
    const text = `${name} is about things of ${child.sub}, but ${base}, on which it stands, about things of ${above.sub}`;
    return { rule: 'owner', text };
  }
  if (child.max_depth >= above.max_depth)
    return { rule: 'depth', text: tooDeep(name, base, above) };
  if (child.exp > above.exp) {
    const text = `${name} ends at ${timeOf(child.exp)}, later than ${base}, on which it stands, at ${timeOf(above.exp)}`;
    return { rule: 'time', text };
  }
  if (above.nbf !== undefined && (child.nbf === undefined || child.nbf < above.nbf)) {
    const text = `${name} begins earlier than ${base}, on which it stands, at ${timeOf(above.nbf)}`;
    return { rule: 'time', text };
  }
  return undefined;
}

/** How often a grant may be handed on is less with each hand. */
function tooDeep(name: string, base: string, { max_depth: hands }: Grant['claims']): string {
  if (hands === 0) return `${base}, on which ${name} stands, may not be handed on`;
  const times = hands === 1 ? 'once' : `${hands} times`;
  return `${base} may be handed on ${times}, and ${name}, which stands on it, no less often`;
}

function checkCapabilities(grant: Grant, parents: readonly Grant[]): Refusal | undefined {
  const above = parents.flatMap((parent) => parent.claims.cap);
  const causes = grant.claims.cap.flatMap((capability) => widenedFrom(above, capability) ?? []);
  if (causes.length === 0) return undefined;
  return { rule: 'widened', text: `${nameOf(grant)} allows more than what it stands on`, causes };
}

/** How `capability` goes beyond all of `above`, as told by the one that comes nearest. */
function widenedFrom(above: readonly Capability[], capability: Capability): Refusal | undefined {
  const { ability, resource } = capability;
  const misses = new Set<string>();
  for (const wider of above) {
    const miss = widening(wider, capability);
    if (miss === undefined) return undefined;
    misses.add(miss);
  }
  const caveat = [...misses].find((miss) => miss !== 'ability' && miss !== 'resource');
  const what = printable(rightText(ability, resource), RIGHT_MAX);
  if (caveat !== undefined) {
    return {
      rule: `widened-${printable(caveat)}`,
      text: `to ${what}: the limit on its ${limitName(caveat)} is wider, or left out`,
    };
  }
  const rule = misses.has('resource') ? 'widened-resource' : 'widened-ability';
  return { rule, text: `what it stands on does not allow to ${what}` };
}

/** One refusal for all that failed: the failure itself where there is only one. */
function blame(grant: Grant, failures: readonly Refusal[]): Refusal | undefined {
  const [first] = failures;
  if (first === undefined || failures.length === 1) return first;
  // Each that stands on a bad grant says so in the same words: the causes below say which.
  const causes = failures.flatMap((it) => (it.rule === 'parent' ? (it.causes ?? []) : [it]));
  return standsOn(grant, causes);
}

function standsOn(grant: Grant, causes: readonly Refusal[]): Refusal {
  const what =
    causes.length === 1 ? 'a grant that does not hold' : `${causes.length} grants that do not hold`;
  return { rule: 'parent', text: `${nameOf(grant)} stands on ${what}`, causes };
}

function refuse(rule: string, text: string): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { rule, text } };
}

function tooLong(walk: Walk): string {
  return `it went through more than ${walk.maxLinks} hands`;
}

function nameOf(grant: Grant): string {
  return `grant ${grant.claims.jti.slice(0, 8)}`;
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
