/** Something small to be mutated: a limit that is read while the file loads, a loop and a choice. */

const LIMIT = Math.min(10, 20);

/** `value` counted up to, at most the limit. */
export function clamp(value: number): number {
  let counted = 0;
  while (counted < value) counted += 1;
  return counted > LIMIT ? LIMIT : counted;
}
