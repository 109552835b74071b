/** File, environment and flags, made into one frozen configuration. */
export { ENVIRONMENT } from './env.ts';
export type { EnvironmentVariable } from './env.ts';
export { configJsonSchema } from './json-schema.ts';
export { loadConfig } from './load.ts';
export type { ConfigSources } from './load.ts';
export { nearest } from './nearest.ts';
export { defaultConfigFile, defaultStateDir, socketPath, tokenFile } from './paths.ts';
export { NAME_PATTERN } from './schema.ts';
export type { Config, HttpServer, McpServer, StdioServer } from './types.ts';
