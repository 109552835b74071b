/** `starling llm batch list` */
import type { BatchListResult } from '../../../../models/types.ts';
import { withNode } from '../../../node/locate-node.ts';
import type { CommonOptions } from '../../../options/common-options.ts';
import { printData, table } from '../../../terminal/output.ts';
import { batchRow } from './batch-text.ts';

/** Prints the batches of the node, the newest first. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) => node.builtin<BatchListResult>('llm_batch_list'));
  printData(result, options.json === true, () => {
    if (result.batches.length === 0) {
      return 'no batches yet; submit one with: starling llm batch submit <file> --model <name>';
    }
    const head = ['BATCH', 'STATE', 'MODEL', 'REQUESTS', 'COST', 'SUBMITTED'];
    return table(head, result.batches.map(batchRow), { flexible: 1, wrap: true });
  });
}
