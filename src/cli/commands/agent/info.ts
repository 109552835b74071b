/** `starling agent info` */
import type { AgentInfoResult, SpreadView } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, printData, safeLine, table } from '../../terminal/output.ts';

/** Prints what is known of the agent. */
export async function run(agentId: string, options: CommonOptions): Promise<void> {
  const agent = await withNode(options, (node) =>
    node.builtin<AgentInfoResult>('agent_info', { agentId }),
  );
  printData(agent, options.json === true, () => {
    const { sent, received, errors, avgResponseTime } = agent.metrics;
    const answers =
      avgResponseTime === undefined ? '' : `, answers in ${Math.round(avgResponseTime)} ms`;
    const rows = [
      ['status', `${agent.status}, seen ${ago(Date.parse(agent.last_seen) || 0)}`],
      ['kind', agent.kind],
      ['capabilities', agent.capabilities.join(', ') || 'none told'],
      ['free', `${agent.free} of ${agent.maxConcurrentTasks}, ${agent.busy} to do`],
      ['health', agent.health === undefined ? 'not told' : `${agent.health} of 100`],
      ['messages', `${received} received, ${sent} sent, ${errors} failed${answers}`],
      ...partRows(agent),
      ['id', agent.agentId],
      ['did', agent.did],
    ];
    return [safeLine(agent.endpoint), table(['', ''], rows, { flexible: 1, wrap: true })].join(
      '\n',
    );
  });
}

/** Of an agent that is spread over several nodes. */
function partRows({ parts = [], whole }: AgentInfoResult): string[][] {
  if (whole === undefined) return parts.length === 0 ? [] : [['parts', parts.join(', ')]];
  const { parent, strategy, without = [] } = whole;
  return [
    ['parts', whole.parts.map(partText).join(', ') || 'none'],
    ['parent', parent === undefined ? 'none now' : `${parent.node}, ${strategy}`],
    ...without.map(({ node, reason }) => ['no part on', `${node}: ${reason}`]),
    ...(whole.error === undefined ? [] : [['given up', whole.error]]),
  ];
}

function partText({ node, replicas, state }: SpreadView['parts'][number]): string {
  return state === undefined ? node : `${node} (${state}, ${replicas ?? 0})`;
}
