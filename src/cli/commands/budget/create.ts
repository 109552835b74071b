/** `starling budget create` */
import type { BudgetView } from '../../../budget/types.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { Json } from '../../../core/json/json.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { budgetText } from './budget-lines.ts';

/** Options of the command. */
interface CreateOptions extends CommonOptions {
  readonly limit: string;
  readonly share?: readonly string[];
  readonly for?: string;
  readonly every?: string;
  readonly parent?: string;
  readonly successor?: string;
}

/** Makes the budget. @throws STARLING_USAGE, STARLING_PEER_UNKNOWN, STARLING_LIMIT_EXCEEDED */
export async function run(name: string, options: CreateOptions): Promise<void> {
  const { limit, share = [], every, parent, successor } = options;
  const given: Readonly<Record<string, Json | undefined>> = {
    name,
    limit,
    shares: share.length === 0 ? undefined : Object.fromEntries(share.map(readShare)),
    for: options.for,
    every,
    parent,
    successor,
  };
  const args = Object.fromEntries(
    Object.entries(given).filter((one): one is [string, Json] => one[1] !== undefined),
  );
  const view = await withNode(options, (node) => node.builtin<BudgetView>('budget_create', args));
  printData(view, options.json === true, () => budgetText(view));
}

function readShare(text: string): readonly [string, string] {
  const at = text.lastIndexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new StarlingError('STARLING_USAGE', `--share ${text} is no share`, {
    hint: 'write it like --share laptop=5usd',
  });
}
