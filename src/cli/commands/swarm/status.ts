/** `starling swarm status` */
import type { SwarmStatusResult } from '../../../swarms/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { swarmText } from './swarm-lines.ts';

/** Options of the command. */
interface StatusOptions extends CommonOptions {
  readonly edges?: boolean;
}

/** Prints the swarm. @throws STARLING_SWARM_UNKNOWN */
export async function run(swarmId: string, options: StatusOptions): Promise<void> {
  const swarm = await withNode(options, (node) =>
    node.builtin<SwarmStatusResult>('swarm_status', { swarmId }),
  );
  printData(swarm, options.json === true, () => swarmText(swarm, options.edges === true));
}
