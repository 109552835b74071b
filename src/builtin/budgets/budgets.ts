/** The tools of budgets: make, show, share, move, close, take back; and what owners ask of each other. */
import type { BuiltinTool } from '../../gateway/index.ts';
import { createTool } from './budget-create.ts';
import { endTools } from './budget-ends.ts';
import type { BudgetToolComponents } from './budget-input.ts';
import { lookTools } from './budget-looks.ts';
import { moveTools } from './budget-moves.ts';

/** `budget_create` … `budget_transfer`. */
export function budgetTools(components: BudgetToolComponents): readonly BuiltinTool[] {
  return [
    createTool(components),
    ...lookTools(components),
    ...moveTools(components),
    ...endTools(components),
  ];
}
