/**
 * Our side of an MCP session as a client: `initialize` of the legacy era, `server/discover` of the
 * modern one, and whole lists.
 */
import { StarlingError, VERSION, toStarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { ServerFacts } from '../../directory/index.ts';
import { LEGACY_VERSIONS, META, MODERN_RPC, MODERN_VERSIONS, metaOf, objectOf } from './era.ts';
import type { Era } from './era.ts';
import { RPC, errorFrom } from './frame.ts';
import type { ClientFacts, Channel } from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';

const PAGES_MAX = 100;
const CURSOR_LENGTH_MAX = 4096;
const INSTRUCTIONS_LENGTH_MAX = 16_384;

/** What the other end said when the session began. */
export interface Handshake extends ServerFacts {
  readonly era: Era;
  readonly protocolVersion: string;
  readonly meta: JsonObject;
}

/** What one server may list, over all pages. */
export interface ListBounds {
  readonly timeoutMs: number;
  /** Items of each kind. */
  readonly itemsMax: number;
  readonly bytesMax: number;
}

/** This node as a client. */
export const OWN_CLIENT_INFO: JsonObject = { name: 'starling', version: VERSION };

/** Initialises the session of `channel`. @throws STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT, … */
export async function initialize(
  channel: Pick<Channel, 'request' | 'notify'>,
  title: string,
  options: {
    readonly timeoutMs: number;
    readonly client?: ClientFacts;
    readonly meta?: JsonObject;
  },
): Promise<Handshake> {
  const response = await channel.request(
    'initialize',
    {
      protocolVersion: LEGACY_VERSIONS[0],
      capabilities: options.client?.capabilities ?? {},
      clientInfo: namedClient(options.client),
      ...(options.meta === undefined ? {} : { _meta: options.meta }),
    },
    options,
  );
  const result = resultOf(response);
  const version = LEGACY_VERSIONS.find((known) => known === result['protocolVersion']);
  if (version === undefined) throw unspoken(title, result['protocolVersion']);
  channel.notify('notifications/initialized', {});
  return { era: 'legacy', protocolVersion: version, ...factsOf(result), meta: metaOf(result) };
}

/**
 * Asks a modern server what it is; once more when it refuses our version and names it all the same, as
 * one does that was asked in the middle of a change. @throws STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT, … */
export async function discover(
  channel: Pick<Channel, 'request'>,
  title: string,
  options: { readonly timeoutMs: number; readonly client?: ClientFacts },
): Promise<Handshake> {
  const params = { _meta: modernMeta(options.client) };
  let response = await channel.request('server/discover', params, options);
  if (response.error?.code === MODERN_RPC.unsupportedVersion) {
    const { supported: named } = objectOf(response.error.data);
    if (!Array.isArray(named) || !named.includes(MODERN_VERSIONS[0])) throw unspoken(title, named);
    response = await channel.request('server/discover', params, options);
  }
  const result = resultOf(response);
  const supported = result['supportedVersions'];
  const version = MODERN_VERSIONS.find(
    (known) => Array.isArray(supported) && (supported as readonly Json[]).includes(known),
  );
  if (version === undefined) throw unspoken(title, supported);
  const meta = metaOf(result);
  const facts = factsOf(result);
  const serverInfo = objectOf(meta[META.serverInfo]);
  return {
    era: 'modern',
    protocolVersion: version,
    ...facts,
    serverInfo: Object.keys(serverInfo).length > 0 ? serverInfo : facts.serverInfo,
    meta,
  };
}

/** What every modern request of `client` carries in `_meta`. */
export function modernMeta(client?: ClientFacts, logLevel?: string): JsonObject {
  return {
    [META.protocolVersion]: MODERN_VERSIONS[0],
    [META.clientCapabilities]: client?.capabilities ?? {},
    [META.clientInfo]: namedClient(client),
    ...(logLevel === undefined ? {} : { [META.logLevel]: logLevel }),
  };
}

/** The lists of a server, by what they hold. */
export type ListedParts = Record<'tools' | 'resources' | 'templates' | 'prompts', readonly Json[]>;

/** One list that could not be had. */
export interface FailedPart {
  readonly part: keyof ListedParts;
  readonly method: string;
  readonly error: StarlingError;
}

/** Everything that a server lists, as it came and not yet checked. */
export interface ListedAll {
  readonly lists: ListedParts;
  /** Lists of which nothing came, or not all. */
  readonly failed: readonly FailedPart[];
}

interface PartFacts {
  readonly part: keyof ListedParts;
  readonly method: string;
  /** The member of a result that holds the list. */
  readonly key: string;
  readonly capability: string;
}

const PARTS: readonly PartFacts[] = [
  { part: 'tools', method: 'tools/list', key: 'tools', capability: 'tools' },
  { part: 'resources', method: 'resources/list', key: 'resources', capability: 'resources' },
  {
    part: 'templates',
    method: 'resources/templates/list',
    key: 'resourceTemplates',
    capability: 'resources',
  },
  { part: 'prompts', method: 'prompts/list', key: 'prompts', capability: 'prompts' },
];

/**
 * Asks for everything that a server lists. A list that fails is a part and no more: the others count.
 * @throws when the tools can't be listed, for another reason than that the server has no such method
 */
export async function listAll(
  channel: Pick<Channel, 'request'>,
  title: string,
  handshake: Handshake,
  bounds: ListBounds,
): Promise<ListedAll> {
  const { capabilities } = handshake;
  const base = handshake.era === 'modern' ? { _meta: modernMeta() } : {};
  const lists: ListedParts = { tools: [], resources: [], templates: [], prompts: [] };
  const failed: FailedPart[] = [];
  await Promise.all(
    PARTS.filter(({ capability }) => capabilities[capability] !== undefined).map(
      async ({ part, method, key }) => {
        const items: Json[] = [];
        lists[part] = items;
        try {
          const isWhole = await listPages(channel, { title, method, key, base, items }, bounds);
          if (!isWhole) failed.push({ part, method, error: tooMany(title, part) });
        } catch (thrown) {
          const error = toStarlingError(thrown, 'STARLING_UPSTREAM_INVALID', title);
          const isAbsent = error.data['rpc'] === RPC.methodNotFound;
          if (part === 'tools' && !isAbsent) throw error;
          // Servers may have resources and serve no templates at all.
          if (part !== 'templates' || !isAbsent) failed.push({ part, method, error });
        }
      },
    ),
  );
  return { lists, failed };
}

/** The pages of one list; those before a bad one are kept. False when there are more than `bounds` allow. */
async function listPages(
  channel: Pick<Channel, 'request'>,
  what: {
    readonly title: string;
    readonly method: string;
    readonly key: string;
    readonly base: JsonObject;
    readonly items: Json[];
  },
  bounds: ListBounds,
): Promise<boolean> {
  const { items } = what;
  let sizeBytes = 0;
  let cursor: Json | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const params = cursor === undefined ? what.base : { ...what.base, cursor };
    const response = await channel.request(what.method, params, { timeoutMs: bounds.timeoutMs });
    const result = resultOf(response);
    const listed = result[what.key];
    if (!Array.isArray(listed)) {
      throw new StarlingError(
        'STARLING_UPSTREAM_INVALID',
        `${what.title} answered ${what.method} without "${what.key}"`,
      );
    }
    for (const item of listed as readonly Json[]) items.push(item);
    sizeBytes += response.bytes.length;
    cursor = result['nextCursor'];
    if (typeof cursor !== 'string' || cursor.length > CURSOR_LENGTH_MAX) return true;
    if (items.length > bounds.itemsMax || sizeBytes > bounds.bytesMax) return false;
  }
  return false;
}

