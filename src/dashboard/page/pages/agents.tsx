/** Agents: who takes messages and tasks, here and at peers; what one that this node runs has written, and its end. */
import { useState } from 'preact/hooks';
import type {
  AgentInfoResult,
  AgentListResult,
  AgentLogsResult,
  AgentView,
} from '../../../agents/types.ts';
import { Action } from '../action.tsx';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Meter, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { ago, duration, latency, shellWord } from '../words.ts';

const TONES: Readonly<Record<string, Tone>> = { online: 'good', offline: 'warn', stopped: 'quiet' };

/** The page. */
export function AgentsPage() {
  const live = useLive<AgentListResult>('agent_list', {}, 3000);
  const [shown, setShown] = useState<AgentView>();
  return (
    <Card title="Agents">
      <Answer live={live}>
        {({ agents, unreachable = [] }) => (
          <>
            {agents.length === 0 ? (
              <Nothing command="starling agent spawn <kind>">
                No agent is here, or at a peer that shows it.
              </Nothing>
            ) : (
              <Table
                label="Agents"
                rows={agents}
                keyOf={({ endpoint, id }) => `${endpoint}${id}`}
                columns={[
                  {
                    name: 'agent',
                    cell: (agent) => (
                      <button type="button" class="link" onClick={() => setShown(agent)}>
                        {agent.endpoint}
                      </button>
                    ),
                  },
                  {
                    name: 'status',
                    cell: ({ status }) => <Badge tone={TONES[status] ?? 'quiet'}>{status}</Badge>,
                  },
                  {
                    name: 'health',
                    isNumber: true,
                    cell: ({ health }) => (health === undefined ? '–' : `${health} %`),
                  },
                  {
                    name: 'busy',
                    isNumber: true,
                    cell: ({ busy, free }) => `${busy} of ${busy + free}`,
                  },
                  {
                    name: 'tasks done',
                    isNumber: true,
                    cell: ({ tasksProcessed }) => tasksProcessed,
                  },
                  { name: 'can', cell: ({ capabilities }) => capabilities.join(', ') || '–' },
                ]}
              />
            )}
            {unreachable.map(({ node, reason }) => (
              <p class="hint" key={node}>
                {node}: {reason}
              </p>
            ))}
          </>
        )}
      </Answer>
      {shown === undefined ? undefined : (
        <Panel title={shown.endpoint} onClose={() => setShown(undefined)}>
          <AgentCard agent={shown} />
        </Panel>
      )}
    </Card>
  );
}

function AgentCard({ agent }: { agent: AgentView }) {
  const live = useLive<AgentInfoResult>('agent_info', { agentId: agent.endpoint }, 2000);
  return (
    <Answer live={live}>
      {({ run, ...view }) => (
        <>
          {view.health === undefined ? undefined : (
            <Meter
              label={`health ${view.health} per cent`}
              parts={[{ share: view.health / 100, tone: view.health > 60 ? 'good' : 'bad' }]}
            />
          )}
          <Facts
            facts={[
              ['status', <Badge tone={TONES[view.status] ?? 'quiet'}>{view.status}</Badge>],
              ['kind', view.kind],
              ['identity', <code>{view.did}</code>],
              ['announced', `${duration(view.uptime)} ago`],
              ['last heard', ago(Date.parse(view.last_seen))],
              ['answers in', latency(view.metrics.avgResponseTime)],
              [
                'messages',
                `${view.metrics.received} received, ${view.metrics.sent} sent, ${view.metrics.errors} failed`,
              ],
              ['state', run?.state],
              ['spawned by', run?.spawnedBy],
              ['may use', run?.tools.join(', ')],
              ['processes', run?.pids.join(', ')],
              ['started again', run?.restarts],
              ['why it does not run', run?.error],
            ]}
          />
          {run === undefined ? undefined : <Log name={view.name} />}
          <div class="actions">
            {run === undefined || view.status === 'stopped' ? undefined : (
              <Action
                tool="agent_stop"
                args={{ agentId: view.name }}
                isDanger
                question="Stop it now?"
                onDone={live.refresh}
              >
                Stop
              </Action>
            )}
            <Command line={`starling agent info ${shellWord(view.endpoint)}`} />
            {run === undefined ? undefined : (
              <Command line={`starling agent stop ${shellWord(view.name)}`} />
            )}
          </div>
        </>
      )}
    </Answer>
  );
}

function Log({ name }: { name: string }) {
  const live = useLive<AgentLogsResult>('agent_logs', { agentId: name, limit: 100 }, 3000);
  return (
    <>
      <h3>What it writes</h3>
      <Answer live={live}>
        {({ lines }) =>
          lines.length === 0 ? (
            <Nothing command={`starling agent logs ${shellWord(name)}`}>Nothing yet.</Nothing>
          ) : (
            <pre tabIndex={0}>{lines.map(({ text }) => text).join('\n')}</pre>
          )
        }
      </Answer>
    </>
  );
}
