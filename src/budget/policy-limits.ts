/**
 * Budgets that limits of the policy make: each limit of each caller is a budget of this node. One whose limit the policy
 * has no more is closed when its caller calls again; a limit that was changed begins anew.
 */
import { createHash } from 'node:crypto';
import type { AmountLimit } from '../core/index.ts';
import type { Budgets } from './budgets-types.ts';

/** What a caller may spend by `budget_limit` of a zone, a role or an entry of its own. */
export interface PolicyLimit {
  /** Where it stands in the policy file. */
  readonly where: string;
  readonly value: AmountLimit;
}

/** The budgets of the policy's limits. */
export interface PolicyBudgets {
  /** Whether the caller has limits, or had others when it was asked for last. */
  concerns(who: string, limits: readonly PolicyLimit[]): boolean;
  /** The budgets of these limits of `who`, made where there are none; those of other limits of `who` are closed. */
  of(who: string, limits: readonly PolicyLimit[]): Promise<readonly string[]>;
}

const PREFIX = 'policy:';
/** Callers whose limits are remembered. */
const KNOWN_MAX = 10_000;

/** The limits that a caller had last, as text, and what the budgets of each are for. */
interface Known {
  readonly text: string;
  readonly whom: readonly string[];
}

/** Makes them over the budgets of a node. */
export function createPolicyBudgets(
  budgets: Pick<Budgets, 'create' | 'close' | 'forWhom' | 'purposes'>,
): PolicyBudgets {
  const making = new Map<string, Promise<string>>();
  const known = new Map<string, Known>();
  const made = (whom: string, { amount, unit, everyMs }: AmountLimit): Promise<string> => {
    const [open] = budgets.forWhom(whom);
    if (open !== undefined) return Promise.resolve(open);
    const under = making.get(whom);
    if (under !== undefined) return under;
    const name = `limit-${whom.slice(PREFIX.length).replaceAll(/[^A-Za-z0-9]/g, '0')}`;
    const fresh = budgets
      .create({ name, unit, limit: amount, everyMs, for: whom })
      .then(({ id }) => id)
      .finally(() => making.delete(whom));
    making.set(whom, fresh);
    return fresh;
  };
  const remember = (who: string, last: Known): void => {
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(who, last);
  };
  const learn = async (
    who: string,
    limits: readonly PolicyLimit[],
    text: string,
  ): Promise<readonly string[]> => {
    const own = `${PREFIX}${hashOf(who)}:`;
    const whom = limits.map(({ where, value }) => `${own}${hashOf([where, value])}`);
    remember(who, { text, whom });
    for (const [purpose, ids] of budgets.purposes()) {
      if (!purpose.startsWith(own) || whom.includes(purpose)) continue;
      for (const id of ids) await budgets.close(id);
    }
    return whom;
  };
  return {
    concerns(who, limits) {
      if (limits.length > 0) return true;
      const last = known.get(who);
      if (last !== undefined) return last.text !== '[]';
      const own = `${PREFIX}${hashOf(who)}:`;
      if ([...budgets.purposes()].some(([purpose]) => purpose.startsWith(own))) return true;
      remember(who, { text: '[]', whom: [] });
      return false;
    },
    async of(who, limits) {
      const text = JSON.stringify(limits);
      const last = known.get(who);
      const whom = last?.text === text ? last.whom : await learn(who, limits, text);
      return Promise.all(limits.map(({ value }, at) => made(whom[at] ?? '', value)));
    },
  };
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 12);
}