function tooMany(title: string, part: keyof ListedParts): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${title} lists more ${part} than are taken (limits.tools, ${PAGES_MAX} pages)`,
  );
}

function factsOf(result: JsonObject): ServerFacts {
  const { instructions } = result;
  return {
    capabilities: objectOf(result['capabilities']),
    serverInfo: objectOf(result['serverInfo']),
    ...(typeof instructions === 'string'
      ? { instructions: instructions.slice(0, INSTRUCTIONS_LENGTH_MAX) }
      : {}),
  };
}

function namedClient(client: ClientFacts | undefined): JsonObject {
  const { name, version } = client?.clientInfo ?? {};
  const isNamed = typeof name === 'string' && typeof version === 'string';
  return client !== undefined && isNamed ? client.clientInfo : OWN_CLIENT_INFO;
}

function unspoken(title: string, version: Json | undefined): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `${title} speaks MCP version ${JSON.stringify(version)?.slice(0, 64)}, which we do not`,
    { hint: `versions that we speak: ${[...MODERN_VERSIONS, ...LEGACY_VERSIONS].join(', ')}` },
  );
}

/** The result of a response. @throws the error that it is, as one of ours */
export function resultOf(response: ResponseFrame): JsonObject {
  if (response.error !== undefined) throw errorFrom(response.error);
  return response.result ?? {};
}
