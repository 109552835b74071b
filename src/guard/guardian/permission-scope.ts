/** Reads the scope of a `request_permission`: which resources, how broad, and does it change things. */
import { BUILTIN_SERVER, StarlingError, printable } from '../../core/index.ts';
import { parseResource, patternCovers } from '../../grants/index.ts';
import type { ResourcePattern } from '../../grants/index.ts';
import { toPattern } from '../policy/tool-pattern.ts';

/** A scope that was read. */
export interface PermissionScope {
  /** Resource patterns, sorted, each once. */
  readonly patterns: readonly string[];
  /** Names in it without wildcards, for the justification. */
  readonly names: readonly string[];
  readonly isBroad: boolean;
}

/** A tool of this node. */
export interface OfferedTool {
  /** `tool:files/read_file` */
  readonly resource: string;
  /** Its pinned definition says `readOnlyHint`. */
  readonly readOnly: boolean;
}

/** Patterns in one scope. */
const PATTERNS_MAX = 16;
const ALL: readonly string[] = ['*', 'all'];
/** What the guardian may grant: by scheme, with which abilities. */
const ABILITIES: Readonly<Record<string, readonly string[]>> = {
  tool: ['tool/call'],
  resource: ['resource/read', 'resource/subscribe'],
  prompt: ['prompt/get'],
};

/**
 * Reads `text`: patterns with commas or spaces between them, or nothing, `*` or `all` for everything
 * in `whole`, the resources of the type. @throws STARLING_USAGE
 */
export function parseScope(text: string, whole: readonly string[]): PermissionScope {
  const words = text.split(/[\s,]+/u).filter((word) => word !== '');
  const isAll = words.length === 0 || words.some((word) => ALL.includes(word.toLowerCase()));
  if (isAll && whole.length === 0) throw misfit('a scope', 'it must name what is wanted');
  const patterns = [...new Set(isAll ? whole : words.map(toPattern))].toSorted();
  if (patterns.length > PATTERNS_MAX && !isAll) {
    throw misfit('a scope', `at most ${PATTERNS_MAX} patterns`);
  }
  const parsed = patterns.map(parse);
  return {
    patterns,
    names: parsed.flatMap(({ segments }) => segments.flatMap((it) => (it.length === 1 ? it : []))),
    isBroad: isAll || parsed.some(isBroad),
  };
}

/** The abilities that the guardian grants on what `pattern` matches. */
export function abilitiesOn(pattern: string): readonly string[] {
  return ABILITIES[parseResource(pattern).scheme] ?? [];
}

/** Those of `patterns` that are in none of `allowed`. */
export function outside(
  patterns: readonly string[],
  allowed: readonly string[],
): readonly string[] {
  return patterns.filter((pattern) => !allowed.some((wider) => patternCovers(wider, pattern)));
}

function parse(pattern: string): ResourcePattern {
  const parsed = parseOrExplain(pattern);
  if (!Object.hasOwn(ABILITIES, parsed.scheme)) {
    throw misfit(pattern, 'the guardian grants tools, resources and prompts only');
  }
  const [server = []] = parsed.segments;
  if (server.length === 1 && server[0] === BUILTIN_SERVER) {
    throw misfit(pattern, 'the built-in server is for its operator to grant');
  }
  return parsed;
}

function parseOrExplain(pattern: string): ResourcePattern {
  try {
    return parseResource(pattern);
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    throw misfit(pattern, "write it like 'files/read_*' or 'resource:files/**'", error);
  }
}

/** A wildcard that stands for a whole segment. */
function isBroad({ segments, rest }: ResourcePattern): boolean {
  return rest || segments.some((pieces) => pieces.length > 1 && pieces.join('') === '');
}

function misfit(what: string, why: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_USAGE', `'${printable(what)}' can't be asked for: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'see what there is: starling tools',
  });
}
