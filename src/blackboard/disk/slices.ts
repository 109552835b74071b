/** Long work in slices: others have the event loop in between. */
/** How long a piece of work may hold the event loop, about. Lower: calls wait less; higher: less is lost on turns. */
const SLICE_MS = 8;

/** Slices of one piece of long work. */
export interface Slices {
  /** Resolves at once while the slice lasts, else in another turn of the event loop. */
  next(): Promise<void>;
}

/** Begins the first slice; `sliceMs` is how long each may hold the event loop, about. */
export function createSlices(sliceMs = SLICE_MS): Slices {
  let since = performance.now();
  return {
    async next() {
      if (performance.now() - since < sliceMs) return;
      await new Promise((resolve) => setImmediate(resolve));
      since = performance.now();
    },
  };
}
