/** The bounds of agents and their messages. */

/** Agents of one node, whoever announced them. More = more rows in each list that peers ask for. */
export const AGENTS_MAX = 256;
/** Agents that one program may announce. */
export const AGENTS_PER_OWNER_MAX = 64;
/** Capabilities of one agent. */
export const CAPABILITIES_MAX = 64;
/** What an agent says of its capabilities, schemas included, as JSON, in bytes. */
export const DEFINITIONS_BYTES_MAX = 32 * 1024;
/** Characters of what is said of one capability. */
export const DESCRIPTION_MAX = 200;
/** Levels of arrays and objects in a schema. */
export const SCHEMA_DEPTH_MAX = 24;
/** A second agent is asked for what only reads when the first took twice as long as it does on the average; at least so long. */
export const HEDGE_MIN_MS = 50;
/** How long the first has where nothing is known of it. */
export const HEDGE_DEFAULT_MS = 1000;
/** A message as JSON, in bytes: what a board entry may have. */
export const MESSAGE_BYTES_MAX = 256 * 1024;
/** Messages that wait in one inbox, or for one agent that is away. */
export const WAITING_MAX = 10_000;
/** Bytes of what waits in all inboxes of a node, and again of all that waits for agents that are away. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Messages that were read and are still shown by `--history`, an inbox. */
export const HISTORY_MAX = 200;
/** Bytes of them, an inbox: the longest message fits. Twice as many once wait to be forgotten together. */
export const HISTORY_BYTES_MAX = 512 * 1024;
/** How long a message that was read is kept for the history. */
export const HISTORY_MS = 7 * 86_400_000;
/** Bytes of the queries of one agent that never were in its inbox and that its history shows: the longest message fits. */
export const PASSED_BYTES_MAX = 256 * 1024;
/** Messages in one answer of `agent_inbox`. */
export const PAGE_MAX = 100;
/** Bytes of the messages of one answer, after the first message. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** How long a query waits for its answer where it does not say. */
export const QUERY_MS = 30_000;
/** How much longer than the agent's time the way there and back may take. */
export const WAY_MS = 5000;
/** The longest wait for an answer. */
export const QUERY_MAX_MS = 300_000;
/** How long a handler of an agent in a program may take: as long as an agent that a node runs, by default. */
export const HANDLER_MS = 300_000;
/** The longest wait for messages of one call of `agent_inbox`. */
export const INBOX_WAIT_MAX_S = 300;
/** How long a message waits for an agent that is away where it does not say. */
export const AWAY_WAIT_MS = 86_400_000;
/** The longest such wait. */
export const AWAY_WAIT_MAX_MS = 7 * 86_400_000;
/** Queries that wait for an answer of one agent. */
export const QUERIES_MAX = 256;
/** An agent whose program was not heard of for so long is offline. More than the longest pause of a program between two looks into its inbox. */
export const OFFLINE_MS = 60_000;
/** Messages that one sender may send in a minute. */
export const MESSAGES_PER_MINUTE = 60_000;
/** Messages that may follow one from the other. More lets longer chains of agents work, and loops go round more often. */
export const HOPS_MAX = 8;
/** Messages that an agent which the node runs may send in a minute because it was sent some. */
export const FOLLOWING_PER_MINUTE = 600;
/** How old a list of a peer's agents may be when its heartbeats say nothing of a change. */
export const LIST_MS = 10_000;
/** How long a peer may take to list its agents. */
export const LIST_TIMEOUT_MS = 5000;
/** Peers that are asked for their agents at the same time. */
export const ASKED_AT_ONCE = 8;
/** Lines that an agent that the node runs has written and that are kept. */
export const LOG_LINES_MAX = 500;
/** Characters of all of them. */
export const LOG_BYTES_MAX = 128 * 1024;
/** Characters of one of them. */
export const LOG_LINE_MAX = 2000;
/** The longest wait for lines of one call of `agent_logs`. */
export const LOG_WAIT_MAX_S = 300;
/** How long `agent_spawn` waits for the agent to be ready, at the most. */
export const SPAWN_WAIT_MAX_S = 60;
/** `config` of `agent_spawn` as JSON, in bytes: it goes into the environment of the process. */
export const SPAWN_CONFIG_MAX = 16 * 1024;
/** Failures in a row after which an agent or a node is not asked. */
export const BREAKER_FAILURES = 5;
/** For how long it is not. */
export const BREAKER_MS = 60_000;
/** An event that is told to all, in bytes. */
export const EVENT_BYTES_MAX = 16 * 1024;
/** Events that a node keeps for those who look a moment later: 16 MiB at the most. */
export const EVENTS_KEPT = 1000;
/** The longest wait for events of one call. */
export const EVENTS_WAIT_MAX_S = 300;
/** How long the model before a client may take for a message that nobody waits for the answer of. */
export const SAMPLING_MS = 120_000;
/** Tokens that such a model is asked for at the most, a message. */
export const SAMPLING_TOKENS_MAX = 2048;
/** Nodes that one agent may be spread over. More = a longer proof in each list, and more calls of the parent. */
export const SPREAD_NODES_MAX = 16;
/** Processes of an agent, on all its nodes together. */
export const SPREAD_PROCESSES_MAX = 64;
/** What the parts of a spread agent are to be, as JSON, in bytes. */
export const SPREAD_TERMS_MAX = 32 * 1024;
/** How long the parent of a spread agent has its lease. Longer: a dead parent is missed later. */
export const PARENT_LEASE_MS = 15_000;
/** How long before its end a parent takes its lease for over: the clocks of two nodes do not run alike. */
export const PARENT_MARGIN_MS = 2000;
/** How often the parent renews its lease and looks after the parts. */
export const PARENT_LOOK_MS = 5000;
/** How much later than the one before it a node tries to become the parent. */
export const PARENT_RANK_MS = 1000;
/** How long a node may be away before its part is started elsewhere. Shorter doubles parts at each short trouble of the network. */
export const PART_LOST_MS = 15_000;
/** How long a node that has refused a part, or given it up, is not asked again. */
export const PART_COOL_MS = 60_000;
/** How long a node may take to start, change or end its part. */
export const PART_TIMEOUT_MS = 15_000;
