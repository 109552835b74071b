/**
 * Reads a policy: from YAML text to one frozen object that fits the schema, or an error that lists
 * what is wrong with it. Also says how two policies differ. Knows no files.
 */
import { isObject } from '../../core/index.ts';
import { parseDocument } from 'yaml';
import { explain, invalidConfig } from '../../config/index.ts';
import type { Problem } from '../../config/index.ts';
import { matchesTarget, parseResource, parseTarget } from '../../grants/index.ts';
import { reword } from './old-words.ts';
import { SHIPPED_TYPES, policyJsonSchema, policySchema } from './schema.ts';
import { toPattern, toPatterns } from './tool-pattern.ts';
import type { PolicyFile, PolicyLimits, ResourceType } from './schema.ts';

/** A policy that holds. */
export interface Policy {
  readonly file: PolicyFile;
  /** By name, the shipped ones included. */
  readonly types: Readonly<Record<string, ResourceType>>;
  /** What a person should change in the file although it holds, one line each. */
  readonly warnings: readonly string[];
}

/** One key that differs between two policies; absent values are those that one has not. */
export interface PolicyChange {
  readonly key: string;
  readonly from?: string;
  readonly to?: string;
}

/** One key of a policy with what it says. */
export interface PolicyRule {
  /** Parts that a dot parts, like `zones.AUTHORIZED.trust`. */
  readonly key: string;
  /** As JSON. */
  readonly value: string;
  /** The shipped policy says the same. */
  readonly isShipped: boolean;
}

/** Longest policy file, in UTF-16 units. */
const TEXT_MAX = 1024 * 1024;
const HINT =
  'every key and its form: config/policy.schema.json; try again with: starling policy check';
/** Without it no approval could ever be answered. */
const ANSWER = parseTarget('tool:starling/approval_answer');

/**
 * Reads the text of a policy file; `where` is what messages call it.
 * @throws STARLING_CONFIG_INVALID, with `data.problems`
 */
export function parsePolicy(text: string, where: string): Policy {
  const { tree, warnings, problems: oldWords, asWritten } = reword(readYaml(text, where));
  const invalid = (found: readonly Problem[]): Error => {
    const problems = found.map((problem) => ({ ...problem, key: asWritten(problem.key) }));
    return invalidConfig(where, [...oldWords, ...problems], HINT);
  };
  const parsed = policySchema.safeParse(tree);
  if (!parsed.success) {
    const schema = policyJsonSchema();
    throw invalid(parsed.error.issues.flatMap((issue) => explain(issue, tree, schema)));
  }
  const problems: Problem[] = [];
  const types = typesOf(parsed.data, problems);
  checkRoles(parsed.data, problems);
  for (const [key, limits] of sectionsOf(parsed.data)) checkApprovals(key, limits, problems);
  if (oldWords.length + problems.length > 0) throw invalid(problems);
  return deepFreeze({ file: parsed.data, types, warnings });
}

/** Read once: it is frozen, and each node begins with it. */
let shipped: Policy | undefined;

/** The policy of a node that has no policy file. */
export function defaultPolicy(): Policy {
  shipped ??= parsePolicy('', 'the shipped policy');
  return shipped;
}

/** What differs, key by key, in the order of the keys. */
export function policyChanges(before: Policy, after: Policy): readonly PolicyChange[] {
  const [old, fresh] = [leavesOf(before), leavesOf(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])].toSorted().flatMap((key) => {
    const [from, to] = [old.get(key), fresh.get(key)];
    if (from === to) return [];
    return [{ key, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
  });
}

/** All that a policy says, the shipped part included, in the order of its keys. */
export function policyRules(policy: Policy): readonly PolicyRule[] {
  const known = leavesOf(defaultPolicy());
  return [...leavesOf(policy)].map(([key, value]) => ({
    key,
    value,
    isShipped: known.get(key) === value,
  }));
}

function readYaml(text: string, where: string): unknown {
  const wrong = (problem: string): Error =>
    invalidConfig(where, [{ key: '', text: problem }], HINT);
  if (text.length > TEXT_MAX) throw wrong('it is over 1 MiB');
  const document = parseDocument(text, { prettyErrors: true });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const [what = ''] = fault.message.split('\n');
    throw wrong(`it is not YAML that we can read: ${what.replace(/:$/, '')}`);
  }
  try {
    return document.toJS() ?? {};
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw wrong(`its anchors can't be resolved: ${error.message}`);
  }
}

function typesOf(file: PolicyFile, problems: Problem[]): Readonly<Record<string, ResourceType>> {
  const types = new Map(Object.entries(SHIPPED_TYPES));
  for (const [name, given] of Object.entries(file.resource_types)) {
    const shipped = types.get(name);
    const risk = given.risk ?? shipped?.risk;
    const restrictions = given.restrictions ?? shipped?.restrictions ?? {};
    const { resources, lifetime } = given;
    if (risk === undefined) {
      problems.push({ key: `resource_types.${name}.risk`, text: 'it is missing; allowed: 0 to 1' });
    } else {
      const rest = lifetime === undefined ? {} : { lifetime };
      types.set(name, { risk, resources: resources.map(toPattern), restrictions, ...rest });
    }
  }
  return Object.fromEntries(types);
}

function checkRoles(file: PolicyFile, problems: Problem[]): void {
  for (const [caller, { roles }] of Object.entries(file.callers)) {
    for (const role of roles) {
      if (Object.hasOwn(file.roles, role)) continue;
      const known = Object.keys(file.roles).join(', ') || 'none yet';
      problems.push({
        key: `callers.${caller}.roles`,
        text: `no role is called ${role}; known: ${known}`,
      });
    }
  }
}

function sectionsOf(file: PolicyFile): readonly (readonly [string, PolicyLimits])[] {
  return (['zones', 'roles', 'callers'] as const).flatMap((part) =>
    Object.entries(file[part]).map(([name, limits]) => [`${part}.${name}`, limits] as const),
  );
}

function checkApprovals(section: string, limits: PolicyLimits, problems: Problem[]): void {
  const patterns = limits.approval_required;
  if (!Array.isArray(patterns)) return;
  for (const pattern of patterns) {
    if (!toPatterns(pattern).some((one) => matchesTarget(parseResource(one), ANSWER))) continue;
    const text = `${pattern} is the tool that answers approvals; nobody could answer its own`;
    problems.push({ key: `${section}.approval_required`, text });
  }
}

function leavesOf(policy: Policy): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>();
  const walk = (key: string, value: unknown): void => {
    if (isObject(value)) {
      for (const [name, below] of Object.entries(value)) {
        walk(key === '' ? name : `${key}.${name}`, below);
      }
      if (key !== '' && Object.keys(value).length === 0) leaves.set(key, '{}');
    } else if (value !== undefined) leaves.set(key, JSON.stringify(value));
  };
  const { $schema: _, ...file } = policy.file;
  walk('', { ...file, resource_types: policy.types });
  return leaves;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
