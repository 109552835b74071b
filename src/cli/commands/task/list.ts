/** `starling task list` */
import type { TaskListResult } from '../../../tasks/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, cut, printData, table } from '../../terminal/output.ts';
import { endText, goesText, isOver, needsText } from './task-lines.ts';

const TEXT_MAX = 60;

/** Options of the command. */
interface ListOptions extends CommonOptions {
  readonly status?: readonly string[];
  readonly limit: number;
}

/** Prints the tasks. */
export async function run({ status, limit, ...options }: ListOptions): Promise<void> {
  const args = { limit, ...(status === undefined ? {} : { status: [...status] }) };
  const result = await withNode(options, (node) => node.builtin<TaskListResult>('task_list', args));
  printData(result, options.json === true, () => {
    const rows = result.tasks.map((task) => [
      task.taskId,
      task.status,
      needsText(task),
      ago(Date.parse(task.submittedAt) || 0),
      cut(isOver(task) ? endText(task) : goesText(task), TEXT_MAX),
    ]);
    if (rows.length === 0)
      return 'no tasks: give one with starling task run <input> --need <capability>';
    return table(['TASK', 'STATUS', 'NEEDS', 'GIVEN', 'HOW IT GOES'], rows, { flexible: 4 });
  });
}
