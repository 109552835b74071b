/** What agents propose to the node: servers and kinds of agents, which become such only by a person's approval. */
export { createTrials } from './trials.ts';
export { createProposals } from './proposals.ts';
export type { Proposals } from './proposals.ts';
export { proposalTools } from './tools.ts';
