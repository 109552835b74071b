/** `starling mcp add` */
import { isAbsolute, resolve } from 'node:path';
import { checkMcpServer } from '../../../config/servers/check-server.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import {
  nextStep,
  readOwnConfig,
  sameName,
  withServers,
  writeOwnConfig,
} from '../../node/config-file.ts';
import type { OwnConfig } from '../../node/config-file.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import {
  describeEntry,
  factsOf,
  plainSecretsIn,
  secretLines,
} from '../../client-files/server-entry.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface AddOptions extends CommonOptions {
  readonly transport?: 'stdio' | 'http' | 'sse';
  readonly env?: readonly string[];
  readonly header?: readonly string[];
  readonly envFile?: string;
  readonly cwd?: string;
  readonly timeout?: number;
  readonly force?: boolean;
}

const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/;
const HEADER = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^]*)$/;
const RELATIVE = /^\.\.?[/\\]/;

/** Writes the server to the config file. @throws STARLING_USAGE, STARLING_CONFIG_INVALID */
export async function run(
  name: string,
  target: string | undefined,
  args: readonly string[],
  options: AddOptions,
): Promise<void> {
  if (target === undefined) {
    throw usage(`nothing says what the server '${name}' is`, [
      `starling mcp add ${name} -- <command> [args…]`,
      `starling mcp add --transport http ${name} <url>`,
    ]);
  }
  const isUrl = options.transport === undefined && /^https?:\/\//i.test(target);
  const transport = options.transport ?? (isUrl ? 'http' : 'stdio');
  const entry =
    transport === 'stdio'
      ? processEntry(target, args, options)
      : remoteEntry(transport, target, args, options);
  const { problems, unset } = checkMcpServer(name, entry, process.env);
  if (problems.length > 0) {
    throw usage(`the server '${name}' can't be added:\n  ${problems.join('\n  ')}`, [
      'starling mcp add --help',
    ]);
  }
  const config = await readOwnConfig(options);
  const replaced = replacedBy(name, config, options.force === true);
  await writeOwnConfig(config, withServers(config, new Map([[name, entry]])));
  const { path } = config.file;
  const next = await nextStep(options, path);
  const facts = factsOf(entry);
  printData(
    { file: path, name, replaced, ...facts, unset, node: next.node },
    options.json === true,
    () =>
      [
        `${replaced ? 'replaced' : 'added'} ${paint.bold(name)} in ${safeLine(path)}`,
        ...describeEntry(facts).map((line) => `  ${line}`),
        ...secretLines(name, plainSecretsIn(entry)).map((line) => `${paint.yellow('!')} ${line}`),
        ...unset.map(
          (variable) => `${paint.yellow('!')} ${variable} is not set here: the node needs it`,
        ),
        next.text,
      ].join('\n'),
  );
}

function processEntry(command: string, args: readonly string[], options: AddOptions): JsonObject {
  if (options.header !== undefined) {
    throw usage('--header is for a server at a URL', ['starling mcp add --help']);
  }
  const env = pairs(options.env, VARIABLE, '--env needs NAME=value');
  // The node runs in a folder of its own, where a path that starts with ./ leads nowhere.
  const isRelative = [command, ...args].some((word) => RELATIVE.test(word));
  const cwd = options.cwd ?? (isRelative ? '.' : undefined);
  return {
    command,
    ...(args.length === 0 ? {} : { args }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(options.envFile === undefined ? {} : { envFile: absolute(options.envFile) }),
    ...(cwd === undefined ? {} : { cwd: absolute(cwd) }),
    ...timeoutOf(options),
  };
}

function remoteEntry(
  type: 'http' | 'sse',
  url: string,
  args: readonly string[],
  options: AddOptions,
): JsonObject {
  const [extra] = args;
  if (extra !== undefined) {
    throw usage(`a server at a URL takes no arguments, but there is '${extra}'`, [
      `starling mcp add --transport ${type} <name> <url> --header "Name: value"`,
    ]);
  }
  for (const key of ['env', 'envFile', 'cwd'] as const) {
    if (options[key] !== undefined) {
      const flag = key === 'envFile' ? '--env-file' : `--${key}`;
      throw usage(`${flag} is for a server that is a process`, ['starling mcp add --help']);
    }
  }
  const headers = pairs(options.header, HEADER, '--header needs "Name: value"');
  return {
    type,
    url,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...timeoutOf(options),
  };
}

/** Whether the entry replaces another. @throws STARLING_USAGE when it would, without `--force` */
function replacedBy(name: string, config: OwnConfig, force: boolean): boolean {
  const taken = sameName(config, name);
  if (taken === undefined) return false;
  const { path } = config.file;
  if (taken !== name) {
    throw usage(`'${name}' would be called like the server '${taken}' in ${path}`, [
      'choose another name',
    ]);
  }
  if (force) return true;
  throw usage(`a server is called '${name}' in ${path} already`, [
    `replace it with --force, or see it: starling mcp list`,
  ]);
}

/** Options like `NAME=value`, as an object. The error does not repeat them: they may be secret. */
function pairs(words: readonly string[] | undefined, form: RegExp, needs: string): JsonObject {
  return Object.fromEntries(
    (words ?? []).map((word) => {
      const [, name = '', value = ''] = form.exec(word) ?? [];
      if (name === '') throw usage(needs, ['starling mcp add --help']);
      return [name, value];
    }),
  );
}

function timeoutOf({ timeout }: AddOptions): JsonObject {
  return timeout === undefined ? {} : { timeout };
}

/** The path, absolute; a path that begins with a variable is left to the node. */
function absolute(path: string): string {
  return isAbsolute(path) || path.startsWith('${') ? path : resolve(path);
}

function usage(message: string, hints: readonly string[]): StarlingError {
  return new StarlingError('STARLING_USAGE', message, { hint: hints.join('\n    ') });
}
