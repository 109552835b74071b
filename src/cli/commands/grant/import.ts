/** `starling grant import` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { GrantImportResult } from '../../../builtin/results.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { readGrantTexts } from '../../options/grant-texts.ts';
import { rightsText } from '../../terminal/rights.ts';

/** Hands the grants to the node; exit code 1 when none of them was taken. */
export async function run(words: readonly string[], options: CommonOptions): Promise<ExitCode> {
  const tokens = await readGrantTexts(words);
  const result = await withNode(options, (node) =>
    node.builtin<GrantImportResult>('grant_import', { tokens }),
  );
  printData(result, options.json === true, () =>
    [
      ...result.imported.map((grant) =>
        safeLine(
          `imported ${grant.id.slice(0, 8)} from ${grant.with}: ${rightsText(grant.capabilities)}`,
        ),
      ),
      ...result.refused.map(({ rule, text }) => safeLine(`refused: ${rule}: ${text}`)),
    ].join('\n'),
  );
  return result.imported.length > 0 ? 0 : 1;
}
