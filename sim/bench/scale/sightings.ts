/** Which processes have seen how many others in which state, and when that was enough of them. */

/** What a process has seen of another. */
type Sight = 'alive' | 'missed' | 'dead';

/** Since when, for how long, and of whom: without `whom` of anybody. */
interface Limit {
  readonly from: number;
  readonly patienceMs: number;
  readonly whom?: string;
}

/** Collects what processes tell. */
export interface Sightings {
  /** The process `at` saw `whom` so; once is enough. */
  saw(at: number, what: Sight, whom: string): void;
  /**
   * Resolves when `processes` of them have seen `others` others so, or `whom`: to the ms since `from` (by
   * `performance.now`), or NaN after `patienceMs`.
   */
  until(what: Sight, processes: number, others: number, limit: Limit): Promise<number>;
  /** How many pairs there are of one that saw another so, the others of `but` left out. */
  count(what: Sight, but: readonly string[]): number;
}

/** Makes an empty collection. */
export function createSightings(): Sightings {
  const seen = new Map<string, Set<string>>();
  const waiting = new Set<() => void>();
  const of = (what: Sight): readonly Set<string>[] =>
    [...seen].flatMap(([key, known]) => (key.startsWith(`${what} `) ? [known] : []));
  const count = (what: Sight, others: number, whom: string | undefined): number =>
    of(what).filter((known) => (whom === undefined ? known.size >= others : known.has(whom)))
      .length;
  return {
    saw(at, what, whom) {
      const key = `${what} ${at}`;
      const known = seen.get(key) ?? new Set();
      seen.set(key, known.add(whom));
      for (const look of waiting) look();
    },
    until: (what, processes, others, { from, patienceMs, whom }) =>
      new Promise((resolve) => {
        const end = (ms: number): void => {
          clearTimeout(timer);
          waiting.delete(look);
          resolve(ms);
        };
        const look = (): void => {
          if (count(what, others, whom) >= processes) end(performance.now() - from);
        };
        const timer = setTimeout(() => end(Number.NaN), patienceMs);
        waiting.add(look);
        look();
      }),
    count: (what, but) =>
      of(what).reduce(
        (sum, known) => sum + [...known].filter((whom) => !but.includes(whom)).length,
        0,
      ),
  };
}
