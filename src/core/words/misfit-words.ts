/**
 * What is wrong with a value that does not fit a schema, as a person is told it. Schemas are zod's, whose own texts
 * (`Too small: expected string to have >=1 characters`) are made for programmers; a text of ours in a schema stays.
 * What is read here is only the form of zod's issues, so that this file loads nothing.
 */
import { durationText } from '../time/duration.ts';
import { printable } from './text.ts';

/** One thing that is wrong with a value: an issue of zod 4, as far as words are made of it. */
export interface Misfit {
  readonly code?: string | undefined;
  /** Where in the value it is. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What an issue has besides, by its code. */
interface Facts extends Misfit {
  readonly expected?: unknown;
  readonly origin?: unknown;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inclusive?: unknown;
  readonly exact?: unknown;
  readonly divisor?: unknown;
  readonly format?: unknown;
  readonly pattern?: unknown;
  readonly prefix?: unknown;
  readonly suffix?: unknown;
  readonly includes?: unknown;
  readonly values?: readonly unknown[];
  readonly options?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly issues?: readonly Misfit[];
  readonly errors?: readonly (readonly Misfit[])[];
}

/** How zod's own texts begin; a schema with a text of ours has that one in its place. */
const OF_ZOD =
  /^(?:Invalid (?:input|option|string|number|key|value|discriminator|[\w. -]+$)|Too (?:big|small): |Unrecognized keys?: )/;

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object { … }',
  record: 'an object { … }',
};

const FORMATS: Readonly<Record<string, string>> = {
  url: 'a URL',
  uuid: 'a UUID',
  email: 'an email address',
  datetime: 'a time like 2026-01-31T12:00:00Z',
  date: 'a date like 2026-01-31',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  base64: 'base64',
  base64url: 'base64url',
};

/** How names of times in milliseconds end, and of those in seconds. */
const IN_MS = /(?:Ms|_ms)$|^timeout$/;
const IN_S = /_s$/;
/** Longest name of a member that is told, and longest list of words, in characters. */
const NAME_MAX = 80;
const LIST_MAX = 300;

/** Where it is and what is wrong: `tools.0: must not be empty`. `whole` is what the value itself is called. */
export function misfitText(misfit: Misfit, whole: string): string {
  const where = misfit.path.map((part) => printable(String(part), NAME_MAX)).join('.');
  return `${where === '' ? whole : where}: ${misfitWords(misfit)}`;
}

/** What is wrong, without where: `must not be empty`. A time that is too long is told as people write times. */
export function misfitWords(misfit: Misfit): string {
  if (!OF_ZOD.test(misfit.message)) return misfit.message;
  const facts: Facts = misfit;
  switch (misfit.code) {
    case 'invalid_type':
      return typeWords(facts);
    case 'too_small':
    case 'too_big':
      return boundWords(facts, misfit.code === 'too_big');
    case 'invalid_value':
      return choiceWords(facts.values ?? []);
    case 'invalid_format':
      return formatWords(facts);
    case 'not_multiple_of':
      return `must be a multiple of ${String(facts.divisor)}`;
    case 'unrecognized_keys':
      return `may not have ${(facts.keys ?? []).map((key) => `'${printable(key, NAME_MAX)}'`).join(', ')}`;
    case 'invalid_union':
      return unionWords(facts);
    case 'invalid_key':
      return `has a name that can't be used${reason(facts)}`;
    case 'invalid_element':
      return `has an entry that can't be used${reason(facts)}`;
    default:
      return "can't be used";
  }
}

function typeWords({ expected, message }: Facts): string {
  const kind = kindOf(expected);
  return message.endsWith('received undefined')
    ? `is missing; it must be ${kind}`
    : `must be ${kind}`;
}

function kindOf(expected: unknown): string {
  return KINDS[String(expected)] ?? String(expected);
}

function boundWords(facts: Facts, isTooBig: boolean): string {
  const { origin, exact, inclusive, path } = facts;
  const bound = isTooBig ? facts.maximum : facts.minimum;
  const unit = unitOf(origin, bound);
  if (unit === undefined) {
    const scale = scaleOf(path);
    if (isTooBig && scale !== undefined)
      return `a time of ${durationText(Number(bound) * scale)} at the most`;
    if (inclusive === false) return `must be ${isTooBig ? 'less' : 'more'} than ${String(bound)}`;
    return `must be at ${isTooBig ? 'most' : 'least'} ${String(bound)}`;
  }
  if (!isTooBig && Number(bound) === 1 && exact !== true) return 'must not be empty';
  if (exact === true) return `must have exactly ${String(bound)} ${unit}`;
  return isTooBig
    ? `may have at most ${String(bound)} ${unit}`
    : `must have at least ${String(bound)} ${unit}`;
}

/** What a bound counts; undefined for a number, which is the bound's own kind. */
function unitOf(origin: unknown, bound: unknown): string | undefined {
  const isOne = Number(bound) === 1;
  if (origin === 'string') return isOne ? 'character' : 'characters';
  const isMany = origin === 'array' || origin === 'set' || origin === 'map' || origin === 'record';
  if (isMany) return isOne ? 'entry' : 'entries';
  return undefined;
}

/** Milliseconds of one of what a member counts, by its name; undefined for what is no time. */
function scaleOf(path: readonly PropertyKey[]): number | undefined {
  const name = String(path.at(-1) ?? '');
  if (IN_MS.test(name)) return 1;
  return IN_S.test(name) ? 1000 : undefined;
}

function choiceWords(values: readonly unknown[]): string {
  if (values.length === 0) return "can't be used";
  const list = printable(values.map(String).join(', '), LIST_MAX);
  return values.length === 1 ? `must be ${list}` : `must be one of ${list}`;
}

function formatWords({ format, pattern, prefix, suffix, includes }: Facts): string {
  switch (format) {
    case 'regex':
      return `must match ${String(pattern)}`;
    case 'starts_with':
      return `must begin with '${String(prefix)}'`;
    case 'ends_with':
      return `must end with '${String(suffix)}'`;
    case 'includes':
      return `must contain '${String(includes)}'`;
    default:
      return `must be ${FORMATS[String(format)] ?? String(format)}`;
  }
}

/** What is wrong by the form that the value is meant to have; where it has none of them, all that there are. */
function unionWords({ errors = [], options = [] }: Facts): string {
  if (options.length > 0) return choiceWords(options);
  // A form whose type is right: what is wrong within it says more than that there are others.
  const meant = errors.find(([first]) => first !== undefined && !isOtherType(first));
  const [inner] = meant ?? [];
  if (inner !== undefined)
    return inner.path.length === 0 ? misfitWords(inner) : misfitText(inner, '');
  const kinds = errors.flatMap(([first]) => (first === undefined ? [] : [typeOf(first)]));
  if (kinds.length === 0) return "can't be used";
  const isMissing = errors.every(([first]) => first?.message.endsWith('received undefined'));
  const text = `must be ${[...new Set(kinds)].join(' or ')}`;
  return isMissing ? `is missing; it ${text}` : text;
}

function isOtherType({ code, path }: Misfit): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function typeOf(misfit: Misfit): string {
  const { code, expected, values = [] }: Facts = misfit;
  return code === 'invalid_value' ? values.map(String).join(' or ') : kindOf(expected);
}

/** Why a name or an entry can't be used, where one reason is given. */
function reason({ issues: [first] = [] }: Facts): string {
  return first === undefined ? '' : `: ${misfitWords(first)}`;
}
