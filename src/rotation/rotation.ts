/**
 * Changes the node's key while the node is stopped. What must outlive the end of the process is written
 * first, sealed for the new key; then the new key takes the place of the old one in a single step, and
 * that counts; all that follows can be done again, by whoever opens the state folder next.
 */
import { join } from 'node:path';
import { KEY_CHANGE, createAudit } from '../audit/index.ts';
import { noteStateVersion, requireKnownState } from '../config/index.ts';
import { StarlingError, createHealth, messageOf, thenStop } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId } from '../core/index.ts';
import { KEEP_MAX, createSuccessions, issueSuccession } from '../grants/index.ts';
import type { Grant } from '../grants/index.ts';
import {
  createIdentity,
  openKeyFile,
  peerIdFromDid,
  readKeyFacts,
  sealerOf,
  writeKeyFile,
} from '../identity/index.ts';
import type { Identity, KeyProtection, PassphraseSource, SealedTable } from '../identity/index.ts';
import { createStore } from '../store/index.ts';
import type { Store } from '../store/index.ts';
import { writeKeys } from './audit-keys.ts';
import { openIdentityState } from '../identity-state.ts';
import type { IdentityState } from '../identity-state.ts';
import { isThere } from './is-there.ts';
import {
  readUnfinished,
  removeUnfinished,
  unusable,
  writeUnfinished,
} from './unfinished-rotation.ts';
import { readPeers } from '../membership/index.ts';

const LABEL = 'rotation';

/** What a rotation works with. */
export interface RotationComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is sealed for the key, and has to be sealed for the next one. */
  readonly sealed: readonly SealedTable[];
  /** Hears of each step that is done; tests end the process here. */
  readonly done?: (step: 'prepared' | 'replaced' | 'kept' | 'resealed' | 'audited') => void;
}

/** A state folder that is open. */
export interface OpenState {
  readonly stateDir: string;
  readonly store: Store;
  readonly identity: Identity;
}

/** What was done, and what is left. */
export interface Rotation {
  readonly before: { readonly did: Did; readonly peerId: PeerId };
  readonly now: { readonly did: Did; readonly peerId: PeerId };
  /** What this node gave, issued anew. */
  readonly grants: number;
  readonly memberships: number;
  /** Tickets that nobody has used yet: they lead to the old key. */
  readonly tickets: number;
  /** Peers that have still to hear of it, by their alias. */
  readonly peers: readonly string[];
}

/**
 * Gives the node of `stateDir` a new key, which the old one signs, or finishes a change that was cut
 * short when it counted already. Nobody is told before the node starts.
 * @throws STARLING_STATE_LOCKED while the node runs; STARLING_USAGE, STARLING_JOIN_REFUSED when it is
 * in no mesh that could follow; STARLING_LIMIT_EXCEEDED after 63 changes; STARLING_KEY_UNUSABLE; STARLING_STATE_UNUSABLE
 * for a folder that a later version has written
 */
export async function rotateIdentity(
  components: RotationComponents,
  init: { readonly stateDir: string; readonly passphrase?: PassphraseSource },
): Promise<Rotation> {
  const { stateDir, passphrase } = init;
  const path = keyFile(stateDir);
  if ((await readKeyFacts(path)) === undefined) throw noNode(stateDir);
  await requireKnownState(stateDir);
  const store = createStore(components, { dir: join(stateDir, 'db') });
  await store.start().catch((error: unknown) => {
    throw explained(error);
  });
  const rotate = async (): Promise<Rotation> => {
    await noteStateVersion(stateDir);
    const opened = await openKeyFile(path, passphrase === undefined ? {} : { passphrase });
    if (opened === undefined) throw noNode(stateDir);
    const { identity, protection } = opened;
    const cutShort = await finishRotation(components, { stateDir, store, identity });
    // Whoever repeats a change that was cut short wants one change, not two.
    if (cutShort !== undefined) {
      return await report(components, { stateDir, store, identity }, cutShort);
    }
    const next = await replace(components, { stateDir, store, identity }, protection);
    const state = { stateDir, store, identity: next };
    await finishRotation(components, state);
    return await report(components, state, identity.did);
  };
  return thenStop(store, rotate, tellUnstopped(components));
}

