/** `starling budget history` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetHistoryResult } from '../../../builtin/results.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, printData, table } from '../../terminal/output.ts';

/** Options of the command. */
interface HistoryOptions extends CommonOptions {
  readonly limit: number;
}

/** Prints what happened. @throws STARLING_BUDGET_UNKNOWN */
export async function run(name: string, { limit, ...options }: HistoryOptions): Promise<void> {
  const args = { name, limit };
  const result = await withNode(options, (node) =>
    node.builtin<BudgetHistoryResult>('budget_history', args),
  );
  printData(result, options.json === true, () => {
    const rows = result.entries.map((entry) => [
      ago(entry.at),
      entry.what,
      entry.amount === undefined ? '' : amountText(entry.amount, result.unit),
      entry.calls === undefined ? '' : `${entry.calls} calls`,
      entry.who ?? '',
    ]);
    if (rows.length === 0) return 'nothing has happened at this node yet';
    return table(['WHEN', 'WHAT', 'AMOUNT', 'CALLS', 'WHO'], rows);
  });
}
