/** Whether a word is a slip of the fingers for another: what is farther in letters is rarely what was meant. */

/** Letters from which on a word may have two slips. */
const TWO_SLIPS_FROM = 6;
/** Nobody mistypes a longer word, and looking at one costs its square. */
const LENGTH_MAX = 32;

/** Those of `known` of which `word` is a slip: one letter too many, too few, wrong or swapped; two in a long word. */
export function slipsOf(word: string, known: readonly string[]): readonly string[] {
  if (word.length > LENGTH_MAX) return [];
  const allowed = word.length >= TWO_SLIPS_FROM ? 2 : 1;
  return known.filter((other) => slipsBetween(word.toLowerCase(), other.toLowerCase()) <= allowed);
}

/** Optimal string alignment distance: like Levenshtein's, and two swapped letters are one slip. */
function slipsBetween(a: string, b: string): number {
  let older: number[] = [];
  let old = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (old[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (old[j - 1] ?? 0) + same,
          isSwap ? (older[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    older = old;
    old = row;
  }
  return old[b.length] ?? 0;
}
