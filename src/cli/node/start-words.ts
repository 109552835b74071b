/** How a person starts a node as it was started before: words behind `starling up`, each with a space before. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { readAbout } from '../../config/known-nodes.ts';
import { defaultConfigFile, defaultStateDir } from '../../config/paths.ts';
import { shellWord } from '../../core/words/shell-word.ts';

/** The words for the state folder: none for that of a node without a word of its own. */
export function stateWords(stateDir: string): string {
  const isUsual = stateDir === resolve(defaultStateDir(process.env));
  return isUsual ? '' : ` --state ${shellWord(stateDir)}`;
}

/** The words for a state folder, and for the config file that its node reads where no node reads it without a word. */
export function upWords(stateDir: string, configFile: string | undefined): string {
  const isNamed = configFile !== undefined && configFile !== defaultConfigFile(process.env);
  return stateWords(stateDir) + (isNamed ? ` --config ${shellWord(configFile)}` : '');
}

/** The same of a node that is not running, by what it noted when it last started. */
export async function startWords(stateDir: string): Promise<string> {
  const configFile = (await readAbout(stateDir))?.configFile;
  const isThere = configFile !== undefined && existsSync(configFile);
  return upWords(stateDir, isThere ? configFile : undefined);
}
