/** A task as others see it. Pure. */
import { worstTaint } from '../../guard/index.ts';
import type { LiveTask } from './live-task.ts';
import { hasEnded } from './machine.ts';
import type { Attempt, AttemptView, TaskView } from '../types.ts';

/** What is shown of a task, without its input and its result. */
export function viewOf(
  { row, waitsFor }: Pick<LiveTask, 'row' | 'waitsFor'>,
  kept: Pick<TaskView, 'copies' | 'owner'> = {},
): TaskView {
  const { order, state, attempts, ballot, error, processedBy, late, progress, question } = row;
  const { version, endedAt } = row;
  const taint = worstTaint(order.taint, row.taint);
  const { capability, agentId, durable, said } = order;
  return {
    taskId: order.id,
    status: state,
    ...(capability === undefined ? {} : { capability }),
    ...(agentId === undefined ? {} : { agentId }),
    priority: order.priority,
    retryPolicy: order.retry,
    ...(durable === undefined ? {} : { durable, ...kept }),
    submittedBy: order.from,
    submittedAt: iso(order.submittedAt),
    deadline: iso(order.expiresAt),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
    attempts: attempts.map(attemptView),
    ...(progress === undefined ? {} : { progress }),
    ...(question === undefined ? {} : { question }),
    ...(waitsFor === undefined || hasEnded(row) ? {} : { waitsFor }),
    ...(processedBy === undefined ? {} : { processedBy }),
    ...(ballot === undefined ? {} : { ballot }),
    ...(error === undefined ? {} : { error }),
    ...(late === undefined ? {} : { late }),
    ...(taint === undefined ? {} : { taint }),
    ...(said === undefined ? {} : { message: said }),
    version,
  };
}

function attemptView({ token, agent, startedAt, endedAt, outcome, why }: Attempt): AttemptView {
  return {
    token,
    agent,
    startedAt: iso(startedAt),
    ...(endedAt === undefined ? {} : { endedAt: iso(endedAt) }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(why === undefined ? {} : { why }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
