/**
 * The caveat `args`: what the arguments of a call must be, by name. A subset of JSON Schema (`const`,
 * `enum`, `minimum`, `maximum`), `prefix` and `paths`. A named argument must be there, and nothing
 * else in the call may go by its name. Arguments that the caveat does not name are free.
 */
import {
  StarlingError,
  checkStrictJson,
  foldName,
  isNumber,
  isObject,
  isText,
  messageOf,
  parseStrictJson,
  printable,
  withNumbersWritten,
} from '../../core/index.ts';
import type { Fields, Json, JsonObject } from '../../core/index.ts';
import { argumentWords } from '../../core/index.ts';
import { coversPath, isPlainText, matchesPath, parsePathPattern } from './path-match.ts';
import type { PathPattern } from './path-match.ts';

/** Arguments that one caveat may name. */
const NAMES_MAX = 32;
/** Values of an `enum`, patterns of `paths`. */
const ALTERNATIVES_MAX = 64;
/** Levels of arrays and objects in the arguments of a call that a caveat is about. */
const DEPTH_MAX = 64;
/** Items of a list that `paths` is matched against. */
const PATHS_MAX = 1024;
const NAME_LENGTH_MAX = 256;

type Scalar = null | boolean | number | string;

/** What one argument must be: all that is there holds. */
interface Constraint {
  /** `const` is an `enum` of one. */
  readonly values?: readonly Scalar[];
  readonly prefix?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  /** One of them matches; of a list of texts, each text by one. */
  readonly paths?: readonly PathPattern[];
}

/** A named argument, and what is said of a call in which it is wrong. */
interface Named {
  readonly name: string;
  readonly constraint: Constraint;
  readonly missing: string;
  readonly outside: string;
}

/** A parsed `args` caveat. */
export interface ArgumentRules {
  readonly byName: ReadonlyMap<string, Constraint>;
  readonly named: readonly Named[];
  /** The names as they might be taken by a careless reader. */
  readonly folded: ReadonlySet<string>;
}

/** Reads the caveat; undefined when it is malformed or says what this version does not know. */
export function parseArgumentRules(value: unknown): ArgumentRules | undefined {
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > NAMES_MAX) return undefined;
  const byName = new Map<string, Constraint>();
  for (const [name, raw] of entries) {
    const constraint = isObject(raw) ? parseConstraint(raw) : undefined;
    if (constraint === undefined || name === '' || name.length > NAME_LENGTH_MAX) return undefined;
    byName.set(name, constraint);
  }
  const named = [...byName].map(([name, constraint]): Named => {
    const shown = `the argument ${printable(name)}`;
    const bound = `(granted: ${argumentWords(name, value[name])})`;
    const outside = `${shown} is outside of what is granted ${bound}`;
    return { name, constraint, missing: `${shown} is missing ${bound}`, outside };
  });
  return { byName, named, folded: new Set([...byName.keys()].map((name) => foldName(name))) };
}

/**
 * What is wrong with `args` in the eyes of `rules`, in a sentence about the argument; undefined when
 * nothing is.
 */
export function problemOf(rules: ArgumentRules, args: JsonObject): string | undefined {
  for (const { name, constraint, missing, outside } of rules.named) {
    const value = Object.hasOwn(args, name) ? args[name] : undefined;
    if (value === undefined) return missing;
    if (!satisfies(constraint, value)) return outside;
  }
  const twin = twinOf(rules, args, 0);
  return twin === undefined ? undefined : `the argument ${printable(twin)} is there a second time`;
}

/** True only when all arguments that `child` lets through, `parent` lets through too. */
export function coversArguments(parent: ArgumentRules, child: ArgumentRules): boolean {
  return [...parent.byName].every(([name, wider]) => {
    const narrower = child.byName.get(name);
    return narrower !== undefined && coversConstraint(wider, narrower);
  });
}

/**
 * Reads the arguments of a call from their JSON text as every reader must: a member name that occurs
 * twice means one thing to us and another to a server. A number that a double can't hold is
 * `{"$number": "…"}` in what is read, so that no condition is met by a number next to it.
 * @throws STARLING_CALL_REFUSED
 */
export function readCallArguments(text: string, depthMax = DEPTH_MAX): JsonObject {
  let value: unknown;
  try {
    value = parseStrictJson(withNumbersWritten(text), depthMax);
  } catch (error) {
    throw twofold(error);
  }
  if (isObject(value)) return value as JsonObject;
  throw new StarlingError('STARLING_CALL_REFUSED', 'the arguments of the call are no object', {
    data: { rule: 'args' },
  });
}

/**
 * {@link readCallArguments} of a text in UTF-8 of which JSON.parse has made `parsed`: it is checked where it stands, and
 * neither copied nor parsed a second time. @throws as that
 */
export function readParsedArguments(
  bytes: Buffer,
  parsed: JsonObject,
  depthMax = DEPTH_MAX,
): JsonObject {
  let mayHaveOtherNumbers: boolean;
  try {
    mayHaveOtherNumbers = checkStrictJson(bytes, depthMax);
  } catch (error) {
    throw twofold(error);
  }
  return mayHaveOtherNumbers ? readCallArguments(bytes.toString('utf8'), depthMax) : parsed;
}

