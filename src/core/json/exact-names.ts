/**
 * Names as careless readers compare them. Parsers of JSON differ on which keys are the same: Go's
 * `encoding/json` folds case by Unicode's simple folding, its second version may leave out `_` and `-`,
 * pydantic takes `snake_case` for `camelCase`, and C libraries end a name at its first NUL.
 */

import { isVisible } from '../visible-ascii.ts';

const PLAIN = /^[a-z0-9]*$/;
/** Marks, control and format characters, blanks, and what separates words. */
const OVERLOOKED = /[\p{M}\p{C}\p{Z}\s_-]/gu;

/** `name` without what careless readers overlook: case, form, accents, blanks, invisible characters, `_` and `-`. */
export function foldName(name: string): string {
  if (PLAIN.test(name)) return name;
  if (isVisible(name)) return name.replaceAll(/[_-]/g, '').toLowerCase();
  // Up before down: the small dotless i (U+0131) and the long s (U+017F) have capitals of ASCII.
  const bare = name.normalize('NFKD').replaceAll(OVERLOOKED, '');
  return bare.toUpperCase().toLowerCase().normalize('NFKC');
}

/** Names that must be written just so. */
export interface ExactNames {
  /** The name that somebody might take `name` for, which is written otherwise; undefined when there is none. */
  mistakenFor(name: string): string | undefined;
}

/** Makes the look-up of `names`. */
export function createExactNames(names: readonly string[]): ExactNames {
  const exact = new Set(names);
  const folded = new Map(names.map((name) => [foldName(name), name]));
  return {
    mistakenFor(name) {
      if (exact.has(name)) return undefined;
      const nul = name.indexOf('\0');
      const cut = nul === -1 ? undefined : folded.get(foldName(name.slice(0, nul)));
      return cut ?? folded.get(foldName(name));
    },
  };
}
