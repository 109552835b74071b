/** Lets so many go on at a time; the others wait, in the order in which they came. */

/** Permits for work that only so many may do at a time. Who waits is bounded by whoever shares it. */
export interface Semaphore {
  /**
   * Resolves with true when a permit is the caller's, who must give it back; with false when `signal`
   * was aborted first, and then there is nothing to give back.
   */
  take(signal?: AbortSignal): Promise<boolean>;
  /** Gives a permit back: to the one who has waited longest, or to whoever comes next. */
  give(): void;
}

/** Makes a semaphore of `permits`, at least 1. */
export function createSemaphore(permits: number): Semaphore {
  const waiting = new Set<() => void>();
  let free = permits;
  return {
    take(signal) {
      if (signal?.aborted === true) return Promise.resolve(false);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const gone = (): void => {
          waiting.delete(next);
          resolve(false);
        };
        const next = (): void => {
          signal?.removeEventListener('abort', gone);
          resolve(true);
        };
        waiting.add(next);
        signal?.addEventListener('abort', gone, { once: true });
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) {
        free = Math.min(permits, free + 1);
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
