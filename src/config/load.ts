/** File < environment < flags, through one schema, into one frozen object. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import {
  BUILTIN_SERVER,
  Secret,
  StarlingError,
  durationMs,
  isObject,
  messageOf,
} from '../core/index.ts';
import { checkAddresses } from './addresses.ts';
import { readAgentKinds } from './agent-kinds.ts';
import { readTelemetry } from './collector.ts';
import { readModelProviders, readModelRules } from './model-providers.ts';
import { ENVIRONMENT, readEnvironment } from './env.ts';
import { findJsonFault, readJsonc } from './json-syntax.ts';
import { readMcpServers } from './servers/mcp-servers.ts';
import { defaultConfigFile, defaultStateDir, policyFile } from './paths.ts';
import { explain, invalidConfig, misfit, valueAt } from './problems.ts';
import type { Problem } from './problems.ts';
import { fileSchema } from './schema/schema.ts';
import type { FileConfig, FileInput } from './schema/schema.ts';
import { finishChange } from './unfinished-change.ts';
import type { Config, View } from './types.ts';

/** Where a configuration comes from; later ones win, key by key. */
export interface ConfigSources {
  /** Config file; without it `STARLING_CONFIG`, else the platform's default one if it exists. */
  readonly file?: string;
  readonly env: NodeJS.ProcessEnv;
  /** What the command line says, in the form of the file. */
  readonly flags: Partial<FileInput>;
}

type Tree = Record<string, unknown>;

interface FileContent {
  /** The file, or what else the configuration is called. */
  readonly where: string;
  /** Where the file is, or would be. */
  readonly file: string;
  readonly tree: Tree;
}

/** The options of `starling up` that give a key; other keys that come with the flags are given by a library's user. */
const OPTIONS: Readonly<Record<string, string>> = {
  name: '--name',
  stateDir: '--state',
  join: '--join',
  knock: '--knock',
  bootstrap: '--bootstrap',
  open: '--open',
  meshName: '--mesh-name',
  listen: '--listen',
  announce: '--announce',
  'http.port': '--http-port',
  'http.host': '--http-host',
  'tcp.port': '--tcp',
  log: '--log',
};
const OPEN_DEFAULT = 'open';
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Loads the configuration.
 * @throws STARLING_CONFIG_INVALID naming each wrong key, what is wrong, and what is allowed
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const { where, file, tree } = await loadFile(sources);
  const problems: Problem[] = [];
  const variables = readEnvironment(sources.env, problems);
  for (const [key, value] of variables) setKey(tree, key, value);
  merge(tree, sources.flags);
  const servers = serversOf(tree, problems);
  const parsed = fileSchema.safeParse(tree);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.flatMap((issue) => explain(issue, tree)));
    throw invalidFrom(where, problems, variables, sources);
  }
  problems.push(...(await checkAddresses(parsed.data)));
  const config = complete({ ...parsed.data, mcpServers: servers }, file, sources.env, problems);
  if (problems.length > 0) {
    throw invalidFrom(where, problems, variables, sources);
  }
  return deepFreeze(config);
}

/**
 * The content of a configuration file as somebody wrote it; undefined when there is no such file.
 * @throws STARLING_CONFIG_INVALID when the file can't be read, or is no JSON object
 */
export async function readConfigTree(file: string): Promise<Readonly<Tree> | undefined> {
  if (!existsSync(file)) return undefined;
  return (await loadFile({ file, env: {}, flags: {} })).tree;
}

async function loadFile(sources: ConfigSources): Promise<FileContent> {
  const named = sources.file ?? (sources.env['STARLING_CONFIG'] || undefined);
  const file = named ?? defaultConfigFile(sources.env);
  await finishChange(file, sources.env);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (absent && named === undefined) return { where: 'the configuration', file, tree: {} };
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      absent
        ? `there is no config file ${file}`
        : `the config file ${file} can't be read: ${messageOf(error)}`,
      { hint: 'check the path given with --config or STARLING_CONFIG', cause: error },
    );
  }
  return { where: file, file, tree: parseFile(file, text.replace(/^\uFEFF/, '')) };
}

function parseFile(file: string, text: string): Tree {
  const wrong = (problem: string): StarlingError =>
    invalidConfig(file, [{ key: '', text: problem }]);
  if (text.length > FILE_BYTES_MAX) throw wrong('it is over 4 MiB');
  const fault = findJsonFault(text, 'jsonc');
  if (fault !== undefined) {
    throw wrong(
      `it is not JSON: line ${fault.line}, column ${fault.column}: expected ${fault.expected}`,
    );
  }
  const value: unknown = readJsonc(text);
  if (!isTree(value))
    throw wrong('it is not a JSON object; allowed: { "name": …, "mcpServers": … }');
  return value;
}

