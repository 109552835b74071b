/**
 * Which things a view shows: patterns of the configuration made into a function. A pattern is `<server>/<tool>` for our own tools or `<peer>/<server>/<tool>`, with
 * `*` inside a part and `**` as the last part for whatever follows, as grants have it.
 */
import { StarlingError, messageOf, printable } from '../../core/index.ts';
import { matchesTarget, parseResource } from '../../grants/index.ts';
import type { ResourcePattern } from '../../grants/index.ts';

/** What a view lets through. */
export interface SelectionRule {
  /** Only these; default all. */
  readonly allow?: readonly string[];
  /** Not these, whatever is allowed. */
  readonly deny?: readonly string[];
}

/** Is this tool shown? `peer` is the owner's alias, undefined for a tool of ours. */
export type ToolSelection = (peer: string | undefined, server: string, name: string) => boolean;

/** Matching knows a scheme; this one has no rules of its own about the server `starling`. */
const SCHEME = 'resource';

/** Makes the predicate of a view. @throws STARLING_CONFIG_INVALID for a pattern that can't be read */
export function compileSelection(rule: SelectionRule): ToolSelection {
  const allow = rule.allow?.map(compile);
  const deny = (rule.deny ?? []).map(compile);
  return (peer, server, name) => {
    const target = {
      scheme: SCHEME,
      segments: [...(peer === undefined ? [] : [peer]), server, ...name.split('/')].map((part) =>
        part.normalize('NFC'),
      ),
    };
    const isOneOf = (patterns: readonly ResourcePattern[]): boolean =>
      patterns.some((pattern) => matchesTarget(pattern, target));
    return !isOneOf(deny) && (allow === undefined || isOneOf(allow));
  };
}

function compile(pattern: string): ResourcePattern {
  try {
    return parseResource(`${SCHEME}:${pattern === '*' ? '**' : pattern}`);
  } catch (error) {
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `'${printable(pattern)}' is no pattern of tools: ${messageOf(error)}`,
      {
        hint: "write <server>/<tool> or <peer>/<server>/<tool>, like 'files/read_*'",
        cause: error,
      },
    );
  }
}
