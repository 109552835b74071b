/** Callers that compare and set, or read, keys of their own, one request after the other. */

/** What is asked, of whomever. */
export interface StrongClient {
  /** Sets the key if it was changed so often; whether it did. */
  cas(key: string, version: number, value: string): Promise<boolean>;
  get(key: string): Promise<void>;
}

/** What callers do, and for how long. */
export interface LoopsInit {
  readonly what: 'cas' | 'get';
  readonly callers: number;
  readonly ms: number;
  /** Begins the names of the keys: each run has its own. */
  readonly prefix: string;
}

/** How long each request took, ms. */
export type Times = readonly number[];

/** Runs callers at clients in turn; gives the times of all requests that ended within the time. */
export async function runLoops(
  clients: readonly StrongClient[],
  { what, callers, ms, prefix }: LoopsInit,
): Promise<Times> {
  const times: number[] = [];
  const end = performance.now() + ms;
  const caller = async (at: number): Promise<void> => {
    const client = clients[at % clients.length];
    const key = `${prefix}-${at}`;
    for (let version = 0; ; version += 1) {
      const from = performance.now();
      if (from >= end || client === undefined) return;
      if (what === 'get') await client.get(key);
      else if (!(await client.cas(key, version, `value ${version}`))) {
        throw new Error(`nobody else writes ${key}`);
      }
      const now = performance.now();
      if (now <= end) times.push(now - from);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, at) => caller(at)));
  return times;
}
