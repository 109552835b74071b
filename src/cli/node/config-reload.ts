/**
 * Takes up a changed config file while the node runs: when the file changes, and on SIGHUP. A file that
 * can't be used changes nothing, and is told.
 */
import { unwatchFile, watchFile } from 'node:fs';
import type { Stats } from 'node:fs';
import { loadConfig } from '../../config/index.ts';
import type { ConfigSources } from '../../config/index.ts';
import type { StarlingNode } from '../../node.ts';
import { print, printError, safeLine, tell } from '../terminal/output.ts';
import { configFileOf } from './locate-node.ts';

/** How often the file is looked at: by its name, as editors replace files, and there may be none yet. */
const LOOK_MS = 1000;

/** Watches until the returned function is called. */
export function reloadOnChange(
  node: Pick<StarlingNode, 'reload'>,
  sources: ConfigSources,
  json: boolean,
): () => void {
  const file = configFileOf(
    sources.file === undefined ? {} : { config: sources.file },
    sources.env,
  );
  let last = Promise.resolve();
  const reload = (): void => {
    // Reloads run one after the other: each takes up the file as the file is then.
    last = last.then(() => takeUp(node, sources, json));
  };
  const looked = (now: Stats, before: Stats): void => {
    // Node tells at once of a file that does not exist, though nothing has changed.
    if (now.mtimeMs !== 0 || before.mtimeMs !== 0) reload();
  };
  watchFile(file, { interval: LOOK_MS, persistent: false }, looked);
  process.on('SIGHUP', reload);
  return () => {
    unwatchFile(file, looked);
    process.off('SIGHUP', reload);
  };
}

async function takeUp(
  node: Pick<StarlingNode, 'reload'>,
  sources: ConfigSources,
  json: boolean,
): Promise<void> {
  try {
    const restart = await node.reload(await loadConfig(sources));
    if (json) print(JSON.stringify({ event: 'reloaded', restart }));
    else tell('the config file was taken up');
    if (!json && restart.length > 0) {
      tell(safeLine(`  → restart the node for what else changed in it: ${restart.join(', ')}`));
    }
  } catch (error) {
    printError(error, json);
    if (!json) tell('  the node goes on with what it had');
  }
}
