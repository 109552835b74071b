/**
 * Sets and removes one property of a JSON text (comments and trailing commas allowed), and leaves every
 * other byte as it is: indentation, line ends, comments and order of whoever wrote the file.
 */
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { nodeAt, parseJsonc, propertyOf, valueOf } from './jsonc.ts';
import type { JsoncNode, JsoncObject, JsoncProperty } from './jsonc.ts';

/** What is edited: the text, and the file's name for errors. */
export interface JsonText {
  readonly text: string;
  readonly file: string;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** How the file is written. */
interface Style {
  readonly eol: string;
  /** One level; undefined when the whole file is on one line. */
  readonly unit: string | undefined;
}

const COLUMNS = 100;
/** Spaces and comments up to the end of the line. */
const REST_OF_LINE = /[ \t]*(?:\/\*(?:(?!\*\/)[^\n])*\*\/[ \t]*)*(?:\/\/[^\n\r]*)?(?=\r?\n|$)/y;

/**
 * The text with `value` at `path`; objects on the way are made.
 * @throws STARLING_CONFIG_INVALID when it does not parse, or what is on the way is no object
 */
export function setProperty(
  { text, file }: JsonText,
  path: readonly string[],
  value: Json,
): string {
  const root = parseJsonc(text, file);
  let depth = 0;
  let at: JsoncNode = root;
  let found: JsoncProperty | undefined;
  for (; depth < path.length; depth += 1) {
    if (at.kind !== 'object') throw notAnObject(file, path.slice(0, depth));
    found = propertyOf(at, path[depth] ?? '');
    if (found === undefined) break;
    at = found.value;
  }
  const style = styleOf(text);
  if (depth === path.length) {
    const indent = indentAt(text, found?.start ?? at.start);
    const written = format(value, style, indent);
    const result = apply(text, [{ start: at.start, end: at.end, text: written }]);
    return checked({ text: result, file }, root, path, value);
  }
  const inner = path.slice(depth + 1).reduceRight<Json>((below, key) => ({ [key]: below }), value);
  const edits = insertion(text, at as JsoncObject, path[depth] ?? '', inner, style);
  return checked({ text: apply(text, edits), file }, root, path, value);
}

/**
 * The text without the property at `path`, and without the comment behind it on its line.
 * @throws STARLING_CONFIG_INVALID when the text does not parse
 */
export function removeProperty({ text, file }: JsonText, path: readonly string[]): string {
  const root = parseJsonc(text, file);
  const object = nodeAt(root, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  if (object?.kind !== 'object') return text;
  const index = object.properties.findLastIndex((property) => property.key === key);
  const property = object.properties[index];
  if (property === undefined) return text;
  const edits = removal(text, object, index, property);
  const after = apply(text, edits);
  // A key that stood there twice is gone only when both are.
  if (object.properties.some((other, at) => at !== index && other.key === key)) {
    return removeProperty({ text: after, file }, path);
  }
  return checked({ text: after, file }, root, path, undefined);
}

function insertion(
  text: string,
  object: JsoncObject,
  key: string,
  value: Json,
  style: Style,
): readonly Edit[] {
  const name = JSON.stringify(key);
  const last = object.properties.at(-1);
  const isOnOneLine = !text.slice(object.start, object.end).includes('\n');
  if (style.unit === undefined || (isOnOneLine && last !== undefined)) {
    const compact = `${name}: ${inline(value)}`;
    if (last === undefined) {
      return [{ start: object.end - 1, end: object.end - 1, text: compact }];
    }
    const end = last.comma === undefined ? last.value.end : last.comma + 1;
    const [before, after] = last.comma === undefined ? [', ', ''] : [' ', ','];
    return [{ start: end, end, text: `${before}${compact}${after}` }];
  }
  const { eol, unit } = style;
  const outer = indentAt(text, object.start);
  if (last === undefined) {
    const indent = outer + unit;
    const start = object.start + 1 + text.slice(object.start + 1, object.end - 1).trimEnd().length;
    const body = `${name}: ${format(value, style, indent)}`;
    return [{ start, end: object.end - 1, text: `${eol}${indent}${body}${eol}${outer}` }];
  }
  const indent = isFirstOnLine(text, last.start) ? indentAt(text, last.start) : outer + unit;
  const body = `${eol}${indent}${name}: ${format(value, style, indent)}`;
  const end = last.comma === undefined ? last.value.end : last.comma + 1;
  const after = restOfLine(text, end);
  const start = after === undefined ? end : after;
  return last.comma === undefined
    ? [
        { start: end, end, text: ',' },
        { start, end: start, text: closing(body, text, start, eol + outer) },
      ]
    : [{ start, end: start, text: closing(`${body},`, text, start, eol + outer) }];
}

/** `body`, and a line end when what follows it is on the same line, like `}`. */
function closing(body: string, text: string, at: number, newLine: string): string {
  return /^[ \t]*(?:\r?\n|$)/.test(text.slice(at)) ? body : `${body}${newLine}`;
}

function removal(
  text: string,
  object: JsoncObject,
  index: number,
  property: JsoncProperty,
): readonly Edit[] {
  const previous = object.properties[index - 1];
  const next = object.properties[index + 1];
  const end = property.comma === undefined ? property.value.end : property.comma + 1;
  const edits: Edit[] = [];
  // JSON has no trailing comma: without the last property the one before it must lose its own.
  if (property.comma === undefined && previous?.comma !== undefined) {
    edits.push({ start: previous.comma, end: previous.comma + 1, text: '' });
  }
  const rest = restOfLine(text, end);
  if (rest !== undefined && isFirstOnLine(text, property.start)) {
    // From the end of the line before, so that a last line goes with its line end, too.
    const lineStart = text.lastIndexOf('\n', property.start - 1);
    const start = text[lineStart - 1] === '\r' ? lineStart - 1 : lineStart;
    edits.push({ start: Math.max(start, object.start + 1), end: rest, text: '' });
  } else if (next !== undefined) {
    edits.push({ start: property.start, end: next.start, text: '' });
  } else {
    const from = previous?.comma === undefined ? property.start : previous.comma + 1;
    edits.push({ start: from, end, text: '' });
  }
  if (object.properties.length > 1) return edits;
  const [only] = edits;
  if (only === undefined) return edits;
  const inside = text.slice(object.start + 1, only.start) + text.slice(only.end, object.end - 1);
  // Nothing is left, not even a comment: then no empty lines either.
  return inside.trim() === ''
    ? [{ start: object.start + 1, end: object.end - 1, text: '' }]
    : edits;
}

/** Where the line ends, when only spaces and comments stand between `at` and there. */
function restOfLine(text: string, at: number): number | undefined {
  REST_OF_LINE.lastIndex = at;
  const match = REST_OF_LINE.exec(text);
  return match === null ? undefined : at + match[0].length;
}

function isFirstOnLine(text: string, at: number): boolean {
  return text.slice(text.lastIndexOf('\n', at - 1) + 1, at).trim() === '';
}

function indentAt(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1);
  return /^[ \t]*/.exec(line)?.[0] ?? '';
}

function styleOf(text: string): Style {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const unit = /\n([ \t]+)"/.exec(text)?.[1];
  const isOneLine = !text.trim().includes('\n') && !/^\{\s*\}$/.test(text.trim());
  return { eol, unit: isOneLine ? undefined : (unit ?? '  ') };
}

/** JSON with `indent` before every line but the first; lists of plain values stay on one line. */
function format(value: Json, style: Style, indent: string): string {
  if (style.unit === undefined || typeof value !== 'object' || value === null) return inline(value);
  const deeper = indent + style.unit;
  const lines = (parts: readonly string[], [open, close]: readonly [string, string]): string =>
    parts.length === 0
      ? open + close
      : `${open}${style.eol}${parts.map((part) => deeper + part).join(`,${style.eol}`)}${style.eol}${indent}${close}`;
  if (isList(value)) {
    const short = inline(value);
    const isPlain = value.every((item) => typeof item !== 'object' || item === null);
    if (isPlain && indent.length + short.length < COLUMNS) return short;
    return lines(
      value.map((item) => format(item, style, deeper)),
      ['[', ']'],
    );
  }
  const entries = entriesOf(value);
  return lines(
    entries.map(([key, below]) => `${JSON.stringify(key)}: ${format(below, style, deeper)}`),
    ['{', '}'],
  );
}

/** JSON on one line, with a space after `:` and `,`. */
function inline(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(inline).join(', ')}]`;
  const parts = entriesOf(value).map(([key, below]) => `${JSON.stringify(key)}: ${inline(below)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function entriesOf(value: JsonObject): readonly (readonly [string, Json])[] {
  return Object.entries(value).flatMap(([key, below]) =>
    below === undefined ? [] : [[key, below] as const],
  );
}

/** Applies edits that don't overlap; of two at one place the first comes first. */
function apply(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => a.start - b.start)
    .reduceRight((at, edit) => at.slice(0, edit.start) + edit.text + at.slice(edit.end), text);
}

