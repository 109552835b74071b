/**
 * Words that other programs have for something else: whoever types one has not slipped from a command or an
 * option of ours that is spelt nearly so (`confirm` beside `config`, `remote` beside `remove`).
 */
const OWN_WORDS = new Set(
  [
    'ask bind call caller confirm cp date end export filter https id import invoke line long mode note notes',
    'remote seed status user why',
  ]
    .join(' ')
    .split(' '),
);

/** Whether `word`, with or without the dashes of an option, is a word in its own right. */
export function isOwnWord(word: string): boolean {
  return OWN_WORDS.has(word.toLowerCase().replace(/^--?/, ''));
}
