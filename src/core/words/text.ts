/** Text from elsewhere: which characters a name must not hold, and how a message shows such text. */

/** Controls, format characters (bidi controls among them), lone surrogates, line separators. */
export const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Longest text that a message shows, in UTF-16 units. */
const SHOWN_MAX = 128;
/** Text of printable ASCII alone needs no closer look. */
const PLAIN = /^[\x20-\x7e]*$/;
const ALL_FORBIDDEN = new RegExp(FORBIDDEN, 'gu');

/** Text from elsewhere as a message may show it: at most `max` UTF-16 units, invisible characters written out. */
export function printable(text: string, max = SHOWN_MAX): string {
  const short = text.length > max ? `${text.slice(0, max)}…` : text;
  if (PLAIN.test(short)) return short;
  return short.replaceAll(
    ALL_FORBIDDEN,
    (char) => `\\u{${char.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}
