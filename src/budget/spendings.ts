/**
 * What calls cost, and against which budgets: those that name the caller or the thing, those of the agent, task or swarm
 * that calls, that of the grant by which a call is made, and the limits of the policy. The most that a call may cost is
 * held before it begins; a call that has begun has cost its price, or what is known of its cost when it is over.
 */
import { BUILTIN_SERVER, StarlingError, amountText } from '../core/index.ts';
import type { Clock, Health, JsonObject } from '../core/index.ts';
import { budgetOf, namesBudget, targetOf } from '../grants/index.ts';
import type { Grant, ResourceTarget } from '../grants/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { HeldAmount } from './books/book-types.ts';
import type { Budgets } from './budgets-types.ts';
import type { Spending } from './holding.ts';
import { createPolicyBudgets } from './policy-limits.ts';
import type { PolicyBudgets, PolicyLimit } from './policy-limits.ts';
import { costOf } from './prices.ts';
import type { Price } from './prices.ts';
import type { Cost, Unit } from './types.ts';

/** A call that is about to be made. */
export interface PaidCall {
  readonly principal: Principal;
  readonly wanted: { readonly ability: string; readonly resource: string };
  readonly grant?: Grant | undefined;
  /** Of the call: which capability of the grant covers it depends on them. */
  readonly args: JsonObject;
  /** The most that it may cost, where whoever makes it knows more than the prices: tokens and micro-dollars of a model. */
  readonly worst?: Cost | undefined;
  /** Ids of further budgets that it counts against. */
  readonly budgets?: readonly string[] | undefined;
}

/** What is held for a call under way. */
export interface CallSpending {
  /** What is held, as it can be written down for a later run of the node: see {@link Spendings.takeUp}. */
  readonly held: readonly HeldAmount[];
  /**
   * The call has ended, or was never made (`hasBegun: false`), and then cost nothing. `actual` is what it did cost, of the
   * units in which that is known; of the others all that was held is spent. Gives what was spent, a budget's name each.
   */
  over(hasBegun: boolean, actual?: Cost): Readonly<Record<string, string>>;
}

/** Decides what a call costs. */
export interface Spendings {
  /**
   * Holds what the call may cost; undefined where it costs nothing.
   * @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, STARLING_BUDGET_UNKNOWN, by rejecting
   */
  begin(call: PaidCall): Promise<CallSpending> | undefined;
  /** Goes on with what an earlier run of the node has held for a call: no more is spent than that. */
  takeUp(held: readonly HeldAmount[], principal: Principal): Promise<CallSpending>;
  /** What such a call may cost at the most without anybody being asked for rights, of each unit in which it is bounded. */
  room(call: PaidCall): Promise<Cost>;
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
  /** Ids of budgets of the agent, the tasks and the swarms for which a caller works; default none. */
  readonly workOf?: (principal: Principal) => readonly string[];
  readonly clock: Pick<Clock, 'now'>;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** Budgets against which a call counts, and the most that one call may cost of some. */
interface Payers {
  readonly ids: readonly string[];
  readonly max?: { readonly id: string; readonly amount: number };
}

/** A caller whom the policy limits. */
interface Limited {
  readonly who: string;
  readonly limits: readonly PolicyLimit[];
}

const NONE: readonly never[] = [];
const OWN = `tool:${BUILTIN_SERVER}/`;
const PAID: readonly string[] = [
  'tool/call',
  'agent/message',
  'agent/task',
  'prompt/get',
  'model/use',
];
const ALERT = 'budget-alert';

/** Makes the spendings of one node. */
export function createSpendings(components: SpendingsComponents): Spendings {
  return new NodeSpendings(components);
}

class NodeSpendings implements Spendings {
  readonly #components: SpendingsComponents;
  readonly #policy: PolicyBudgets;
  readonly #alerted = new Set<string>();

  constructor(components: SpendingsComponents) {
    this.#components = components;
    this.#policy = createPolicyBudgets(components.budgets);
  }

