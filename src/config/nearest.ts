/** The known word that somebody probably meant. */
import { distance } from 'fastest-levenshtein';

/** Nobody mistypes a longer word, and a stranger's may have any length. */
const LENGTH_MAX = 64;

/** The word of `known` with the least edits from `word`, if that is few enough to be a slip. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LENGTH_MAX) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    if (candidate.length > LENGTH_MAX) continue;
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best;
}
