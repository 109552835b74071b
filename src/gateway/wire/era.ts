/**
 * The two eras of MCP: the one with sessions (2024-11-05 to 2025-11-25, "legacy" here) and the
 * stateless one (2026-07-28, "modern"), told apart by what a request carries in `_meta`.
 */
import canonicalize from 'canonicalize';
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { RPC } from './frame.ts';
import type { ClientFacts } from '../channel-types.ts';
import type { RequestFrame } from '../frame-types.ts';

export type Era = 'legacy' | 'modern';

/** Versions of the legacy era, newest first. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
/** Versions of the modern era, newest first. */
export const MODERN_VERSIONS = ['2026-07-28'] as const;

const PREFIX = 'io.modelcontextprotocol/';

/** Keys of `_meta` in the modern era (MCP 2026-07-28, `basic`). */
export const META = {
  protocolVersion: `${PREFIX}protocolVersion`,
  clientCapabilities: `${PREFIX}clientCapabilities`,
  clientInfo: `${PREFIX}clientInfo`,
  logLevel: `${PREFIX}logLevel`,
  serverInfo: `${PREFIX}serverInfo`,
  subscriptionId: `${PREFIX}subscriptionId`,
} as const;

/**
 * Key in `_meta` of a `resources/subscribe` of our own that stands for a `subscriptions/listen`: what its
 * client can do, by which the instance is found that its calls go to.
 */
export const LISTENER_META = 'starling/listener';

/** The extension by which calls may be answered with tasks (SEP-2663). */
export const TASKS_EXTENSION = `${PREFIX}tasks`;

/** JSON-RPC error codes of the modern era (MCP 2026-07-28, `basic`, `transports`). */
export const MODERN_RPC = {
  headerMismatch: -32_020,
  missingCapability: -32_021,
  unsupportedVersion: -32_022,
} as const;

/** How long a list may be taken for fresh: changes are told by `subscriptions/listen`. */
const LIST_TTL_MS = 5000;

/** What the modern era wants in every list, discovery and read: how far the result may be cached. */
export const CACHING = { ttlMs: LIST_TTL_MS, cacheScope: 'private' } as const;

/** `params._meta` of a request or notification; empty when there is none. */
export function metaOf(params: JsonObject): JsonObject {
  return objectOf(params['_meta']);
}

/** `value` when it is an object, else an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

/** The era of a request: the modern one names its version in `_meta`. */
export function eraOf(request: RequestFrame): Era {
  const { _meta: meta } = request.params;
  return isObject(meta) && META.protocolVersion in meta ? 'modern' : 'legacy';
}

/** Checks what every modern request must carry. @throws -32022, -32602 */
export function checkModern(request: RequestFrame): void {
  const meta = metaOf(request.params);
  const version = meta[META.protocolVersion];
  if (typeof version !== 'string') throw lacking(META.protocolVersion, 'string');
  checkVersion(version);
  const capabilities = meta[META.clientCapabilities];
  if (!isObject(capabilities)) throw lacking(META.clientCapabilities, 'object');
}

/** Checks that a version is one of the modern era. @throws -32022 */
export function checkVersion(version: string): void {
  if (MODERN_VERSIONS.some((known) => known === version)) return;
  throw new StarlingError(
    'STARLING_VERSION_UNSUPPORTED',
    `MCP version ${JSON.stringify(version).slice(0, 64)} is not one that we speak without a session`,
    {
      hint: `versions that we speak: ${[...MODERN_VERSIONS, ...LEGACY_VERSIONS].join(', ')}`,
      data: {
        rpc: MODERN_RPC.unsupportedVersion,
        supported: [...MODERN_VERSIONS],
        requested: version.slice(0, 64),
      },
    },
  );
}

/** Methods that the modern era has no more. */
const LEGACY_ONLY: readonly string[] = [
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
];

/**
 * Checks whether `frame` may come now, in its era. @throws -32600, -32601, -32602, -32022
 */
export function checkRequest(frame: RequestFrame, era: Era, isInitialized: boolean): void {
  const { method } = frame;
  if (era === 'modern') {
    checkModern(frame);
    if (LEGACY_ONLY.includes(method)) throw unknownMethod(method);
  } else if (!isInitialized && method !== 'initialize' && method !== 'ping') {
    // A client that probes for the modern era must learn that it may speak it.
    if (method === 'server/discover') checkModern(frame);
    throw protocolError(
      RPC.invalidRequest,
      'the session is not initialized: send initialize first',
    );
  }
}

/** What the caller's message does wrong, with the JSON-RPC code that says so. */
export function protocolError(rpc: number, what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { data: { rpc } });
}

/** Nobody here serves `method` (-32601). */
export function unknownMethod(method: string): StarlingError {
  return protocolError(RPC.methodNotFound, `unknown method ${method.slice(0, 128)}`);
}

function lacking(key: string, kind: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `"_meta" lacks the ${kind} "${key}"`, {
    data: { rpc: -32_602 },
  });
}

/** What a modern request says of its client. */
export function clientOf(request: RequestFrame): ClientFacts {
  const meta = metaOf(request.params);
  return {
    capabilities: objectOf(meta[META.clientCapabilities]),
    clientInfo: objectOf(meta[META.clientInfo]),
  };
}

/** Whether the client of a modern request can deal with tasks; it says so with each request. */
export function declaresTasks(request: RequestFrame): boolean {
  if (eraOf(request) !== 'modern') return false;
  const { capabilities } = clientOf(request);
  return isObject(objectOf(capabilities['extensions'])[TASKS_EXTENSION]);
}

/** A client that does not declare the extension for tasks asks for one (-32021). */
export function lacksTasks(): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    'the client does not say that it can deal with tasks',
    {
      hint: `it declares the extension ${TASKS_EXTENSION} in the capabilities of each request`,
      data: {
        rpc: MODERN_RPC.missingCapability,
        requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
      },
    },
  );
}

/** The severities of log messages, mildest first (RFC 5424 §6.2.1). */
const LOG_LEVELS: readonly Json[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** Of the eight names of RFC 5424 §6.2.1, as MCP has them (2025-11-25 `LoggingLevel`). */
export function isLogLevel(value: Json | undefined): value is string {
  return value !== undefined && LOG_LEVELS.includes(value);
}

/** True when a message of `level` is wanted by who asked for `wanted` and above. */
export function reaches(level: Json | undefined, wanted: string): boolean {
  return level === undefined || LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted);
}

/** `capabilities` as a key: equal for equal ones, whatever their order. */
export function capabilitiesKey(capabilities: JsonObject): string {
  return canonicalize(capabilities) ?? '';
}
