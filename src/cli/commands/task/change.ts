/** `starling task cancel` and `starling task retry` */
import type { TaskView } from '../../../tasks/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Ends the task. @throws STARLING_TASK_UNKNOWN, STARLING_TASK_ENDED */
export function cancel(taskId: string, options: CommonOptions): Promise<void> {
  return change('task_cancel', taskId, options);
}

/** Has the task done after all. @throws STARLING_TASK_UNKNOWN, STARLING_TASK_ENDED */
export function retry(taskId: string, options: CommonOptions): Promise<void> {
  return change('task_retry', taskId, options);
}

async function change(tool: string, taskId: string, options: CommonOptions): Promise<void> {
  const task = await withNode(options, (node) => node.builtin<TaskView>(tool, { taskId }));
  printData(task, options.json === true, () =>
    safeLine(
      tool === 'task_cancel'
        ? `${task.taskId} is cancelled`
        : `${task.taskId} waits for an agent: starling task watch ${task.taskId}`,
    ),
  );
}
