/** Agents: who takes messages and tasks, here and at peers; what one that this node runs has written, and its end. */
import { useState } from 'preact/hooks';
import type {
  AgentInfoResult,
  AgentListResult,
  AgentLogsResult,
  AgentView,
  SpreadView,
} from '../../../agents/types.ts';
import { Action } from '../action.tsx';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Meter, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { ago, duration, latency, shellWord } from '../words.ts';
import { Learned } from './learned.tsx';

const TONES: Readonly<Record<string, Tone>> = { online: 'good', offline: 'warn', stopped: 'quiet' };
/** Of a process, and of a part of an agent that is spread over several nodes. */
const RUN_TONES: Readonly<Record<string, Tone>> = {
  ready: 'good',
  running: 'good',
  learning: 'good',
  spawning: 'info',
  init: 'info',
  stopping: 'warn',
  failed: 'bad',
};

/** The list of agents above, and below it what those with a model have learned. */
export function AgentsPage() {
  return (
    <>
      <Agents />
      <Learned />
    </>
  );
}

function Agents() {
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
      {({ run, whole, parts = [], ...view }) => (
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
              [
                'state',
                run === undefined ? undefined : (
                  <Badge tone={RUN_TONES[run.state] ?? 'quiet'}>{run.state}</Badge>
                ),
              ],
              ['thinks with', run?.model],
              ['spawned by', run?.spawnedBy],
              ['may use', run?.tools.join(', ')],
              ['processes', run === undefined ? undefined : processesText(run)],
              [
                'memory',
                run?.memoryShare === undefined
                  ? undefined
                  : `${Math.round(run.memoryShare * 100)} % of its limit`,
              ],
              ['other parts', whole === undefined ? parts.join(', ') : undefined],
              ['started again', run?.restarts],
              ['why it does not run', run?.error],
            ]}
          />
          {whole === undefined ? undefined : <Whole whole={whole} />}
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

/** How many there are, of how many the queue may have, and which. */
function processesText({ pids, replicas, scale }: NonNullable<AgentInfoResult['run']>): string {
  const many = scale === undefined ? `${pids.length} of ${replicas}` : `${pids.length}, ${scale}`;
  return pids.length === 0 ? many : `${many}: ${pids.join(', ')}`;
}

/** An agent that is spread over several nodes, as this one knows it. */
function Whole({ whole }: { whole: SpreadView }) {
  const { by, ended, error, parent, replicas, strategy, without = [] } = whole;
  return (
    <>
      <h3>On several nodes</h3>
      <Facts
        facts={[
          ['spread by', by],
          ['looked after by', parent?.node ?? 'nobody now'],
          ['processes in all', replicas],
          ['when one ends', strategy],
          ['wanted', ended === undefined ? undefined : 'no more'],
          ['given up because', error],
        ]}
      />
      <ul class="plain-list">
        {whole.parts.map((part) => (
          <li key={part.node}>
            {part.state === undefined ? undefined : (
              <Badge tone={RUN_TONES[part.state] ?? 'quiet'}>{part.state}</Badge>
            )}{' '}
            <b>{part.node}</b>{' '}
            {part.replicas === undefined ? undefined : <small>{part.replicas} wanted</small>}
          </li>
        ))}
        {without.map(({ node, reason }) => (
          <li key={node}>
            <Badge tone="warn">no part</Badge> <b>{node}</b> <small>{reason}</small>
          </li>
        ))}
      </ul>
    </>
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
