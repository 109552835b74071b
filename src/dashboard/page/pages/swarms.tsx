/** Swarms: agents that work together, who of them may write to whom, and how their tasks went. */
import { useState } from 'preact/hooks';
import type { SwarmListResult, SwarmStatusResult } from '../../../swarms/types.ts';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { duration, shellWord } from '../words.ts';

const TONES: Readonly<Record<string, Tone>> = {
  active: 'good',
  busy: 'info',
  invited: 'quiet',
  incomplete: 'warn',
  offline: 'warn',
  dissolved: 'quiet',
  stopped: 'quiet',
};

/** The list of swarms, and beside it the chosen one. */
export function SwarmsPage() {
  const live = useLive<SwarmListResult>('swarm_list', {}, 4000);
  const [shown, setShown] = useState<{ readonly id: string; readonly name: string }>();
  return (
    <Card title="Swarms">
      <Answer live={live}>
        {({ swarms }) =>
          swarms.length === 0 ? (
            <Nothing command="starling swarm create <name> --topology star --agent <agent>">
              No agents are put together yet.
            </Nothing>
          ) : (
            <Table
              label="Swarms"
              rows={swarms}
              keyOf={({ swarmId }) => swarmId}
              columns={[
                {
                  name: 'swarm',
                  cell: ({ name, swarmId }) => (
                    <button
                      type="button"
                      class="link"
                      onClick={() => setShown({ id: swarmId, name })}
                    >
                      {name}
                    </button>
                  ),
                },
                {
                  name: 'status',
                  cell: ({ status }) => <Badge tone={TONES[status] ?? 'quiet'}>{status}</Badge>,
                },
                { name: 'topology', cell: ({ topology }) => topology },
                { name: 'agents', isNumber: true, cell: ({ agents }) => agents },
                { name: 'made by', cell: ({ createdBy }) => createdBy },
              ]}
            />
          )
        }
      </Answer>
      {shown === undefined ? undefined : (
        <Panel title={shown.name} onClose={() => setShown(undefined)}>
          <SwarmCard id={shown.id} name={shown.name} />
        </Panel>
      )}
    </Card>
  );
}

function SwarmCard({ id, name }: { id: string; name: string }) {
  const live = useLive<SwarmStatusResult>('swarm_status', { swarmId: id });
  return (
    <Answer live={live}>
      {({ status, topology, agents, edges, config, metrics }) => (
        <>
          <Facts
            facts={[
              ['status', <Badge tone={TONES[status] ?? 'quiet'}>{status}</Badge>],
              ['topology', topology],
              ['seats', `${agents.length} of ${config.maxAgents}`],
              ['a vote needs', config.consensusThreshold],
              ['tasks done', `${metrics.tasksCompleted} (${metrics.window})`],
              [
                'went well',
                metrics.successRate === undefined
                  ? undefined
                  : `${Math.round(metrics.successRate * 100)} %`,
              ],
              [
                'took',
                metrics.avgCompletionTime === undefined
                  ? undefined
                  : duration(metrics.avgCompletionTime * 1000),
              ],
            ]}
          />
          <h3>Agents</h3>
          <ul class="plain-list">
            {agents.map((agent) => (
              <li key={agent.endpoint}>
                <Badge tone={TONES[agent.status] ?? 'quiet'}>{agent.status}</Badge>{' '}
                <b>{agent.endpoint}</b>{' '}
                <small>
                  {agent.role}, {agent.capabilities.join(', ') || 'no capability'}{' '}
                  {agent.currentTask}
                </small>
              </li>
            ))}
          </ul>
          <h3>Who may write to whom</h3>
          <ul class="plain-list">
            {edges.map(({ from, to, task }) => (
              <li key={`${from} ${to}`}>
                {from} → {to} {task ? <small>and give it tasks</small> : undefined}
              </li>
            ))}
          </ul>
          <Command line={`starling swarm status ${shellWord(name)} --edges`} />
        </>
      )}
    </Answer>
  );
}