/**
 * Does what a rotation that was cut short has left to do; to be called by whoever opens a state folder,
 * before anything else. A rotation that did not come to count is forgotten; of one that did, gives the
 * key that retired.
 * @throws STARLING_KEY_UNUSABLE when what it left is damaged
 */
export async function finishRotation(
  components: RotationComponents,
  state: OpenState,
): Promise<Did | undefined> {
  const { stateDir, store, identity } = state;
  const pending = await readUnfinished(stateDir);
  if (pending === undefined) return undefined;
  const { iss, sub } = pending.succession.claims;
  if (sub === identity.did) {
    const seed = sealerOf(identity, LABEL).open(sub, pending.sealed);
    const successions = createSuccessions({
      table: store.table('successions'),
      logger: components.logger,
    });
    await successions.load();
    await successions.add(pending.succession);
    components.done?.('kept');
    for (const table of components.sealed) await reseal(components, state, table, seed);
    components.done?.('resealed');
    const line = successions.lineage(sub).flatMap((did) => successions.of(did)?.jws ?? []);
    await recordInAudit(components, state, { before: iss, line });
    components.done?.('audited');
  } else if (iss !== identity.did) {
    throw unusable(stateDir, `is about ${iss} and ${sub}, and the key file has neither`);
  }
  await removeUnfinished(stateDir);
  return sub === identity.did ? iss : undefined;
}

/** The new key is protected as the old one was. */
async function replace(
  components: RotationComponents,
  state: OpenState,
  protection: KeyProtection,
): Promise<Identity> {
  const { stateDir, identity } = state;
  const next = createIdentity();
  const succession = await withIdentityState(components, state, async (known) => {
    if (known.ownMesh.mesh() !== undefined) known.ownMesh.records().requireInUse(identity.did);
    const { mesh } = requireMember(known);
    // What can't be kept afterwards must not be begun: the node could never start again.
    known.successions.requireRoom(identity.did);
    const keep = keptOf(known, identity.did);
    return issueSuccession(identity, next, { mesh, keep }, components.clock.now());
  });
  const sealed = sealerOf(next, LABEL).seal(next.did, identity.seed);
  await writeUnfinished(stateDir, { succession, sealed });
  components.done?.('prepared');
  await writeKeyFile(keyFile(stateDir), { identity: next, protection });
  components.done?.('replaced');
  return next;
}

/** What the key has issued on others' things and still counts: memberships first, then delegations. */
function keptOf({ grants, ownMesh, successions }: IdentityState, self: Did): readonly Grant[] {
  const dids = successions.lineage(self);
  const memberships = ownMesh.records().memberships();
  const all = new Map([...memberships, ...grants.issued()].map((grant) => [grant.hash, grant]));
  return [...all.values()]
    .filter(({ claims: { iss, prf } }) => iss === self && prf !== undefined)
    .filter((grant) => !grants.isRevoked(grant, dids) && grants.state(grant) !== 'expired')
    .slice(0, KEEP_MAX);
}

async function report(
  components: RotationComponents,
  state: OpenState,
  before: Did,
): Promise<Rotation> {
  const { store, identity } = state;
  return withIdentityState(components, state, async (known) => {
    const { admission, grants, ownMesh, successions } = known;
    const { mesh } = requireMember(known);
    const valid = grants.issued().filter((grant) => grants.state(grant) === 'valid');
    const ofMesh = valid.filter(({ claims }) => claims.sub === mesh);
    const memberships = ofMesh.filter((grant) => ownMesh.records().holds(grant));
    const kept = await readPeers(store.table('peers'), components.logger);
    const own = successions.lineage(identity.did).map(peerIdFromDid);
    return {
      before: { did: before, peerId: peerIdFromDid(before) },
      now: { did: identity.did, peerId: identity.peerId },
      grants: valid.length - ofMesh.length,
      memberships: memberships.length,
      tickets: ofMesh.filter((grant) => admission.ticketOf(grant) === 'open').length,
      peers: kept
        .filter(({ peerId }) => !own.includes(peerId) && admission.isMember(peerId))
        .map(({ alias }) => alias)
        .sort(),
    };
  });
}

