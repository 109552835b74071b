/** `starling broadcast` */
import type { BroadcastResult } from '../../agents/types.ts';
import { withNode } from '../node/locate-node.ts';
import { readValue } from '../options/board-value.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { printData, safeLine } from '../terminal/output.ts';

/** Options of the command. */
interface BroadcastOptions extends CommonOptions {
  readonly subject?: string;
  readonly from?: string;
}

/** Tells all members, and says how many there seem to be. */
export async function run(message: string, options: BroadcastOptions): Promise<void> {
  const { subject, from } = options;
  const result = await withNode(options, (node) =>
    node.builtin<BroadcastResult>('broadcast', {
      message: readValue(message),
      ...(subject === undefined ? {} : { subject }),
      ...(from === undefined ? {} : { from }),
    }),
  );
  const whom = result.peers === 1 ? '1 peer' : `${result.peers} peers`;
  printData(result, options.json === true, () => safeLine(`told to ${whom} (${result.subject})`));
}
