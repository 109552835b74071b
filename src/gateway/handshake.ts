/** Our side of an MCP session as a client: `initialize`, and a whole `tools/list`. */
import { StarlingError, VERSION } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { errorFrom } from './frame.ts';
import type { Link, ResponseFrame } from './types.ts';

/** The newest version that we speak, first. */
export const PROTOCOL_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

const PAGES_MAX = 100;
const CURSOR_LENGTH_MAX = 4096;

/** What the other end said in its `initialize` result. */
export interface ServerFacts {
  readonly protocolVersion: string;
  /** Name and version. */
  readonly serverInfo: string;
  readonly hasTools: boolean;
  readonly meta: JsonObject;
}

/** Initialises the session of `link`. @throws STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT, … */
export async function initialize(
  link: Link,
  title: string,
  options: { readonly timeoutMs: number; readonly meta?: JsonObject },
): Promise<ServerFacts> {
  const response = await link.request(
    'initialize',
    {
      protocolVersion: PROTOCOL_VERSIONS[0],
      capabilities: {},
      clientInfo: { name: 'starling', version: VERSION },
      ...(options.meta === undefined ? {} : { _meta: options.meta }),
    },
    options,
  );
  const result = resultOf(response);
  const version = PROTOCOL_VERSIONS.find((known) => known === result['protocolVersion']);
  if (version === undefined) {
    throw new StarlingError(
      'STARLING_UPSTREAM_INVALID',
      `${title} speaks MCP version ${JSON.stringify(result['protocolVersion'])?.slice(0, 64)}, which we do not`,
      { hint: `versions that we speak: ${PROTOCOL_VERSIONS.join(', ')}` },
    );
  }
  link.notify('notifications/initialized', {});
  const { name, version: release } = objectOf(result['serverInfo']);
  return {
    protocolVersion: version,
    serverInfo: [name, release].filter((part) => typeof part === 'string').join(' '),
    hasTools: objectOf(result['capabilities'])['tools'] !== undefined,
    meta: objectOf(result['_meta']),
  };
}

/**
 * The pages of `tools/list`, as they came and not yet checked, until they hold more than `toolsMax`
 * tools or `bytesMax` bytes. @throws STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT, …
 */
export async function listTools(
  link: Link,
  title: string,
  options: { readonly timeoutMs: number; readonly toolsMax: number; readonly bytesMax: number },
): Promise<readonly Json[]> {
  const tools: Json[] = [];
  let sizeBytes = 0;
  let cursor: Json | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const response = await link.request('tools/list', cursor === undefined ? {} : { cursor }, {
      timeoutMs: options.timeoutMs,
    });
    const result = resultOf(response);
    const listed = result['tools'];
    if (!Array.isArray(listed)) {
      throw new StarlingError(
        'STARLING_UPSTREAM_INVALID',
        `${title} answered tools/list without "tools"`,
      );
    }
    for (const tool of listed as readonly Json[]) tools.push(tool);
    sizeBytes += response.bytes.length;
    cursor = result['nextCursor'];
    if (typeof cursor !== 'string' || cursor.length > CURSOR_LENGTH_MAX) return tools;
    if (tools.length > options.toolsMax || sizeBytes > options.bytesMax) return tools;
  }
  return tools;
}

function resultOf(response: ResponseFrame): JsonObject {
  if (response.error !== undefined) throw errorFrom(response.error);
  return response.result ?? {};
}

/** `value` when it is an object, else an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {};
}
