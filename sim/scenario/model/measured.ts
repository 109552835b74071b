/** What one thing costs. Written by `npm run sim -- model-check --record`, which measured it on the engine `inproc`. */

/** The costs, and where they come from. */
export const MEASURED = {
  source: 'GROUND measurements: 0.3 % of a core for 20 frames a second, 1 ms for a heartbeat',
  costs: {
    tickBytes: 130,
    tickCpuMs: 0.3,
    copyBytes: 900,
    copyCpuMs: 0.4,
    aloneCpuMs: 1.8,
    aloneBytes: 0,
    rosterBytes: 300,
    rosterCpuMs: 0.02,
    questionBytes: 2500,
    questionCpuMs: 2,
  },
} as const;
