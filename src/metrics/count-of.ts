/** How many there are of each word. */
export function countOf<T>(all: readonly T[], wordOf: (one: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of all) counts[wordOf(one)] = (counts[wordOf(one)] ?? 0) + 1;
  return counts;
}
