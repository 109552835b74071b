/** `starling agent list` */
import type { AgentListResult } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, cut, printData, safeLine, table } from '../../terminal/output.ts';

const CAPABILITIES_MAX = 40;

/** Options of the command. */
interface ListOptions extends CommonOptions {
  readonly online?: boolean;
  readonly capability?: string;
}

/** Prints the agents, and whose could not be asked for. */
export async function run(options: ListOptions): Promise<void> {
  const { online, capability } = options;
  const result = await withNode(options, (node) =>
    node.builtin<AgentListResult>('agent_list', {
      ...(online === true ? { status: 'online' } : {}),
      ...(capability === undefined ? {} : { capability }),
    }),
  );
  printData(result, options.json === true, () => {
    const { agents, unreachable = [] } = result;
    const rows = agents.map((agent) => [
      agent.endpoint,
      agent.status,
      cut(agent.capabilities.join(', '), CAPABILITIES_MAX),
      `${agent.free} of ${agent.maxConcurrentTasks}`,
      ago(Date.parse(agent.last_seen) || 0),
    ]);
    const none =
      'no agents yet: announce one with starling agent announce <name>, or from a program by agent_announce';
    const list =
      rows.length === 0
        ? none
        : table(['AGENT', 'STATUS', 'CAPABILITIES', 'FREE', 'SEEN'], rows, { flexible: 2 });
    const away = unreachable.map(({ node, reason }) =>
      safeLine(`${node} was not heard: ${reason}`),
    );
    return [list, ...away].join('\n');
  });
}
