/** The ground floor: the few words that every room uses. */
export { backoffMs } from './backoff.ts';
export type { BackoffInit } from './backoff.ts';
export { systemClock } from './clock.ts';
export type { Clock, Random } from './clock.ts';
export { ERRORS, StarlingError, messageOf, toStarlingError } from './errors.ts';
export type { ErrorCode, ErrorRow, StarlingErrorOptions } from './errors.ts';
export { createHealth } from './health.ts';
export type { Health, Warning } from './health.ts';
export type { Branded, Did, MeshId, PeerId } from './ids.ts';
export type { Json, JsonObject } from './json.ts';
export { createScope } from './lifecycle.ts';
export type { Scope, Startable } from './lifecycle.ts';
export { createLineDecoder } from './lines.ts';
export type { LineDecoder, LineSink } from './lines.ts';
export { createLogger, silentLogger } from './logger.ts';
export type { LogFields, LogLevel, Logger } from './logger.ts';
export { Secret } from './secret.ts';
