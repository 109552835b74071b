/** Bounds of batches. */

/** Requests of one batch. Vendors take 50,000 (OpenAI) and 100,000 (Anthropic). */
export const REQUESTS_MAX = 10_000;
/** Length of the caller's own name for one request. */
export const CUSTOM_ID_MAX = 256;
/** Batches that are not over: of the node, and of one caller. */
export const OPEN_MAX = 50;
export const OPEN_OF_ONE_MAX = 10;
/** Batches whose answers are kept. */
export const KEPT_MAX = 200;
/** For how long answers are kept; vendors keep them for about as long. */
export const KEPT_MS = 30 * 86_400_000;
/** Bytes of the answers of one batch; what comes after that is paid for, and not kept. */
export const ANSWERS_BYTES_MAX = 128 * 1024 * 1024;
/** Share of the largest message that a page of answers, and so one answer, may have: results of tools say it twice. */
export const PAGE_SHARE = 4;

/** How long after one look at the vendor the next one is, at first and at the most. */
export const LOOK_FIRST_MS = 15_000;
export const LOOK_MAX_MS = 600_000;
export const LOOK_GROWTH = 1.5;
/** Somebody who asks makes the node look no more often than that. */
export const LOOK_NOW_MS = 2000;
/** A vendor that says when to come again is believed up to that. */
export const RETRY_MAX_MS = 3_600_000;
/** A batch of which the vendor has said nothing for so long, and so many looks, is given up. */
export const SILENT_MS = 30 * 86_400_000;
export const SILENT_LOOKS = 100;
/** A batch that the vendor does not know, looks in a row, is given up. */
export const GONE_LOOKS = 5;
/** Looks in the vendor's list, after which a batch that is not there was never taken. */
export const SOUGHT_MAX = 4;

/** Rows that are written at a time. */
export const ROWS_AT_ONCE = 200;
