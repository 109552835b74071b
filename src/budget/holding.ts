/** Holds what something may cost on all budgets that it counts against, and settles what it did cost. */
import { StarlingError, amountText, amountWord } from '../core/index.ts';
import type { Books, HeldAmount, Hold } from './books/book-types.ts';
import type { BudgetNames } from './budget-names.ts';
import type { BudgetHistory } from './history.ts';
import type { Rights } from './rights.ts';
import { splitRowId } from './rows/row-format.ts';
import type { BudgetTerms, Cost, Unit } from './types.ts';

/** What was spent of one budget. */
export interface Spent {
  readonly id: string;
  readonly name: string;
  readonly unit: Unit;
  readonly amount: number;
}

/** What is held of budgets, and of those that they are part of. */
export interface Spending {
  /** What is held, as it can be written down for a later run of the node: see {@link takeUpAll}. */
  readonly held: readonly HeldAmount[];
  /** What it did cost in the end; the rest is free again. Once; gives what was spent of which of the budgets. */
  settle(spent: Cost): readonly Spent[];
}

/** What the holding works with. */
export interface HoldingComponents {
  readonly books: Books;
  readonly rights: Pick<Rights, 'hold'>;
  readonly history: Pick<BudgetHistory, 'spent'>;
  readonly names: BudgetNames;
  readonly selfName: string;
}

/** One budget of a line: of those named, and of those that they are part of. */
interface Part {
  readonly id: string;
  readonly terms: BudgetTerms;
}

/**
 * Holds on each budget, and on those that it is part of, `cost` in its unit; all, or none where one has no room. A budget that
 * is named twice, or by two parts of it, pays once.
 * @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, STARLING_BUDGET_UNKNOWN
 */
export async function holdAll(
  components: HoldingComponents,
  ids: readonly string[],
  cost: Cost,
  who: string,
): Promise<Spending> {
  const { history, names } = components;
  const line = names.linesOf(ids).map((id) => ({ id, terms: names.termsOf(id) }));
  let holds: readonly Hold[];
  try {
    holds = await allOrNone(components, line, cost);
  } catch (error) {
    for (const id of ids) history.spent(id, who, cost[names.termsOf(id).unit] ?? 0, 'refused');
    throw error;
  }
  return settling(
    line.map(({ id, terms: { name, unit } }, at) => ({
      id,
      name,
      unit,
      hold: holds[at] as Hold,
    })),
    history,
    who,
  );
}

/**
 * Takes up what an earlier run of the node has held, and has not settled: of budgets that are known still, and as much as
 * nobody has settled since.
 */
export async function takeUpAll(
  { books, history }: Pick<HoldingComponents, 'books' | 'history'>,
  held: readonly HeldAmount[],
  who: string,
): Promise<Spending> {
  const parts: HeldPart[] = [];
  for (const one of held) {
    const id = splitRowId(one.rowId)?.id ?? one.rowId;
    const terms = books.terms(id);
    if (terms === undefined) continue;
    parts.push({ id, name: terms.name, unit: terms.unit, hold: await books.takeUp(one) });
  }
  return settling(parts, history, who);
}

/** What is held of one budget. */
interface HeldPart {
  readonly id: string;
  readonly name: string;
  readonly unit: Unit;
  readonly hold: Hold;
}

function settling(
  parts: readonly HeldPart[],
  history: HoldingComponents['history'],
  who: string,
): Spending {
  let isOver = false;
  return {
    get held() {
      return parts.map(({ hold: { rowId, amount } }) => ({ rowId, amount }));
    },
    settle(spent) {
      if (isOver) return [];
      isOver = true;
      return parts.flatMap(({ hold, id, name, unit }): readonly Spent[] => {
        const amount = hold.settle(spent[unit] ?? 0);
        if (amount === 0) return [];
        history.spent(id, who, amount);
        return [{ id, name, unit, amount }];
      });
    },
  };
}

/** Holds on all of a line. @throws what the first of them does that is refused; then none of them holds anything */
async function allOrNone(
  components: HoldingComponents,
  line: readonly Part[],
  cost: Cost,
): Promise<readonly Hold[]> {
  const { rights } = components;
  const holding = line.map(({ id, terms }) =>
    worded(components, id, rights.hold(id, cost[terms.unit] ?? 0)),
  );
  const [only] = holding;
  // Most calls count against one, and nothing has to be gathered.
  if (only !== undefined && holding.length === 1) return [await only];
  // What one of them has written must be freed, whichever was refused first.
  const held = await Promise.allSettled(holding);
  const holds = held.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = held.find((one) => one.status === 'rejected');
  if (refused === undefined) return holds;
  for (const hold of holds) hold.settle(0);
  throw refused.reason;
}

/** Adds to what the books refuse how much is left, and the command that would help. */
export async function worded<Value>(
  { books, names, selfName }: Pick<HoldingComponents, 'books' | 'names' | 'selfName'>,
  id: string,
  doing: Promise<Value>,
): Promise<Value> {
  try {
    return await doing;
  } catch (error) {
    if (!(error instanceof StarlingError) || error.code !== 'STARLING_BUDGET_EXHAUSTED')
      throw error;
    const { left, wanted, frozen } = error.data;
    const terms = books.terms(id);
    if (terms !== undefined && frozen === true) {
      throw new StarlingError('STARLING_BUDGET_EXHAUSTED', error.message, {
        hint: `on ${names.owner(books.founderOf(id) ?? books.self)}: starling budget reclaim ${terms.name} ${selfName} --settle`,
        data: error.data,
        cause: error,
      });
    }
    if (terms === undefined || typeof left !== 'number' || typeof wanted !== 'number') throw error;
    const { name, unit } = terms;
    throw new StarlingError(
      'STARLING_BUDGET_EXHAUSTED',
      `budget '${name}' has ${amountText(left, unit)} left on ${selfName}, and the call may cost ${amountText(wanted, unit)}`,
      {
        hint: `on ${selfName}: starling budget request ${name} ${amountWord(wanted - left, unit)}; who has the rest: starling budget show ${name}`,
        data: error.data,
        cause: error,
      },
    );
  }
}
