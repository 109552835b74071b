/** `starling capability list` */
import type { CapabilityListResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, table } from '../../terminal/output.ts';

/** Prints what can be done, and by whom. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<CapabilityListResult>('capability_list'),
  );
  printData(result, options.json === true, () => {
    const rows = result.capabilities.map(({ capability, agents, online }) => [
      capability,
      `${online} of ${agents.length}`,
      agents.join(', '),
    ]);
    const none =
      'nobody says what it can do: starling agent announce <name> --capability <capability>';
    return rows.length === 0
      ? none
      : table(['CAPABILITY', 'ONLINE', 'AGENTS'], rows, { flexible: 2 });
  });
}