/** Opens what the identity knows for the time of `work`. */
async function withIdentityState<T>(
  components: RotationComponents,
  state: OpenState,
  work: (known: IdentityState) => Promise<T>,
): Promise<T> {
  const init = { ...components, ...state, health: createHealth() };
  const known = await openIdentityState(init, { name: '' });
  return thenStop(known.grants, () => work(known), tellUnstopped(components));
}

function tellUnstopped({ logger }: RotationComponents): (error: unknown) => void {
  return (error) => logger.error({ error: messageOf(error) }, 'a part did not stop');
}

async function reseal(
  { logger }: RotationComponents,
  { store, identity }: OpenState,
  sealed: SealedTable,
  seed: Uint8Array,
): Promise<void> {
  const table = store.table(sealed.name);
  const before = sealerOf({ seed }, sealed.label);
  const after = sealerOf(identity, sealed.label);
  const writes: { key: string; value: Uint8Array }[] = [];
  for await (const [key, row] of table.entries()) {
    try {
      writes.push({ key, value: sealed.reseal(key, row, { before, after }) });
    } catch (error) {
      // It was sealed anew before we were cut short, or was damaged all along.
      logger.debug({ table: sealed.name, key, error: messageOf(error) }, 'row not sealed anew');
    }
  }
  await table.batch(writes);
}

/** The log tells by which key it is signed from here on. Where there is none, there is nothing to tell. */
async function recordInAudit(
  components: RotationComponents,
  { stateDir, identity }: OpenState,
  { before, line }: { readonly before: Did; readonly line: readonly string[] },
): Promise<void> {
  const folder = join(stateDir, 'audit');
  if (!(await isThere(folder))) return;
  await writeKeys(folder, line);
  const { clock, logger } = components;
  const audit = createAudit({ identity, clock, logger, health: createHealth() }, { folder });
  await audit.start();
  const record = async (): Promise<void> => {
    await audit.append({
      kind: 'identity',
      who: before,
      what: { ability: KEY_CHANGE, resource: identity.did },
      outcome: 'ok',
      reason: 'the node has a new key, which the old one signed',
    });
    await audit.flush();
  };
  await thenStop(audit, record, tellUnstopped(components));
}

function requireMember({ ownMesh }: IdentityState): { readonly mesh: Did } {
  const mesh = ownMesh.mesh();
  if (mesh === undefined) {
    throw new StarlingError('STARLING_USAGE', 'this node is in no mesh yet', {
      hint: 'start it once (starling up), or remove its key file to get another one',
    });
  }
  if (ownMesh.isMember()) return { mesh: mesh.id };
  throw new StarlingError(
    'STARLING_JOIN_REFUSED',
    `this node is no member of the mesh '${mesh.name}', so that nobody would follow its new key`,
    {
      hint: 'ask a member for a ticket, and join with a fresh state folder: starling up --join <ticket>',
    },
  );
}

function noNode(stateDir: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `there is no node in ${stateDir} yet`, {
    hint: 'name its state folder with --state; starling status of the running node shows it',
  });
}

function explained(error: unknown): unknown {
  if (!(error instanceof StarlingError) || error.code !== 'STARLING_STATE_LOCKED') return error;
  return new StarlingError('STARLING_STATE_LOCKED', 'the node runs, and its key is in use', {
    hint: 'stop it (Ctrl-C where it runs), then: starling identity rotate, then: starling up',
    cause: error,
  });
}

function keyFile(stateDir: string): string {
  return join(stateDir, 'key');
}
