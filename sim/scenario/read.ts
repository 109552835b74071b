/** Reads scenario files: from YAML to a scenario, or an error that names each fault with its line. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import type { z } from 'zod';
import { StarlingError } from '../../src/index.ts';
import { invalidConfig, suggestion } from '../../src/testing.ts';
import { projectRoot } from '../project-root.ts';
import { FILE_MAX } from './limits.ts';
import { AFTER, DURING, EVENTS, scenarioJsonSchema, scenarioSchema } from './schema.ts';
import type { Scenario } from './schema.ts';

const HINT = 'every key and its form: config/scenario.schema.json and docs/simulator.md';
const SHOWN_MAX = 60;

/** The folder of the scenarios that come with Starling. */
export function scenarioFolder(): string {
  return join(projectRoot(), 'config', 'scenarios');
}

/** Names of the scenarios that come with Starling, sorted. */
export function scenarioNames(): readonly string[] {
  return readdirSync(scenarioFolder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => basename(name, '.yaml'))
    .toSorted();
}

/**
 * Reads the scenario that `given` names: one of Starling's, or the path of a file.
 * @throws STARLING_USAGE when there is none, STARLING_CONFIG_INVALID when it does not hold
 */
export function loadScenario(given: string): Scenario {
  const own = scenarioNames();
  const isPath = given.includes('/') || given.endsWith('.yaml') || given.endsWith('.yml');
  if (!isPath && !own.includes(given)) {
    throw new StarlingError(
      'STARLING_USAGE',
      `there is no scenario '${given.slice(0, SHOWN_MAX)}'${suggestion(given, own)}`,
      { hint: 'a file of yours is named by its path, like ./mine.yaml' },
    );
  }
  const path = isPath ? given : join(scenarioFolder(), `${given}.yaml`);
  if (!existsSync(path)) throw new StarlingError('STARLING_USAGE', `there is no file ${path}`);
  return parseScenario(readFileSync(path, 'utf8'), path);
}

/**
 * Reads the text of a scenario file; `where` is what messages call it.
 * @throws STARLING_CONFIG_INVALID, with a line for each fault: where it is, and what is allowed
 */
export function parseScenario(text: string, where: string): Scenario {
  if (text.length > FILE_MAX) {
    throw invalidConfig(where, [{ key: '', text: 'it is over 256 KiB' }], HINT);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) {
    const { line } = lines.linePos(fault.pos[0]);
    throw invalidConfig(
      where,
      [{ key: `line ${line}`, text: `it is not YAML: ${fault.message}` }],
      HINT,
    );
  }
  const tree: unknown = document.toJS({ maxAliasCount: 0 }) ?? {};
  const parsed = scenarioSchema.safeParse(tree);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue) =>
    explainIssue(issue, tree).map(({ path, text: said }) => ({
      key: `line ${lineOf(document, lines, path)}: ${path.join('.') || 'the file'}`,
      text: said,
    })),
  );
  throw invalidConfig(where, problems, HINT);
}

interface Found {
  readonly path: readonly (string | number)[];
  readonly text: string;
}

function explainIssue(issue: z.core.$ZodIssue, tree: unknown): readonly Found[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path, tree);
    return issue.keys.map((key) => ({
      path: [...path, key],
      text: `unknown key${suggestion(key, known)}`,
    }));
  }
  const last = path.at(-1);
  if (issue.code === 'invalid_union' && (last === 'do' || last === 'expect')) {
    const words = Object.keys(last === 'do' ? EVENTS : AFTER);
    const given = valueAt(tree, path);
    const what = given === undefined ? 'it is missing' : `${shown(given)} can't be used`;
    const text =
      given === undefined
        ? `${what}; allowed: ${words.join(', ')}`
        : `${what}${suggestion(String(given), words)}`;
    return [{ path, text }];
  }
  const value = valueAt(tree, path);
  const said = value === undefined ? 'it is missing' : `${shown(value)} can't be used`;
  // Texts of our own schema start with a small letter, zod's with a capital one.
  const allowed = /^[a-z0-9]/.test(issue.message) ? issue.message : formOf(issue);
  return [{ path, text: `${said}; allowed: ${allowed}` }];
}

function formOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return issue.expected === 'array'
      ? 'a list'
      : issue.expected === 'object' || issue.expected === 'record'
        ? 'keys with values'
        : `a ${issue.expected}`;
  }
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ');
  if (issue.code === 'too_small') return `at least ${String(issue.minimum)}`;
  if (issue.code === 'too_big') return `at most ${String(issue.maximum)}`;
  return issue.message;
}

/** Which keys may stand at `path`. */
function knownKeys(path: readonly (string | number)[], tree: unknown): readonly string[] {
  const [part, at] = path;
  if (typeof at === 'number' && part === 'events') {
    const verb = valueAt(tree, [part, at, 'do']);
    return Object.keys(
      (EVENTS as Readonly<Record<string, { readonly shape: object }>>)[String(verb)]?.shape ?? {},
    );
  }
  if (typeof at === 'number' && part === 'after') {
    const kind = valueAt(tree, [part, at, 'expect']);
    return Object.keys(
      (AFTER as Readonly<Record<string, { readonly shape: object }>>)[String(kind)]?.shape ?? {},
    );
  }
  if (typeof at === 'number' && part === 'during') return Object.keys(DURING.never.shape);
  let schema: unknown = scenarioJsonSchema();
  for (const step of path) {
    schema =
      typeof step === 'number' ? valueAt(schema, ['items']) : valueAt(schema, ['properties', step]);
  }
  return Object.keys((valueAt(schema, ['properties']) as object | undefined) ?? {});
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** The line of `path`, or of the innermost part of it that is there. */
function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly (string | number)[],
): number {
  for (let length = path.length; length >= 1; length -= 1) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && key.value === last)
      : undefined;
    const node: unknown =
      pair === undefined ? document.getIn(path.slice(0, length), true) : pair.key;
    const range = (node as { readonly range?: readonly number[] } | undefined)?.range;
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line;
  }
  return 1;
}
