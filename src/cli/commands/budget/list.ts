/** `starling budget list` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetListResult } from '../../../builtin/results.ts';
import type { BudgetView } from '../../../budget/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, table } from '../../terminal/output.ts';

/** Budgets asked for at a time, so that the node has others' turns between. */
const PAGE = 200;

/** Options of the command. */
interface ListOptions extends CommonOptions {
  readonly all?: boolean;
}

/** Prints the budgets. */
export async function run({ all, ...options }: ListOptions): Promise<void> {
  const result = await withNode(options, async (node) => {
    const budgets: BudgetView[] = [];
    for (let cursor: number | undefined = 0; cursor !== undefined;) {
      const args = { cursor, limit: PAGE, ...(all === true ? { closed: true } : {}) };
      const page: BudgetListResult = await node.builtin<BudgetListResult>('budget_list', args);
      budgets.push(...page.budgets);
      cursor = page.cursor;
    }
    return { budgets, total: budgets.length };
  });
  printData(result, options.json === true, () => {
    if (result.budgets.length === 0) {
      return 'no budgets: make one with starling budget create <name> --limit <amount>';
    }
    const rows = result.budgets.map((one) => [
      one.name,
      amountText(one.limit, one.unit),
      amountText(one.spent, one.unit),
      amountText(one.held, one.unit),
      one.closed === true ? 'closed' : amountText(one.free, one.unit),
      one.founder,
      one.id,
    ]);
    return table(['BUDGET', 'LIMIT', 'SPENT', 'HELD', 'FREE HERE', 'OF', 'ID'], rows);
  });
}