/** Takes the servers out of the file: each is read by itself, so that a bad one does not stop the rest. */
function serversOf(tree: Tree, problems: Problem[]): Tree {
  const { mcpServers } = tree;
  delete tree['mcpServers'];
  if (isTree(mcpServers)) return mcpServers;
  if (mcpServers !== undefined && mcpServers !== null) {
    problems.push(misfit('mcpServers', mcpServers, 'an object { … }'));
  }
  return {};
}

function complete(
  file: Omit<FileConfig, 'mcpServers'> & { readonly mcpServers: Tree },
  path: string,
  env: NodeJS.ProcessEnv,
  problems: Problem[],
): Config {
  const name = file.name ?? fitName(hostname());
  const open = typeof file.open === 'boolean' ? (file.open ? OPEN_DEFAULT : undefined) : file.open;
  requireOneWayIn({ ...file, open }, problems);
  const { intervalMs, deadAfterMs = 3 * intervalMs } = file.heartbeat;
  if (deadAfterMs < intervalMs) {
    problems.push({
      key: 'heartbeat.deadAfterMs',
      text: `${deadAfterMs} can't be used; allowed: at least heartbeat.intervalMs (${intervalMs})`,
    });
  }
  checkRetry(file.retry, problems);
  if (!file.tcp.requireToken && !isLoopback(file.tcp.host)) {
    problems.push({
      key: 'tcp.requireToken',
      text: `false can't be used with tcp.host ${JSON.stringify(file.tcp.host)}; allowed: true, or a loopback host like 127.0.0.1`,
    });
  }
  return {
    name,
    isNameGiven: file.name !== undefined,
    stateDir: resolve(file.stateDir ?? defaultStateDir(env)),
    file: resolve(path),
    listen: file.listen,
    announce: file.announce,
    offers: file.offers,
    bootstrap: file.bootstrap,
    ...(file.join === undefined ? {} : { join: new Secret(file.join) }),
    ...(file.knock === undefined ? {} : { knock: file.knock }),
    ...(open === undefined ? {} : { open }),
    ...(file.meshName === undefined ? {} : { meshName: file.meshName }),
    mdns: file.mdns,
    upnp: file.upnp,
    relay: file.relay,
    http: httpOf(file.http, problems),
    tcp: file.tcp,
    mcpServers: readMcpServers(file.mcpServers, {
      env,
      callTimeoutMs: file.limits.callTimeoutMs,
    }),
    agents: agentsOf(file, env),
    models: modelsOf(file, env),
    list: file.list,
    views: readViews(file.views),
    prices: file.prices,
    pins: file.pins,
    audit: auditOf(file.audit),
    policy: {
      file: file.policy === undefined ? policyFile(path) : resolve(file.policy),
      named: file.policy !== undefined,
    },
    heartbeat: { ...file.heartbeat, deadAfterMs },
    keepAlive: file.keepAlive,
    retry: file.retry,
    limits: file.limits,
    telemetry: readTelemetry(
      file.telemetry,
      { env, callTimeoutMs: file.limits.callTimeoutMs },
      problems,
    ),
    log: logOf(file.log),
  };
}

function checkRetry({ delayMs, delayMaxMs }: FileConfig['retry'], problems: Problem[]): void {
  if (delayMaxMs < delayMs) {
    problems.push({
      key: 'retry.delayMaxMs',
      text: `${delayMaxMs} can't be used; allowed: at least retry.delayMs (${delayMs})`,
    });
  }
}

/** The agents' part, each kind read by itself. */
function agentsOf(
  { agents, limits }: Pick<FileConfig, 'agents' | 'limits'>,
  env: NodeJS.ProcessEnv,
): Config['agents'] {
  const { callTimeoutMs } = limits;
  return { ...agents, kinds: readAgentKinds(agents.kinds, { env, callTimeoutMs }) };
}

/** The models' part, each provider read by itself. */
function modelsOf(
  { models, limits }: Pick<FileConfig, 'limits' | 'models'>,
  env: NodeJS.ProcessEnv,
): Config['models'] {
  const { callTimeoutMs } = limits;
  const providers = readModelProviders(models.providers, { env, callTimeoutMs });
  return { providers, ...readModelRules(models) };
}

