/** File, environment and flags, made into one frozen configuration. */
export { loadConfig } from './load.ts';
export type { ConfigSources } from './load.ts';
export { nearest } from './nearest.ts';
export { socketPath, tokenFile } from './paths.ts';
export { explain, invalidConfig } from './problems.ts';
export type { Problem } from './problems.ts';
export { SECRET_NAME_FORM, isSecretName } from './secret-name.ts';
export type {
  Config,
  HttpOAuth,
  HttpServer,
  HttpTls,
  McpServer,
  Retry,
  ServerOAuth,
  SseServer,
  StdioServer,
  UnusableServer,
  UsableServer,
  View,
} from './types.ts';
