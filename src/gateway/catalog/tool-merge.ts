/**
 * Which tools are listed once for several peers that have them alike. Where a call of such a tool goes
 * is decided call by call.
 */
import type { ListedTool } from '../../directory/index.ts';
import { definitionOf } from '../pins/definition.ts';
import { objectOf } from '../wire/era.ts';
import { compileSelection } from './tool-selection.ts';
import { isReadOnly } from './guard-resource.ts';

/** A tool of a peer or of ours, before names are given. */
export interface MergeCandidate<T> {
  /** The owner's alias; absent for ours. */
  readonly peer?: string;
  readonly server: string;
  readonly tool: ListedTool;
  readonly target: T;
}

/** A tool as it is listed: of one owner, or of several peers as one. */
export interface MergedTool<T> {
  /** The owner's alias; absent for ours, and for a tool that several peers have. */
  readonly peer?: string;
  readonly server: string;
  readonly tool: ListedTool;
  /** Who can run it, in the order of what was given; never empty. */
  readonly targets: readonly [T, ...T[]];
}

/**
 * Lists tools once that several peers have: the same name and definition on servers of the same name.
 * `rule`: true for tools that are marked read-only or idempotent, a list of `<server>/<tool>` patterns
 * for those, however they are marked, false for none. A mergeable tool goes without its peer's name even
 * while only one peer has it, so that its name does not depend on who is there. Our own tools are never
 * merged, because a call of them must not leave this machine; where we or peers have different tools
 * under one name, each keeps its owner's.
 * @throws STARLING_CONFIG_INVALID for a pattern that can't be read
 */
export function mergeTools<T>(
  candidates: readonly MergeCandidate<T>[],
  rule: boolean | readonly string[],
): readonly MergedTool<T>[] {
  const mayMerge = mergeable(rule);
  const hashes = new Map<string, string>();
  const differing = new Set<string>();
  for (const { peer, server, tool } of candidates) {
    const shared = sharedKey(server, tool);
    const { hash } = definitionOf('tool', tool);
    const other = hashes.get(shared);
    if (peer === undefined || (other !== undefined && other !== hash)) differing.add(shared);
    hashes.set(shared, hash);
  }
  const merged = new Map<string, { -readonly [K in keyof MergedTool<T>]: MergedTool<T>[K] }>();
  for (const [index, { peer, server, tool, target }] of candidates.entries()) {
    const shared = sharedKey(server, tool);
    const isMerged = peer !== undefined && !differing.has(shared) && mayMerge(server, tool);
    const key = isMerged ? shared : String(index);
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

/** Whether a call of the tool may run twice, by its pinned definition (MCP `ToolAnnotations`). */
function isRepeatable(tool: ListedTool): boolean {
  return isReadOnly(tool) || objectOf(tool['annotations'])['idempotentHint'] === true;
}

function sharedKey(server: string, tool: ListedTool): string {
  return JSON.stringify([server, tool.name]);
}
