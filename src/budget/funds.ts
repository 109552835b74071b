/**
 * What `--budget` gives an agent, a task or a swarm: `research` counts against that budget, `research:0.50usd` against so much
 * of it, `0.50usd` against so much and no other. Whatever somebody makes who works on a budget counts against that one, too.
 */
import { createHash } from 'node:crypto';
import { StarlingError, amountText, messageOf, printable, readLimit } from '../core/index.ts';
import type { Did, Logger } from '../core/index.ts';
import type { Guard, Principal } from '../guard/index.ts';
import { parseAmount } from './amounts.ts';
import type { Budgets } from './budgets-types.ts';
import type { Spending } from './holding.ts';

/** What something that somebody has made may spend. */
export interface Fund {
  /** Ids of the budgets that it counts against; all must have room. */
  readonly budgets: readonly string[];
  /** The one among them that was made for it alone, and is closed with it. */
  readonly own?: string;
}

/** Gives what is made its budgets. */
export interface Funds {
  /**
   * What is to count for something, by what `principal` says and by what it works on itself; `whom` is what the thing is called
   * as the use of a budget: `agent:coder`, `task:<id>`, `swarm:<id>`. Undefined where nothing counts.
   * @throws STARLING_USAGE, STARLING_BUDGET_UNKNOWN, STARLING_BUDGET_CLOSED, STARLING_CALL_REFUSED, STARLING_LIMIT_EXCEEDED
   */
  of(principal: Principal, said: string | undefined, whom: string): Promise<Fund | undefined>;
  /** Lets a node with a part in it ask for rights, where this node decides on that. */
  share(fund: Fund, to: Did): Promise<void>;
  /**
   * Whether what is done here counts against a budget by the word of the node `by`: where this node may hold rights of it, and
   * it is this node that says so, or whoever made the budget. Nobody names the budgets of others.
   */
  counts(budget: string, by: Did): boolean;
  /** Holds the price of one piece of work. @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, … */
  hold(fund: Fund, who: string): Promise<Spending>;
  /** The thing is over, and so is the budget that was made for it. */
  end(fund: Fund | undefined): void;
}

/** What the funds work with. */
export interface FundsComponents {
  readonly budgets: Budgets;
  readonly guard: () => Pick<Guard, 'decide'>;
  /** Budgets of the agent, the tasks and the swarms for which somebody works. */
  readonly workOf: (principal: Principal) => readonly string[];
  readonly logger: Logger;
}

/** Makes the funds of a node, none at first. */
export function createFunds(components: FundsComponents): Funds {
  const { budgets, logger, workOf } = components;
  return {
    async of(principal, said, whom) {
      const inherited = workOf(principal);
      if (said === undefined) return inherited.length === 0 ? undefined : { budgets: inherited };
      const { parent, amount } = partsOf(said);
      const id = parent === undefined ? undefined : budgets.idOf(parent);
      if (id !== undefined) requireRight(components, principal, id, amount);
      else if (principal.kind !== 'operator') throw notToMake(said);
      if (amount === undefined && id !== undefined) return { budgets: unique([id, ...inherited]) };
      const unit = id === undefined ? undefined : budgets.unitOf(id);
      const limit = parseAmount(amount ?? said, unit);
      const own = await budgets.create({
        name: nameOf(whom),
        unit: limit.unit,
        limit: limit.amount,
        for: whom,
        ...(id === undefined ? {} : { parent: id }),
      });
      return { budgets: unique([own.id, ...inherited]), own: own.id };
    },
    async share({ budgets: ids }, to) {
      // Whoever spends of a part spends of the whole, and must be let ask for rights of that as well.
      for (const id of budgets.linesOf(ids)) {
        if (budgets.isInCharge(id) && !budgets.mayHold(id, to)) await budgets.grant(id, to);
      }
    },
    counts: (budget, by) =>
      budgets.mayHold(budget, budgets.self) &&
      (by === budgets.self || budgets.isFounder(budget, by)),
    hold: ({ budgets: ids }, who) => budgets.hold(ids, { calls: 1 }, who),
    end(fund) {
      if (fund?.own === undefined) return;
      budgets
        .close(fund.own)
        .catch((error: unknown) =>
          logger.warn(
            { budget: fund.own, error: messageOf(error) },
            'the budget of what is over was not closed',
          ),
        );
    },
  };
}

/** `research:0.50usd`, `research`, `0.50usd`. */
function partsOf(said: string): { readonly parent?: string; readonly amount?: string } {
  const at = said.indexOf(':');
  if (at === -1) return readLimit(said) === undefined ? { parent: said } : { amount: said };
  return { parent: said.slice(0, at), amount: said.slice(at + 1) };
}

/** @throws STARLING_CALL_REFUSED for whoever may not spend of the budget */
function requireRight(
  { budgets, guard }: FundsComponents,
  principal: Principal,
  id: string,
  amount: string | undefined,
): void {
  const { closed, name, unit } = budgets.show(id);
  if (closed === true) {
    throw new StarlingError('STARLING_BUDGET_CLOSED', `budget '${name}' is closed`, {
      hint: 'make another: starling budget create <name> --limit <amount>',
      data: { budget: id },
    });
  }
  if (principal.kind === 'operator') return;
  const wanted = amount === undefined ? budgets.freeOf(id) : parseAmount(amount, unit).amount;
  const facts = { spent: budgets.levelOf(id).used, amount: wanted };
  const mays = [id, name].some(
    (called) =>
      guard().decide(principal, {
        ability: 'budget/spend',
        resource: `budget:${called}`,
        facts,
        look: true,
      }).allow,
  );
  if (mays) return;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `you may not spend of budget '${name}'${amount === undefined ? '' : `, nor ${amountText(wanted, unit)} of it`}`,
    {
      hint: `the operator can give a key that may: starling key create <name> --scope budget:${name}`,
    },
  );
}

function notToMake(said: string): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `'${printable(said, 80)}' would be a new budget, which only the operator makes`,
    { hint: 'name a budget that there is, or so much of one: <budget>:<amount>' },
  );
}

/** A name that people can read, and nothing else has. */
function nameOf(whom: string): string {
  const hash = createHash('sha256').update(whom).digest('hex').slice(0, 8);
  const plain = whom.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 50);
  return `${plain}-${hash}`;
}

function unique(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)];
}
