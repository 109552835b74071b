/** What a POSIX shell takes apart, or reads as something else, unless it is quoted. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** `word` as a shell takes it for one word: in single quotes where it needs some (POSIX.1-2017, XCU 2.2.2). */
export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
