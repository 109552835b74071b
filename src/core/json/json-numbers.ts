/**
 * Numbers of a JSON text that a double can't hold: `12345678901234567890`, `1e400`. JSON.parse gives another number
 * for them, Python and Go's `int64` the one that was written, so that who judges must not judge the other one.
 */

/** What may be such a number: no match means that there is none, in strings either. */
const SUSPECT = /[\d.]{16}|\d[eE]/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;
/** Digits that a double tells apart at most. */
const DIGITS_MAX = 17;

/** `text`, which is JSON, with every such number written as `{"$number": "…"}`, so that the number fits no condition. */
export function withNumbersWritten(text: string): string {
  if (!SUSPECT.test(text)) return text;
  return text.replaceAll(TOKEN, (token) =>
    token.startsWith('"') || isExact(token) ? token : `{"$number":"${token}"}`,
  );
}

/** True for a number that JSON.parse gives as it is written. */
function isExact(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (/^-?\d+$/.test(token)) {
    return Number.isSafeInteger(value) || BigInt(token) === BigInt(value);
  }
  const digits = (token.split(/[eE]/, 1)[0] ?? '').replaceAll(/[-.]/g, '').replace(/^0+/, '');
  return digits.length <= DIGITS_MAX && (value !== 0 || /^0*$/.test(digits));
}
