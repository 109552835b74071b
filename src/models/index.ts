/** Language models: those of this node's providers and of peers, and the doors of the OpenAI and Anthropic APIs. */
export { createModelsDoor } from './door/models-door.ts';
export { createPeerModels } from './mesh/peer-models.ts';
export { servePeers } from './mesh/serve-peers.ts';
export type { PeerServingComponents } from './mesh/serve-peers.ts';
export { createModels } from './models.ts';
export type { ModelList, Models, ModelsComponents, PeerModels, ProviderView } from './models.ts';
export type { ListedModel, ModelStats } from './types.ts';
