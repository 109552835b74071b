/** Which node a command means, and how it gets a client of it. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { StatusResult } from '../../builtin/results.ts';
import { readAbout } from '../../config/known-nodes.ts';
import { defaultConfigFile, defaultStateDir } from '../../config/paths.ts';
import { finishChange } from '../../config/unfinished-change.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { attach } from './client.ts';
import type { AttachInit, FormAnswerer, NodeClient } from './client.ts';
import { createWorkProgress } from '../terminal/progress.ts';
import { nodeCalled } from './local-nodes.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** How long a node is asked which config file it reads. */
const ASK_TIMEOUT_MS = 5000;

/**
 * The state folder that a command means: `--state`, `--node`, their variables, `stateDir` of the config file,
 * or the platform's default; the same as `loadConfig` finds, without loading the schema.
 * @throws STARLING_CONFIG_INVALID when the config file can't be read; STARLING_USAGE when no node is called so
 */
export async function stateDirOf(
  options: CommonOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const named = (await namedStateDir(options, env)) ?? (await stateDirInFile(options, env));
  return resolve(named ?? defaultStateDir(env));
}

/** The state folder that flags or variables name; undefined when none does. @throws STARLING_USAGE */
export async function namedStateDir(
  { node, state }: CommonOptions,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (state !== undefined && node !== undefined) {
    throw new StarlingError('STARLING_USAGE', '--node and --state each name a node', {
      hint: 'leave one of them out',
    });
  }
  if (state !== undefined) return state;
  const folder = node === undefined ? given(env['STARLING_STATE_DIR']) : undefined;
  const name = node ?? given(env['STARLING_NODE']);
  if (folder !== undefined || name === undefined) return folder;
  return (await nodeCalled(name, env)).stateDir;
}

/** The config file that a command means: flag, environment, or the platform's default. */
export function configFileOf(options: CommonOptions, env: NodeJS.ProcessEnv): string {
  return options.config ?? given(env['STARLING_CONFIG']) ?? defaultConfigFile(env);
}

/**
 * The config file that a command changes or checks: the one that the flag or the variable names, else the one
 * that the running node reads, else the one that a stopped node of `--node` read, else the default.
 * @throws STARLING_CONFIG_INVALID, STARLING_USAGE
 */
export async function configFileInUse(
  options: CommonOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const named = options.config ?? given(env['STARLING_CONFIG']);
  if (named !== undefined) return resolve(named);
  const stateDir = await stateDirOf(options, env);
  const isNamed = (await namedStateDir(options, env)) !== undefined;
  const found =
    (await fileOfRunning(stateDir)) ??
    (isNamed ? (await readAbout(stateDir))?.configFile : undefined);
  return resolve(found ?? defaultConfigFile(env));
}

/**
 * The file that a stopped node read when it ran last, where that is another than `path`, which a command would mean;
 * undefined where a file is named, or nothing else was read.
 */
export async function otherConfigFile(
  options: CommonOptions,
  path: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  if (options.config !== undefined || given(env['STARLING_CONFIG']) !== undefined) return undefined;
  const stateDir = await stateDirOf(options, env);
  const before = (await readAbout(stateDir))?.configFile;
  if (before === undefined || before === path || !existsSync(before)) return undefined;
  // What the node read before is past, where it runs and reads this one.
  return (await fileOfRunning(stateDir)) === undefined ? before : undefined;
}

