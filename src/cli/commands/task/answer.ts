/** `starling task answer` */
import type { TaskView } from '../../../tasks/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { readValue } from '../../options/board-value.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Tells the agent of a task what it has asked. @throws STARLING_TASK_UNKNOWN, STARLING_TASK_ENDED */
export async function run(taskId: string, answer: string, options: CommonOptions): Promise<void> {
  const args = { taskId, answer: readValue(answer) };
  const task = await withNode(options, (node) => node.builtin<TaskView>('task_answer', args));
  printData(task, options.json === true, () =>
    safeLine(`${task.taskId} goes on: starling task watch ${task.taskId}`),
  );
}
