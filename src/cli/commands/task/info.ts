/** `starling task info` */
import type { TaskView } from '../../../tasks/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData } from '../../terminal/output.ts';
import { taskText } from './task-lines.ts';

/** Prints what is known of the task. @throws STARLING_TASK_UNKNOWN */
export async function run(taskId: string, options: CommonOptions): Promise<void> {
  const task = await withNode(options, (node) => node.builtin<TaskView>('task_status', { taskId }));
  printData(task, options.json === true, () => taskText(task));
}
