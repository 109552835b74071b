/**
 * What the policy says of one caller: its zone, trust, and the limits of its zone, its roles and its
 * own entries. All that apply hold together, so that the strictest counts. Worked out once for each
 * caller and policy.
 */
import { durationMs, readLimit } from '../../core/index.ts';
import type { AmountLimit } from '../../core/index.ts';
import { matchesTarget, parseResource } from '../../grants/index.ts';
import type { ResourcePattern, ResourceTarget } from '../../grants/index.ts';
import type { PolicyCaller, PolicyFile, PolicyLimits } from './schema.ts';
import { toPatterns } from './tool-pattern.ts';
import type { Policy } from './policy.ts';
import type { Principal } from '../types.ts';
import { allNamesOf, leastTrusted, zoneOf } from '../principal-names.ts';
import type { MeshFacts, Zone } from '../principal-names.ts';

/** A limit, and where in the policy file it stands. */
export interface Limit<Value> {
  /** Like `zones.external.read_only`. */
  readonly where: string;
  readonly value: Value;
}

/** What holds for one caller. */
export interface CallerRules {
  readonly zone: Zone;
  /** 0 to 1. */
  readonly trust: number;
  readonly roles: readonly string[];
  readonly mayApprove: boolean;
  readonly readOnly: Limit<true> | undefined;
  /** Each of them must name what is wanted. */
  readonly namespaces: readonly Limit<readonly Namespace[]>[];
  /** One of them is enough. */
  readonly approvals: readonly Limit<true | readonly ResourcePattern[]>[];
  readonly maxReplicas: Limit<number> | undefined;
  readonly budgetLimit: Limit<number> | undefined;
  /** The most that the caller may spend here of what has a price; each holds. */
  readonly spendLimits: readonly Limit<AmountLimit>[];
  readonly alertThreshold: Limit<number> | undefined;
  readonly escalationDelayMs: number | undefined;
}

/** A pattern of namespaces: of one scheme, or of any. */
export interface Namespace {
  readonly scheme: string | undefined;
  /** Texts between the stars. */
  readonly pieces: readonly string[];
}

/** Knows what the policy says of whom. */
export interface CallerRulesLookup {
  /** By the policy in force now. */
  of(principal: Principal): CallerRules;
}

interface Section {
  readonly where: string;
  readonly limits: PolicyLimits;
}

interface Cached {
  readonly policy: Policy;
  readonly zone: Zone;
  readonly rules: CallerRules;
}

/** Makes the look-up by the policy that `current` gives. */
export function createCallerRules(components: {
  readonly policy: { current(): Policy };
  readonly mesh: MeshFacts;
}): CallerRulesLookup {
  const cache = new WeakMap<Principal, Cached>();
  return {
    of(principal) {
      const policy = components.policy.current();
      const zone = zoneOf(principal, components.mesh);
      const known = cache.get(principal);
      if (known !== undefined && known.policy === policy && known.zone === zone) {
        return known.rules;
      }
      const rules = rulesOf(policy.file, allNamesOf(principal, components.mesh), {
        zone,
        taint: principal.kind === 'client' ? principal.taint : undefined,
        isOperator: principal.kind === 'operator',
      });
      cache.set(principal, { policy, zone, rules });
      return rules;
    },
  };
}

/** True when `target` is in one of `namespaces`: by its first segment, a server's or board's name. */
export function isInNamespace(namespaces: readonly Namespace[], target: ResourceTarget): boolean {
  const [first = ''] = target.segments;
  return namespaces.some(
    ({ scheme, pieces }) =>
      (scheme === undefined || scheme === target.scheme) && fits(pieces, first),
  );
}

/** The limit by which `target` needs an approval, if any. */
export function approvalOf(
  { approvals }: CallerRules,
  target: ResourceTarget,
): Limit<unknown> | undefined {
  return approvals.find(
    ({ value }) => value === true || value.some((pattern) => matchesTarget(pattern, target)),
  );
}

