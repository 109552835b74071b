/** What a request for permission would get if it were granted: as narrow as can be told now. Pure. */
import { matchResource, parseResource, patternCovers } from '../../grants/index.ts';
import type { Capability } from '../../grants/index.ts';
import type { Json } from '../../core/index.ts';
import { abilitiesOn } from './permission-scope.ts';
import type { OfferedTool, PermissionScope } from './permission-scope.ts';
import type { ResourceType } from '../policy/schema.ts';
import { isInNamespace } from '../policy/caller-rules.ts';
import type { CallerRules } from '../policy/caller-rules.ts';

/** What would be granted. */
export interface PermissionPlan {
  readonly capabilities: readonly Capability[];
  /** The request covers tools that are not marked read-only, or nobody knows. */
  readonly isWrite: boolean;
  /** What the request names and nothing that is offered fits, as a tool is written. */
  readonly absent?: string;
  /** Why the request can't be granted at all. */
  readonly problem?: string;
}

/** Capabilities of one grant. */
const CAPABILITIES_MAX = 64;

/** Plans the grant for `scope`. Where only reading is allowed, each read-only tool is named. */
export function planOf(init: {
  readonly type: ResourceType;
  readonly scope: PermissionScope;
  readonly rules: CallerRules;
  readonly tools: readonly OfferedTool[];
}): PermissionPlan {
  const { type, scope, rules, tools } = init;
  const barred = scope.patterns.find((pattern) => !isInItsNamespaces(rules, pattern));
  if (barred !== undefined) return fail(`${barred} is outside the namespaces of the policy`);
  const mustRead =
    type.restrictions.read_only === true ||
    rules.readOnly !== undefined ||
    rules.zone === 'external';
  const caveats = caveatsOf(type);
  const resources = new Map<string, readonly string[]>();
  let isWrite = false;
  let absent: string | undefined;
  for (const pattern of scope.patterns) {
    const abilities = abilitiesOn(pattern);
    const offers = tools.filter(({ resource }) => matchResource(pattern, resource));
    const reading = offers.filter(({ readOnly }) => readOnly);
    const isTool = abilities.includes('tool/call');
    if (isTool && offers.length === 0) absent ??= pattern.replace(/^tool:/, '');
    const isSafe = offers.length > 0 && reading.length === offers.length;
    if (!isTool || (!isSafe && !mustRead)) resources.set(pattern, abilities);
    else for (const { resource } of reading) resources.set(resource, abilities);
    if (isTool && !isSafe && !mustRead) isWrite = true;
  }
  const capabilities = [...resources].flatMap(([resource, abilities]) =>
    abilities.map((ability) => ({ resource, ability, ...caveats })),
  );
  if (capabilities.length === 0) return fail('nothing in the scope is marked read-only');
  if (capabilities.length > CAPABILITIES_MAX) {
    return fail(`the scope has more than ${CAPABILITIES_MAX} things: ask for less`);
  }
  return { capabilities, isWrite, ...(absent === undefined ? {} : { absent }) };
}

/**
 * The risk of `patterns`, asked for as `type`: at least that of any type of the policy whose resources
 * they touch, so that a milder name for the same things does not help.
 */
export function riskOf(
  type: ResourceType,
  patterns: readonly string[],
  types: Readonly<Record<string, ResourceType>>,
): number {
  const touched = Object.values(types).filter(({ resources }) =>
    resources.some((resource) => patterns.some((it) => meets(resource, it))),
  );
  return Math.max(type.risk, ...touched.map(({ risk }) => risk));
}

/** Whether one of two patterns covers the other. */
export function meets(one: string, other: string): boolean {
  return patternCovers(one, other) || patternCovers(other, one);
}

/** The restrictions of a type in words, as an answer lists them. */
export function restrictionsOf(capabilities: readonly Capability[]): readonly string[] {
  const caveats = capabilities.flatMap((capability) => Object.entries(capability.caveats ?? {}));
  return [...new Set(caveats.map(([name, value]) => `${name}: ${JSON.stringify(value)}`))];
}

function caveatsOf({ restrictions }: ResourceType): Pick<Capability, 'caveats'> {
  const { uses, rate, approval } = restrictions;
  const caveats: Record<string, Json> = {
    ...(uses === undefined ? {} : { uses }),
    ...(rate === undefined ? {} : { rate: { per_s: rate.per_s, burst: rate.burst } }),
    ...(approval === true ? { approval: 'required' } : {}),
  };
  return Object.keys(caveats).length === 0 ? {} : { caveats };
}

/** A pattern whose first part is a wildcard may touch what is allowed: the guard judges each call. */
function isInItsNamespaces({ namespaces }: CallerRules, pattern: string): boolean {
  const { scheme, segments } = parseResource(pattern);
  const [first] = segments;
  const [name] = first ?? [];
  if (first?.length !== 1 || name === undefined) return true;
  return namespaces.every(({ value }) => isInNamespace(value, { scheme, segments: [name] }));
}

function fail(problem: string): PermissionPlan {
  return { capabilities: [], isWrite: true, problem };
}
