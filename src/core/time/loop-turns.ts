/**
 * Turns of the event loop for work that holds the loop for long, such as signatures: one piece of work in
 * each turn, so that a hundred callers at the same moment do not hold up everybody else.
 */

/** Gives turns, in the order in which they are asked for. */
export interface LoopTurns {
  /** Resolves when it is the caller's turn: at once, unless another has had this turn of the loop. */
  next(): Promise<void>;
}

/** Makes turns; whoever shares them never works in the same turn of the event loop. */
export function createLoopTurns(): LoopTurns {
  const waiting: (() => void)[] = [];
  let isTaken = false;

  const free = (): void => {
    const next = waiting.shift();
    isTaken = next !== undefined;
    if (next === undefined) return;
    // After the caller's work, which is a microtask: others come in between.
    setImmediate(free);
    next();
  };

  return {
    next() {
      if (isTaken) return new Promise((resolve) => waiting.push(resolve));
      isTaken = true;
      setImmediate(free);
      return Promise.resolve();
    },
  };
}
