/** What one thing costs. Written by `npm run sim -- model-check --record`, which measured it on the engine `inproc`. */

/** The costs, and where they come from. */
export const MEASURED = {
  source:
    'npm run sim -- model-check --record, on the engine inproc with 1, 4, 4, 14, 14 nodes, 2026-11-28; roster and questions are planned',
  gossipDegree: 4.8,
  costs: {
    tickBytes: 363.7,
    tickCpuMs: 0,
    copyBytes: 1004,
    copyCpuMs: 0.7072,
    aloneCpuMs: 5.051,
    aloneBytes: 0,
    rosterBytes: 300,
    rosterCpuMs: 0.02,
    questionBytes: 2500,
    questionCpuMs: 2,
  },
} as const;
