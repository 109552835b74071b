/** The config file of this node, as the commands of `starling mcp` and `starling model` read and write it. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findJsonFault } from '../../config/json-syntax.ts';
import { serverName } from '../../config/servers/mcp-servers.ts';
import { finishChange } from '../../config/unfinished-change.ts';
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { attach } from './client.ts';
import { readJsonFile, writeJsonFile } from '../client-files/json-file.ts';
import type { JsonFile } from '../client-files/json-file.ts';
import { parseJsonc, valueOf } from '../client-files/jsonc.ts';
import { setProperty } from '../client-files/jsonc-edit.ts';
import { configFileInUse, otherConfigFile, stateDirOf } from './locate-node.ts';
import { shellWord } from '../../core/words/shell-word.ts';
import { paintTalk, safeLine, tell } from '../terminal/output.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** The file, and the servers in it as they are written there. */
export interface OwnConfig {
  readonly file: JsonFile;
  readonly servers: ReadonlyMap<string, Json>;
  /** Providers of models, as they are written there. */
  readonly providers: ReadonlyMap<string, Json>;
  /** Routes, as they are written there. */
  readonly routes: ReadonlyMap<string, Json>;
  /** Kinds of agents, as they are written there. */
  readonly kinds: ReadonlyMap<string, Json>;
}

const FILE_MODE = 0o600;
/** The whole folder is shut to servers. */
const OWN_FOLDER = 'starling';
const SCHEMA = join('config', 'starling.schema.json');
const LEVELS_MAX = 5;

/** Reads the file that the running node reads, or that `starling up` would read. @throws STARLING_CONFIG_INVALID */
export async function readOwnConfig(options: CommonOptions): Promise<OwnConfig> {
  const path = await configFileInUse(options);
  const other = await otherConfigFile(options, path);
  if (other !== undefined) tell(otherText(other));
  await finishChange(path, process.env);
  const file = await readJsonFile(path);
  const fault = findJsonFault(file.text, 'jsonc');
  if (fault !== undefined) {
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `${path} is not JSON: line ${fault.line}, column ${fault.column}: expected ${fault.expected}`,
      { hint: 'correct it there and try again; nothing was changed' },
    );
  }
  const tree = valueOf(parseJsonc(file.text, path));
  const models = isObject(tree) ? tree['models'] : undefined;
  const agents = isObject(tree) ? tree['agents'] : undefined;
  return {
    file,
    servers: entriesOf(isObject(tree) ? tree['mcpServers'] : undefined),
    providers: entriesOf(isObject(models) ? models['providers'] : undefined),
    routes: entriesOf(isObject(models) ? models['routes'] : undefined),
    kinds: entriesOf(isObject(agents) ? agents['kinds'] : undefined),
  };
}

function entriesOf(value: Json | undefined): ReadonlyMap<string, Json> {
  const entries = isObject(value) ? Object.entries(value) : [];
  return new Map(entries.map(([name, entry]) => [name, entry ?? null]));
}

/** The person may think of the file that the node had, and this is another. */
function otherText(other: string): string {
  return `${paintTalk.yellow('!')} ${safeLine(`last time the node read ${other}; to mean that one: --config ${shellWord(other)}`)}`;
}

/** Writes `text` to the file; a new one is private. @throws as {@link writeJsonFile} */
export function writeOwnConfig(config: OwnConfig, text: string): Promise<void> {
  const { path, exists } = config.file;
  // Sandboxes of a running node shut servers out of this very file, not of one that takes its place.
  const inPlace = basename(dirname(path)) !== OWN_FOLDER;
  return writeJsonFile(config.file, exists ? text : `${text}\n`, { mode: FILE_MODE, inPlace });
}

/** The file's text with these servers added or replaced; a new file names its schema as well. */
export function withServers(config: OwnConfig, servers: ReadonlyMap<string, JsonObject>): string {
  return withEntries(config, ['mcpServers'], servers);
}

/** The same with this provider of models. */
export function withProvider(config: OwnConfig, name: string, entry: JsonObject): string {
  return withEntries(config, ['models', 'providers'], new Map([[name, entry]]));
}

/** The same with this entry below these keys. */
export function withEntry(
  config: OwnConfig,
  below: readonly string[],
  [name, entry]: readonly [string, JsonObject],
): string {
  return withEntries(config, below, new Map([[name, entry]]));
}

function withEntries(
  config: OwnConfig,
  below: readonly string[],
  entries: ReadonlyMap<string, JsonObject>,
): string {
  const { path, exists } = config.file;
  let { text } = config.file;
  const schema = exists ? undefined : schemaUrl();
  if (schema !== undefined) text = setProperty({ text, file: path }, ['$schema'], schema);
  for (const [name, entry] of entries) {
    text = setProperty({ text, file: path }, [...below, name], entry);
  }
  return text;
}

/** The name of the server in the file that is called `name`, or would be called so once `__` is shortened. */
export function sameName(config: OwnConfig, name: string): string | undefined {
  if (config.servers.has(name)) return name;
  return [...config.servers.keys()].find((other) => serverName(other) === serverName(name));
}

/** After a change of the file: whether a node runs that may take the change up, and what to do next. */
export interface NextStep {
  readonly node: 'running' | 'none';
  readonly text: string;
}

/** Looks whether a node runs, and says what happens next; `see` shows what is there then. @throws STARLING_CONFIG_INVALID */
export async function nextStep(
  options: CommonOptions,
  path: string,
  see = 'starling mcp list',
): Promise<NextStep> {
  const named = options.config === undefined ? '' : ` --config ${options.config}`;
  const stateDir = await stateDirOf({ ...options, config: path });
  try {
    (await attach(stateDir)).close();
    const who = named === '' ? 'the running node' : 'a running node that reads this file';
    return {
      node: 'running',
      text: `${who} takes it up by itself; see: ${see}${named}`,
    };
  } catch (error) {
    if (!(error instanceof StarlingError) || error.code !== 'STARLING_NODE_UNREACHABLE')
      throw error;
    return { node: 'none', text: `no node runs yet; start one with: starling up${named}` };
  }
}

/** URL of the schema file that came with this command, for editors; found from any folder of the package. */
function schemaUrl(): string | undefined {
  let folder = import.meta.dirname;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    const file = join(folder, SCHEMA);
    if (existsSync(file)) return pathToFileURL(file).href;
    folder = dirname(folder);
  }
  return undefined;
}
