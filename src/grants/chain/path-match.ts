/**
 * Path patterns of the caveat `args`: `/srv/docs/**` over the text of one argument. The text goes to
 * a server as it is, and we do not know what that makes of it: so whatever could be read as another
 * path than it looks like (`..`, empty segments, backslashes, percent-encoding, invisible or
 * compatibility characters) matches nothing. Case counts. Pure, and without backtracking.
 */
import { STAR, matchesAll, matchesPieces } from './resource-match.ts';
import { FORBIDDEN } from '../../core/index.ts';

/** Longest pattern, in UTF-16 units. */
const PATTERN_LENGTH_MAX = 512;
/** Longest argument that is looked at, in UTF-16 units. */
const PATH_LENGTH_MAX = 4096;
/** An encoded byte: whether the server decodes it, and how often, nobody here knows. */
const ENCODED = /%[0-9a-f]{2}/i;
/** Printable, and its own normal form. */
const ASCII = /^[\x20-\x7e]*$/;

/** A parsed path pattern. */
export interface PathPattern {
  /** Each segment as the texts between its stars; the first of an absolute path is empty. */
  readonly segments: readonly (readonly string[])[];
  /** True when `**` follows: one or more further segments. */
  readonly rest: boolean;
}

/** Parses a path pattern; undefined when it is none. */
export function parsePathPattern(text: string): PathPattern | undefined {
  if (text.length > PATTERN_LENGTH_MAX) return undefined;
  const raw = text.split('/');
  const rest = raw.at(-1) === '**';
  const named = rest ? raw.slice(0, -1) : raw;
  if (named.some((segment) => segment.includes('**'))) return undefined;
  // `**` alone is any relative path, `/**` any absolute one.
  if (named.length > 0 && !isPlainPath(named.map((one) => one.replaceAll('*', 'x')).join('/'))) {
    const isRoot = rest && named.length === 1 && named[0] === '';
    if (!isRoot) return undefined;
  }
  return { segments: named.map((segment) => segment.split('*')), rest };
}

/** The path that was read last: a holder may have many grants, and each looks at the same call. */
let last: { readonly path: string; readonly names: readonly string[] | undefined } | undefined;

/** The segments of a path; undefined when it is not plain. One slash at its end does not count. */
function namesOf(path: string): readonly string[] | undefined {
  if (last?.path !== path) {
    const names = isPlainPath(path) ? path.replace(/(?<=[^/])\/$/u, '').split('/') : undefined;
    last = { path, names };
  }
  return last.names;
}

/** True when `pattern` matches `path`; one slash at its end does not count. */
export function matchesPath(pattern: PathPattern, path: string): boolean {
  const names = namesOf(path);
  if (names === undefined) return false;
  const { segments, rest } = pattern;
  if (rest ? names.length <= segments.length : names.length !== segments.length) return false;
  // Without a segment to say it is absolute, a pattern is about relative paths.
  if (segments.length === 0 && names[0] === '') return false;
  return matchesAll(segments, names);
}

/** True only when everything that `child` matches, `parent` matches too. */
export function coversPath(parent: PathPattern, child: PathPattern): boolean {
  const needed = parent.segments.length;
  const given = child.segments.length;
  if (parent.rest ? given + Number(child.rest) <= needed : child.rest || given !== needed) {
    return false;
  }
  if (needed === 0 && isAbsolute(child)) return false;
  return parent.segments.every((pieces, index) =>
    matchesPieces(pieces, (child.segments[index] ?? []).join(STAR)),
  );
}

/** True when `path` can only be read as what it looks like. */
export function isPlainPath(path: string): boolean {
  if (path === '' || path.length > PATH_LENGTH_MAX || !isPlainText(path)) return false;
  const names = path.split('/');
  const last = names.length - 1;
  return names.every((name, index) => {
    if (name === '') return last > 0 && (index === 0 || index === last) && path !== '/';
    return !isDots(name);
  });
}

/**
 * True when `text` holds nothing that some reader might take for a slash, for `..` or for nothing at
 * all. Empty segments are allowed here: a URL has one.
 */
export function isPlainText(text: string): boolean {
  if (text.includes('\\') || ENCODED.test(text)) return false;
  if (ASCII.test(text)) return true;
  if (FORBIDDEN.test(text)) return false;
  if (text.normalize('NFC') !== text) return false;
  const compatible = text.normalize('NFKC');
  return (
    countOf(compatible, '/') === countOf(text, '/') &&
    !compatible.includes('\\') &&
    !compatible.split('/').some(isDots)
  );
}

/** `.`, `..`, and what Windows takes for them: dots and blanks only. */
function isDots(name: string): boolean {
  return /^[. ]+$/u.test(name);
}

function isAbsolute({ segments }: PathPattern): boolean {
  const [first] = segments;
  return first?.length === 1 && first[0] === '';
}

function countOf(text: string, char: string): number {
  return text.split(char).length - 1;
}
