/** Files outside of the state folder by which somebody could act as the operator. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../../config/index.ts';
import { tokenFile } from '../../config/paths.ts';
import { filesWith } from '../client-files/token-files.ts';
import { surroundings } from '../client-files/mcp-clients.ts';
import { PASSPHRASE_FILE } from '../terminal/questions/passphrase.ts';

/** An API key of a node. */
const API_KEY = /\bstarling_[0-9a-f]{12}_[\w-]{43}/;

/** The passphrase file, and clients' files that hold the token or an API key, as they are now. */
export async function secretFilesOf(
  { stateDir }: Config,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const passphrase = env[PASSPHRASE_FILE];
  const token = (await readFile(tokenFile(stateDir), 'utf8').catch(() => '')).trim();
  const credentials = token === '' ? [API_KEY] : [API_KEY, token];
  const found = await filesWith(credentials, surroundings());
  return [
    ...found,
    ...(passphrase === undefined || passphrase === '' ? [] : [resolve(passphrase)]),
  ];
}
