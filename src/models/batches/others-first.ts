/** Long work in the middle of a node that answers calls. */

/** Lets whatever waits go on, in the middle of long work. */
export function othersFirst(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
