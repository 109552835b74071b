/**
 * Opens what a node keeps in its state folder, before the node starts: the database, the key, the secrets,
 * and what the node knows of grants and of its mesh.
 */
import { join } from 'node:path';
import { noteNode, noteStateVersion, requireKnownState } from './config/index.ts';
import type { Config } from './config/index.ts';
import {
  StarlingError,
  createHealth,
  createLogger,
  createRecentLines,
  createPartStack,
  ensurePrivateFolder,
  messageOf,
  stopAll,
  systemClock,
} from './core/index.ts';
import type { Clock, Did, Health, Logger, Random, RecentLines } from './core/index.ts';
import { didFromPeerId, loadIdentity, sealerOf } from './identity/index.ts';
import type { Identity, PassphraseSource } from './identity/index.ts';
import { createStore } from './store/index.ts';
import type { Store } from './store/index.ts';
import type { NetworkTally, Transport } from './network/index.ts';
import { chooseMesh, hasMeshToForget, writeMeshForgotten } from './mesh/index.ts';
import type { MayMove, Mesh } from './mesh/index.ts';
import { readPeers } from './membership/index.ts';
import { openIdentityState } from './identity-state.ts';
import type { IdentityState } from './identity-state.ts';
import { forgetMesh } from './leaving.ts';
import { settleName } from './own-name.ts';
import { finishRotation } from './rotation/index.ts';
import { SEALED_TABLES, createSecretStore } from './secrets/index.ts';
import type { SecretStore } from './secrets/index.ts';

/** Parts of a node that tests and the simulator may replace. */
export interface NodeComponents {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Hears in short sentences what a start is waiting for. */
  readonly progress?: (line: string) => void;
  /** Asked whether this node may leave a mesh that it is alone in, for that of a ticket; default: no. */
  readonly mayMove?: MayMove;
  /** Where the passphrase of an encrypted key comes from. */
  readonly passphrase?: PassphraseSource;
  /** Files outside of the state folder that hold secrets of the node, as they are now: servers don't see them. */
  readonly secretFiles?: () => Promise<readonly string[]>;
  /** What carries the connections between nodes, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
  /** Hears what the network does, for a benchmark. */
  readonly tally?: NetworkTally | undefined;
}

/** What every part of a node may need. */
export interface Base {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What {@link Base.logger} was told last. */
  readonly recentLines: RecentLines;
  readonly progress: (line: string) => void;
  readonly health: Health;
  readonly secretFiles: () => Promise<readonly string[]>;
  readonly transports?: readonly Transport[] | undefined;
  readonly tally?: NetworkTally | undefined;
}

/** What is kept in the state folder, open. */
export interface OpenState extends IdentityState {
  readonly store: Store;
  readonly identity: Identity;
  readonly secrets: SecretStore;
  /** Addresses to dial to get in. */
  readonly dial: readonly string[];
  /** The names of the peers of the last run, by their keys. */
  readonly nameOf: (did: Did) => string | undefined;
  /** A ticket of the mesh was given, of which this node was a member already. */
  readonly hasIdleTicket: boolean;
}

/**
 * Opens the state folder of `config`; when that fails, nothing stays open.
 * @throws STARLING_STATE_LOCKED, STARLING_STATE_UNUSABLE, STARLING_KEY_UNUSABLE, STARLING_KEY_RETIRED,
 * STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH, …
 */
