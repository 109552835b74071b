/** File, environment and flags, made into one frozen configuration. */
export {
  ATTACH_CLIENT,
  ATTACH_METHOD,
  ATTACH_OPERATOR,
  ATTACH_WATCHING,
  CALL_FORMS_ONLY,
  CLIENT_LOCAL,
  CLIENT_NAME,
  CLIENT_NAME_WORDS,
  CLIENT_TCP,
  isFreeClientName,
} from './client-names.ts';
export { mapKindSecrets } from './agent-kinds.ts';
export { CPU_FORM, MEMORY_FORM } from './schema/agents-schema.ts';
export { mapProviderSecrets } from './model-providers.ts';
export { isOpenAiAt, providerView } from './provider-view.ts';
export type { ProviderView } from './provider-view.ts';
export { noteMeshLeft, noteNode, notedIn, readAbout, writeAbout } from './known-nodes.ts';
export type { NodeAbout } from './known-nodes.ts';
export { heldBack } from './held-back-file.ts';
export { loadConfig } from './load.ts';
export type { ConfigSources } from './load.ts';
export {
  defaultConfigFile,
  defaultStateDir,
  nodesFolder,
  policyFile,
  servicesFolder,
  socketPath,
  socketsFolder,
  tokenFile,
} from './paths.ts';
export { explain, invalidConfig, suggestion } from './problems.ts';
export type { Problem } from './problems.ts';
export { shownConfig } from './shown-config.ts';
export type { ShownConfig } from './shown-config.ts';
export { SECRET_NAME_FORM, isSecretName } from './secret-name.ts';
export { noteStateVersion, requireKnownState } from './state-version.ts';
export type { AgentKind, AgentMind, LearningSettings } from './agent-types.ts';
export type {
  MinuteLimits,
  ModelApi,
  ModelPrice,
  ModelProvider,
  ModelRoute,
  ModelStrategy,
  ModelTier,
  ModelsConfig,
  ProviderOAuth,
} from './model-types.ts';
export type {
  ClientTls,
  HttpServer,
  McpServer,
  Retry,
  SandboxRules,
  ServerOAuth,
  SseServer,
  StdioServer,
  UnusableServer,
  UsableServer,
} from './server-types.ts';
export type { Config, HttpOAuth, HttpTls, View } from './types.ts';