/** A node joins by a ticket, by asking, or an open mesh. */
function requireOneWayIn(
  { open, join, knock }: { readonly [Way in 'open' | 'join' | 'knock']?: string | undefined },
  problems: Problem[],
): void {
  if (open !== undefined && join !== undefined) {
    problems.push({
      key: 'open',
      text: 'a ticket joins a private mesh; give either `join` or `open`',
    });
  }
  if (knock !== undefined && (open !== undefined || join !== undefined)) {
    problems.push({
      key: 'knock',
      text: 'a mesh is joined in one way; give one of `join`, `knock` and `open`',
    });
  }
}

/** The log's part, without a file that nobody names. */
function logOf({ level, file }: FileConfig['log']): Config['log'] {
  return { level, ...(file === undefined ? {} : { file }) };
}

/** The audit log's part, with the time in milliseconds. */
function auditOf({ retention, ...rest }: FileConfig['audit']): Config['audit'] {
  return { ...rest, retentionMs: durationMs(retention) };
}

/** The HTTP endpoint's part, with the paths made absolute. */
function httpOf(http: FileConfig['http'], problems: Problem[]): Config['http'] {
  const { tls, oauth, ...plain } = http;
  if (tls?.clientAuth !== undefined && tls.ca === undefined) {
    problems.push({
      key: 'http.tls.ca',
      text: 'it is missing; allowed: the PEM file of the authority that signs client certificates',
    });
  }
  return {
    ...plain,
    ...(tls === undefined
      ? {}
      : {
          tls: {
            cert: resolve(tls.cert),
            key: resolve(tls.key),
            ...(tls.ca === undefined ? {} : { ca: resolve(tls.ca) }),
            ...(tls.clientAuth === undefined ? {} : { clientAuth: tls.clientAuth }),
          },
        }),
    ...(oauth === undefined
      ? {}
      : {
          oauth: {
            issuer: oauth.issuer,
            audience: oauth.audience,
            ...(oauth.jwksUri === undefined ? {} : { jwksUri: oauth.jwksUri }),
            scopes: oauth.scopes,
          },
        }),
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Views without the keys that say nothing. */
function readViews(views: FileConfig['views']): Config['views'] {
  return Object.fromEntries(
    Object.entries(views).map(([name, { allow, deny, tools, prefix }]): [string, View] => [
      name,
      {
        ...(allow === undefined ? {} : { allow }),
        ...(deny === undefined ? {} : { deny }),
        ...(tools === undefined ? {} : { tools }),
        ...(prefix === undefined ? {} : { prefix }),
      },
    ]),
  );
}

/** A host's name as a node's name: its first label, in the allowed letters. */
function fitName(host: string): string {
  const label = host.toLowerCase().split('.')[0] ?? '';
  const fit = label
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 32);
  return fit === '' || fit === BUILTIN_SERVER ? 'node' : fit;
}

/** The error of `problems`, which blames the command line where all of them came from there. */
function invalidFrom(
  where: string,
  problems: readonly Problem[],
  variables: ReadonlyMap<string, unknown>,
  sources: ConfigSources,
): StarlingError {
  const options = problems.map(({ key }) => optionOf(key, sources.flags));
  if (options.every((option) => option !== undefined)) {
    return invalidConfig(
      'the command line',
      problems.map(({ text }, index) => ({ key: options[index] ?? '', text })),
      'what each option takes: starling up --help',
    );
  }
  return invalidConfig(
    where,
    problems.map((problem, index) => {
      const option = options[index];
      return option === undefined
        ? withSource(problem, variables, sources)
        : { key: `${problem.key} (from ${option})`, text: problem.text };
    }),
  );
}

/** The option of `starling up` that gave the value of `key`; undefined where none did. */
function optionOf(key: string, flags: ConfigSources['flags']): string | undefined {
  const path = key.split('.');
  const given = [path.slice(0, 2), path.slice(0, 1)].find(
    (part) => OPTIONS[part.join('.')] !== undefined,
  );
  if (given === undefined || valueAt(flags, given) === undefined) return undefined;
  return OPTIONS[given.join('.')];
}

/** Adds the variable that a wrong value came from, because that is where it must be put right. */
function withSource(
  problem: Problem,
  variables: ReadonlyMap<string, unknown>,
  sources: ConfigSources,
): Problem {
  const variable = ENVIRONMENT.find(
    ({ key }) =>
      key !== undefined &&
      variables.has(key) &&
      (problem.key === key || problem.key.startsWith(`${key}.`)) &&
      valueAt(sources.flags, key.split('.')) === undefined,
  );
  return variable === undefined
    ? problem
    : { key: `${problem.key} (from ${variable.name})`, text: problem.text };
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
  return isObject(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
