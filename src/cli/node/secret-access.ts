/** Where the commands `starling secret …` find the secrets: at the running node, else in its state folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StarlingError } from '../../core/errors.ts';
import type { NodeClient } from './client.ts';
import { readOwnConfig } from './config-file.ts';
import { factsOf } from '../client-files/server-entry.ts';
import { stateDirOf, withNode } from './locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import type { SecretStore } from '../../secrets/index.ts';

/** Names of servers that use a secret, by the secret's name. */
export type Uses = ReadonlyMap<string, readonly string[]>;

/** What a command does at a running node, and what it does in the state folder of a stopped one. */
export interface SecretWork<T> {
  /** Makes the state folder and the key where there are none. */
  readonly makes?: boolean;
  node(client: NodeClient): Promise<T>;
  folder(secrets: SecretStore, uses: () => Promise<Uses>): Promise<T>;
}

const REFERENCE = /\$\{secret:([A-Z][A-Z0-9_]{0,63})\}/g;

/** Does the work at the running node, else in the state folder. @throws STARLING_STATE_LOCKED, … */
export async function nodeOrFolder<T>(options: CommonOptions, work: SecretWork<T>): Promise<T> {
  try {
    return await withNode(options, (client) => work.node(client));
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isAbsent) throw error;
  }
  const [{ noKey, withOwnSecrets }, { passphraseOf }] = await Promise.all([
    import('./offline-state.ts'),
    import('../terminal/questions/passphrase.ts'),
  ]);
  const stateDir = await stateDirOf(options);
  const key = join(stateDir, 'key');
  // A folder whose name is mistyped is not made by looking into it.
  if (work.makes !== true && !existsSync(key)) throw noKey(key);
  return withOwnSecrets(stateDir, passphraseOf(process.env), (secrets) =>
    work.folder(secrets, () => usesIn(options)),
  );
}

/** Which servers of the config file name which secret; only a running node knows more. */
async function usesIn(options: CommonOptions): Promise<Uses> {
  const uses = new Map<string, string[]>();
  for (const [server, entry] of (await readOwnConfig(options)).servers) {
    if (factsOf(entry).disabled) continue;
    const names = [...JSON.stringify(entry).matchAll(REFERENCE)].map(([, name = '']) => name);
    for (const name of new Set(names)) uses.set(name, [...(uses.get(name) ?? []), server]);
  }
  return uses;
}
