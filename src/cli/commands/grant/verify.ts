/** `starling grant verify`: needs no node. */
import type { ExitCode } from '../../../core/exit-codes.ts';
import { inspectGrants } from '../../../grants/index.ts';
import { drawChain } from '../../terminal/lines/grant-tree.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { readGrantTexts } from '../../options/grant-texts.ts';

/** Checks the grants; exit code 1 when one does not hold. */
export async function run(
  words: readonly string[],
  options: { readonly json?: boolean },
): Promise<ExitCode> {
  const nowMs = Date.now();
  const result = inspectGrants(await readGrantTexts(words), {
    nowMs,
    find: () => undefined,
    // Only nodes know of revocations; the help of the command says so.
    isRevoked: () => false,
  });
  printData(result, options.json === true, () =>
    [
      ...result.chains.map((chain) => drawChain(chain, {}, nowMs)),
      ...result.refused.map(({ rule, text }) => safeLine(`not valid: ${rule}: ${text}`)),
    ].join('\n\n'),
  );
  return result.valid ? 0 : 1;
}
