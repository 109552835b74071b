/** `starling swarm list` */
import type { SwarmListResult } from '../../../swarms/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, table } from '../../terminal/output.ts';

/** Prints the swarms. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) => node.builtin<SwarmListResult>('swarm_list', {}));
  printData(result, options.json === true, () => {
    const rows = result.swarms.map((swarm) => [
      swarm.name,
      swarm.topology,
      String(swarm.agents),
      swarm.status,
      swarm.createdBy,
      swarm.swarmId,
    ]);
    if (rows.length === 0) return 'no swarms: make one with starling swarm create <name>';
    return table(['SWARM', 'TOPOLOGY', 'AGENTS', 'STATUS', 'MADE BY', 'ID'], rows, { flexible: 5 });
  });
}
