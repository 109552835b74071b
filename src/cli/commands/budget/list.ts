/** `starling budget list` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetListResult } from '../../../builtin/results.ts';
import type { BudgetView } from '../../../budget/types.ts';
import type { NodeClient } from '../../node/client.ts';
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
  const { closed, result } = await withNode(options, async (node) => {
    const budgets: BudgetView[] = [];
    for (let cursor: number | undefined = 0; cursor !== undefined;) {
      const args = { cursor, limit: PAGE, ...(all === true ? { closed: true } : {}) };
      const page: BudgetListResult = await node.builtin<BudgetListResult>('budget_list', args);
      budgets.push(...page.budgets);
      cursor = page.cursor;
    }
    const closed = budgets.length > 0 || all === true ? 0 : await closedAt(node);
    return { result: { budgets, total: budgets.length }, closed };
  });
  printData(result, options.json === true, () => {
    if (result.budgets.length === 0) return noneText(closed);
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

async function closedAt(node: NodeClient): Promise<number> {
  const { total } = await node.builtin<BudgetListResult>('budget_list', { closed: true, limit: 1 });
  return total;
}

function noneText(closed: number): string {
  const make = 'make one with starling budget create <name> --limit <amount>';
  if (closed === 0) return `no budgets: ${make}`;
  const those = closed === 1 ? 'the closed one' : `the ${closed} that are closed`;
  return `no budgets are open: ${make}; see ${those} with starling budget list --all`;
}
