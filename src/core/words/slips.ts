/** Whether a word is a slip of the fingers for another: what is farther in letters is rarely what was meant. */

/** Letters from which on a word may have a slip, counted in the longer one: short words are soon one another. */
const ONE_SLIP_FROM = 3;
/** Letters from which on a word may have two slips. */
const TWO_SLIPS_FROM = 6;
/** Nobody mistypes a longer word; a stranger's may have any length, and looking at one costs its square. */
const LENGTH_MAX = 64;

/**
 * Those of `known` of which `word` is a slip: one letter too many, too few, wrong or swapped; two in a long
 * word. The fewest slips first. With `separator` both are names of parts, and each part must be a slip by
 * itself: a long common beginning says nothing of what follows. Dashes before an option count for nothing.
 */
export function slipsOf(
  word: string,
  known: readonly string[],
  separator?: string,
): readonly string[] {
  if (word.length > LENGTH_MAX) return [];
  const found = known.flatMap((other) => {
    const slips = slipsIn(partsOf(word, separator), partsOf(other, separator));
    return slips === undefined ? [] : [{ other, slips }];
  });
  return found.toSorted((a, b) => a.slips - b.slips).map(({ other }) => other);
}

/** The one of `known` of which `word` is most likely a slip, as {@link slipsOf} has it; undefined: none. */
export function nearest(
  word: string,
  known: readonly string[],
  separator?: string,
): string | undefined {
  return slipsOf(word, known, separator)[0];
}

function partsOf(name: string, separator: string | undefined): readonly string[] {
  const plain = name.toLowerCase().replace(/^--?/, '');
  return separator === undefined ? [plain] : plain.split(separator);
}

/** The slips between names, all parts together; undefined when they are other names. */
function slipsIn(words: readonly string[], others: readonly string[]): number | undefined {
  if (words.length !== others.length) return undefined;
  let all = 0;
  for (const [at, word] of words.entries()) {
    const other = others[at] ?? '';
    if (other.length > LENGTH_MAX) return undefined;
    const slips = slipsBetween(word, other);
    if (slips > allowedBetween(word, other)) return undefined;
    all += slips;
  }
  return all;
}

function allowedBetween(word: string, other: string): number {
  if (Math.max(word.length, other.length) < ONE_SLIP_FROM) return 0;
  return word.length < TWO_SLIPS_FROM ? 1 : 2;
}

/** Optimal string alignment distance: like Levenshtein's, and two swapped letters are one slip. */
function slipsBetween(a: string, b: string): number {
  if (a === b) return 0;
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
