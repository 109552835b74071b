/** `starling swarm join`, `starling swarm leave` and `starling swarm dissolve` */
import type { Json } from '../../../core/json/json.ts';
import type { SwarmStatusResult } from '../../../swarms/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { swarmText } from './swarm-lines.ts';

/** Options of the commands about one agent. */
interface MemberOptions extends CommonOptions {
  readonly agent: string;
  readonly role?: string;
}

/** Adds the agent. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED, STARLING_AGENT_UNKNOWN */
export async function join(swarmId: string, options: MemberOptions): Promise<void> {
  const { agent: agentId, role } = options;
  const args = { swarmId, agentId, ...(role === undefined ? {} : { role }) };
  const swarm = await changed('swarm_join', args, options);
  printData(swarm, options.json === true, () => swarmText(swarm));
}

/** Takes the agent out. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED */
export async function leave(swarmId: string, options: MemberOptions): Promise<void> {
  const swarm = await changed('swarm_leave', { swarmId, agentId: options.agent }, options);
  printData(swarm, options.json === true, () => swarmText(swarm));
}

/** Ends the swarm. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED */
export async function dissolve(swarmId: string, options: CommonOptions): Promise<void> {
  const swarm = await changed('swarm_dissolve', { swarmId }, options);
  printData(swarm, options.json === true, () =>
    safeLine(`the swarm ${swarm.name} is dissolved; its agents go on by themselves`),
  );
}

function changed(
  tool: string,
  args: Readonly<Record<string, Json>>,
  options: CommonOptions,
): Promise<SwarmStatusResult> {
  return withNode(options, (node) => node.builtin<SwarmStatusResult>(tool, args));
}
