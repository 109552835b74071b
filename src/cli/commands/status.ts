/** `starling status` */
import type { StatusResult } from '../../builtin/results.ts';
import { describeStatus } from '../terminal/lines/node-status.ts';
import type { StatusInit } from '../terminal/lines/node-status.ts';
import { printData } from '../terminal/output.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** Prints the node's status. */
export async function run(options: CommonOptions & StatusInit): Promise<void> {
  const status = await withNode(options, (node) => node.builtin<StatusResult>('status'));
  printData(status, options.json === true, () => describeStatus(status, options));
}
