/** Orchestration: work that a swarm does by a plan, with votes. */
export { collaborateTool } from './collaborate-tool.ts';
export { createCollaborations } from './collaboration.ts';
export type { CollaborateResult, Collaborations } from './collaboration.ts';
export { createOrchestrations } from './orchestrations.ts';
export type { Orchestrations } from './orchestrations.ts';
export { orchestrationTools, withPlans } from './tools.ts';