function rulesOf(
  file: PolicyFile,
  names: readonly string[],
  came: {
    readonly zone: Zone;
    readonly taint: Zone | undefined;
    readonly isOperator: boolean;
  },
): CallerRules {
  const entries = names.flatMap((name): [string, PolicyCaller][] => {
    const entry = Object.hasOwn(file.callers, name) ? file.callers[name] : undefined;
    return entry === undefined ? [] : [[`callers.${name}`, entry]];
  });
  const zone = leastTrusted(entries.flatMap(([, entry]) => entry.zone ?? [])) ?? came.zone;
  const roles = [...new Set(entries.flatMap(([, entry]) => entry.roles))];
  const ofRoles = roles.flatMap((name) => {
    const role = file.roles[name];
    return role === undefined ? [] : [{ where: `roles.${name}`, limits: role }];
  });
  const ofEntries = entries.map(([where, limits]) => ({ where, limits }));
  const { taint } = came;
  const isTainted = taint !== undefined && taint !== zone;
  const sections: readonly Section[] = [
    { where: `zones.${zone}`, limits: file.zones[zone] },
    // What it does now may be what somebody of that zone wants.
    ...(isTainted ? [{ where: `zones.${taint}`, limits: file.zones[taint] }] : []),
    ...ofRoles,
    ...ofEntries,
  ];
  const delays = sections.flatMap(({ limits }) => limits.escalation_delay ?? []).map(durationMs);
  const named = [...ofRoles, ...ofEntries].map(({ limits }) => limits);
  const trust =
    least(ofEntries.map(({ limits }) => limits.trust)) ??
    least(ofRoles.map(({ limits }) => limits.trust)) ??
    file.zones[zone].trust;
  return {
    zone,
    trust: isTainted ? Math.min(trust, file.zones[taint].trust) : trust,
    roles,
    mayApprove: came.isOperator || named.some((it) => it.may_approve === true),
    readOnly: readOnlyOf(sections),
    namespaces: namespacesOf(sections),
    approvals: approvalsOf(sections),
    maxReplicas: lowest(sections, 'max_replicas'),
    budgetLimit: lowest(sections, 'budget_limit'),
    spendLimits: spendLimitsOf(sections),
    alertThreshold: lowest(sections, 'alert_threshold'),
    escalationDelayMs: delays.length === 0 ? undefined : Math.min(...delays),
  };
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const given = values.filter((value) => value !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

function lowest(
  sections: readonly Section[],
  key: 'max_replicas' | 'budget_limit' | 'alert_threshold',
): Limit<number> | undefined {
  let found: Limit<number> | undefined;
  for (const { where, limits } of sections) {
    const value = limits[key];
    if (typeof value !== 'number' || (found !== undefined && found.value <= value)) continue;
    found = { where: `${where}.${key}`, value };
  }
  return found;
}

function spendLimitsOf(sections: readonly Section[]): CallerRules['spendLimits'] {
  return sections.flatMap(({ where, limits }) => {
    const limit = limits.budget_limit;
    const value = typeof limit === 'string' ? readLimit(limit) : undefined;
    return value === undefined ? [] : [{ where: `${where}.budget_limit`, value }];
  });
}

function readOnlyOf(sections: readonly Section[]): Limit<true> | undefined {
  const found = sections.find(({ limits }) => limits.read_only === true);
  return found === undefined ? undefined : { where: `${found.where}.read_only`, value: true };
}

function namespacesOf(sections: readonly Section[]): CallerRules['namespaces'] {
  return sections.flatMap(({ where, limits }) => {
    const names = limits.allowed_namespaces;
    if (names === undefined) return [];
    return [{ where: `${where}.allowed_namespaces`, value: names.map(parseNamespace) }];
  });
}

function approvalsOf(sections: readonly Section[]): CallerRules['approvals'] {
  return sections.flatMap(({ where: section, limits }): CallerRules['approvals'] => {
    const wanted = limits.approval_required;
    if (wanted === undefined || wanted === false) return [];
    const where = `${section}.approval_required`;
    if (wanted === true) return [{ where, value: true }];
    return [{ where, value: wanted.flatMap(toPatterns).map((pattern) => parseResource(pattern)) }];
  });
}

function parseNamespace(text: string): Namespace {
  const [, scheme, name = ''] = /^(?:([a-z]+):)?(.*)$/su.exec(text) ?? [];
  return { scheme, pieces: name.normalize('NFC').split('*') };
}

/** Leftmost fit of each piece between the stars, which never needs to be taken back. */
function fits(pieces: readonly string[], text: string): boolean {
  const [first = '', ...others] = pieces;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const piece of others) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return text.endsWith(last) && at <= text.length - last.length;
}
