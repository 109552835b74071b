/** `starling status` */
import type { StatusResult } from '../../builtin/types.ts';
import { describeStatus } from '../describe.ts';
import { printData } from '../output.ts';
import { withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

/** Prints the node's status. */
export async function run(options: CommonOptions): Promise<void> {
  const status = await withNode(options, (node) => node.builtin<StatusResult>('status'));
  printData(status, options.json === true, () => describeStatus(status));
}
