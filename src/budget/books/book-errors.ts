/** Why books refuse what is asked of them. */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { OWNERS_MAX } from '../types.ts';
import type { BudgetTerms } from '../types.ts';

/** No such row, or budget, is here. */
export function unknown(rowId: string): StarlingError {
  return new StarlingError('STARLING_BUDGET_UNKNOWN', `no budget ${rowId} is known here`, {
    hint: 'see which there are: starling budget list',
  });
}

/** Amounts are whole numbers. */
export function noAmount(amount: number): StarlingError {
  return new StarlingError('STARLING_USAGE', `${amount} is no whole number from 0 on`);
}

/** Nothing is spent of the budget any more. */
export function closed(id: string, { name }: BudgetTerms): StarlingError {
  return new StarlingError('STARLING_BUDGET_CLOSED', `budget '${name}' is closed`, {
    hint: 'make another: starling budget create <name> --limit <amount>',
    data: { budget: id },
  });
}

/** This node has contradicted itself. */
export function frozen(id: string, { name }: BudgetTerms): StarlingError {
  return new StarlingError(
    'STARLING_BUDGET_EXHAUSTED',
    `this node has said two things of what it spent of '${name}', so that its rights are frozen`,
    {
      hint: `on the node that made the budget: starling budget reclaim ${name} <peer> --settle`,
      data: { budget: id, left: 0, name, frozen: true },
    },
  );
}

/** This node has not that much. */
export function exhausted(
  id: string,
  { name, unit }: BudgetTerms,
  { left, wanted }: { readonly left: number; readonly wanted: number },
): StarlingError {
  return new StarlingError(
    'STARLING_BUDGET_EXHAUSTED',
    `budget '${name}' has ${left} left on this node, and ${wanted} is wanted`,
    { data: { budget: id, left, wanted, unit, name } },
  );
}

/** The founder has not let that one hold rights. */
export function notLetIn(to: Did): StarlingError {
  return new StarlingError('STARLING_CALL_REFUSED', `${to} may hold no rights of this budget`, {
    hint: 'on the node that made the budget: starling budget grant <name> <peer>',
  });
}

/** A row names as many as can be read. */
export function tooManyOwners(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a budget has ${OWNERS_MAX} owners at the most`,
    { hint: 'make a second budget for the others' },
  );
}

/** Rights that go to and fro are summed up for ever, and no node reads a row with a sum beyond its bound. */
export function givenTooOften(name = ''): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `this node has given so much of budget '${name}' in all that no node could read a larger sum`,
    { hint: 'make another for what is left: starling budget create <name> --limit <amount>' },
  );
}
