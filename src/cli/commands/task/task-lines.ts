/** How tasks are shown. */
import type { TaskResult, TaskView } from '../../../tasks/types.ts';
import { barsText, capabilitiesOf, isPlan, planText, votesText } from './plan-lines.ts';
import { showValue } from '../../options/board-value.ts';
import { facts, safeLine } from '../../terminal/output.ts';

/** States in which a task stays. */
const ENDS: readonly string[] = ['done', 'failed', 'cancelled', 'expired'];

/** Nothing comes of the task any more, unless somebody has it done again. */
export function isOver({ status }: TaskView): boolean {
  return ENDS.includes(status);
}

/** Who has the task, or why nobody has, in one line. */
export function goesText(task: TaskView): string {
  if (isPlan(task)) return barsText(task);
  const { attempts, progress, question, status, taskId, waitsFor } = task;
  const last = attempts.at(-1);
  if (question?.kind === 'approval') return `waits at ${last?.agent}: ${question.message}`;
  if (question !== undefined) {
    const how = `starling task answer ${taskId} <answer>`;
    return `${last?.agent} asks: ${question.message} To answer: ${how}`;
  }
  if (status === 'bidding') return `waits: ${waitsFor ?? 'an agent is looked for'}`;
  const part = progress?.part === undefined ? '' : ` ${Math.round(progress.part * 100)} %`;
  const text = progress?.text === undefined ? '' : `: ${progress.text}`;
  const nth = attempts.length > 1 ? ` (attempt ${attempts.length})` : '';
  return last === undefined ? status : `${status} at ${last.agent}${nth}${part}${text}`;
}

/** What an agent must be able to do for it, or which agent it is for. */
export function needsText(task: TaskView): string {
  if (isPlan(task)) return capabilitiesOf(task).join(', ');
  return task.capability ?? task.agentId ?? '';
}

/** How many nodes keep a durable task. */
export function copiesText({ copies = 0 }: TaskView): string {
  if (copies > 1)
    return `kept by ${copies} nodes: another one goes on with it when its own is gone`;
  return 'kept by this node alone, as there are no two others now: it does not outlive this node';
}

/** How a task has ended. */
export function endText(task: TaskResult): string {
  const { error, processedBy, status, taskId, late = [] } = task;
  const lateText = late.length === 0 ? '' : `; ${late.length} late: starling task info ${taskId}`;
  const votes = isPlan(task) ? votesText(task) : '';
  if (status === 'done' && isPlan(task))
    return `done by the swarm${votes === '' ? '' : `; ${votes}`}`;
  if (status === 'done') return `done by ${processedBy ?? 'nobody'}${lateText}`;
  const why = error === undefined ? '' : whyText(status, error);
  // A plan is not given anew by its id: its swarm may be another one by then.
  if (isPlan(task)) return `${status}${why}; who did what: starling task info ${taskId}`;
  return `${status}${why}; to have it done after all: starling task retry ${taskId}`;
}

/** The reason stands in brackets where that is more than the status says. */
function whyText(
  status: TaskResult['status'],
  { message, reason }: NonNullable<TaskResult['error']>,
): string {
  return `${reason === status ? '' : ` (${reason})`}: ${message}`;
}

/** The result of a task that is done, else how it stands. */
export function resultText(task: TaskResult): string {
  if (task.status === 'done') return showValue(task.result ?? null);
  return safeLine(isOver(task) ? endText(task) : goesText(task));
}

/** All that is known of a task. */
export function taskText(task: TaskView): string {
  const attempts = task.attempts.map(({ agent, outcome, startedAt, token, why }) => {
    const end = `${outcome ?? 'under way'}${why === undefined ? '' : `: ${why}`}`;
    return ['attempt', `${token}: ${agent}, ${startedAt}, ${end}`] as const;
  });
  const late = (task.late ?? []).map(
    ({ agent, token, ...said }) =>
      ['late', `${token}: ${agent}, ${JSON.stringify(said.result ?? said)}`] as const,
  );
  const told = facts([
    ['task', task.taskId],
    ...(isPlan(task)
      ? ([
          ['wanted', task.description],
          ['swarm', task.swarmId],
        ] as const)
      : []),
    ['status', isOver(task) ? endText(task) : goesText(task)],
    ['needs', needsText(task)],
    ['priority', task.priority],
    ['retry', task.retryPolicy],
    ...(task.durable === undefined
      ? []
      : ([
          ['durable', copiesText(task)],
          ['owner', task.owner ?? ''],
        ] as const)),
    ...(task.taint === undefined
      ? []
      : ([['made of', `what is ${task.taint} to this node: that may speak through it`]] as const)),
    ['from', `${task.submittedBy}, ${task.submittedAt}`],
    ['until', task.deadline],
    ...attempts,
    ...late,
  ]);
  return isPlan(task) ? `${told}\n\n${planText(task)}` : told;
}
