/** What one thing costs. Written by `npm run sim -- model-check --record`, which measured it on the engine `inproc`. */

/** The costs, and where they come from. */
export const MEASURED = {
  source:
    'npm run sim -- model-check --record, on the engine inproc with 1, 4, 4, 14, 14 nodes, 2026-11-28; roster and questions are planned',
  gossipDegree: 5.19,
  costs: {
    tickBytes: 358.7,
    tickCpuMs: 0,
    copyBytes: 1088,
    copyCpuMs: 0.9466,
    aloneCpuMs: 5.885,
    aloneBytes: 0,
    questionBytes: 2500,
    questionCpuMs: 2,
  },
} as const;
