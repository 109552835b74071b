/** `starling policy show` */
import type { PolicyShowResult } from '../../../builtin/results.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints each key of the policy in force. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) => node.builtin<PolicyShowResult>('policy_show'));
  printData(result, options.json === true, () => describe(result));
}

function describe({ file, rules, total }: PolicyShowResult): string {
  const lines = rules.map(
    ({ key, value, isShipped }) =>
      `${isShipped ? ' ' : paint.green('+')} ${safeLine(`${key}: ${value}`)}`,
  );
  const head = rules.some(({ isShipped }) => !isShipped)
    ? `in force: ${file} (+), and the shipped policy`
    : `in force: the shipped policy; yours goes into ${file}`;
  const rest = total - rules.length;
  return [safeLine(head), ...lines, ...(rest > 0 ? [`and ${rest} more: ${file}`] : [])].join('\n');
}
