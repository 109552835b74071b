/** What is said where a task can't be seen, or can't be changed so any more. */
import { StarlingError } from '../../core/index.ts';
import type { LiveTask } from './live-task.ts';
import type { TaskOrder } from '../types.ts';

/** There is none, or none that the caller may see. */
export function unknownTask(id: string): StarlingError {
  return new StarlingError('STARLING_TASK_UNKNOWN', `there is no task '${id.slice(0, 128)}'`, {
    hint: 'see which there are: starling task list',
    data: { taskId: id.slice(0, 128), reason: 'unknown' },
  });
}

/** The state of the task is not one for that. */
export function wrongState({ order, row }: LiveTask, why: string): StarlingError {
  return new StarlingError('STARLING_TASK_ENDED', `task ${order.id} is ${row.state}: ${why}`, {
    hint: `see what came of it: starling task info ${order.id}`,
    data: { taskId: order.id, reason: row.state },
  });
}

/** The same message is on its way to the disk. */
export function underWay({ said }: TaskOrder): StarlingError {
  const id = String(said?.['id']).slice(0, 128);
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `the task '${id}' is being submitted`, {
    hint: 'ask again in a moment',
    data: { reason: 'busy' },
  });
}

/** The caller may see it, and did not submit it. */
export function notOwned(id: string): StarlingError {
  return new StarlingError('STARLING_CALL_REFUSED', `the task ${id} is not the caller's`, {
    hint: 'whoever submitted it, and the operator, may do that',
  });
}

/** A durable task that this node gives to nobody any more. */
export function movedTask(id: string): StarlingError {
  return new StarlingError('STARLING_TASK_ENDED', `task ${id} is with another node now`, {
    hint: `see who goes on with it: starling task info ${id}`,
    data: { taskId: id, reason: 'moved' },
  });
}

/** A durable task whose register has its end already. */
export function endedElsewhere(id: string): StarlingError {
  return new StarlingError('STARLING_TASK_ENDED', `task ${id} has ended`, {
    hint: `see what came of it: starling task info ${id}`,
    data: { taskId: id, reason: 'ended' },
  });
}

/** Whether something can never be written: the task has ended, or another node has it. */
export function isPast(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_TASK_ENDED';
}
