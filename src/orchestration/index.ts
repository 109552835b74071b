/** Orchestration: work that a swarm does by a plan, with votes. */
export { createOrchestrations } from './orchestrations.ts';
export type { Orchestrations } from './orchestrations.ts';
export { orchestrationTools, withPlans } from './tools.ts';
