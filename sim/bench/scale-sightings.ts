/** Which processes have seen how many others in which state, and when that was enough of them. */

/** What a process has seen of another. */
type Sight = 'alive' | 'missed' | 'dead';

/** Collects what processes tell. */
export interface Sightings {
  /** The process `at` saw `whom` so; once is enough. */
  saw(at: number, what: Sight, whom: string): void;
  /**
   * Resolves when `processes` of them have seen `others` others so: to the ms since `from` (by
   * `performance.now`), or NaN after `patienceMs`.
   */
  until(
    what: Sight,
    processes: number,
    others: number,
    limit: { readonly from: number; readonly patienceMs: number },
  ): Promise<number>;
}

/** Makes an empty collection. */
export function createSightings(): Sightings {
  const seen = new Map<string, Set<string>>();
  const waiting = new Set<() => void>();
  const count = (what: Sight, others: number): number =>
    [...seen].filter(([key, whom]) => key.startsWith(`${what} `) && whom.size >= others).length;
  return {
    saw(at, what, whom) {
      const key = `${what} ${at}`;
      const known = seen.get(key) ?? new Set();
      seen.set(key, known.add(whom));
      for (const look of waiting) look();
    },
    until: (what, processes, others, { from, patienceMs }) =>
      new Promise((resolve) => {
        const end = (ms: number): void => {
          clearTimeout(timer);
          waiting.delete(look);
          resolve(ms);
        };
        const look = (): void => {
          if (count(what, others) >= processes) end(performance.now() - from);
        };
        const timer = setTimeout(() => end(Number.NaN), patienceMs);
        waiting.add(look);
        look();
      }),
  };
}
