/** The bounds of what agents propose. */

/** Files of one proposal, bytes of one and of all, and characters of one line: what a person can read. */
export const FILES_MAX = 16;
export const FILE_BYTES_MAX = 32 * 1024;
export const ALL_BYTES_MAX = 64 * 1024;
export const LINE_MAX = 500;
/** Folders in one another. */
export const DEPTH_MAX = 4;
/** Arguments of the command, and characters of each. */
export const ARGS_MAX = 32;
export const ARG_MAX = 500;
/** Rights that agents of a proposed kind may have. */
export const TOOLS_MAX = 16;
/** What waits for a person: of one agent, and of all. */
export const WAITING_PER_AGENT_MAX = 4;
export const WAITING_MAX = 32;
/** Proposals of one agent within a day, whatever became of them. */
export const PER_DAY_MAX = 40;
/** Proposals that are over and are kept, without their files: those of a day of all that can wait, which are counted. */
export const KEPT_MAX = WAITING_MAX * PER_DAY_MAX;
/** How long a proposal waits for a person. */
export const WAITS_MS = 7 * 86_400_000;
export const DAY_MS = 86_400_000;
/** Tools that a trial shows, and characters of what they say of themselves. */
export const SHOWN_TOOLS_MAX = 64;
export const SHOWN_TEXT_MAX = 200;
/** Lines that a program which failed on trial had written last. */
export const SHOWN_LINES_MAX = 20;
export const REASON_MAX = 500;
/** What a program on trial may have of memory and cores, where the system can bound them. */
export const TRIAL_MEMORY = '1Gi';
export const TRIAL_CPU = '1';
