/** What was just written to the config file, until the node that runs has taken it up. */
import { stat } from 'node:fs/promises';
import { StarlingError } from '../../core/errors.ts';
import { systemClock } from '../../core/time/clock.ts';
import { pause } from '../../core/wait.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { readOwnConfig } from './config-file.ts';

/** A node that runs looks at its config file each second, and may be busy. */
const TAKEN_UP_MS = 5000;
const LOOK_MS = 250;

/**
 * Asks of a model, a provider or a route by `name`, and again while the node does not know it though it stands in the config
 * file since a moment. @throws what `ask` does
 */
export async function onceTakenUp<T>(
  name: string,
  options: CommonOptions,
  ask: () => Promise<T>,
): Promise<T> {
  const until = systemClock.now() + TAKEN_UP_MS;
  let isNew: boolean | undefined;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_MODEL_UNKNOWN') throw error;
      isNew ??= await isJustWritten(name, options);
      if (!isNew || systemClock.now() >= until) throw error;
      await pause(systemClock, LOOK_MS);
    }
  }
}

/** Models of a provider that the node has are known or not at once; the provider alone, or a route, may be on its way. */
async function isJustWritten(name: string, options: CommonOptions): Promise<boolean> {
  const [provider = ''] = name.split('/');
  const { file, providers, routes } = await readOwnConfig(options);
  if (!file.exists || !(providers.has(provider) || routes.has(name))) return false;
  const { mtimeMs } = await stat(file.path);
  return systemClock.now() - mtimeMs < TAKEN_UP_MS;
}
