/**
 * Resources as text, and how they are read: `scheme:segment/segment`, where a pattern may have `*` within
 * a segment, and `**` as the last segment for one or more segments. Segments are percent-decoded
 * (RFC 3986 §2.1) and NFC-normalised; case counts. Pure.
 */
import { FORBIDDEN, StarlingError, printable } from '../../core/index.ts';

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
  agent: ['agent/message', 'agent/task', 'agent/spawn'],
  model: ['model/use'],
};

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

/** What stands in a segment as it is. Most names are of that, and each call asks. */
const AS_IT_IS = /^[A-Za-z0-9._~-]*$/;

/** Percent-encodes all but `A-Za-z0-9._~-`: safe in a pattern, and between single quotes. */
export function encodeSegment(name: string): string {
  if (AS_IT_IS.test(name)) return name;
  const wellFormed = name.replaceAll(/\p{Cs}/gu, '\ufffd');
  return encodeURIComponent(wellFormed).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
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

/** True when `ability` is one of the closed set of `scheme`, or `*`. */
export function isAbilityOf(scheme: string, ability: string): boolean {
  return ability === '*' || (abilitiesOf(scheme)?.includes(ability) ?? false);
}

function abilitiesOf(scheme: string): readonly string[] | undefined {
  return Object.hasOwn(ABILITIES, scheme) ? ABILITIES[scheme] : undefined;
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
