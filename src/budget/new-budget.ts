/** What a new budget is to be, refused in words where it can not be that. */
import { StarlingError, amountText, printable } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import type { BudgetNames } from './budget-names.ts';
import { requirePattern } from './budget-use.ts';
import type { BudgetInit } from './budgets-types.ts';
import type { Books } from './books/book-types.ts';
import { BUDGET_NAME, isBudgetId } from './rows/row-format.ts';
import { NAME_MAX, OWNERS_MAX } from './types.ts';
import type { BudgetTerms, Unit } from './types.ts';

/** The terms of a new budget of this node, made at `createdAt`, ms since the epoch. @throws STARLING_USAGE, STARLING_BUDGET_UNKNOWN */
export function termsOf(
  books: Books,
  names: Pick<BudgetNames, 'idOf' | 'named'>,
  init: BudgetInit,
  createdAt: number,
): BudgetTerms {
  const { name, unit, limit, shares = {}, for: whom, everyMs, successor } = init;
  checkName(name);
  const isMine = (id: string): boolean => books.founderOf(id) === books.self;
  if (names.named(name).some((id) => isMine(id) && !books.isClosed(id))) {
    throw nameTaken(name);
  }
  checkShares(limit, shares, unit);
  const parent = init.parent === undefined ? undefined : names.idOf(init.parent);
  if (parent !== undefined) requireUnit(books, parent, unit);
  requirePattern(whom);
  return {
    name,
    unit,
    limit,
    createdAt,
    shares,
    ...(whom === undefined ? {} : { for: whom }),
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(parent === undefined ? {} : { parent }),
    ...(successor === undefined ? {} : { successor }),
  };
}

/** Two open budgets of one node go by two names. */
export function nameTaken(name: string): StarlingError {
  return new StarlingError('STARLING_USAGE', `this node has a budget '${name}' already`, {
    hint: `see it with: starling budget show ${name}; end it with: starling budget close ${name}`,
  });
}

/** @throws STARLING_USAGE */
function requireUnit(books: Books, id: string, unit: Unit): void {
  const terms = books.terms(id);
  if (terms?.unit === unit) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `budget '${terms?.name ?? id}' is in ${terms?.unit ?? '?'}, and the one below it in ${unit}`,
    {
      hint: 'units are never converted: make both in one unit',
    },
  );
}

/** @throws STARLING_USAGE */
function checkName(name: string): void {
  if (name.length <= NAME_MAX && BUDGET_NAME.test(name) && !isBudgetId(name)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${printable(name, 80)}' can't be the name of a budget`,
    {
      hint: `1 to ${NAME_MAX} of letters, digits, '.', '_' and '-', the first a letter or digit`,
    },
  );
}

/** @throws STARLING_USAGE */
function checkShares(limit: number, shares: Readonly<Record<Did, number>>, unit: Unit): void {
  const shared = Object.values(shares).reduce((sum, one) => sum + one, 0);
  if (limit >= 1 && shared <= limit && Object.keys(shares).length < OWNERS_MAX) return;
  throw new StarlingError(
    'STARLING_USAGE',
    limit < 1
      ? 'a budget of nothing lets nobody spend'
      : `the shares are ${amountText(shared, unit)} in all, and the limit is ${amountText(limit, unit)}`,
    { hint: `shares fit into the limit, and go to ${OWNERS_MAX - 1} nodes at the most` },
  );
}
