/** `starling key rotate-token` */
import type { StatusResult, TokenRotateResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Has the node make another token, and says where it lies; the token itself is not printed. */
export async function run(options: CommonOptions): Promise<void> {
  const { result, tokenFile } = await withNode(options, async (node) => ({
    result: await node.builtin<TokenRotateResult>('token_rotate'),
    tokenFile: (await node.builtin<StatusResult>('status')).endpoints.tokenFile,
  }));
  printData({ ...result, tokenFile }, options.json === true, () =>
    asSentence(
      `the node has another token, in ${tokenFile}: copies of the one before let nobody in any more`,
    ),
  );
}
