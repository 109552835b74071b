/** Keys of the policy file that had another name once: the old name is still read, with a warning. */
import { isObject } from '../../core/index.ts';
import type { Problem } from '../../config/index.ts';

/** A policy file's tree in the words of today. */
export interface Reworded {
  readonly tree: unknown;
  /** What a person should change, one line each. */
  readonly warnings: readonly string[];
  readonly problems: readonly Problem[];
  /** A dotted key in the words of the file, so that a person finds the key there. */
  readonly asWritten: (key: string) => string;
}

const OLD = 'agents';
const NEW = 'callers';

/** Reads `agents:` as `callers:`. A file that has both is a problem: neither could be left out. */
export function reword(tree: unknown): Reworded {
  const asIs = { tree, warnings: [], problems: [], asWritten: (key: string) => key };
  if (!isObject(tree) || !Object.hasOwn(tree, OLD)) return asIs;
  const { [OLD]: entries, ...others } = tree;
  if (Object.hasOwn(tree, NEW)) {
    const text = `it is the old name of ${NEW}, which is there too; put all entries under ${NEW}`;
    return { ...asIs, tree: others, problems: [{ key: OLD, text }] };
  }
  return {
    tree: { ...others, [NEW]: entries },
    warnings: [
      `${OLD}: this key is called ${NEW} now, and ${OLD} will mean something else; rename it to ${NEW}`,
    ],
    problems: [],
    asWritten: (key) =>
      key === NEW || key.startsWith(`${NEW}.`) ? OLD + key.slice(NEW.length) : key,
  };
}
