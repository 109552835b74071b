/**
 * JSON as people keep it by hand: with comments and trailing commas, as VS Code reads it. The nodes
 * carry the place of everything, so that an edit can leave the rest of the text as it is.
 */
import { applyEdits, findNodeAtLocation, parseTree } from 'jsonc-parser';
import type { Node } from 'jsonc-parser';
import { findJsonFault } from '../../config/json-syntax.ts';
import { StarlingError } from '../../core/errors.ts';

export { valueOf } from '../../config/json-syntax.ts';

/** A value with its place in the text: `offset` and `length`. */
export type JsoncNode = Node;

/**
 * Parses `text`, which has no byte order mark; `file` is named in the error.
 * @throws STARLING_CONFIG_INVALID with line and column, and none of the text, which may be secret
 */
export function parseJsonc(text: string, file: string): JsoncNode {
  const fault = findJsonFault(text, 'jsonc');
  const root = fault === undefined ? parseTree(text, [], { allowTrailingComma: true }) : undefined;
  if (root !== undefined) return root;
  const { line, column, expected } = fault ?? { line: 1, column: 1, expected: 'a value' };
  throw invalid(`${file} is not JSON: line ${line}, column ${column}: expected ${expected}`);
}

/**
 * The node at `path`, if there is one.
 * @throws STARLING_CONFIG_INVALID when a key of `path` stands twice in its object: programs disagree
 * which of the two counts
 */
export function nodeAt(
  root: JsoncNode,
  path: readonly string[],
  file: string,
): JsoncNode | undefined {
  let at: JsoncNode | undefined = root;
  for (const [depth, key] of path.entries()) {
    if (at?.type !== 'object') return undefined;
    if (propertiesOf(at).filter((property) => keyOf(property) === key).length > 1) {
      const where = path.slice(0, depth + 1).join('.');
      throw invalid(`${file} can't be edited: '${where}' stands in it twice`);
    }
    at = findNodeAtLocation(at, [key]);
  }
  return at;
}

/** `text` with `…` for every text value outside of `kept`: those may be other servers' secrets. */
export function maskOthers(text: string, root: JsoncNode, kept: JsoncNode | undefined): string {
  const texts = (node: JsoncNode): readonly JsoncNode[] => {
    if (node === kept) return [];
    if (node.type === 'string') return [node];
    // The key of a property is shown.
    const inner = node.type === 'property' ? node.children?.slice(1) : node.children;
    return (inner ?? []).flatMap(texts);
  };
  const masks = texts(root).map(({ offset, length }) => ({ offset, length, content: '"…"' }));
  return applyEdits(text, masks);
}

/** The properties of an object: nodes of the type `property`, whose children are key and value. */
export function propertiesOf(object: JsoncNode): readonly JsoncNode[] {
  return object.children ?? [];
}

/** An error that says what is wrong with a file that somebody keeps by hand. */
export function invalid(what: string): StarlingError {
  return new StarlingError('STARLING_CONFIG_INVALID', what, {
    hint: 'correct it there and try again; nothing was changed',
  });
}

function keyOf(property: JsoncNode): unknown {
  return property.children?.[0]?.value;
}
