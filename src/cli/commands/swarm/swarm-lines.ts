/** How swarms are shown. */
import type { SwarmStatusResult } from '../../../swarms/types.ts';
import { facts, safeLine, table } from '../../terminal/output.ts';

const PER_CENT = 100;

/** The agents of a swarm, and how its tasks went. */
export function swarmText(swarm: SwarmStatusResult, withEdges = false): string {
  const { agents, config, metrics, name, status, swarmId, topology } = swarm;
  const { avgCompletionTime: seconds, successRate, tasksCompleted, window } = metrics;
  const mean = seconds === undefined ? '' : `, ${seconds} s each`;
  const share =
    successRate === undefined ? '' : `, ${Math.round(successRate * PER_CENT)} % went well`;
  const head = facts([
    ['swarm', name === swarmId ? name : `${name} (${swarmId})`],
    ['topology', topology],
    ['status', status],
    ['agents', `${agents.length} of ${config.maxAgents}`],
    ['threshold', String(config.consensusThreshold)],
    ['done', `${tasksCompleted} tasks${mean}${share} (of ${window})`],
    ['from', `${swarm.createdBy}, ${swarm.createdAt}`],
  ]);
  const rows = agents.map((agent) => [
    agent.endpoint,
    agent.role,
    agent.status,
    `${agent.health} %`,
    agent.capabilities.join(', '),
    agent.currentTask ?? '',
  ]);
  const listed =
    rows.length === 0
      ? `no agents: add one with starling swarm join ${name} --agent <agent>`
      : table(['AGENT', 'ROLE', 'STATUS', 'HEALTH', 'CAPABILITIES', 'TASK'], rows, { flexible: 4 });
  return [head, listed, ...invitedText(swarm), ...(withEdges ? [edgesText(swarm)] : [])].join(
    '\n\n',
  );
}

/** Who is invited is agreed to at its own node: by which command. */
function invitedText({ agents, name }: SwarmStatusResult): readonly string[] {
  const lines = agents
    .filter(({ status }) => status === 'invited')
    .map(({ endpoint }) => {
      const at = endpoint.lastIndexOf('@');
      const [agent, node] = [endpoint.slice(0, at), endpoint.slice(at + 1)];
      return safeLine(
        `${endpoint} is invited: on ${node}: starling swarm join ${name} --agent ${agent}`,
      );
    });
  return lines.length === 0 ? [] : [lines.join('\n')];
}

function edgesText({ edges }: SwarmStatusResult): string {
  const rows = edges.map(({ from, to, task, grant }) => [
    from,
    to,
    task ? 'messages, tasks' : 'messages',
    grant ?? 'of another node',
  ]);
  return rows.length === 0
    ? 'nobody may write to anybody by this swarm'
    : table(['FROM', 'TO', 'MAY SEND', 'BY GRANT'], rows, { flexible: 3 });
}
