/** The tools that look at budgets, and change nothing. */
import { z } from 'zod';
import type { BudgetView, HistoryEntry } from '../../budget/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { BudgetHistoryResult, BudgetListResult } from '../results.ts';
import { NAMED, named } from './budget-input.ts';
import type { BudgetToolComponents } from './budget-input.ts';

const HISTORY_MAX = 1000;
/** Budgets of one page, at the most and where nothing is said. */
const PAGE_MAX = 1000;
const PAGE = 200;

/** `budget_show`, `budget_list`, `budget_history`. */
export function lookTools({ budgets }: BudgetToolComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'budget_show',
      title: 'Show a budget',
      description:
        'Limit, spent, held, what is free here, and the rights of each node, with those that are out of reach. Amounts of usd are in micro-dollars.',
      input: NAMED,
      hints: { readOnlyHint: true },
      clients: 'yes',
      onTop: true,
      run: async (input): Promise<BudgetView> => budgets.show(named(budgets, input)),
    }),
    defineTool({
      name: 'budget_list',
      title: 'List budgets',
      description:
        'The budgets that this node knows of, the closed ones only when asked for; page by page, with the cursor of the answer before.',
      input: z.object({
        closed: z.boolean().optional(),
        limit: z.number().int().min(1).max(PAGE_MAX).optional(),
        cursor: z.number().int().min(0).optional().describe('The cursor of the answer before.'),
      }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input): Promise<BudgetListResult> {
        const { closed = false, cursor = 0, limit = PAGE } = input;
        const page = budgets.list({ closed, from: cursor, limit });
        const next = cursor + page.budgets.length;
        return { ...page, ...(next < page.total ? { cursor: next } : {}) };
      },
    }),
    defineTool({
      name: 'budget_history',
      title: 'What happened to a budget',
      description:
        'What was decided on it at this node, and what was spent here by whom, hour by hour; the newest first.',
      input: NAMED.extend({ limit: z.number().int().min(1).max(HISTORY_MAX).optional() }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input): Promise<BudgetHistoryResult> {
        const name = named(budgets, input);
        const entries: readonly HistoryEntry[] = await budgets.history(name, input.limit ?? 100);
        return { entries, unit: budgets.show(name).unit };
      },
    }),
  ];
}