  begin(call: PaidCall): Promise<CallSpending> | undefined {
    const target = this.#paidTarget(call);
    if (target === undefined || this.#isFree(call)) return undefined;
    const payers = this.#payersOf(call, target);
    return payers === undefined ? undefined : this.#hold(call, target, payers);
  }

  async room(call: PaidCall): Promise<Cost> {
    const target = this.#paidTarget(call);
    const isFree = target === undefined || this.#isFree(call);
    const payers = isFree ? undefined : await this.#payersOf(call, target);
    if (payers === undefined) return {};
    const { budgets } = this.#components;
    const room: { [Name in Unit]?: number } = {};
    for (const id of payers.ids) {
      const unit = budgets.unitOf(id);
      const most = payers.max?.id === id ? payers.max.amount : Infinity;
      room[unit] = Math.min(room[unit] ?? Infinity, budgets.freeOf(id), most);
    }
    return room;
  }

  #paidTarget({ wanted: { ability, resource } }: PaidCall): ResourceTarget | undefined {
    if (!PAID.includes(ability) || resource.startsWith(OWN)) return undefined;
    return targetOf(resource);
  }

  /**
   * Whether nobody pays because nothing there is could count, of whatever such a call may be: so it is for most callers of
   * most nodes, and each call asks. No list is made for the answer.
   */
  #isFree({ principal, grant, budgets: further = NONE }: PaidCall): boolean {
    const { budgets, workOf, rulesOf } = this.#components;
    const worksForOthers = 'worksFor' in principal && principal.worksFor !== undefined;
    if (worksForOthers || further.length > 0 || budgets.hasPurposes) return false;
    if (grant !== undefined && namesBudget(grant)) return false;
    if (workOf !== undefined && workOf(principal).length > 0) return false;
    return !this.#policy.concerns(keyOf(principal), rulesOf(principal).spendLimits);
  }

  /** Undefined, at once, for most calls: nothing counts; for most others nothing has to be waited for. */
  #payersOf(call: PaidCall, target: ResourceTarget): Payers | Promise<Payers> | undefined {
    const { principal, wanted, grant, args } = call;
    const { budgets, clock } = this.#components;
    const use = { args, nowMs: clock.now() };
    const caveat = grant === undefined ? undefined : budgetOf(grant, wanted.ability, target, use);
    // Whoever has an agent do something spends what that costs.
    const all = withThoseMeant(principal);
    const named = this.#namedBy(call, all, target);
    const limited = this.#limited(all);
    if (caveat === undefined && limited.length === 0) {
      if (named.length === 0) return undefined;
      return { ids: named.length === 1 ? named : [...new Set(named)] };
    }
    return (async () => {
      const granted = caveat === undefined ? [] : [budgets.idOf(caveat.id)];
      const ofPolicy: string[] = [];
      for (const { who, limits } of limited) ofPolicy.push(...(await this.#policy.of(who, limits)));
      const ids = [...new Set([...named, ...granted, ...ofPolicy])];
      const [first] = granted;
      if (first === undefined || caveat?.max === undefined) return { ids };
      return { ids, max: { id: first, amount: caveat.max } };
    })();
  }

  async #hold(
    { principal, worst }: PaidCall,
    target: ResourceTarget,
    paying: Payers | Promise<Payers>,
  ): Promise<CallSpending> {
    const { budgets, prices } = this.#components;
    const { ids, max } = await paying;
    const cost = costOf(prices(), target, worst);
    if (max !== undefined) this.#requireLittle(cost[budgets.unitOf(max.id)], max);
    const paid = ids.filter((id) => cost[budgets.unitOf(id)] > 0);
    const spending = await budgets.hold(paid, cost, keyOf(principal));
    this.#alert(principal, paid);
    return settledBy(spending, cost);
  }

  async takeUp(held: readonly HeldAmount[], principal: Principal): Promise<CallSpending> {
    const spending = await this.#components.budgets.takeUp(held, keyOf(principal));
    return settledBy(spending, { tokens: Infinity, usd: Infinity, calls: Infinity });
  }

