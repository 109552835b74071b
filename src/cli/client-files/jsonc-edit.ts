/**
 * Sets and removes one property of a JSON text (comments and trailing commas allowed), and leaves every
 * other byte as it is: indentation, line ends, comments and order of whoever wrote the file.
 *
 * The text is read by `jsonc-parser`, which has edits of its own (`modify`). They are not used, because
 * they touch the neighbours: removing a property takes the comment of the property above along, a new
 * property takes over the comment of the one before, and their formatting breaks a neighbour's line.
 */
import { isDeepStrictEqual } from 'node:util';
import { applyEdits } from 'jsonc-parser';
import type { Edit } from 'jsonc-parser';
import { StarlingError } from '../../core/errors.ts';
import type { Json } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { invalid, nodeAt, parseJsonc, propertiesOf, valueOf } from './jsonc.ts';
import type { JsoncNode } from './jsonc.ts';

/** What is edited: the text, and the file's name for errors. */
export interface JsonText {
  readonly text: string;
  readonly file: string;
}

/** How the file is written. */
interface Style {
  readonly eol: string;
  /** One level; undefined when the whole file is on one line. */
  readonly unit: string | undefined;
}

/** What follows a value: where its comma stands, and where its line ends. */
interface Behind {
  readonly comma: number | undefined;
  /** Offset behind the value, and behind its comma if there is one. */
  readonly end: number;
  /** Offset of the line end; undefined when more than comments follows on the line. */
  readonly lineEnd: number | undefined;
}

