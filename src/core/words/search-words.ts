/** Texts as words that are searched by: what is written a little otherwise is the same word. Pure. */

/** What words of a text are: runs of letters and digits. */
const BETWEEN = /[^\p{L}\p{N}]+/u;
/** Endings of one word. */
const ENDING = /(?:isation|ization|ising|izing|ises|izes|ised|ized|ise|ize|ing|ed|es|s)$/;

/** The first `most` words of a text, in small letters; `aCapability` is two. */
export function searchWords(text: string, most: number): string[] {
  return text
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(BETWEEN)
    .filter((word) => word !== '')
    .slice(0, most);
}

/** British and American endings, and plurals, are one word. */
export function stemOf(word: string): string {
  if (word.length < 4) return word;
  const stem = word.length < 5 ? word : word.replace(ENDING, '');
  return stem.replace(/e$/, '');
}
