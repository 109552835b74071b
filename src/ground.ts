/**
 * What a node stands on, opened before it starts: its state folder, its key and secrets, what it knows
 * of grants and of its mesh.
 */
import { join } from 'node:path';
import type { Config } from './config/index.ts';
import { createHealth, createLogger, ensurePrivateFolder, systemClock } from './core/index.ts';
import type { Clock, Health, Logger, Random } from './core/index.ts';
import { loadIdentity, sealerOf } from './identity/index.ts';
import type { Identity, PassphraseSource } from './identity/index.ts';
import { createStore } from './store/index.ts';
import type { Store } from './store/index.ts';
import type { Transport } from './network/index.ts';
import { chooseMesh } from './mesh/index.ts';
import { finishRotation, openIdentityState } from './rotation/index.ts';
import type { IdentityState } from './rotation/index.ts';
import { SEALED_TABLES, createSecretStore } from './secrets/index.ts';
import type { SecretStore } from './secrets/index.ts';

/** Parts of a node that tests and the simulator may replace. */
export interface NodeComponents {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Hears in short sentences what a start is waiting for. */
  readonly progress?: (line: string) => void;
  /** Where the passphrase of an encrypted key comes from. */
  readonly passphrase?: PassphraseSource;
  /** What carries the connections between nodes, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
}

/** What every part of a node may need. */
export interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly progress: (line: string) => void;
  readonly health: Health;
  readonly transports?: readonly Transport[] | undefined;
}

/** What is kept in the state folder, open. */
export interface Ground extends IdentityState {
  readonly store: Store;
  readonly identity: Identity;
  readonly secrets: SecretStore;
  /** Addresses to dial to get in. */
  readonly dial: readonly string[];
}

/**
 * Opens the state folder of `config`; when that fails, nothing stays open.
 * @throws STARLING_STATE_LOCKED, STARLING_KEY_UNUSABLE, STARLING_KEY_RETIRED,
 * STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH, …
 */
export async function openGround(
  config: Config,
  components: NodeComponents,
): Promise<{ readonly base: Base; readonly ground: Ground }> {
  const { clock = systemClock, random = Math.random, passphrase, transports } = components;
  const { level, file } = config.log;
  const logger =
    components.logger ?? createLogger({ spec: level, ...(file === undefined ? {} : { file }) });
  const progress = components.progress ?? (() => undefined);
  const base: Base = {
    config,
    clock,
    random,
    logger,
    progress,
    health: createHealth(),
    transports,
  };
  const { stateDir, name } = config;
  await ensurePrivateFolder(stateDir);
  const store = createStore({ logger }, { dir: join(stateDir, 'db') });
  await store.start();
  try {
    const identity = await loadIdentity(
      join(stateDir, 'key'),
      passphrase === undefined ? {} : { passphrase },
    );
    await finishRotation({ ...base, sealed: SEALED_TABLES }, { stateDir, store, identity });
    const secrets = createSecretStore({
      table: store.table('secrets'),
      sealer: () => sealerOf(identity, 'secrets'),
      clock,
      logger: logger.child('secrets'),
    });
    await secrets.load();
    const books = await openIdentityState({ ...base, store, identity }, { name });
    try {
      // Nobody would let it in, and it would wait for that in vain.
      if (books.meshBook.mesh() !== undefined) books.meshBook.records().requireInUse(identity.did);
      const dial = await chooseMesh(base, books.meshBook);
      return { base, ground: { ...books, store, identity, secrets, dial } };
    } catch (error) {
      await books.grants.stop();
      throw error;
    }
  } catch (error) {
    await store.stop();
    throw error;
  }
}

/** Closes what {@link openGround} opened. */
export async function closeGround({ grants, store }: Ground): Promise<void> {
  await grants.stop();
  await store.stop();
}
