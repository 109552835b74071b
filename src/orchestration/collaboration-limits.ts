/** The bounds of collaborations. */

/** Agents of one. */
export const PARTICIPANTS_MAX = 16;
/** Rounds where nobody says, and the most that somebody may say. */
export const ROUNDS = 3;
export const ROUNDS_MAX = 10;
/** How long one agent may take for its turn, where nobody says, ms. */
export const TURN_MS = 60_000;
/** How long all of it may take, where nobody says, and the most that somebody may say, ms. */
export const TOGETHER_MS = 600_000;
export const TOGETHER_MAX_MS = 3_600_000;
/** What an agent may say in one turn, in bytes of JSON. */
export const SAID_MAX = 64 * 1024;
/** The shared context, in bytes of JSON, and its members. */
export const CONTEXT_MAX = 64 * 1024;
export const CONTEXT_KEYS_MAX = 100;
/** What a turn is told of what was said before, in bytes of JSON: the newest. */
export const TOLD_MAX = 96 * 1024;
/** Turns in a row that fail, until an agent is asked no more. */
export const FAILURES_MAX = 2;
/** Collaborations of a node at a time. */
export const COLLABORATIONS_MAX = 50;
/** Boards of collaborations that have ended and are kept; the oldest go first. */
export const BOARDS_KEPT = 50;
