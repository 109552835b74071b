/** The bounds of agents that think with a model. */

/** Tools that a model is shown. More = more tokens in each request; the rest is named as left out. */
export const TOOLS_MAX = 128;
/** Calls that a model may make in one turn; what is over is answered with an error. */
export const CALLS_PER_TURN_MAX = 16;
/** Bytes of one tool's result that a model is shown. */
export const RESULT_BYTES_MAX = 32 * 1024;
/** Bytes of all that a model is sent in one request; older results give way. */
export const CONVERSATION_BYTES_MAX = 1024 * 1024;
/** Bytes of a prompt of a server. */
export const PROMPT_BYTES_MAX = 64 * 1024;
/** Bytes of what one call is given. */
export const ARGUMENTS_BYTES_MAX = 256 * 1024;
/** Pages of a list of tools. */
export const PAGES_MAX = 16;
/** Ended thoughts of one agent that are kept, so that a message that comes again has its answer. */
export const THOUGHTS_KEPT_MAX = 64;
/** Characters of arguments and results in a log. */
export const LOGGED_MAX = 200;
/** Characters of a question to `ask`. */
export const QUESTION_MAX = 100_000;
/** Tools that one question may have agreed to. */
export const PLAN_TOOLS_MAX = 32;
/** Sentences of a plan, and characters of each. */
export const PLAN_LINES_MAX = 20;
export const PLAN_TEXT_MAX = 300;
/** Characters of arguments and errors that whoever asks is told while calls go on. */
export const CALL_LINE_MAX = 300;
/** Questions that are answered at one time. More = more memory: each keeps all that its tools gave. */
export const ASKS_MAX = 32;
