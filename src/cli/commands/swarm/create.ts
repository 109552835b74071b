/** `starling swarm create` */
import type { Json } from '../../../core/json/json.ts';
import type { SwarmInitResult } from '../../../swarms/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { swarmText } from './swarm-lines.ts';

/** Options of the command. */
interface CreateOptions extends CommonOptions {
  readonly topology: string;
  readonly agent?: readonly string[];
  readonly coordinator?: readonly string[];
  readonly validator?: readonly string[];
  readonly threshold?: number;
  readonly max?: number;
  readonly budget?: string;
}

/** Makes the swarm, and prints it. @throws STARLING_USAGE, STARLING_AGENT_UNKNOWN, STARLING_SWARM_REFUSED */
export async function run(name: string, options: CreateOptions): Promise<void> {
  const swarm = await withNode(options, (node) =>
    node.builtin<SwarmInitResult>('swarm_init', argsOf(name, options)),
  );
  printData(swarm, options.json === true, () => swarmText(swarm));
}

function argsOf(name: string, options: CreateOptions): Readonly<Record<string, Json>> {
  const {
    agent = [],
    budget,
    coordinator = [],
    max,
    threshold,
    topology,
    validator = [],
  } = options;
  const members = (list: readonly string[], role?: string): Json[] =>
    list.map((agentId) => ({ agentId, ...(role === undefined ? {} : { role }) }));
  return {
    name,
    topology,
    ...(budget === undefined ? {} : { budget }),
    initialAgents: [
      ...members(coordinator, 'coordinator'),
      ...members(agent),
      ...members(validator, 'validator'),
    ],
    config: {
      ...(max === undefined ? {} : { maxAgents: max }),
      ...(threshold === undefined ? {} : { consensusThreshold: threshold }),
    },
  };
}
