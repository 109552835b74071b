/**
 * One entry of `mcpServers` as MCP clients write it, made into our own words. The keys are those that these
 * clients document: Claude Desktop and Code, Cursor, VS Code, Windsurf, Cline and Roo, Gemini CLI, Copilot,
 * Zed and LM Studio.
 */
import { isObject, nearest } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';

/** An entry in our words. */
export interface PlainEntry {
  readonly entry: JsonObject;
  /** What was not taken as it was written, in one sentence each, without any value. */
  readonly remarks: readonly string[];
}

/** Keys that say something to their client only, and nothing that a caller would miss here. */
export const IGNORED_KEYS: readonly string[] = [
  'alwaysAllow',
  'alwaysLoad',
  'autoApprove',
  'description',
  'dev',
  'extensionName',
  'filterMapping',
  'gallery',
  'icon',
  'iconPath',
  'name',
  'notes',
  'oauthPublicClient',
  'remote',
  'remoteConfigured',
  'sandboxEnabled',
  'settings',
  'source',
  'sourcePath',
  'trust',
  'version',
  'watchPaths',
];
/** Keys that would do something which is not done here, and what to do instead. */
const NOT_HEEDED: Readonly<Record<string, string>> = {
  authProviderType: 'a login goes by `oauth`',
  disabledTools: 'leave tools out with a view (`views`) or the policy',
  excludeTools: 'leave tools out with a view (`views`) or the policy',
  headersHelper: 'write `headers` with ${VARIABLE} or ${secret:NAME}',
  includeTools: 'choose tools with a view (`views`) or the policy',
  targetAudience: 'a login goes by `oauth`',
  targetServiceAccount: 'a login goes by `oauth`',
  tcp: 'only servers with a `command` or a `url` can be used',
};
/** Other words for our keys. */
const RENAMED: Readonly<Record<string, string>> = {
  environment: 'env',
  requestTimeout: 'timeout',
  working_directory: 'cwd',
};
const TYPES: Readonly<Record<string, string>> = { local: 'stdio', remote: 'http' };
/** Shorter than this no call is meant to take: whoever writes such a number thinks of seconds. */
const TIMEOUT_SUSPECT_MS = 1000;
const KEY_SHOWN = 64;

/** Makes an entry plain; `known` are our keys. What can't be read stays as it is, for the schema to refuse. */
export function plainEntry(written: JsonObject, known: readonly string[]): PlainEntry {
  const remarks: string[] = [];
  const entry: Record<string, Json> = {};
  for (const [key, value] of Object.entries(flattened(written))) {
    if (value === null || value === undefined || IGNORED_KEYS.includes(key)) continue;
    const name = Object.hasOwn(RENAMED, key) ? (RENAMED[key] ?? key) : key;
    if (known.includes(name)) entry[name] = plainValue(name, value);
    else remarks.push(unknownKey(key, value, known));
  }
  const { timeout } = entry;
  if (typeof timeout === 'number' && timeout > 0 && timeout < TIMEOUT_SUSPECT_MS) {
    remarks.push(`timeout: ${timeout} are milliseconds here; write ${timeout}000 for seconds`);
  }
  return { entry: withOauth(entry, remarks), remarks: remarks.filter((text) => text !== '') };
}

/** Zed once nested the command; Cursor and Copilot write the client of a login in their own way. */
function flattened(written: JsonObject): JsonObject {
  const { command, auth, oauthClientId, ...rest } = written;
  const flat: Record<string, Json> = { ...(rest as Record<string, Json>) };
  if (isObject(command)) {
    const { path, args, env } = command;
    Object.assign(flat, { command: path ?? null, args: args ?? null, env: env ?? null });
  } else if (command !== undefined) flat['command'] = command;
  if (isObject(auth)) {
    const { CLIENT_ID: clientId = null, CLIENT_SECRET: clientSecret = null, ...others } = auth;
    flat['oauth'] ??= { clientId, clientSecret, ...(others as Record<string, Json>) };
  } else if (auth !== undefined) flat['auth'] = auth;
  if (typeof oauthClientId === 'string') flat['oauth'] ??= { clientId: oauthClientId };
  return flat;
}

function plainValue(key: string, value: Json): Json {
  switch (key) {
    case 'args':
      return Array.isArray(value) ? (value as readonly Json[]).flatMap(textOf) : value;
    case 'env':
    case 'headers':
      return isObject(value)
        ? Object.fromEntries(
            Object.entries(value).flatMap(([name, one]) =>
              textOf(one ?? null).map((text) => [name, text] as const),
            ),
          )
        : value;
    case 'type':
    case 'transport':
    case 'transportType':
      return typeof value === 'string' ? (TYPES[value] ?? value) : value;
    default:
      return value;
  }
}

/** Numbers and booleans as text; nothing for `null`. */
function textOf(value: Json): Json[] {
  if (value === null) return [];
  return [typeof value === 'number' || typeof value === 'boolean' ? String(value) : value];
}

const OAUTH_KEYS = ['grant', 'clientId', 'clientSecret', 'scopes', 'tokenUrl', 'callbackPort'];

/** The login without what is discovered here, with its scopes as a list. */
function withOauth(entry: Readonly<Record<string, Json>>, remarks: string[]): JsonObject {
  const { oauth, ...rest } = entry;
  if (oauth === undefined || oauth === false) return rest;
  if (oauth === true) return { ...rest, oauth: {} };
  if (!isObject(oauth)) return entry;
  if (oauth['enabled'] === false) return rest;
  const plain: Record<string, Json> = {};
  for (const [key, value] of Object.entries(oauth)) {
    if (value === null || value === undefined || key === 'enabled') continue;
    if (!OAUTH_KEYS.includes(key)) {
      remarks.push(
        `oauth.${key.slice(0, KEY_SHOWN)} is not used here: what a login needs is discovered`,
      );
    } else if (key === 'scopes' && typeof value === 'string') {
      plain[key] = value.split(' ').filter((scope) => scope !== '');
    } else plain[key] = value;
  }
  return { ...rest, oauth: plain };
}

function unknownKey(key: string, value: Json, known: readonly string[]): string {
  const shown = key.slice(0, KEY_SHOWN);
  // Copilot writes which tools it may use; `*` and absence are the same.
  if (key === 'tools') {
    const isAll = Array.isArray(value) && (value.length === 0 || value.includes('*'));
    return isAll
      ? ''
      : `tools is not heeded here; choose tools with a view (\`views\`) or the policy`;
  }
  const instead = Object.hasOwn(NOT_HEEDED, key) ? NOT_HEEDED[key] : undefined;
  if (instead !== undefined) return `${shown} is not heeded here; ${instead}`;
  const meant = nearest(key, known);
  return `unknown key ${shown}${meant === undefined ? '; it is left out' : `; did you mean '${meant}'?`}`;
}
