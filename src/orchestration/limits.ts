/** The bounds of orchestrations. */

/** Orchestrations of a node that have not ended. */
export const PLANS_MAX = 500;
/** The part of these that one submitter may have, but for the operator. */
export const SHARE_OF_ONE = 0.25;
/** Inputs of one call, each of which has a plan. */
export const INPUTS_MAX = 100;
/** The input of a plan as JSON, in bytes. */
export const INPUT_BYTES_MAX = 64 * 1024;
/** Those that have ended and are kept; the oldest go first. */
export const ENDED_MAX = 200;
/** Bytes of the results of those: so many of the largest go before as many plans have ended. */
export const ENDED_BYTES_MAX = 256 * 1024 * 1024;
/** Phases of one plan. */
export const PHASES_MAX = 32;
/** Agents that do one phase at the same time. */
export const PARALLEL_MAX = 16;
/** How often a phase that failed is planned anew. */
export const REPLANS_MAX = 2;
/** Agents that one place of a phase is given to, one after the other. */
export const TRIES_MAX = 3;
/** How long an orchestration may take where nobody says. */
export const DEADLINE_MS = 3_600_000;
/** The longest that somebody may say. */
export const DEADLINE_MAX_MS = 86_400_000;
/** How long one agent may take for a phase. */
export const SEAT_MS = 300_000;
/** How long one look for the end of a task waits. */
export const LOOK_MS = 10_000;
/** Characters of a description. */
export const DESCRIPTION_MAX = 32_768;
/** Characters of what a phase is told of the results before it. */
export const CONTEXT_BYTES_MAX = 128 * 1024;
/** Of the weights of two choices: by how much the expert's must be more, where no majority is. */
export const EXPERT_LEAD = 1.5;
/** The share of all weight that the agents of one node have at the most, where two or three nodes vote. */
export const NODE_SHARE = 1 / 2;
/** The same, where four or more do. */
export const NODE_SHARE_OF_MANY = 1 / 3;
/** An agent that does not take its task for so long loses it, where another one could have it. */
export const BIDDING_MS = 15_000;
/** What one agent may give for a phase, in bytes of JSON: what is longer stands on a board. */
export const RESULT_BYTES_MAX = 128 * 1024;
/** What all agents of one plan may give, in bytes of JSON, whatever phase, round and place. */
export const PLAN_BYTES_MAX = 16 * 1024 * 1024;