  /** @throws STARLING_BUDGET_EXHAUSTED where one call may not cost so much */
  #requireLittle(cost: number, { id, amount }: NonNullable<Payers['max']>): void {
    if (cost <= amount) return;
    const unit = this.#components.budgets.unitOf(id);
    throw new StarlingError(
      'STARLING_BUDGET_EXHAUSTED',
      `a call may cost ${amountText(cost, unit)}, and by this grant at the most ${amountText(amount, unit)}`,
      {
        hint: 'ask for a grant that allows more',
        data: { budget: id, wanted: cost, left: amount },
      },
    );
  }

  /** Those that name a caller or the thing, those of what callers do, and those that the call names itself. */
  #namedBy(
    { wanted, budgets: further = NONE }: PaidCall,
    callers: readonly Principal[],
    target: ResourceTarget,
  ): readonly string[] {
    const named = this.#named(callers, wanted.resource, target);
    const { workOf } = this.#components;
    const work = workOf === undefined ? NONE : gathered(callers, workOf);
    // No list is made for most calls, which count against nothing.
    if (named.length + work.length + further.length === 0) return NONE;
    return [...named, ...work, ...further];
  }

  #named(
    callers: readonly Principal[],
    resource: string,
    target: ResourceTarget,
  ): readonly string[] {
    const { budgets } = this.#components;
    // None is for anybody or anything: each call asks.
    if (!budgets.hasPurposes) return NONE;
    const whom = [...callers.flatMap(namesOf), resource];
    const exact = whom.flatMap((one) => budgets.forWhom(one));
    return [...new Set([...exact, ...budgets.matching(target)])];
  }

  /** Those of the callers whom the policy limits, or has limited. */
  #limited(callers: readonly Principal[]): readonly Limited[] {
    let limited: Limited[] | undefined;
    for (const one of callers) {
      const who = keyOf(one);
      const limits = this.#components.rulesOf(one).spendLimits;
      if (this.#policy.concerns(who, limits)) (limited ??= []).push({ who, limits });
    }
    return limited ?? NONE;
  }

  #alert(principal: Principal, ids: readonly string[]): void {
    const { budgets, health, rulesOf } = this.#components;
    const threshold = rulesOf(principal).alertThreshold?.value;
    if (threshold === undefined) return;
    for (const id of ids) {
      const code = `${ALERT}:${id}`;
      const { limit, name, unit, used } = budgets.levelOf(id);
      if (used / limit < threshold) {
        if (this.#alerted.delete(id)) health.clear(code);
        continue;
      }
      this.#alerted.add(id);
      health.raise({
        code,
        text: `of budget ${name} ${amountText(limit - used, unit)} of ${amountText(limit, unit)} is left`,
        hint: `see: starling budget show ${name}`,
      });
    }
  }
}

/** Of what nobody says what it did cost, `most` is spent. */
function settledBy(spending: Spending, most: Required<Cost>): CallSpending {
  return {
    get held() {
      return spending.held;
    },
    over: (hasBegun, actual = {}) => {
      const none = { tokens: 0, usd: 0, calls: 0 };
      const spent = spending.settle(hasBegun ? { ...most, ...actual } : none);
      return Object.fromEntries(
        spent.map(({ name, amount, unit }) => [name, amountText(amount, unit)]),
      );
    },
  };
}

/** What `of` gives for each of them, in one list; no list is made where that is nothing. */
function gathered(
  callers: readonly Principal[],
  of: (one: Principal) => readonly string[],
): readonly string[] {
  let all: readonly string[] = NONE;
  for (const one of callers) {
    const its = of(one);
    if (its.length > 0) all = [...all, ...its];
  }
  return all;
}

/** A caller, and those for whom it works, each once. */
function withThoseMeant(principal: Principal): readonly Principal[] {
  if (!('worksFor' in principal) || principal.worksFor === undefined) return [principal];
  const found = new Map<string, Principal>([[keyOf(principal), principal]]);
  const add = (one: Principal): void => {
    for (const meant of ('worksFor' in one ? one.worksFor : undefined) ?? []) {
      const key = keyOf(meant);
      if (found.has(key)) continue;
      found.set(key, meant);
      add(meant);
    }
  };
  add(principal);
  return [...found.values()];
}

/** By which names a budget may mean a caller. */
function namesOf(principal: Principal): readonly string[] {
  switch (principal.kind) {
    case 'operator':
      return ['operator'];
    case 'client':
      // An agent that the node runs is the client `agent:<name>`.
      return principal.name.startsWith('agent:')
        ? [principal.name, `client:${principal.name}`]
        : [`client:${principal.name}`, `agent:${principal.name}`];
    case 'peer':
      return [`peer:${principal.alias}`, principal.did];
    default:
      return [principal.did];
  }
}
