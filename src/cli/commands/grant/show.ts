/** `starling grant show` */
import type { GrantShowResult } from '../../../builtin/results.ts';
import { drawChain } from '../../terminal/lines/grant-tree.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Draws the chain of the grant; exit code 0 also when it does not hold: it is shown, not checked. */
export async function run(id: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<GrantShowResult>('grant_show', { id }),
  );
  printData(result, options.json === true, () => {
    const used = (result.grant.taken ?? []).map(({ capability, uses }) => {
      const granted = result.grant.capabilities[capability]?.caveats?.['uses'];
      return `${uses} of ${String(granted)} uses are taken`;
    });
    return [drawChain(result, result.names, Date.now()), ...used].join('\n');
  });
}
