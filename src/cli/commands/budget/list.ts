/** `starling budget list` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetListResult } from '../../../builtin/results.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, table } from '../../terminal/output.ts';

/** Options of the command. */
interface ListOptions extends CommonOptions {
  readonly all?: boolean;
}

/** Prints the budgets. */
export async function run({ all, ...options }: ListOptions): Promise<void> {
  const args = all === true ? { closed: true } : {};
  const result = await withNode(options, (node) =>
    node.builtin<BudgetListResult>('budget_list', args),
  );
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
