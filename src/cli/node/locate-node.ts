/** Which node a command means, and how it gets a client of it. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { defaultConfigFile, defaultStateDir } from '../../config/paths.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { attach } from './client.ts';
import type { NodeClient } from './client.ts';
import type { CommonOptions } from '../options/common-options.ts';

/**
 * The state folder that a command means: flag, environment, `stateDir` of the config file, or the
 * platform's default; the same as `loadConfig` finds, without loading the schema.
 * @throws STARLING_CONFIG_INVALID when the config file can't be read
 */
export async function stateDirOf(
  options: CommonOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const named = options.state ?? given(env['STARLING_STATE_DIR']);
  return resolve(named ?? (await stateDirInFile(options, env)) ?? defaultStateDir(env));
}

/** The config file that a command means: flag, environment, or the platform's default. */
export function configFileOf(options: CommonOptions, env: NodeJS.ProcessEnv): string {
  return options.config ?? given(env['STARLING_CONFIG']) ?? defaultConfigFile(env);
}

/** Runs `work` with a client of the running node, and closes it. @throws STARLING_NODE_UNREACHABLE */
export async function withNode<T>(
  options: CommonOptions,
  work: (node: NodeClient) => Promise<T>,
): Promise<T> {
  const stateDir = await stateDirOf(options);
  const node = await attach(stateDir).catch(async (error: unknown) => {
    throw (await endedIn(stateDir, error)) ?? error;
  });
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
    const text = await readFile(file, 'utf8');
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    const stateDir =
      typeof value === 'object' && value !== null && 'stateDir' in value ? value.stateDir : '';
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

/** The text, unless it is empty: an empty variable or key counts as one that is not set. */
function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
