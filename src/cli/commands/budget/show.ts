/** `starling budget show` */
import type { BudgetView } from '../../../budget/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { budgetText } from './budget-lines.ts';

/** Prints what is known of the budget. @throws STARLING_BUDGET_UNKNOWN */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const view = await withNode(options, (node) => node.builtin<BudgetView>('budget_show', { name }));
  printData(view, options.json === true, () => budgetText(view));
}
