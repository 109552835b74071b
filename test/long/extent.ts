/**
 * How far the tests go: `npm test` tries one of each kind, few times; `npm run long` tries all, often. Nothing
 * promised is shown by the long form alone: what it adds are more seeds, more repetitions, larger numbers, and between
 * real processes the combinations of what `npm test` has shown piece by piece.
 */

/** The environment variable by which `npm run long` tells the tests; nodes pass over the name. */
export const EXTENT = 'TESTS_EXTENT';

/** Whether `npm run long` runs. */
export const isLong = process.env[EXTENT] === 'long';

/** How many times, or how many of something: `few` in `npm test`, `many` in `npm run long`. */
export function upTo(few: number, many: number): number {
  return isLong ? many : few;
}

/** Variants of one thing: those of `npm test` are the ones that `isShort` picks. */
export function someOf<T>(
  all: readonly T[],
  isShort: (variant: T, index: number) => boolean,
): readonly T[] {
  return isLong ? all : all.filter(isShort);
}