function twofold(error: unknown): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `the arguments of the call can be read in more than one way: ${printable(messageOf(error))}`,
    { data: { rule: 'args' }, cause: error },
  );
}

function parseConstraint(raw: Fields): Constraint | undefined {
  const { const: one, enum: many, prefix, minimum, maximum, paths, ...others } = raw;
  if (Object.keys(others).length > 0 || Object.keys(raw).length === 0) return undefined;
  const values = valuesOf(one, many);
  const patterns = patternsOf(paths);
  const isSound =
    values !== undefined &&
    patterns !== undefined &&
    isTextOrAbsent(prefix) &&
    isNumberOrAbsent(minimum) &&
    isNumberOrAbsent(maximum);
  if (!isSound) return undefined;
  return {
    ...(one === undefined && many === undefined ? {} : { values }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(paths === undefined ? {} : { paths: patterns }),
  };
}

/** Values that both `const` and `enum` allow; undefined when one of them is malformed. */
function valuesOf(one: unknown, many: unknown): readonly Scalar[] | undefined {
  if (many !== undefined && !isListOf(many, isScalar)) return undefined;
  if (one === undefined) return many ?? [];
  if (!isScalar(one)) return undefined;
  return many === undefined || many.includes(one) ? [one] : [];
}

function patternsOf(paths: unknown): readonly PathPattern[] | undefined {
  if (paths === undefined) return [];
  if (!isListOf(paths, isText)) return undefined;
  const parsed = paths.flatMap((path) => parsePathPattern(path) ?? []);
  return parsed.length === paths.length ? parsed : undefined;
}

function satisfies(constraint: Constraint, value: Json): boolean {
  const { values, prefix, minimum, maximum, paths } = constraint;
  if (values !== undefined && !(isScalar(value) && values.includes(value))) return false;
  if (prefix !== undefined && !(typeof value === 'string' && hasPrefix(value, prefix)))
    return false;
  if (minimum !== undefined && !(isNumber(value) && value >= minimum)) return false;
  if (maximum !== undefined && !(isNumber(value) && value <= maximum)) return false;
  return paths === undefined || fitsPaths(paths, value);
}

function hasPrefix(value: string, prefix: string): boolean {
  if (!value.startsWith(prefix)) return false;
  // What begins with a folder or an address must not lead out of it.
  return !prefix.includes('/') || (isPlainText(value) && !value.split('/').some(isDotted));
}

function isDotted(segment: string): boolean {
  return /^[. ]+$/u.test(segment.split(/[?#]/u, 1)[0] ?? '');
}

function fitsPaths(patterns: readonly PathPattern[], value: Json): boolean {
  if (!Array.isArray(value)) return fitsOne(patterns, value);
  const isSound = value.length > 0 && value.length <= PATHS_MAX;
  return isSound && value.every((path: Json) => fitsOne(patterns, path));
}

function fitsOne(patterns: readonly PathPattern[], path: Json): boolean {
  if (typeof path !== 'string') return false;
  for (const pattern of patterns) if (matchesPath(pattern, path)) return true;
  return false;
}

function coversConstraint(parent: Constraint, child: Constraint): boolean {
  // A finite set is compared value by value, whatever the parent says.
  if (child.values !== undefined) return child.values.every((value) => satisfies(parent, value));
  const { values, prefix, minimum = -Infinity, maximum = Infinity, paths } = parent;
  if (values !== undefined) return false;
  if (prefix !== undefined && child.prefix?.startsWith(prefix) !== true) return false;
  if ((child.minimum ?? -Infinity) < minimum || (child.maximum ?? Infinity) > maximum) return false;
  if (paths === undefined) return true;
  const narrower = child.paths ?? [];
  return (
    narrower.length > 0 && narrower.every((path) => paths.some((wider) => coversPath(wider, path)))
  );
}

/** The first name besides the named arguments that somebody might take for one of them. */
function twinOf(rules: ArgumentRules, value: Json, depth: number): string | undefined {
  if (depth > DEPTH_MAX) return '…';
  if (typeof value !== 'object' || value === null) return undefined;
  const isList = Array.isArray(value);
  for (const [name, inner] of Object.entries(value as JsonObject)) {
    const isNamed = depth === 0 && rules.byName.has(name);
    if (!isList && !isNamed && rules.folded.has(foldName(name))) return name;
    const twin = inner === undefined ? undefined : twinOf(rules, inner, depth + 1);
    if (twin !== undefined) return twin;
  }
  return undefined;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || isText(value) || typeof value === 'boolean' || isNumber(value);
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || isText(value);
}

function isNumberOrAbsent(value: unknown): value is number | undefined {
  return value === undefined || isNumber(value);
}

function isListOf<Item>(
  value: unknown,
  isItem: (item: unknown) => item is Item,
): value is readonly Item[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= ALTERNATIVES_MAX &&
    value.every((item) => isItem(item))
  );
}