/** Reads the result again: it must say what was meant, and everything else what it said before. */
function checked(
  after: JsonText,
  before: JsoncNode,
  path: readonly string[],
  value: Json | undefined,
): string {
  const meant = withValue(valueOf(before), path, value);
  if (!isDeepStrictEqual(valueOf(parseJsonc(after.text, after.file)), meant)) {
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `${after.file} can't be edited by a program: it would not say what is meant`,
      { hint: `edit ${path.join('.')} by hand; nothing was changed` },
    );
  }
  return after.text;
}

function withValue(tree: Json, path: readonly string[], value: Json | undefined): Json {
  const [key, ...below] = path;
  if (key === undefined) return value ?? null;
  const object = typeof tree === 'object' && tree !== null && !isList(tree) ? tree : {};
  const rest = entriesOf(object).filter(([name]) => name !== key);
  if (value === undefined && below.length === 0) return Object.fromEntries(rest);
  const inner = Object.hasOwn(object, key) ? (object[key] ?? null) : {};
  const added: [string, Json] = [key, withValue(inner, below, value)];
  return Object.fromEntries([...rest, added]);
}

function notAnObject(file: string, path: readonly string[]): StarlingError {
  const where = path.length === 0 ? 'its content' : `'${path.join('.')}' in it`;
  return new StarlingError(
    'STARLING_CONFIG_INVALID',
    `${file} can't be edited: ${where} is no object { … }`,
    { hint: 'correct it there and try again; nothing was changed' },
  );
}
