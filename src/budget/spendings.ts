/**
 * What calls cost, and against which budgets: those that name the caller or the tool, that of the grant by which a call is
 * made, and the limits of the policy. The price is held before the call begins; a call that has begun has cost it.
 */
import { createHash } from 'node:crypto';
import { BUILTIN_SERVER, StarlingError, amountText, readLimit } from '../core/index.ts';
import type { AmountLimit, Clock, Health, JsonObject } from '../core/index.ts';
import { budgetOf, matchesTarget, parseResource, targetOf } from '../grants/index.ts';
import type { Grant, ResourcePattern, ResourceTarget } from '../grants/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Budgets, Spending } from './budgets.ts';
import type { Unit } from './types.ts';

/** A call that is about to be made. */
export interface PaidCall {
  readonly principal: Principal;
  readonly wanted: { readonly ability: string; readonly resource: string };
  readonly grant?: Grant | undefined;
  /** Of the call: which capability of the grant covers it depends on them. */
  readonly args: JsonObject;
}

/** What is held for a call under way. */
export interface CallSpending {
  /** The call has ended, or was never made (`hasBegun: false`), and then cost nothing. */
  over(hasBegun: boolean): void;
}

/** What a tool costs a call, by a pattern. */
export interface Price {
  readonly pattern: ResourcePattern;
  readonly amount: number;
  readonly unit: Unit;
}

/** Decides what a call costs. */
export interface Spendings {
  /**
   * Holds what the call may cost; undefined where it costs nothing.
   * @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, STARLING_BUDGET_UNKNOWN, by rejecting
   */
  begin(call: PaidCall): Promise<CallSpending> | undefined;
}

/** What a caller may spend by `budget_limit` of a zone, a role or an entry of its own. */
interface PolicyLimit {
  /** Where it stands in the policy file. */
  readonly where: string;
  readonly value: AmountLimit;
}

/** What the spendings work with. */
export interface SpendingsComponents {
  readonly budgets: Budgets;
  /** What the policy says of a caller. */
  readonly rulesOf: (principal: Principal) => {
    readonly spendLimits: readonly PolicyLimit[];
    readonly alertThreshold: { readonly value: number } | undefined;
  };
  readonly prices: () => readonly Price[];
  readonly clock: Pick<Clock, 'now'>;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** A budget that a call counts against. */
interface Payer {
  readonly id: string;
  readonly unit: Unit;
  /** The most that one call may cost of it. */
  readonly max?: number | undefined;
}

const OWN = `tool:${BUILTIN_SERVER}/`;
const PAID: readonly string[] = ['tool/call', 'agent/message', 'prompt/get', 'model/use'];
const ALERT = 'budget-alert';

/** Reads prices as the configuration has them: `{ "search/*": { "call": "0.002usd" } }`. */
export function readPrices(
  given: Readonly<Record<string, { readonly call: string }>>,
): readonly Price[] {
  return Object.entries(given).flatMap(([pattern, { call }]) => {
    const [first = '', second, third] = pattern.split('/');
    // As lists name a peer's tools: the peer first.
    const named = third === undefined ? [first, second] : [`@${first}`, second, third];
    const read = readLimit(call);
    if (read === undefined) return [];
    const { amount, unit } = read;
    return [{ pattern: parseResource(`tool:${named.join('/')}`), amount, unit }];
  });
}

/** Makes the spendings of one node. */
export function createSpendings(components: SpendingsComponents): Spendings {
  return new NodeSpendings(components);
}

class NodeSpendings implements Spendings {
  readonly #components: SpendingsComponents;
  /** Budgets of limits of the policy that are being made. */
  readonly #making = new Map<string, Promise<string>>();

  constructor(components: SpendingsComponents) {
    this.#components = components;
  }

