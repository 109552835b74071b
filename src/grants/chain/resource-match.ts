/**
 * Whether a pattern matches a resource, and whether one pattern covers another. Pure, and without
 * backtracking: at most pattern length × text length steps.
 */
import { BUILTIN_SERVER } from '../../core/index.ts';
import { parseResource, tryParseTarget } from '../format/resource.ts';
import type { ResourcePattern, ResourceTarget } from '../format/resource.ts';

/** Stands for a child's `*` while a parent is matched against it; never part of a name. */
export const STAR = '\u0000';

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
