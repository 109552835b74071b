/** Tasks: what was given to agents, who has it or had it, the phases of a plan and how its members voted. */
import { useState } from 'preact/hooks';
import type { CountedBallot, PhaseView, PlanView, VoteView } from '../../../orchestration/types.ts';
import type { TaskListResult, TaskView } from '../../../tasks/types.ts';
import { Action } from '../action.tsx';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Facts, Figure, Nothing, Panel, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { ago, clock, counted, duration, shellWord, shortId } from '../words.ts';

const TONES: Readonly<Record<string, Tone>> = {
  done: 'good',
  running: 'info',
  failed: 'bad',
  expired: 'bad',
  lost: 'bad',
  waiting: 'quiet',
  cancelled: 'quiet',
};
const ENDED: readonly string[] = ['done', 'failed', 'cancelled', 'expired'];
const SHOWN = 100;
const CHOICE_MAX = 200;

/** How many tasks are in which state, the list, and beside it the chosen one. */
export function TasksPage() {
  const live = useLive<TaskListResult>('task_list', { limit: SHOWN });
  const [shown, setShown] = useState<string>();
  return (
    <>
      <Answer live={live}>
        {({ tasks, counts }) => (
          <>
            {Object.keys(counts).length === 0 ? undefined : (
              <dl class="figures">
                {Object.entries(counts).map(([state, many]) => (
                  <Figure label={state} value={many} key={state} />
                ))}
              </dl>
            )}
            <Card title="Tasks, the newest first">
              {tasks.length === 0 ? (
                <Nothing command="starling task run <input> --need <capability>">
                  No task was given.
                </Nothing>
              ) : (
                <TaskTable tasks={tasks} onShow={setShown} />
              )}
            </Card>
          </>
        )}
      </Answer>
      {shown === undefined ? undefined : (
        <Panel title={`Task ${shortId(shown)}`} onClose={() => setShown(undefined)}>
          <TaskCard id={shown} />
        </Panel>
      )}
    </>
  );
}

/** A task, or a plan, which is known by the same tools. */
type AnyTask = TaskView & Partial<Pick<PlanView, 'orchestrationPlan' | 'description'>>;

function forWhat({ agentId, capability, orchestrationPlan }: AnyTask): string {
  const phases = orchestrationPlan?.phases.map((phase) => phase.capability).join(', ');
  return phases ?? capability ?? agentId ?? '–';
}

function byWhom({ attempts, orchestrationPlan, processedBy, waitsFor }: AnyTask): string {
  const phases = orchestrationPlan?.phases;
  if (phases === undefined) return processedBy ?? attempts.at(-1)?.agent ?? waitsFor ?? '–';
  const done = phases.filter(({ status }) => status === 'done').length;
  return `${done} of ${counted(phases.length, 'phase')} done`;
}

function TaskTable({ tasks, onShow }: { tasks: readonly AnyTask[]; onShow: (id: string) => void }) {
  return (
    <Table
      label="Tasks"
      rows={tasks}
      keyOf={({ taskId }) => taskId}
      columns={[
        {
          name: 'task',
          cell: ({ taskId }) => (
            <button type="button" class="link" onClick={() => onShow(taskId)}>
              {shortId(taskId)}
            </button>
          ),
        },
        {
          name: 'state',
          cell: ({ status }) => <Badge tone={TONES[status] ?? 'warn'}>{status}</Badge>,
        },
        { name: 'for', cell: forWhat },
        { name: 'agent', cell: byWhom },
        {
          name: 'attempts',
          isNumber: true,
          cell: ({ attempts, orchestrationPlan }) =>
            orchestrationPlan?.phases.reduce((sum, phase) => sum + phase.attempts.length, 0) ??
            attempts.length,
        },
        { name: 'given', isNumber: true, cell: ({ submittedAt }) => ago(Date.parse(submittedAt)) },
      ]}
    />
  );
}

function TaskCard({ id }: { id: string }) {
  const live = useLive<AnyTask>('task_status', { taskId: id });
  return (
    <Answer live={live}>
      {(task) => (
        <>
          <Facts
            facts={[
              ['state', <Badge tone={TONES[task.status] ?? 'warn'}>{task.status}</Badge>],
              ['what', task.description],
              ['capability', task.capability],
              ['agent', task.agentId],
              ['given by', task.submittedBy],
              ['given', clock(Date.parse(task.submittedAt))],
              ['must end by', clock(Date.parse(task.deadline))],
              ['ended', task.endedAt === undefined ? undefined : clock(Date.parse(task.endedAt))],
              ['waits for', task.waitsFor],
              ['asks', task.question === undefined ? undefined : JSON.stringify(task.question)],
              ['progress', task.progress === undefined ? undefined : JSON.stringify(task.progress)],
              ['error', task.error === undefined ? undefined : JSON.stringify(task.error)],
            ]}
          />
          {task.orchestrationPlan === undefined ? undefined : (
            <Phases phases={task.orchestrationPlan.phases} />
          )}
          <Attempts attempts={task.attempts} />
          <TaskActions task={task} onDone={live.refresh} />
        </>
      )}
    </Answer>
  );
}

