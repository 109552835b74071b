/** `starling budget reclaim` */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetReclaimResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ask, canAsk, nobodyAgreed } from '../../terminal/questions/ask.ts';
import { printData, safeLine, tell } from '../../terminal/output.ts';
import { budgetText } from './budget-lines.ts';

/** Options of the command. */
interface ReclaimOptions extends CommonOptions {
  readonly yes?: boolean;
  readonly reconcile?: string;
  readonly settle?: boolean;
}

/** Takes back, or says what became of what was lost. @throws STARLING_CALL_REFUSED, STARLING_BUDGET_UNKNOWN */
export async function run(
  name: string,
  peer: string | undefined,
  options: ReclaimOptions,
): Promise<ExitCode> {
  const { reconcile: spent, settle } = options;
  if (peer === undefined && spent === undefined) {
    throw new StarlingError('STARLING_USAGE', 'whose rights are taken back?', {
      hint: `name the node that was put out: starling budget reclaim ${name} <peer>; see: starling budget show ${name}`,
    });
  }
  const result = await withNode(options, async (node) => {
    if (spent !== undefined) return reclaim(node, { name, spent });
    const args = { name, peer: peer ?? '' };
    if (settle === true) return reclaim(node, { ...args, settle });
    const asked = await reclaim(node, args);
    const { budget, twice } = asked;
    const question = `${peer ?? ''} may have spent ${amountText(twice, budget.unit)} of ${name} meanwhile; if these are taken back, as much may be spent twice. Take them back?`;
    if (!(await isAgreed(question, options))) return undefined;
    return reclaim(node, { ...args, confirm: true });
  });
  if (result === undefined) {
    tell('nothing was taken back');
    return EXIT.failed;
  }
  printData(result, options.json === true, () => budgetText(result.budget));
  return EXIT.done;
}

function reclaim(node: NodeClient, args: JsonObject): Promise<BudgetReclaimResult> {
  return node.builtin<BudgetReclaimResult>('budget_reclaim', args);
}

async function isAgreed(question: string, { yes, json }: ReclaimOptions): Promise<boolean> {
  if (yes === true) return true;
  if (json === true || !canAsk()) throw nobodyAgreed(question);
  return (await ask(safeLine(question), ['no', 'yes'])) === 'yes';
}
