/** `starling grant export` */
import type { GrantExportResult } from '../../../builtin/results.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the grant and all that it stands on, one a line. */
export async function run(id: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<GrantExportResult>('grant_export', { id }),
  );
  printData(result, options.json === true, () => result.tokens.join('\n'));
}
