/**
 * What is wrong with a configuration, in the words that a person gets: the key, its value where that
 * can't be secret, and the allowed form. Never a value of `join`, `mcpServers` or `telemetry.otlp`.
 */
import type { z } from 'zod';
import { StarlingError, nearest } from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import { configJsonSchema } from './schema/json-schema.ts';

/** One thing that is wrong. */
export interface Problem {
  /** Dotted key of the config file, or name of an environment variable. */
  readonly key: string;
  readonly text: string;
  /** The environment variable that is not set, when that is all that is wrong. */
  readonly variable?: string;
}

const SECRET_KEYS = /^(join|mcpServers|telemetry\.otlp)(\.|$)/;
const TICKET = /^starling\d/;
const SHOWN_MAX = 120;

/** The problem of a value that does not fit: `8080.5 can't be used; allowed: a whole number`. */
export function misfit(key: string, value: unknown, allowed: string): Problem {
  return { key, text: `${shown(key, value)} can't be used; allowed: ${allowed}` };
}

/** Puts what zod found in `value` into our words; `schema` is the JSON Schema of what was read. */
export function explain(
  issue: z.core.$ZodIssue,
  value: unknown,
  schema: JsonObject = configJsonSchema(),
): readonly Problem[] {
  const path = issue.path.map(String);
  const key = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(recordOf(schemaAt(path, schema), 'properties'));
    return issue.keys.map((unknown) => ({
      key: [...path, unknown].join('.'),
      text: `unknown key${suggestion(unknown, known)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const [form] = issue.issues;
    return [{ key, text: `this name can't be used; allowed: ${form?.message ?? 'another'}` }];
  }
  if (issue.code === 'custom') return [{ key, text: issue.message }];
  // Texts of our own schema start with a small letter, zod's with a capital one.
  const allowed = /^[a-z0-9]/.test(issue.message) ? issue.message : formOf(schemaAt(path, schema));
  return [misfit(key, valueAt(value, path), allowed)];
}

/** `; did you mean 'x'?`, or which words are known. */
export function suggestion(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? `; known are ${known.join(', ')}` : `; did you mean '${meant}'?`;
}

/** The error that lists `problems`. `where`: the file, or what else they are in. */
export function invalidConfig(
  where: string,
  problems: readonly Problem[],
  hint = 'every key and its form stands in docs/reference/configuration.md of Starling',
): StarlingError {
  const lines = problems.map(({ key, text }) => (key === '' ? text : `${key}: ${text}`));
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`;
  return new StarlingError(
    'STARLING_CONFIG_INVALID',
    `${where} has ${count}:\n  ${lines.join('\n  ')}`,
    { hint, data: { problems: lines } },
  );
}

function shown(key: string, value: unknown): string {
  if (SECRET_KEYS.test(key) || value === undefined) return 'this value';
  if (typeof value === 'string' && TICKET.test(value)) return 'a ticket (it belongs into `join`)';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** The allowed form by the JSON Schema of a key. */
function formOf(schema: Readonly<Record<string, unknown>>): string {
  const { type, minimum, maximum, minLength, maxItems } = schema;
  switch (type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
    case 'number': {
      const noun = type === 'integer' ? 'a whole number' : 'a number';
      return isSafe(minimum) && isSafe(maximum) ? `${noun} from ${minimum} to ${maximum}` : noun;
    }
    case 'array':
      return typeof maxItems === 'number' ? `a list of at most ${maxItems}` : 'a list';
    case 'object':
      return 'an object { … }';
    default:
      return minLength === undefined ? 'text' : 'text that is not empty';
  }
}

function isSafe(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER;
}

function schemaAt(path: readonly string[], root: JsonObject): Readonly<Record<string, unknown>> {
  let schema: Readonly<Record<string, unknown>> = root;
  for (const part of path) {
    const below = recordOf(schema, 'properties')[part];
    if (typeof below === 'object' && below !== null) schema = { ...below };
    else if ('items' in schema) schema = recordOf(schema, 'items');
    else schema = recordOf(schema, 'additionalProperties');
  }
  return schema;
}

function recordOf(
  schema: Readonly<Record<string, unknown>>,
  key: string,
): Readonly<Record<string, unknown>> {
  const value = schema[key];
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** The value at `path`; undefined when there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}