const COLUMNS = 100;
const COMMENTS = /(?:[ \t\r\n]+|\/\/[^\n]*|\/\*[^]*?\*\/)*/y;
/** Spaces and comments up to the end of the line. */
const REST_OF_LINE = /[ \t]*(?:\/\*(?:(?!\*\/)[^\n])*\*\/[ \t]*)*(?:\/\/[^\n\r]*)?(?=\r?\n|$)/y;
/** A list of plain values as `JSON.stringify` lays it out. No text value holds a line end. */
const PLAIN_LIST = /\[\n\s*([^[{\]\s].*(?:\n\s*[^[{\]\s].*)*)\n\s*\]/g;

/**
 * The text with `value` at `path`; objects on the way are made.
 * @throws STARLING_CONFIG_INVALID when the text does not parse, or has a key of `path` twice, or what is
 * on the way is no object
 */
export function setProperty(
  { text, file }: JsonText,
  path: readonly string[],
  value: Json,
): string {
  const root = parseJsonc(text, file);
  const style = styleOf(text);
  const found = nodeAt(root, path, file);
  const edits =
    found === undefined
      ? creation({ text, file }, root, path, value, style)
      : [replace(found.offset, found.length, write(value, style, indentAt(text, startOf(found))))];
  return checked({ text: applyEdits(text, edits), file }, root, path, value);
}

/**
 * The text without the property at `path`, and without the comment behind it on its line.
 * @throws STARLING_CONFIG_INVALID when the text does not parse, or has a key of `path` twice
 */
export function removeProperty({ text, file }: JsonText, path: readonly string[]): string {
  const root = parseJsonc(text, file);
  const property = nodeAt(root, path, file)?.parent;
  if (property?.type !== 'property') return text;
  const after = applyEdits(text, removal(text, property));
  return checked({ text: after, file }, root, path, undefined);
}

/** Adds what is missing of `path` to the innermost object that is there. */
function creation(
  { text, file }: JsonText,
  root: JsoncNode,
  path: readonly string[],
  value: Json,
  style: Style,
): Edit[] {
  let depth = path.length - 1;
  let object = nodeAt(root, path.slice(0, depth), file);
  while (object === undefined) {
    depth -= 1;
    object = nodeAt(root, path.slice(0, depth), file);
  }
  if (object.type !== 'object') {
    const where = depth === 0 ? 'its content' : `'${path.slice(0, depth).join('.')}' in it`;
    throw invalid(`${file} can't be edited: ${where} is no object { … }`);
  }
  const inner = path.slice(depth + 1).reduceRight<Json>((below, key) => ({ [key]: below }), value);
  return insertion(text, object, [path[depth] ?? '', inner], style);
}

function insertion(
  text: string,
  object: JsoncNode,
  [key, value]: readonly [string, Json],
  style: Style,
): Edit[] {
  const property = (indent: string): string =>
    `${JSON.stringify(key)}: ${write(value, style, indent)}`;
  const last = propertiesOf(object).at(-1);
  const close = endOf(object) - 1;
  const isOnOneLine = !text.slice(object.offset, close).includes('\n');
  const { eol, unit } = style;
  if (last === undefined) {
    if (unit === undefined) return [replace(close, 0, property(''))];
    const outer = indentAt(text, object.offset);
    const indent = outer + unit;
    const start = object.offset + 1 + text.slice(object.offset + 1, close).trimEnd().length;
    const body = `${eol}${indent}${property(indent)}${eol}${outer}`;
    return [replace(start, close - start, body)];
  }
  const { comma, end, lineEnd } = behind(text, endOf(last));
  if (unit === undefined || isOnOneLine) {
    const flat = `${JSON.stringify(key)}: ${write(value, { eol, unit: undefined }, '')}`;
    return [replace(end, 0, comma === undefined ? `, ${flat}` : ` ${flat},`)];
  }
  const outer = indentAt(text, object.offset);
  const isFirst = isFirstOnLine(text, last.offset);
  const indent = isFirst ? indentAt(text, last.offset) : outer + unit;
  const start = lineEnd ?? end;
  const isEndOfLine = /^[ \t]*(?:\r?\n|$)/.test(text.slice(start));
  const body = `${eol}${indent}${property(indent)}`;
  const closing = isEndOfLine ? '' : eol + outer;
  return comma === undefined
    ? [replace(end, 0, ','), replace(start, 0, body + closing)]
    : [replace(start, 0, `${body},${closing}`)];
}

function removal(text: string, property: JsoncNode): Edit[] {
  const object = property.parent ?? property;
  const all = propertiesOf(object);
  const index = all.indexOf(property);
  const [previous, next] = [all[index - 1], all[index + 1]];
  const { comma, end, lineEnd } = behind(text, endOf(property));
  const before = previous === undefined ? undefined : behind(text, endOf(previous)).comma;
  const edits: Edit[] = [];
  // JSON has no trailing comma: without the last property the one before it must lose its own.
  if (comma === undefined && before !== undefined) edits.push(replace(before, 1, ''));
  if (lineEnd !== undefined && isFirstOnLine(text, property.offset)) {
    // The cut begins at the end of the line before, so that a last line goes with its line end.
    const lineStart = text.lastIndexOf('\n', property.offset - 1);
    const from = text[lineStart - 1] === '\r' ? lineStart - 1 : lineStart;
    const start = Math.max(from, object.offset + 1);
    edits.push(replace(start, lineEnd - start, ''));
  } else if (next !== undefined) {
    edits.push(replace(property.offset, next.offset - property.offset, ''));
  } else {
    const start = before === undefined ? property.offset : before + 1;
    edits.push(replace(start, end - start, ''));
  }
  const [only] = edits;
  if (all.length > 1 || only === undefined) return edits;
  const [first, close] = [object.offset + 1, endOf(object) - 1];
  const left = text.slice(first, only.offset) + text.slice(only.offset + only.length, close);
  // Where not even a comment is left in the object, no empty lines are left either.
  return left.trim() === '' ? [replace(first, close - first, '')] : edits;
}

function behind(text: string, at: number): Behind {
  const next = matchEnd(COMMENTS, text, at) ?? at;
  const comma = text[next] === ',' ? next : undefined;
  const end = comma === undefined ? at : comma + 1;
  return { comma, end, lineEnd: matchEnd(REST_OF_LINE, text, end) };
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  return match === null ? undefined : at + match[0].length;
}

function replace(offset: number, length: number, content: string): Edit {
  return { offset, length, content };
}

function endOf(node: JsoncNode): number {
  return node.offset + node.length;
}

/** Where the property of a value begins; the value itself, when it stands in no object. */
function startOf(value: JsoncNode): number {
  return (value.parent ?? value).offset;
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
function write(value: Json, { eol, unit }: Style, indent: string): string {
  const laidOut = JSON.stringify(value, null, unit ?? ' ').replaceAll(
    PLAIN_LIST,
    (list, items: string) => {
      const flat = `[${items.replaceAll(/\n\s*/g, ' ')}]`;
      return flat.length < COLUMNS || unit === undefined ? flat : list;
    },
  );
  return unit === undefined
    ? laidOut.replaceAll(/\n\s*/g, ' ')
    : laidOut.replaceAll('\n', eol + indent);
}

/** Reads the result again: it must say what was meant, and everything else what it said before. */
function checked(
  after: JsonText,
  before: JsoncNode,
  path: readonly string[],
  value: Json | undefined,
): string {
  const meant = withValue(valueOf(before), path, value);
  if (isDeepStrictEqual(valueOf(parseJsonc(after.text, after.file)), meant)) return after.text;
  throw new StarlingError(
    'STARLING_CONFIG_INVALID',
    `${after.file} can't be edited by a program: it would not say what is meant`,
    { hint: `edit ${path.join('.')} by hand; nothing was changed` },
  );
}

function withValue(tree: Json, path: readonly string[], value: Json | undefined): Json {
  const [key, ...below] = path;
  if (key === undefined) return value ?? null;
  const entries: [string, Json][] = isObject(tree)
    ? (Object.entries(tree) as [string, Json][])
    : [];
  const rest = entries.filter(([name]) => name !== key);
  if (value === undefined && below.length === 0) return Object.fromEntries(rest);
  const inner = entries.find(([name]) => name === key)?.[1] ?? {};
  return Object.fromEntries([...rest, [key, withValue(inner, below, value)]]);
}
