/** Language models: those of this node's providers and of peers, and the doors of the OpenAI and Anthropic APIs. */
export { createModelsDoor } from './door/models-door.ts';
export { createPeerModels } from './mesh/peer-models.ts';
export { servePeers } from './mesh/serve-peers.ts';
export type { PeerServingComponents } from './mesh/serve-peers.ts';
export { followStream } from './providers/follow-stream.ts';
export { readCall } from './read-call.ts';
export { modelResource, readModelName } from './names.ts';
export { createRouter } from './routing/router.ts';
export { createSampling } from './sampling/sampling.ts';
export { createModels } from './models.ts';
export type { Models } from './models.ts';
export { askQuery } from './tools/query.ts';
export { modelTools } from './tools/model-tools.ts';
export { createUsageBook } from './usage/usage-book.ts';