/** The config file of the node that runs; undefined when none runs, or it does not say. */
async function fileOfRunning(stateDir: string): Promise<string | undefined> {
  try {
    const node = await attach(stateDir);
    try {
      const status = await node.builtin<StatusResult>('status', {}, { timeoutMs: ASK_TIMEOUT_MS });
      return status.configFile;
    } finally {
      node.close();
    }
  } catch (error) {
    // Where no node answers, what it read when it last started is the next best thing.
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}

/**
 * Runs `work` with a client of the running node, and closes it; `signal` cancels all that the node is asked, `answer`
 * what servers ask. On a terminal is shown that the node is waited for, unless there is a signal: whoever waits at length
 * says what for.
 * @throws STARLING_NODE_UNREACHABLE
 */
export function withNode<T>(
  options: CommonOptions,
  work: (node: NodeClient) => Promise<T>,
  signal?: AbortSignal,
  answer?: FormAnswerer,
): Promise<T> {
  const waiting = signal === undefined && answer === undefined ? showWaiting() : undefined;
  return withClient(options, work, { signal, answer, waiting });
}

/**
 * As {@link withNode}, for commands that look at the node again and again, and do nothing else: it counts none of that,
 * records no look at figures and peers, and of each other thing the first. @throws STARLING_NODE_UNREACHABLE
 */
export function watchNode<T>(
  options: CommonOptions,
  work: (node: NodeClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return withClient(options, work, { signal, watching: true });
}

/** What takes its time, in words; of all else is told that the node is waited for. */
const WAITS: ReadonlyMap<unknown, string> = new Map([
  ['tools/list', 'waiting for the list of tools'],
  ['starling__board_list', 'reading boards'],
  ['starling__board_history', 'reading what changed'],
  ['starling__audit_query', 'reading the record'],
  ['starling__capability_request', 'waiting for an agent'],
  ['starling__agent_spawn', 'waiting for the agent to be ready'],
]);

/** Shows while requests are under way what is waited for. */
function showWaiting(): AttachInit['waiting'] {
  const progress = createWorkProgress();
  let count = 0;
  return (method, params) => {
    count += 1;
    const what = WAITS.get(method === 'tools/call' ? params['name'] : method);
    progress.show(what ?? 'waiting for the node');
    return () => {
      count -= 1;
      if (count === 0) progress.done();
    };
  };
}

/** A client of the node of `stateDir`; of a node that was put out the error says so. @throws STARLING_NODE_UNREACHABLE, STARLING_MEMBERSHIP_ENDED */
export function attachTo(stateDir: string, init: AttachInit): Promise<NodeClient> {
  return attach(stateDir, init).catch(async (error: unknown) => {
    if (init.signal?.aborted === true) throw error;
    throw (await endedIn(stateDir, error)) ?? error;
  });
}

async function withClient<T>(
  options: CommonOptions,
  work: (node: NodeClient) => Promise<T>,
  init: AttachInit,
): Promise<T> {
  const node = await attachTo(await stateDirOf(options), init);
  try {
    return await work(node);
  } finally {
    node.close();
  }
}

/** A node that was put out does not run, and says why in its state folder. */
async function endedIn(stateDir: string, error: unknown): Promise<StarlingError | undefined> {
  const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
  if (!isAbsent) return undefined;
  const { membershipEndOf } = await import('./offline-state.ts');
  // Whatever keeps the folder from being read, that no node answers is what the person must know.
  const text = await membershipEndOf(stateDir).catch(() => undefined);
  if (text === undefined) return undefined;
  return new StarlingError('STARLING_MEMBERSHIP_ENDED', text, {
    hint: 'ask a member for a new ticket, and start with: starling up --join <ticket>; or go without them: starling leave',
    cause: error,
  });
}

async function stateDirInFile(
  options: CommonOptions,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const named = options.config ?? given(env['STARLING_CONFIG']);
  const file = configFileOf(options, env);
  try {
    await finishChange(file, env);
    const value = await readTree(await readFile(file, 'utf8'));
    const stateDir = isObject(value) ? value['stateDir'] : '';
    return typeof stateDir === 'string' ? given(stateDir) : undefined;
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (absent && named === undefined) return undefined;
    // The parser's message may quote the file, which may hold secrets.
    const why = error instanceof SyntaxError ? 'it is not JSON' : messageOf(error);
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `the config file ${file} can't be read: ${why}`,
      {
        hint: 'see what is wrong: starling doctor; or name the state folder with --state',
        cause: error,
      },
    );
  }
}

/** The file as every start reads it: with comments and trailing commas, for which more is loaded. @throws SyntaxError */
async function readTree(written: string): Promise<unknown> {
  const text = written.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(text);
  } catch (error) {
    const { findJsonFault, readJsonc } = await import('../../config/json-syntax.ts');
    if (findJsonFault(text, 'jsonc') !== undefined) throw error;
    return readJsonc(text);
  }
}

/** The text, unless it is empty: an empty variable or key counts as one that is not set. */
function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
