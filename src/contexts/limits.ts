/** The bounds of conversations. */

/** Conversations of one agent; for one more, the one goes that was used longest ago and is shown to nobody. */
export const CONTEXTS_PER_AGENT = 100;
/** Lines of a conversation that are kept; the oldest go. */
export const LINES_MAX = 500;
/** Longest line; of a longer one its beginning is kept. */
export const LINE_BYTES_MAX = 32_768;
/** Bytes of lines that an agent is reminded of: the newest. */
export const RECALL_BYTES_MAX = 65_536;
/** Nodes that one conversation is shown to. */
export const SHARES_MAX = 16;
/** Bytes of lines that a model is given to summarise at a time: the oldest that no summary stands for. */
export const SUMMARISED_BYTES_MAX = 196_608;
/** Longest summary. */
export const SUMMARY_CHARS_MAX = 16_000;
/** Longest name of a conversation, in characters. */
export const SESSION_CHARS_MAX = 128;
