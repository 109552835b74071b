/**
 * Renews grants before they end: as long as their holder is live, and they are not revoked. A short
 * life bounds for how long a node that is cut off can miss a revocation; renewal makes it bearable.
 */
import { createScope, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger, Scope, Startable } from '../../core/index.ts';
import type { GrantBook } from '../types.ts';

/** How long a grant lasts that nobody gave an end; it is renewed when half of it is over. */
export const RENEWED_LIFETIME_MS = 86_400_000;

/** How often is looked at what is due. */
const CHECK_MS = 60_000;
/** Grants renewed at once: each costs a signature. */
const RENEWED_AT_ONCE_MAX = 64;

/** What the renewal timer works with. */
export interface RenewalTimerComponents {
  readonly grants: Pick<GrantBook, 'events' | 'renewable' | 'renew'>;
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  /** True for a node that is alive in the mesh, and for an agent that has a session here. */
  isLive(holder: Did): boolean;
}

/** Renews. */
export interface RenewalTimer extends Startable {
  /** Looks now at what is due. */
  check(): Promise<void>;
  /** `holder` has just come back: what is due of its grants is renewed at once. */
  returned(holder: Did): void;
}

/** Makes the renewal timer of a node; started, it looks once a minute, and when what we received changes. */
export function createRenewalTimer(components: RenewalTimerComponents): RenewalTimer {
  const { grants, self, clock, logger } = components;
  let scope: Scope | undefined;
  let turn: Promise<void> = Promise.resolve();

  const failed = (error: unknown): void =>
    logger.error({ error: messageOf(error) }, 'grants were not renewed');

  const renewDue = async (holder?: Did): Promise<void> => {
    const nowMs = clock.now();
    const due = grants
      .renewable()
      .filter(
        ({ grant: { claims }, lifetimeMs }) =>
          (holder === undefined || claims.aud === holder) &&
          claims.exp * 1000 - nowMs <= lifetimeMs / 2 &&
          components.isLive(claims.aud),
      );
    let count = 0;
    for (const { grant } of due) {
      if (scope === undefined || count >= RENEWED_AT_ONCE_MAX) return;
      const renewed = await grants.renew(grant.claims.jti);
      if (renewed === undefined) continue;
      count += 1;
      logger.debug({ id: renewed.claims.jti }, 'grant renewed');
    }
  };
  const after = (task: () => Promise<void>): Promise<void> => {
    turn = turn.then(task, task);
    return turn;
  };
  const check = (): Promise<void> => after(() => renewDue());
  const returning = new Set<Did>();
  // What we handed on can last longer once what it stands on does.
  const changed = (holder: Did): void => {
    if (holder === self) check().catch(failed);
  };

  return {
    check,
    returned(holder) {
      // Whoever comes and goes is looked at once, however often that is before its turn.
      if (scope === undefined || returning.has(holder)) return;
      returning.add(holder);
      after(() => {
        returning.delete(holder);
        return renewDue(holder);
      }).catch(failed);
    },
    async start() {
      if (scope !== undefined) return;
      scope = createScope(clock, failed);
      scope.every(CHECK_MS, check);
      grants.events.on('change', changed);
    },
    async stop() {
      scope?.close();
      scope = undefined;
      grants.events.off('change', changed);
      await turn.catch(failed);
    },
  };
}
