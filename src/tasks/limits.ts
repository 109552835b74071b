/** The bounds of tasks. */

/** Tasks of a node that have not ended. More = more memory (about 1 kB a task), and more rows to read at a start. */
export const TASKS_MAX = 10_000;
/** Bytes of the inputs of those. */
export const INPUTS_BYTES_MAX = 256 * 1024 * 1024;
/** Bytes of inputs and results that stay in memory after they were written. */
export const LATELY_BYTES_MAX = 8 * 1024 * 1024;
/** The part of both that one submitter may have, but for the operator. */
export const SHARE_OF_ONE = 0.25;
/** An input as JSON, in bytes: what a message to an agent may have, with room for what goes along. */
export const INPUT_BYTES_MAX = 248 * 1024;
/** A result as JSON, in bytes. A larger one ends the task as failed. */
export const RESULT_BYTES_MAX = 1024 * 1024;
/** Tasks that have ended and are kept; the oldest go first. */
export const ENDED_MAX = 10_000;
/** Bytes of the results of those: so many of the largest go before as many tasks have ended. */
export const RESULTS_BYTES_MAX = 1024 * 1024 * 1024;
/** Tasks that are given in one message. */
export const BATCH_MAX = 1000;
/** Tasks that are with agents at the same time. */
export const RUNNING_MAX = 256;
/** Awards under way at the same time. */
export const AWARDS_MAX = 16;
/** Tasks of one lane that one award gives to an agent together. */
export const AWARDED_AT_ONCE = 128;
/** Bytes of their inputs, of all but the first. */
export const AWARDED_BYTES_MAX = 1024 * 1024;
/** What ends within so long makes room together: the next award gives as many at once. */
export const WAKE_MS = 2;
/** How long it is known of a queue that no worker takes from it alone. */
export const ANY_QUEUE_MS = 1000;
/** Attempts that are asked about in one message to a peer: an award with its mates. */
export const GROUP_MAX = 128;
/** Bytes of outcomes in one answer about many, but for the first; the others are in the next. */
export const GROUP_BYTES_MAX = 1024 * 1024;
/** How long a peer that answers a message of many as one of an earlier version is asked one by one. */
export const OLD_PEER_MS = 600_000;
/** Candidates that one award tries. */
export const TRIED_MAX = 5;
/** Nodes at which a task may fail before it is set aside. */
export const POISON_PEERS = 3;
/** Attempts of a task, wherever they were, before it is set aside. */
export const ATTEMPTS_MAX = 6;
/** Attempts that a task remembers. */
export const ATTEMPTS_KEPT = 16;
/** Late results that a task keeps. */
export const LATE_MAX = 4;
/** How long a task may wait and run where nobody says. */
export const DEADLINE_MS = 86_400_000;
/** The longest that somebody may say. */
export const DEADLINE_MAX_MS = 7 * 86_400_000;
/** How long one attempt may take: what an agent has for a query. */
export const ATTEMPT_MAX_MS = 300_000;
/** A worker's node that hears nothing of the submitter's for so long gives the task up. */
export const LEASE_MS = 12_000;
/** Attempts whose outcomes were taken are told of together after this, */
export const RELEASE_MS = 500;
/** or when there are as many. */
export const RELEASED_AT_ONCE = 200;
/** A program that has told of progress and tells of none for so long is believed to be gone. */
export const PROGRESS_MS = 15_000;
/** How long an agent that tells of its progress may wait for the word to stop, s. */
export const PROGRESS_WAIT_MAX_S = 10;
/** How long the submitter's node waits for news in one question to the worker's. */
export const FOLLOW_MS = 4000;
/** How much longer than the wait such a question may take. */
export const FOLLOW_WAY_MS = 4000;
/** So many answers in a row may come sooner than {@link FOLLOW_PACE_MS} after their questions. */
export const HASTY_MAX = 10;
/** The least time from one such question to the next, after those. */
export const FOLLOW_PACE_MS = 100;
/** The second question, where the first had no answer: then the worker is given up. */
export const FOLLOW_AGAIN_MS = 3000;
/** How long a worker's node may take to say whether it takes a task. */
export const BEGIN_MS = 5000;
/** After a lost worker: when its node is asked once more what came of it. */
export const LATE_MS = 30_000;
/** How long a worker's node keeps what came of a task that nobody has asked for. */
export const OUTCOME_MS = 600_000;
/** Between looks whether an agent has a place for what a person has agreed to. */
export const PLACE_MS = 250;
/** Questions that the agent of one task may have answered. */
export const QUESTIONS_MAX = 16;
/** An answer as JSON, in bytes; a question with its schema as well. */
export const ANSWER_BYTES_MAX = 16 * 1024;
/** Attempts that a worker's node has under way and remembers. */
export const WORK_MAX = 2000;
/** Of these, how many may be of one submitter's node. */
export const WORK_OF_ONE_MAX = 500;
/** The longest wait of one call for the end of a task. */
export const TASK_WAIT_MAX_S = 300;
/** How often an MCP client is told to ask for a task, ms. */
export const MCP_POLL_MS = 1000;
/** Tasks in one list. */
export const LIST_MAX = 1000;
/** Characters of what a worker says of its progress, and of why it failed. */
export const WORDS_MAX = 2000;
/** Lanes whose tasks nobody could take are looked at again after this, at first. */
export const LANE_BASE_MS = 250;
/** And at the latest after this. */
export const LANE_CAP_MS = 2000;
/** Nodes that keep a durable task, where there are as many. */
export const COPIES = 3;
/** How often more nodes are looked for to keep the board of durable tasks, where they are too few. */
export const GROW_MS = 10_000;
/** The result of a durable task as JSON, in bytes: what a register may have, with room for what goes along. */
export const DURABLE_RESULT_BYTES_MAX = 192 * 1024;
/** Its input, likewise. */
export const DURABLE_INPUT_BYTES_MAX = 192 * 1024;
/** Bytes of the durable tasks of a node, results included; a board may have a third more. */
export const DURABLE_BYTES_MAX = 12 * 1024 * 1024;
/** Fencing tokens of one owner of a durable task. */
export const TOKENS_OF_EPOCH = 2 ** 24;
/** How long a submit waits for enough nodes to have the board. */
export const SUBMIT_MS = 10_000;
/** Between its tries. */
export const SUBMIT_AGAIN_MS = 250;
/** Batches of durable tasks that a node remembers. */
export const BATCHES_MAX = 1000;
/** How long it stays known of a batch that its tasks do not count. */
export const BATCH_ENDED_MS = 3_600_000;
/** When the next replica tries to go on with a task of an owner that is gone. */
export const TAKE_RANK_MS = 3000;
/** How long an owner that is not there when a task is first heard of has to appear. */
export const TAKE_START_MS = 10_000;
/** Tasks that are taken over at the same time. */
export const TAKES_MAX = 16;
/** Characters of a signed ballot. */
export const BALLOT_LENGTH_MAX = 4096;
/** Before the end of a task whose time is over is written again where the disk or the replicas did not take it. */
export const END_AGAIN_MS = 5000;
