/**
 * Which tools a view shows, and which are offered once for several peers: patterns of the configuration
 * made into functions. A pattern is `<server>/<tool>` for our own tools or `<peer>/<server>/<tool>`, with
 * `*` inside a part and `**` as the last part for whatever follows, as grants have it.
 */
import { StarlingError, messageOf, printable } from '../../core/index.ts';
import type { ListedTool } from '../../directory/index.ts';
import { matchesTarget, parseResource } from '../../grants/index.ts';
import type { ResourcePattern } from '../../grants/index.ts';
import { definitionOf } from '../pins/definition.ts';

/** What a view lets through. */
export interface SelectionRule {
  /** Only these; default all. */
  readonly allow?: readonly string[];
  /** Not these, whatever is allowed. */
  readonly deny?: readonly string[];
}

/** Is this tool shown? `peer` is the owner's alias, undefined for a tool of ours. */
export type ToolSelection = (peer: string | undefined, server: string, name: string) => boolean;

/** A tool of a peer or of ours, before names are given. */
export interface Offered<T> {
  /** The owner's alias; absent for ours. */
  readonly peer?: string;
  readonly server: string;
  readonly tool: ListedTool;
  readonly target: T;
}

/** A tool as it is offered: by one owner, or by several peers as one. */
export interface Merged<T> {
  /** Absent for ours, and for one that peers offer together. */
  readonly peer?: string;
  readonly server: string;
  readonly tool: ListedTool;
  /** Who can run it, in the order of what was given; never empty. */
  readonly targets: readonly [T, ...T[]];
}

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

/**
 * Offers tools once that several peers have: the same name and definition on servers of the same name.
 * `rule`: true for tools that are marked read-only or idempotent, a list of `<server>/<tool>` patterns
 * for those, however they are marked, false for none. A mergeable tool goes without its peer's name even
 * while only one peer has it, so that its name does not depend on who is there. Our own tools are never
 * merged, because a call of them must not leave this machine; where we or peers have different tools
 * under one name, each keeps its owner's.
 * @throws STARLING_CONFIG_INVALID for a pattern that can't be read
 */
export function mergeTools<T>(
  offered: readonly Offered<T>[],
  rule: boolean | readonly string[],
): readonly Merged<T>[] {
  const mayMerge = mergeable(rule);
  const definitions = new Map<string, string>();
  const taken = new Set<string>();
  for (const { peer, server, tool } of offered) {
    const place = placeOf(server, tool);
    const { hash } = definitionOf('tool', tool);
    const other = definitions.get(place);
    if (peer === undefined || (other !== undefined && other !== hash)) taken.add(place);
    definitions.set(place, hash);
  }
  const merged = new Map<string, { -readonly [K in keyof Merged<T>]: Merged<T>[K] }>();
  for (const [index, { peer, server, tool, target }] of offered.entries()) {
    const place = placeOf(server, tool);
    const isMerged = peer !== undefined && !taken.has(place) && mayMerge(server, tool);
    const key = isMerged ? place : String(index);
    const before = merged.get(key);
    if (before !== undefined) before.targets = [...before.targets, target];
    else {
      const owner = isMerged || peer === undefined ? {} : { peer };
      merged.set(key, { ...owner, server, tool, targets: [target] });
    }
  }
  return [...merged.values()];
}

function mergeable(
  rule: boolean | readonly string[],
): (server: string, tool: ListedTool) => boolean {
  if (rule === false) return () => false;
  if (rule === true) return (_, tool) => isRepeatable(tool);
  const isChosen = compileSelection({ allow: rule });
  return (server, tool) => isChosen(undefined, server, tool.name);
}

/** May a call of it run twice? By what its pinned definition says (MCP `ToolAnnotations`). */
function isRepeatable(tool: ListedTool): boolean {
  const hints = tool['annotations'];
  if (typeof hints !== 'object' || hints === null) return false;
  return (
    ('readOnlyHint' in hints && hints['readOnlyHint'] === true) ||
    ('idempotentHint' in hints && hints['idempotentHint'] === true)
  );
}

function placeOf(server: string, tool: ListedTool): string {
  return JSON.stringify([server, tool.name]);
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
