/** Limits of nodes that are measured: no rate of requests that the measurement could meet. */
export const UNLIMITED = { requestsPerSecond: 1_000_000 } as const;