function TaskActions({ task, onDone }: { task: AnyTask; onDone: () => void }) {
  const { orchestrationPlan, status, taskId } = task;
  // A plan is not given anew by its id: its swarm may be another one by then.
  const canRetry = ENDED.includes(status) && status !== 'done' && orchestrationPlan === undefined;
  return (
    <div class="actions">
      {ENDED.includes(status) ? undefined : (
        <>
          <Action
            tool="task_cancel"
            args={{ taskId }}
            isDanger
            question="Cancel it now?"
            onDone={onDone}
          >
            Cancel
          </Action>
          <Command line={`starling task cancel ${shellWord(taskId)}`} />
        </>
      )}
      {canRetry ? (
        <>
          <Action tool="task_retry" args={{ taskId }} onDone={onDone}>
            Try again
          </Action>
          <Command line={`starling task retry ${shellWord(taskId)}`} />
        </>
      ) : undefined}
      <Command line={`starling task info ${shellWord(taskId)}`} />
    </div>
  );
}

function Attempts({ attempts }: Pick<TaskView, 'attempts'>) {
  if (attempts.length === 0) return undefined;
  return (
    <>
      <h3>Attempts</h3>
      <ul class="plain-list">
        {attempts.map(({ token, agent, startedAt, endedAt, outcome, why }) => (
          <li key={token}>
            <Badge tone={TONES[outcome ?? 'running'] ?? 'quiet'}>{outcome ?? 'running'}</Badge>{' '}
            {agent}{' '}
            <small>
              {duration(Date.parse(endedAt ?? new Date().toISOString()) - Date.parse(startedAt))}{' '}
              {why}
            </small>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Each phase as a bar, from when it began to when it ended, over the time of the whole plan. */
function Phases({ phases }: { phases: readonly PhaseView[] }) {
  const times = phases
    .flatMap(({ startedAt, endedAt }) => [startedAt, endedAt])
    .flatMap((text) => (text === undefined ? [] : [Date.parse(text)]));
  const now = Date.now();
  const begin = Math.min(now, ...times);
  const isOver = phases.every(
    ({ status, endedAt }) => status === 'waiting' || endedAt !== undefined,
  );
  const whole = Math.max(1, (isOver ? Math.max(begin, ...times) : now) - begin);
  const shareOf = (text: string | undefined): number =>
    text === undefined ? 1 : (Date.parse(text) - begin) / whole;
  return (
    <>
      <h3>Phases</h3>
      <ul class="phases">
        {phases.map((phase) => (
          <Phase
            phase={phase}
            from={shareOf(phase.startedAt)}
            to={shareOf(phase.endedAt)}
            key={phase.name}
          />
        ))}
      </ul>
    </>
  );
}

/** One phase; `from` and `to` are shares of the time of the whole plan. */
function Phase({ phase, from, to }: { phase: PhaseView; from: number; to: number }) {
  const { agents, attempts, error, name, status, vote } = phase;
  return (
    <li>
      <p>
        <b>{name}</b> <Badge tone={TONES[status] ?? 'quiet'}>{status}</Badge>{' '}
        <small>{agents.join(', ')}</small>
      </p>
      <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect
          class={TONES[status] ?? 'quiet'}
          x={from * 100}
          width={Math.max(0, to - from) * 100}
          height="6"
        />
      </svg>
      {attempts.length === 0 ? undefined : (
        <ul class="plain-list" aria-label={`attempts of ${name}`}>
          {attempts.map(({ agent, outcome = 'running', error: fault, why }, index) => (
            <li key={`${agent}${index}`}>
              <Badge tone={TONES[outcome] ?? 'quiet'}>{outcome}</Badge> {agent}{' '}
              <small>{fault ?? why}</small>
            </li>
          ))}
        </ul>
      )}
      {vote === undefined ? undefined : <Vote vote={vote} />}
      {error === undefined ? undefined : <small>{error}</small>}
    </li>
  );
}

/** What each of those who were asked has chosen. */
function Vote({ vote: { ballots, by, choice, share, threshold } }: { vote: VoteView }) {
  return (
    <>
      <small>
        vote {share.toFixed(2)} of {threshold} ({by})
      </small>
      <ul class="plain-list" aria-label="ballots">
        {ballots.map((ballot) => (
          <li key={ballot.agent}>
            <Badge tone={ballotTone(ballot, choice)}>{choiceText(ballot)}</Badge> {ballot.agent}{' '}
            <small>
              {`weighs ${ballot.share.toFixed(2)}`}
              {ballot.confidence === undefined
                ? ''
                : `, ${Math.round(ballot.confidence * 100)} % sure`}
              {ballot.choice === undefined || ballot.signed ? '' : ', not signed'}
            </small>
          </li>
        ))}
      </ul>
    </>
  );
}

function ballotTone({ choice }: CountedBallot, taken: string | undefined): Tone {
  if (choice === undefined) return 'quiet';
  return choice === taken ? 'good' : 'warn';
}

/** A choice is what an agent says, of any length. */
function choiceText({ choice = 'no ballot' }: CountedBallot): string {
  return choice.length > CHOICE_MAX ? `${choice.slice(0, CHOICE_MAX)}…` : choice;
}
