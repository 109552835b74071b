/**
 * Resource patterns: `scheme:segment/segment`, `*` within a segment, `**` as the last segment for
 * one or more segments. Segments are percent-decoded (RFC 3986 §2.1) and NFC-normalised; case
 * counts. Pure, and without backtracking: at most pattern length × text length steps.
 */
import { BUILTIN_SERVER, FORBIDDEN, StarlingError, printable } from '../../core/index.ts';

/** Longest pattern or resource, in UTF-16 units as written. */
const RESOURCE_LENGTH_MAX = 512;

/** Abilities by scheme: a closed set. */
const ABILITIES: Readonly<Record<string, readonly string[]>> = {
  mesh: ['mesh/join', 'mesh/invite'],
  tool: ['tool/call'],
  resource: ['resource/read', 'resource/subscribe', 'resource/write'],
  prompt: ['prompt/get'],
  board: ['board/read', 'board/write', 'board/admin'],
  budget: ['budget/spend', 'budget/transfer'],
  agent: ['agent/message', 'agent/spawn'],
  model: ['model/use'],
};

/** Stands for a child's `*` while a parent is matched against it; never part of a name. */
export const STAR = '\u0000';
const SHAPE = /^([a-z]+):(.+)$/su;
/** What needs neither decoding nor normalising. */
const PLAIN = /^[\x21-\x24\x26-\x2e\x30-\x7e]+$/;

/** A parsed pattern. */
export interface ResourcePattern {
  readonly scheme: string;
  /** Each segment as the texts between its stars; a single text is a literal. */
  readonly segments: readonly (readonly string[])[];
  /** True when `**` follows the segments. */
  readonly rest: boolean;
}

/** One parsed resource, without wildcards: a `*` in it is a star, nothing else. */
export interface ResourceTarget {
  readonly scheme: string;
  readonly segments: readonly string[];
}

/** Parses a pattern. @throws STARLING_GRANT_MALFORMED */
export function parseResource(text: string): ResourcePattern {
  const [scheme, raw] = split(text);
  const rest = raw.at(-1) === '**';
  const segments = (rest ? raw.slice(0, -1) : raw).map((segment) => parseSegment(segment, text));
  if (scheme === 'tool' && segments.length + Number(rest) < 2 && !(rest && segments.length === 0)) {
    throw bad(text, 'a tool is named <server>/<tool>');
  }
  return { scheme, segments, rest };
}

/** Parses one resource that somebody wants. @throws STARLING_GRANT_MALFORMED */
export function parseTarget(text: string): ResourceTarget {
  const [scheme, raw] = split(text);
  return { scheme, segments: raw.map((segment) => checkName(decode(segment, text), text)) };
}

/** Writes the resource of one tool; the names may hold any character that a name may hold. */
export function toolResource(server: string, tool: string): string {
  return `tool:${[server, ...tool.split('/')].map(encodeSegment).join('/')}`;
}

/** Writes the resource of one prompt. */
export function promptResource(server: string, name: string): string {
  return `prompt:${[server, ...name.split('/')].map(encodeSegment).join('/')}`;
}

/**
 * Writes the resource of one URI (RFC 3986), or of a pattern of URIs: `file:///srv/docs/a` of server
 * `files` is `resource:files/file:/srv/docs/a`, and `demo://host/a` is `resource:demo/demo:host/a`. The
 * URI's own percent-encoding stays, so that an encoded `..` is refused like a plain one.
 */