export async function openState(
  config: Config,
  components: NodeComponents,
): Promise<{ readonly base: Base; readonly state: OpenState }> {
  const started = baseOf(config, components);
  const { clock, health, logger } = started;
  const { stateDir } = config;
  await ensurePrivateFolder(stateDir);
  await requireKnownState(stateDir);
  // Before the key is there: also a node that fails to start has one, which servers of others must not see.
  await noteNode(stateDir, process.env).catch((error: unknown) =>
    logger.warn({ error: messageOf(error) }, 'the state folder could not be noted'),
  );
  const store = createStore({ logger, clock, health }, { dir: join(stateDir, 'db') });
  const open = createPartStack((error) => tellUnclosed(started, error));
  try {
    await open.start(store);
    await noteStateVersion(stateDir);
    const base = { ...started, config: await settleName(store.table('self'), config) };
    const { passphrase, mayMove } = components;
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
    if (await hasMeshToForget(store.table('mesh'))) await forgetLeft(store, new Set());
    const known = await openKnown({ ...base, store, identity }, base.config);
    // It runs already: `start` would be a no-op.
    await open.start(known.grants);
    // Nobody would let in a node whose key is retired, and it would wait for that in vain.
    if (known.ownMesh.mesh() !== undefined) known.ownMesh.records().requireInUse(identity.did);
    const nameOf = await namesIn(store, logger);
    const before = known.ownMesh.isMember() ? known.ownMesh.mesh()?.id : undefined;
    const dial = await chooseMesh({ ...base, ...known, identity, mayMove, nameOf });
    const isIdle = before !== undefined && before === known.ownMesh.mesh()?.id;
    const hasIdleTicket = config.join !== undefined && isIdle;
    return { base, state: { ...known, store, identity, secrets, dial, nameOf, hasIdleTicket } };
  } catch (error) {
    // What else fails must not hide why the folder could not be opened.
    await open.stop().catch((other: unknown) => tellUnclosed(started, other));
    throw error;
  }
}

/**
 * Opens what the identity knows. A node that was cut off while it left its mesh, after it had said so to the
 * members, leaves now.
 */
async function openKnown(
  components: Parameters<typeof openIdentityState>[0] & Pick<Base, 'progress'>,
  init: Parameters<typeof openIdentityState>[1],
): Promise<IdentityState> {
  const known = await openIdentityState(components, init);
  const end = known.ownMesh.ended();
  if (end === undefined || end.by !== end.of || end.isAbove) return known;
  const { name, fingerprint } = known.ownMesh.require();
  await known.grants.stop();
  await known.ownMesh.leave();
  await forgetLeft(components.store, new Set());
  components.progress(
    `this node was cut off while it left '${name}' (${fingerprint}); it has left now`,
  );
  return openIdentityState(components, init);
}

/** Forgets what was kept of a mesh that this node has left, but records in `kept`. */
export async function forgetLeft(store: Store, kept: ReadonlySet<string>): Promise<void> {
  await forgetMesh(store, kept);
  await writeMeshForgotten(store.table('mesh'));
}

async function namesIn(store: Store, logger: Logger): Promise<OpenState['nameOf']> {
  const peers = await readPeers(store.table('peers'), logger);
  const names = new Map(peers.map(({ peerId, alias }) => [didFromPeerId(peerId), alias]));
  return (did) => names.get(did);
}

function baseOf(config: Config, components: NodeComponents): Base {
  const { clock = systemClock, random = Math.random, transports, tally } = components;
  const { level, file } = config.log;
  const logger =
    components.logger ?? createLogger({ spec: level, ...(file === undefined ? {} : { file }) });
  const recentLines = createRecentLines(clock);
  return {
    config,
    clock,
    random,
    logger: recentLines.around(logger),
    recentLines,
    progress: components.progress ?? (() => undefined),
    health: createHealth(),
    secretFiles: components.secretFiles ?? (async () => []),
    transports,
    tally,
  };
}

function tellUnclosed({ logger }: Base, error: unknown): void {
  logger.error({ error: messageOf(error) }, 'what is kept in the state folder was not closed');
}

/**
 * Closes what {@link openState} opened, the state folder's lock last and whatever happens before.
 * @throws the first error; `onError` hears the later ones
 */
export function closeState(
  { grants, store }: OpenState,
  onError: (error: unknown) => void,
): Promise<void> {
  return stopAll([grants, store], onError);
}

/** The mesh that the node is in, which is settled when the state is open. @throws STARLING_STOPPED */
export function meshOf({ ownMesh }: Pick<OpenState, 'ownMesh'>): Mesh {
  const mesh = ownMesh.mesh();
  if (mesh !== undefined) return mesh;
  throw new StarlingError('STARLING_STOPPED', 'this node is in no mesh yet');
}
