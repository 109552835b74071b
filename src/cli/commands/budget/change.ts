/** `starling budget grant`, `request`, `give`, `rebalance` and `close` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetView } from '../../../budget/types.ts';
import type { BudgetRequestResult } from '../../../builtin/results.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { budgetText, headText } from './budget-lines.ts';

/** How long the owners may take. */
const REQUEST_MS = 60_000;

/** Lets a node hold rights. @throws STARLING_BUDGET_UNKNOWN, STARLING_CALL_REFUSED, STARLING_PEER_UNKNOWN */
export function grant(
  name: string,
  peer: string,
  amount: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const args = { name, peer, ...(amount === undefined ? {} : { amount }) };
  return change('budget_grant', args, options);
}

/** Asks the others for rights; exit code 1 where they gave less. @throws STARLING_BUDGET_UNKNOWN */
export async function request(
  name: string,
  amount: string,
  options: CommonOptions,
): Promise<ExitCode> {
  const result = await withNode(options, (node) =>
    node.builtin<BudgetRequestResult>(
      'budget_request',
      { name, amount },
      { timeoutMs: REQUEST_MS },
    ),
  );
  printData(result, options.json === true, () => {
    const { budget, by, given, silent } = result;
    const from = Object.entries(by).map(([who, got]) => `${who} ${amountText(got, budget.unit)}`);
    const lines = [
      given === 0
        ? 'nobody that can be reached has any to give'
        : `got ${amountText(given, budget.unit)}: ${from.join(', ')}`,
      ...silent.map((who) => `${who} gave no answer`),
      headText(budget),
    ];
    return lines.map((line) => safeLine(line)).join('\n');
  });
  return result.granted ? EXIT.done : EXIT.failed;
}

/** Gives rights. @throws STARLING_BUDGET_UNKNOWN, STARLING_BUDGET_EXHAUSTED, STARLING_PEER_UNKNOWN */
export function give(
  name: string,
  peer: string,
  amount: string,
  options: CommonOptions,
): Promise<void> {
  return change('budget_give', { name, peer, amount }, options);
}

/** Shares out evenly. @throws STARLING_BUDGET_UNKNOWN */
export function rebalance(name: string, options: CommonOptions): Promise<void> {
  return change('budget_rebalance', { name }, options);
}

/** Ends the budget, and has it forgotten with `forget`. @throws STARLING_BUDGET_UNKNOWN, STARLING_CALL_REFUSED */
export function close(
  name: string,
  { forget, ...options }: CommonOptions & { readonly forget?: boolean },
): Promise<void> {
  return change('budget_close', { name, ...(forget === true ? { forget } : {}) }, options);
}

async function change(tool: string, args: JsonObject, options: CommonOptions): Promise<void> {
  const view = await withNode(options, (node) => node.builtin<BudgetView>(tool, args));
  printData(view, options.json === true, () => budgetText(view));
}
