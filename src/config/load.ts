/** File < environment < flags, through one schema, into one frozen object. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { Secret, StarlingError, messageOf } from '../core/index.ts';
import { readEnvironment } from './env.ts';
import { readMcpServers } from './mcp-servers.ts';
import type { Problem } from './mcp-servers.ts';
import { nearest } from './nearest.ts';
import { defaultConfigFile, defaultStateDir } from './paths.ts';
import { fileSchema } from './schema.ts';
import type { FileConfig, FileInput } from './schema.ts';
import type { Config } from './types.ts';

/** Where a configuration comes from; later ones win, key by key. */
export interface ConfigSources {
  /** Config file; without it `STARLING_CONFIG`, else the platform's default one if it exists. */
  readonly file?: string;
  readonly env: NodeJS.ProcessEnv;
  /** What the command line says, in the form of the file. */
  readonly flags: Partial<FileInput>;
}

type Tree = Record<string, unknown>;

/** Values that a message must not show. */
const SECRET_KEYS = /^(join|mcpServers)/;
const OPEN_DEFAULT = 'open';
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Loads the configuration.
 * @throws STARLING_CONFIG_INVALID naming each wrong key, what is wrong, and what is allowed
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const file = sources.file ?? sources.env['STARLING_CONFIG'];
  const tree = readFile(file, sources.env);
  for (const [key, value] of readEnvironment(sources.env)) setKey(tree, key, value);
  merge(tree, sources.flags);
  const where = file ?? 'the configuration';
  const parsed = fileSchema.safeParse(tree);
  if (!parsed.success)
    throw invalid(
      where,
      parsed.error.issues.map((issue) => explain(issue, tree)),
    );
  const problems: Problem[] = [];
  const config = complete(parsed.data, sources.env, problems);
  if (problems.length > 0)
    throw invalid(
      where,
      problems.map(({ key, text }) => `${key}: ${text}`),
    );
  return deepFreeze(config);
}

function readFile(path: string | undefined, env: NodeJS.ProcessEnv): Tree {
  const file = path ?? defaultConfigFile(env);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (absent && path === undefined) return {};
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `the config file ${file} can't be read: ${messageOf(error)}`,
      {
        hint: 'check the path given with --config',
        cause: error,
      },
    );
  }
  if (text.length > FILE_BYTES_MAX) throw invalid(file, ['it is over 4 MiB']);
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (isTree(value)) return value;
  } catch (error) {
    throw invalid(file, [`it is not JSON: ${syntaxProblem(error, text)}`]);
  }
  throw invalid(file, ['it is not a JSON object']);
}

/** The parser's complaint with line and column, and without the text around it, which may be secret. */
function syntaxProblem(error: unknown, text: string): string {
  const message = messageOf(error);
  const position = /at position (\d+)/.exec(message)?.[1];
  const before = text.slice(0, position === undefined ? text.length : Number(position));
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  const what =
    /^(Unexpected (token|end|non-whitespace|string)|Expected|Bad|Unterminated)[^,"']*/.exec(
      message,
    )?.[0];
  return `${(what ?? 'syntax error').trim()} (line ${line}, column ${column})`;
}

function complete(file: FileConfig, env: NodeJS.ProcessEnv, problems: Problem[]): Config {
  const name = file.name ?? fitName(hostname());
  const open = file.open === true ? OPEN_DEFAULT : file.open;
  if (open !== undefined && file.join !== undefined) {
    problems.push({
      key: 'open',
      text: 'a ticket joins a private mesh; give either `join` or `open`',
    });
  }
  const { deadAfterMs = 3 * file.heartbeat.intervalMs } = file.heartbeat;
  return {
    name,
    stateDir: resolve(file.stateDir ?? defaultStateDir(env)),
    listen: file.listen,
    announce: file.announce,
    bootstrap: file.bootstrap,
    ...(file.join === undefined ? {} : { join: new Secret(file.join) }),
    ...(open === undefined ? {} : { open }),
    ...(file.meshName === undefined ? {} : { meshName: file.meshName }),
    mdns: file.mdns,
    relay: file.relay,
    http: file.http,
    mcpServers: readMcpServers(
      file.mcpServers,
      { env, callTimeoutMs: file.limits.callTimeoutMs },
      problems,
    ),
    heartbeat: { ...file.heartbeat, deadAfterMs },
    limits: file.limits,
    log: {
      level: file.log.level,
      ...(file.log.file === undefined ? {} : { file: file.log.file }),
    },
  };
}

/** A host's name as a node's name: its first label, in the allowed letters. */
function fitName(host: string): string {
  const label = host.toLowerCase().split('.')[0] ?? '';
  const fit = label
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 32);
  return fit === '' || fit === 'starling' ? 'node' : fit;
}

function explain(issue: z.core.$ZodIssue, tree: Tree): string {
  const key = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((unknown) => {
        const full = key === '' ? unknown : `${key}.${unknown}`;
        const meant = nearest(unknown, knownKeys(issue.path));
        return `${full}: unknown key${meant === undefined ? '' : `; did you mean '${meant}'?`}`;
      })
      .join('\n  ');
  }
  const value = valueAt(tree, issue.path);
  const shown = SECRET_KEYS.test(key) || value === undefined ? '' : ` (it is ${short(value)})`;
  return `${key}: ${issue.message}${shown}`;
}

/** Keys that the schema knows at `path`. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = fileSchema;
  for (const part of path) schema = shapeOf(schema)?.[String(part)] ?? elementOf(schema);
  return Object.keys(shapeOf(schema) ?? {});
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  const inner = unwrap(schema);
  return isTree(inner) && isTree(inner['shape']) ? inner['shape'] : undefined;
}

function elementOf(schema: unknown): unknown {
  const inner = unwrap(schema);
  return isTree(inner) ? inner['valueType'] : undefined;
}

/** The schema inside default, optional and prefault wrappers. */
function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (isTree(inner) && isTree(inner['def']) && 'innerType' in inner['def']) {
    inner = inner['def']['innerType'];
  }
  return inner;
}

function valueAt(tree: Tree, path: readonly PropertyKey[]): unknown {
  let value: unknown = tree;
  for (const part of path)
    value = isTree(value) || Array.isArray(value) ? Reflect.get(value, part) : undefined;
  return value;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function invalid(where: string, problems: readonly string[]): StarlingError {
  return new StarlingError(
    'STARLING_CONFIG_INVALID',
    `${where} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n  ${problems.join('\n  ')}`,
    { hint: 'every key and its form: config/starling.schema.json', data: { problems } },
  );
}

function setKey(tree: Tree, key: string, value: unknown): void {
  const parts = key.split('.');
  const last = parts.pop() ?? key;
  let at = tree;
  for (const part of parts) {
    const next = at[part];
    const child: Tree = isTree(next) ? next : {};
    at[part] = child;
    at = child;
  }
  at[last] = value;
}

/** Puts `over` onto `tree`: objects key by key, everything else whole; undefined says nothing. */
function merge(tree: Tree, over: object): void {
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = tree[key];
    if (isTree(value) && isTree(below) && key !== 'mcpServers') merge(below, value);
    else tree[key] = value;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