export function uriResource(server: string, uri: string): string {
  const [, scheme, authority, path = ''] = /^([^:/?#]+):\/\/([^/?#]*)(.*)$/su.exec(uri) ?? [];
  const [head, rest] =
    scheme === undefined
      ? uri.replace(/^([^:/?#]+:)(?!\/)/u, '$1|').split(/\/(.*)/su, 2)
      : [`${scheme}:${authority}`, path.replace(/^\//u, '')];
  const segments = (rest ?? '').replace(/\/$/u, '');
  const where = encodeSegment(server);
  return `resource:${where}/${head ?? ''}${segments === '' ? '' : `/${segments}`}`;
}

/** Percent-encodes all but `A-Za-z0-9._~-`: safe in a pattern, and between single quotes. */
export function encodeSegment(name: string): string {
  const wellFormed = name.replaceAll(/\p{Cs}/gu, '\ufffd');
  return encodeURIComponent(wellFormed).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** True when `pattern` matches `target`. */
export function matchesTarget(pattern: ResourcePattern, target: ResourceTarget): boolean {
  const { segments, rest } = pattern;
  const names = target.segments;
  if (pattern.scheme !== target.scheme) return false;
  if (rest ? names.length <= segments.length : names.length !== segments.length) return false;
  if (isBuiltin(target.scheme, names[0]) && !isBuiltin(pattern.scheme, literalOf(segments[0]))) {
    return false;
  }
  return matchesAll(segments, names);
}

/** True when each of `segments` matches the name at its place. A loop: this is asked for each grant. */
export function matchesAll(
  segments: readonly (readonly string[])[],
  names: readonly string[],
): boolean {
  for (let index = 0; index < segments.length; index += 1) {
    if (!matchesPieces(segments[index] ?? [], names[index] ?? '')) return false;
  }
  return true;
}

/**
 * True when `pattern` matches `resource`; false also when `resource` is malformed.
 * @throws STARLING_GRANT_MALFORMED when `pattern` is
 */
export function matchResource(pattern: string, resource: string): boolean {
  const parsed = parseResource(pattern);
  const target = tryParseTarget(resource);
  return target !== undefined && matchesTarget(parsed, target);
}

/** {@link parseTarget}, with undefined for a malformed resource: such a thing is never granted. */
export function tryParseTarget(resource: string): ResourceTarget | undefined {
  try {
    return parseTarget(resource);
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}

/** True only when everything that `child` matches, `parent` matches too. */
export function covers(parent: ResourcePattern, child: ResourcePattern): boolean {
  if (parent.scheme !== child.scheme) return false;
  const needed = parent.segments.length;
  const given = child.segments.length;
  if (parent.rest ? given + Number(child.rest) <= needed : child.rest || given !== needed) {
    return false;
  }
  const builtin = isBuiltin(child.scheme, literalOf(child.segments[0]));
  if (builtin && !isBuiltin(parent.scheme, literalOf(parent.segments[0]))) return false;
  return parent.segments.every((pieces, index) =>
    matchesPieces(pieces, (child.segments[index] ?? []).join(STAR)),
  );
}

/** {@link covers} on written patterns. @throws STARLING_GRANT_MALFORMED */
export function patternCovers(parent: string, child: string): boolean {
  return covers(parseResource(parent), parseResource(child));
}

/** True when `ability` is one of the closed set of `scheme`, or `*`. */
export function isAbilityOf(scheme: string, ability: string): boolean {
  return ability === '*' || (abilitiesOf(scheme)?.includes(ability) ?? false);
}

function abilitiesOf(scheme: string): readonly string[] | undefined {
  return Object.hasOwn(ABILITIES, scheme) ? ABILITIES[scheme] : undefined;
}

function isBuiltin(scheme: string, server: string | undefined): boolean {
  return scheme === 'tool' && server === BUILTIN_SERVER;
}

function literalOf(pieces: readonly string[] | undefined): string | undefined {
  return pieces?.length === 1 ? pieces[0] : undefined;
}

/** Glob matching by leftmost fit of each piece, which never needs to be taken back. */
export function matchesPieces(pieces: readonly string[], text: string): boolean {
  const first = pieces[0] ?? '';
  if (pieces.length <= 1) return text === first;
  const last = pieces.at(-1) ?? '';
  const end = text.length - last.length;
  if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (let index = 1; index < pieces.length - 1; index += 1) {
    const piece = pieces[index] ?? '';
    const found = text.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function split(text: string): [scheme: string, segments: string[]] {
  if (text.length > RESOURCE_LENGTH_MAX) {
    throw bad(text, `it is longer than ${RESOURCE_LENGTH_MAX} characters`);
  }
  const [, scheme = '', path = ''] = SHAPE.exec(text) ?? [];
  if (abilitiesOf(scheme) === undefined) {
    throw bad(text, `it must start with one of ${Object.keys(ABILITIES).join(':, ')}:`);
  }
  return [scheme, path.split('/')];
}

function parseSegment(raw: string, text: string): readonly string[] {
  if (raw.includes('**')) throw bad(text, '** is allowed only as the last segment');
  const pieces = raw.split('*').map((piece) => decode(piece, text));
  if (pieces.length === 1) checkName(pieces[0] ?? '', text);
  return pieces;
}

function decode(raw: string, text: string): string {
  if (raw === '' || PLAIN.test(raw)) return raw;
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw).normalize('NFC');
  } catch (error) {
    throw bad(text, 'its percent-encoding is broken', error);
  }
  if (decoded.includes('/')) throw bad(text, 'a slash may not be encoded');
  if (FORBIDDEN.test(decoded)) throw bad(text, 'it holds a control or invisible character');
  return decoded;
}

function checkName(name: string, text: string): string {
  if (name === '') throw bad(text, 'it has an empty segment');
  if (name === '.' || name === '..') throw bad(text, "'.' and '..' are no names");
  return name;
}

function bad(text: string, why: string, cause?: unknown): StarlingError {
  const message = `'${printable(text)}' is no resource: ${why}`;
  return new StarlingError('STARLING_GRANT_MALFORMED', message, {
    data: { rule: 'resource' },
    cause,
  });
}
