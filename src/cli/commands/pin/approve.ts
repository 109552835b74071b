/** `starling pin approve` */
import type { PinApproveResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Approves what `reference` names, or with `--all` everything, and says what that was. */
export async function run(
  reference: string | undefined,
  options: CommonOptions & { readonly all?: boolean },
): Promise<void> {
  const all = options.all === true;
  if (all === (reference !== undefined)) {
    throw new StarlingError('STARLING_USAGE', 'name what to approve, or say --all', {
      hint: 'see what is quarantined: starling pin list',
    });
  }
  const result = await withNode(options, (node) =>
    node.builtin<PinApproveResult>(
      'pin_approve',
      reference === undefined ? { all } : { reference },
    ),
  );
  printData(result, options.json === true, () =>
    result.approved.length === 0
      ? 'nothing is quarantined'
      : result.approved.map((one) => safeLine(`approved ${one.kind} ${one.reference}`)).join('\n'),
  );
}
