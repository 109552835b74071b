/**
 * Opens what one identity knows over the node's store, in the order in which one part needs another: who
 * took whose place, grants, what of them is used up, and the mesh. Opened at every start of a node
 * (`open-state.ts`), and for an old and a new key when the key is changed (`rotation`).
 */
import { messageOf } from './core/index.ts';
import type { Clock, Health, Logger, Warning } from './core/index.ts';
import { createCounters, createGrantBook, createSuccessions } from './grants/index.ts';
import type { Counters, GrantBook, Succession, Successions } from './grants/index.ts';
import type { Identity } from './identity/index.ts';
import type { Store } from './store/index.ts';
import { RETIRED_HINT, createMembers, createMeshAdmission, createOwnMesh } from './mesh/index.ts';
import type { Members, MeshAdmission, OwnMesh } from './mesh/index.ts';

/** What it is opened with. */
export interface IdentityStateComponents {
  readonly identity: Identity;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
}

/** What one identity knows. `grants` is started, and is to be stopped. */
export interface IdentityState {
  readonly successions: Successions;
  readonly grants: GrantBook;
  /** Not started yet. */
  readonly counters: Counters;
  readonly ownMesh: OwnMesh;
  readonly admission: MeshAdmission;
  readonly members: Members;
}

/** Opens it; `name` is what hellos say. What a change of keys left to be issued is issued. */
export async function openIdentityState(
  { identity, store, clock, logger, health }: IdentityStateComponents,
  init: { readonly name: string },
): Promise<IdentityState> {
  const successions = createSuccessions({
    table: store.table('successions'),
    logger: logger.child('grants'),
  });
  await successions.load();
  tellConflicts(successions, { identity, health, logger });
  const grants = createGrantBook({
    identity,
    grants: store.table('grants'),
    revocations: store.table('revocations'),
    successions,
    clock,
    logger: logger.child('grants'),
  });
  await grants.start();
  const counters = createCounters({
    table: store.table('counters'),
    grants,
    self: identity.did,
    clock,
    logger: logger.child('grants'),
  });
  const meshLogger = logger.child('membership');
  const ownMesh = createOwnMesh({
    identity,
    grants,
    successions,
    table: store.table('mesh'),
    records: store.table('records'),
    clock,
    logger: meshLogger,
    health,
  });
  try {
    await ownMesh.load();
  } catch (error) {
    // What else fails must not hide why the state could not be opened.
    await grants
      .stop()
      .catch((other: unknown) => logger.error({ error: messageOf(other) }, 'grants not stopped'));
    throw error;
  }
  const admission = createMeshAdmission(
    { identity, ownMesh, grants, clock, logger: meshLogger, health },
    init,
  );
  const retired = successions.of(identity.did);
  if (retired !== undefined) health.raise(retiredWarning(retired));
  admission.events.on('retired', (succession) => health.raise(retiredWarning(succession)));
  successions.events.on('added', (succession) => {
    if (succession.claims.iss === identity.did) health.raise(retiredWarning(succession));
  });
  const members = createMembers({ identity, ownMesh, grants, clock });
  return { successions, grants, counters, ownMesh, admission, members };
}

/** A key that names two heirs is in two hands: a person has to know. */
function tellConflicts(
  successions: Successions,
  { identity, health, logger }: Pick<IdentityStateComponents, 'identity' | 'health' | 'logger'>,
): void {
  successions.events.on('conflict', (first, second) => {
    const [old, heir, other] = [first.claims.iss, first.claims.sub, second.claims.sub];
    const isOurs = successions.lineage(identity.did).includes(old);
    logger.warn({ old, heir, other }, 'a key names two heirs');
    health.raise({
      code: `key-conflict:${old}`,
      text: `${isOurs ? 'the former key of this node' : 'the key'} ${old} has named two heirs: ${heir}, which counts here, and ${other}, which does not`,
      hint: isOurs
        ? `somebody else has the former key: ask the others to revoke the membership of ${other}`
        : 'ask whose key it is which of the two is right; if it is the other one, put it out (starling peers remove <peer>) and invite anew (starling invite)',
    });
  });
}

/** What is said of a node whose own key was replaced, wherever it hears of that. */
function retiredWarning({ claims: { sub, iat } }: Succession): Warning {
  const at = new Date(iat * 1000).toISOString();
  return {
    code: 'key-retired',
    text: `the key of this node is retired: ${sub} took its place at ${at}; all who know that refuse this node`,
    hint: RETIRED_HINT,
  };
}
