/** The bounds of swarms. */

/** Agents of one swarm: what one grant of an edge can name. */
export const SWARM_AGENTS_MAX = 64;
/** Agents of a swarm where nobody says. */
export const SWARM_AGENTS = 20;
/** Members of a hierarchical swarm that one member leads. */
export const FAN = 4;
/** Share of the weight of all who are invited that a choice needs, where nobody says. */
export const THRESHOLD = 0.7;
/** Swarms that a node has a part in and that were not dissolved. */
export const SWARMS_MAX = 100;
/** Operations of one swarm that are under way at this node at the same time. */
export const OPERATIONS_MAX = 1000;
/** After which time whoever was refused for that may come again, ms. */
export const BUSY_MS = 1000;
/** Tasks of a swarm's members of which each node keeps how they went: the window of what is measured. */
export const LOG_MAX = 100;
/** Of one agent: the last so many count for its health. */
export const HEALTH_TASKS = 20;
/** How long a grant of an edge is valid; its node renews it. */
export const EDGE_LIFE_MS = 86_400_000;
/** After edges could not be given: when that is tried again. */
export const EDGES_AGAIN_MS = 5000;
/** A swarm that was dissolved so long ago is forgotten, with its board. */
export const FORGET_MS = 86_400_000;
/** After one could not be forgotten: when that is tried again. */
export const FORGET_AGAIN_MS = 60_000;
/** Dissolved swarms that are kept until then; what was dissolved first goes first. */
export const DISSOLVED_MAX = 100;
