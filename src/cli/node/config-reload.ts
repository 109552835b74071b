/**
 * Takes up a changed config file while the node runs: when the file changes, and on SIGHUP. A file that
 * can't be used changes nothing, and is told. One that a server could have written waits for SIGHUP, which
 * no process in a sandbox can send.
 */
import { unwatchFile, watchFile } from 'node:fs';
import type { Stats } from 'node:fs';
import { loadConfig } from '../../config/index.ts';
import type { ConfigSources } from '../../config/index.ts';
import type { StarlingNode } from '../../node-types.ts';
import type { ConfigChanges } from '../../node-wiring.ts';
import { messageOf } from '../../core/errors.ts';
import { print, printError, safeLine, tell } from '../terminal/output.ts';
import { reloadText } from '../terminal/lines/up-lines.ts';
import { configFileOf } from './locate-node.ts';

/** How often the file is looked at: by its name, as editors replace files, and there may be none yet. */
const LOOK_MS = 1000;

/** A node that takes up configurations. */
export type Reloading = Pick<
  StarlingNode,
  'events' | 'holdsBackConfig' | 'refuseConfig' | 'reload'
>;

/** Watches until the returned function is called. */
export function reloadOnChange(node: Reloading, sources: ConfigSources, json: boolean): () => void {
  const file = configFileOf(
    sources.file === undefined ? {} : { config: sources.file },
    sources.env,
  );
  let last = Promise.resolve();
  const reload = (asked: boolean): void => {
    // Reloads run one after the other: each takes up the file as the file is then.
    last = last.then(() => {
      // The warning is told as each of the node's is.
      if (!asked && node.holdsBackConfig()) return undefined;
      return takeUp(node, { sources, asked }, json);
    });
  };
  const onSignal = (): void => reload(true);
  const looked = (now: Stats, before: Stats): void => {
    // Node tells at once of a file that does not exist, though nothing has changed.
    if (now.mtimeMs !== 0 || before.mtimeMs !== 0) reload(false);
  };
  watchFile(file, { interval: LOOK_MS, persistent: false }, looked);
  process.on('SIGHUP', onSignal);
  return () => {
    unwatchFile(file, looked);
    process.off('SIGHUP', onSignal);
  };
}

async function takeUp(
  node: Reloading,
  { sources, asked }: { readonly sources: ConfigSources; readonly asked: boolean },
  json: boolean,
): Promise<void> {
  let changes: ConfigChanges | undefined;
  const heard = (told: ConfigChanges): void => {
    changes = told;
  };
  node.events.once('reloaded', heard);
  try {
    const restart = await node.reload(await loadConfig(sources), { asked });
    if (json) print(JSON.stringify({ event: 'reloaded', ...changes, restart }));
    else for (const line of takenUpLines(changes, restart)) tell(safeLine(line));
  } catch (error) {
    node.refuseConfig(messageOf(error));
    printError(error, json);
    if (!json) tell('  the node goes on with what it had');
  } finally {
    node.events.off('reloaded', heard);
  }
}

function takenUpLines(changes: ConfigChanges | undefined, restart: readonly string[]): string[] {
  const text = changes === undefined ? '' : reloadText(changes);
  const isNothing = text === '' && restart.length === 0;
  return [
    ...(text === '' ? [] : [`the config file was taken up: ${text}`]),
    ...(isNothing ? ['the config file was read again: nothing in it has changed'] : []),
    ...(restart.length === 0
      ? []
      : [`restart the node for what else changed in the config file: ${restart.join(', ')}`]),
  ];
}
