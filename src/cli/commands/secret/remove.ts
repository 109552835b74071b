/** `starling secret remove` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { SecretRemoveResult } from '../../../builtin/results.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { nodeOrFolder } from '../../node/secret-access.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Forgets the secret; exit code 1 when there was none. */
export async function run(name: string, options: CommonOptions): Promise<ExitCode> {
  const result = await nodeOrFolder<SecretRemoveResult>(options, {
    node: (node) => node.builtin('secret_remove', { name }),
    folder: async (secrets, uses) => ({
      name,
      removed: await secrets.remove(name),
      usedBy: (await uses()).get(name) ?? [],
    }),
  });
  const { removed, usedBy } = result;
  printData(result, options.json === true, () =>
    [
      removed ? `removed ${safeLine(name)}` : `there is no secret ${safeLine(name)}`,
      ...(usedBy.length === 0
        ? []
        : [safeLine(`${usedBy.join(', ')} can't be started without it`)]),
    ].join('\n'),
  );
  return removed ? 0 : 1;
}
