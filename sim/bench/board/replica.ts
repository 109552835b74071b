/** A replica of a board of either kind, and waiting for what others write. */

/** A replica: ours, or that of a rival. */
export interface Replica {
  set(key: string, value: number): unknown;
  get(key: string): unknown;
  size(): number;
  /** Hears of keys that have changed, until the returned function is called. */
  onChange(listener: (keys: Iterable<string>) => void): () => void;
}

const PATIENCE_MS = 120_000;
const POLL_MS = 1;

/** Resolves as soon as all of `replicas` hold `value` under `key`. Rejects when that takes too long. */
export async function seenBy(
  replicas: readonly Replica[],
  key: string,
  value: number,
): Promise<void> {
  await Promise.all(replicas.map((replica) => seen(replica, key, value)));
}

/** Resolves when `isSo`, which is asked each millisecond. Rejects when that takes too long. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('this takes too long');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function seen(replica: Replica, key: string, value: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error('this takes too long'));
    }, PATIENCE_MS);
    const stop = replica.onChange(() => {
      if (replica.get(key) === value) finish();
    });
    if (replica.get(key) === value) finish();
  });
}
