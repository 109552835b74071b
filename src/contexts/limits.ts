/** The bounds of conversations. */

/** Conversations of one agent; for one more, the one goes that was used longest ago and is shown to nobody. */
export const CONTEXTS_PER_AGENT = 100;
/** Lines of a conversation that are kept; the oldest go. */
export const LINES_MAX = 500;
/** Longest line; of a longer one its beginning is kept. */
export const LINE_BYTES_MAX = 32_768;
/** Bytes of lines that an agent is reminded of, at the most: the newest. */
export const RECALL_BYTES_MAX = 65_536;
/** Of what fits into a model, a conversation takes no more: beyond that its older part is summarised. */
export const FULL_SHARE = 0.7;
/** Bytes of a token, at the least. */
export const BYTES_PER_TOKEN = 3;
/** Of that part the newest stay as they were said. */
export const KEPT_SHARE = 0.25;
/** Of what fits into a model, a summary that is made by itself has no more. */
export const SUMMARY_SHARE = 0.125;
/** Tokens of such a summary, however much fits into the model. */
export const SUMMARY_TOKENS_MAX = 4096;
/** Conversations that are compressed at a time. */
export const COMPRESSING_MAX = 4;
/** How long a summary may take that nobody waits for. */
export const COMPRESS_TIMEOUT_MS = 300_000;
/** After so long a summary that failed is tried again, with the next message. */
export const COMPRESS_RETRY_MS = 600_000;
/** Nodes and clients that one conversation is shown to. */
export const SHARES_MAX = 16;
/** Bytes of lines that a model is given to summarise at a time: the oldest that no summary stands for. */
export const SUMMARISED_BYTES_MAX = 196_608;
/** Longest summary. */
export const SUMMARY_CHARS_MAX = 16_000;
/** Longest name of a conversation, in characters. */
export const SESSION_CHARS_MAX = 128;
