/** What callers may ask for in a minute, by the configuration. */
import type { MinuteLimits } from '../../config/index.ts';
import type { Clock } from '../../core/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import { createAllowance } from '../providers/minute-limits.ts';
import type { Allowance } from '../providers/minute-limits.ts';

/** Callers that are told apart; the one that was idle longest begins anew. */
const CALLERS_MAX = 2000;
const EVERYBODY = '*';

/** The quotas of callers. */
export interface Quotas {
  /**
   * Takes one request of so many tokens of the caller's minute, as a guess; gives what settles it.
   * @throws STARLING_RATE_LIMITED
   */
  take(principal: Principal, tokens: number): (actualTokens: number) => void;
}

/** Makes them, after the configuration as it is now. */
export function createQuotas(
  clock: Clock,
  limits: () => Readonly<Record<string, MinuteLimits>>,
): Quotas {
  const made = new Map<string, { readonly of: MinuteLimits; readonly allowance: Allowance }>();
  return {
    take(principal, tokens) {
      const key = keyOf(principal);
      const named = nameIn(principal);
      const all = limits();
      const where = Object.hasOwn(all, named) ? named : EVERYBODY;
      const of = Object.hasOwn(all, where) ? all[where] : undefined;
      if (of === undefined) return () => undefined;
      const known = made.get(key);
      const one =
        known?.of === of
          ? known
          : { of, allowance: createAllowance(clock, quotaWords(named, where), of) };
      made.delete(key);
      made.set(key, one);
      if (made.size > CALLERS_MAX) {
        const oldest = made.keys().next();
        if (oldest.done !== true) made.delete(oldest.value);
      }
      return one.allowance.take(tokens);
    },
  };
}

/** By which name the configuration means a caller. */
function nameIn(principal: Principal): string {
  switch (principal.kind) {
    case 'client':
      return `client:${principal.name}`;
    case 'peer':
      return `peer:${principal.alias}`;
    case 'agent':
      return principal.did;
    default:
      return 'operator';
  }
}

function quotaWords(named: string, where: string): Parameters<typeof createAllowance>[1] {
  return { who: `${named} may ask this node for`, key: `models.quotas["${where}"]` };
}
