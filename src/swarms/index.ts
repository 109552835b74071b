/** Swarms: agents that work together, and the grants among them. */
export { memberId } from './status.ts';
export { createSwarms } from './swarms.ts';
export type { Swarms } from './swarms.ts';
export { swarmTools, withSwarms } from './tools.ts';
export type { LogLine, Role, Seat, Swarm } from './types.ts';