  begin(call: PaidCall): Promise<CallSpending> | undefined {
    const { ability, resource } = call.wanted;
    if (!PAID.includes(ability) || resource.startsWith(OWN)) return undefined;
    const target = targetOf(resource);
    if (target === undefined) return undefined;
    const named = this.#named(call.principal, resource, target);
    const use = { args: call.args, nowMs: this.#components.clock.now() };
    const caveat =
      call.grant === undefined ? undefined : budgetOf(call.grant, ability, target, use);
    const limits = this.#components.rulesOf(call.principal).spendLimits;
    if (named.length === 0 && caveat === undefined && limits.length === 0) return undefined;
    return this.#hold(call, target, { named, caveat, limits });
  }

  async #hold(
    { principal }: PaidCall,
    target: ResourceTarget,
    by: {
      readonly named: readonly string[];
      readonly caveat: { readonly id: string; readonly max?: number } | undefined;
      readonly limits: readonly PolicyLimit[];
    },
  ): Promise<CallSpending> {
    const { budgets } = this.#components;
    const ids = new Map<string, number | undefined>(by.named.map((id) => [id, undefined]));
    if (by.caveat !== undefined) ids.set(budgets.idOf(by.caveat.id), by.caveat.max);
    const who = keyOf(principal);
    for (const limit of by.limits) ids.set(await this.#ofPolicy(limit, who), undefined);
    const held: Spending[] = [];
    try {
      for (const [id, max] of ids) {
        const payer = { id, unit: budgets.show(id).unit, max };
        const amount = this.#costOf(payer, target);
        if (amount > 0) held.push(await budgets.hold(id, amount, who));
      }
    } catch (error) {
      for (const spending of held) spending.settle(0);
      throw error;
    }
    this.#alert(principal, [...ids.keys()]);
    return {
      over(hasBegun) {
        for (const spending of held) spending.settle(hasBegun ? spending.amount : 0);
      },
    };
  }

  /** Of several prices the highest. @throws STARLING_BUDGET_EXHAUSTED where one call may not cost so much */
  #costOf({ id, unit, max }: Payer, target: ResourceTarget): number {
    const priced = this.#components
      .prices()
      .filter((price) => price.unit === unit && matchesTarget(price.pattern, target))
      .map(({ amount }) => amount);
    const cost = Math.max(unit === 'calls' ? 1 : 0, ...priced);
    if (max === undefined || cost <= max) return cost;
    throw new StarlingError(
      'STARLING_BUDGET_EXHAUSTED',
      `a call may cost ${amountText(cost, unit)}, and by this grant at the most ${amountText(max, unit)}`,
      { hint: 'ask for a grant that allows more', data: { budget: id, wanted: cost, left: max } },
    );
  }

  #named(principal: Principal, resource: string, target: ResourceTarget): readonly string[] {
    const { budgets } = this.#components;
    const whom = [...namesOf(principal), resource];
    const exact = whom.flatMap((one) => budgets.forWhom(one));
    const byPattern = budgets.patterns().filter(({ pattern }) => matchesTarget(pattern, target));
    return [...new Set([...exact, ...byPattern.map(({ id }) => id)])];
  }

  /** A limit of the policy is a budget of this node, for that caller alone. */
  #ofPolicy({ where, value }: PolicyLimit, who: string): Promise<string> {
    const { budgets } = this.#components;
    const whom = `policy:${createHash('sha256')
      .update(JSON.stringify([where, who, value]))
      .digest('base64url')
      .slice(0, 16)}`;
    const [known] = budgets.forWhom(whom);
    if (known !== undefined) return Promise.resolve(known);
    const under = this.#making.get(whom);
    if (under !== undefined) return under;
    const making = budgets
      .create({
        name: `limit-${whom.slice('policy:'.length).replaceAll(/[^A-Za-z0-9]/g, '0')}`,
        unit: value.unit,
        limit: value.amount,
        everyMs: value.everyMs,
        for: whom,
      })
      .then(({ id }) => id)
      .finally(() => this.#making.delete(whom));
    this.#making.set(whom, making);
    return making;
  }

  #alert(principal: Principal, ids: readonly string[]): void {
    const { budgets, health, rulesOf } = this.#components;
    const threshold = rulesOf(principal).alertThreshold?.value;
    if (threshold === undefined) return;
    for (const id of ids) {
      const { free, limit, name, unit } = budgets.show(id);
      if ((limit - free) / limit < threshold) continue;
      health.raise({
        code: `${ALERT}:${id}`,
        text: `of budget ${name} ${amountText(free, unit)} of ${amountText(limit, unit)} is left here`,
        hint: `see: starling budget show ${name}`,
      });
    }
  }
}

/** By which names a budget may mean a caller. */
function namesOf(principal: Principal): readonly string[] {
  switch (principal.kind) {
    case 'operator':
      return ['operator'];
    case 'client':
      return [`client:${principal.name}`, `agent:${principal.name}`];
    case 'peer':
      return [`peer:${principal.alias}`, principal.did];
    default:
      return [principal.did];
  }
}
