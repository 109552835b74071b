/** The state folder of a node that does not run, as commands change it: under the node's own lock. */
import { join } from 'node:path';
import { noteNode } from '../../config/known-nodes.ts';
import { noteStateVersion, requireKnownState } from '../../config/state-version.ts';
import { StarlingError, ensurePrivateFolder, silentLogger, systemClock } from '../../core/index.ts';
import { loadIdentity, openKeyFile, readKeyFacts, sealerOf } from '../../identity/index.ts';
import type { OpenedKey, PassphraseSource } from '../../identity/index.ts';
import { createStore } from '../../store/index.ts';
import type { Store } from '../../store/index.ts';
import { readMembershipEnd } from '../../mesh/index.ts';
import { createSecretStore } from '../../secrets/index.ts';
import type { SecretStore } from '../../secrets/index.ts';

/** The key of a state folder, while the folder is locked for others. */
export interface OwnKey extends OpenedKey {
  readonly path: string;
}

/**
 * Runs `work` with the key of `stateDir`.
 * @throws STARLING_KEY_UNUSABLE when there is none, STARLING_STATE_LOCKED while a node runs, STARLING_STATE_UNUSABLE, …
 */
export function withOwnKey<T>(
  stateDir: string,
  passphrase: PassphraseSource,
  work: (key: OwnKey) => Promise<T>,
): Promise<T> {
  return withOwnKeyAndStore(stateDir, passphrase, work);
}

/** The same, with the database as well. @throws as {@link withOwnKey} */
export async function withOwnKeyAndStore<T>(
  stateDir: string,
  passphrase: PassphraseSource,
  work: (key: OwnKey, store: Store) => Promise<T>,
): Promise<T> {
  const path = join(stateDir, 'key');
  // First of all: `withStore` would make the folder.
  if ((await readKeyFacts(path)) === undefined) throw noKey(path);
  return withStore(stateDir, async (store) => {
    const opened = await openKeyFile(path, { passphrase });
    if (opened === undefined) throw noKey(path);
    return work({ ...opened, path }, store);
  });
}

/** Runs `work` with the secrets of `stateDir`; a new folder gets its key. @throws STARLING_STATE_LOCKED, … */
export function withOwnSecrets<T>(
  stateDir: string,
  passphrase: PassphraseSource,
  work: (secrets: SecretStore) => Promise<T>,
): Promise<T> {
  return withStore(stateDir, (store) =>
    work(
      createSecretStore({
        table: store.table('secrets'),
        sealer: async () =>
          sealerOf(await loadIdentity(join(stateDir, 'key'), { passphrase }), 'secrets'),
        clock: systemClock,
        logger: silentLogger,
      }),
    ),
  );
}

/** The error of a state folder that has no key yet. */
export function noKey(path: string): StarlingError {
  return new StarlingError('STARLING_KEY_UNUSABLE', `there is no key at ${path}`, {
    hint: 'the first starling up makes one; or name the state folder with --state',
    data: { reason: 'absent' },
  });
}

async function withStore<T>(stateDir: string, work: (store: Store) => Promise<T>): Promise<T> {
  await ensurePrivateFolder(stateDir);
  await requireKnownState(stateDir);
  // Before a key or a secret is there, so that nodes hide the folder from their servers; where notes can't be written, the first start says so.
  await noteNode(stateDir, process.env).catch(() => undefined);
  const store = createStore({ logger: silentLogger }, { dir: join(stateDir, 'db') });
  try {
    await store.start();
  } catch (error) {
    if (!(error instanceof StarlingError) || error.code !== 'STARLING_STATE_LOCKED') throw error;
    throw new StarlingError('STARLING_STATE_LOCKED', `a node uses the state folder ${stateDir}`, {
      hint: 'stop it (Ctrl-C where it runs), run this again, and start it again',
      cause: error,
    });
  }
  try {
    await noteStateVersion(stateDir);
    return await work(store);
  } finally {
    await store.stop();
  }
}

/** How the membership of a node that does not run was ended; undefined when it was not, or nobody can tell. */
export async function membershipEndOf(stateDir: string): Promise<string | undefined> {
  if ((await readKeyFacts(join(stateDir, 'key'))) === undefined) return undefined;
  return withStore(stateDir, (store) => readMembershipEnd(store.table('mesh')));
}
