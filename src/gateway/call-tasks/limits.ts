/** The bounds of calls that are tasks. */

/** A call of a client that declares tasks is one when it has no answer after so long; shorter calls cost no write. */
export const TASK_AFTER_MS = 2000;
/** The same of a call of a peer's tool: the peer's node makes a task of it first, and so keeps it where the server is. */
export const PEER_TASK_AFTER_MS = 4000;
/** How long a task is kept after it was made. */
export const TASK_TTL_MS = 86_400_000;
/** How often a client is told to ask for one, ms. */
export const TASK_POLL_MS = 1000;
/** Tasks of a node, those that have ended included. */
export const CALL_TASKS_MAX = 1000;
/** How many of them may be one caller's: whoever has more forgets the oldest that have ended. */
export const CALL_TASKS_OF_ONE_MAX = 250;
/** What a longer result comes to is a failure that says so. */
export const CALL_RESULT_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of the results of all, and of those of one caller: what ended longest ago goes first. */
export const CALL_RESULTS_BYTES_MAX = 64 * 1024 * 1024;
/** See {@link CALL_RESULTS_BYTES_MAX}. */
export const CALL_RESULTS_OF_ONE_BYTES_MAX = 16 * 1024 * 1024;
/** Characters of the id of a server's task. */
export const THEIR_ID_MAX = 1024;
/** Characters of what is said of how far a task is. */
export const STATUS_MESSAGE_MAX = 500;
/** The least and the longest time between two questions for a server's task of which somebody listens, ms. */
export const LISTEN_POLL_MIN_MS = 1000;
/** See {@link LISTEN_POLL_MIN_MS}. */
export const LISTEN_POLL_MAX_MS = 30_000;
