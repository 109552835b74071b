/** Shows how a task goes until it ends; Ctrl-C leaves it running. */
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { TaskResult, TaskView } from '../../../tasks/types.ts';
import type { NodeClient } from '../../node/client.ts';
import { watchNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, tell } from '../../terminal/output.ts';
import { createProgress } from '../../terminal/progress.ts';
import { endText, goesText, isOver, resultText } from './task-lines.ts';

/** How long one call waits for a change. */
const WAIT_S = 60;
const WAY_MS = 10_000;

/**
 * Shows the task on standard error, and prints its result; exit code 1 where it was not done. Ctrl-C says how to come back.
 * @throws STARLING_TASK_UNKNOWN
 */
export function watchTask(
  taskId: string,
  options: CommonOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const say = (): void => tell(`the task goes on; to come back: starling task watch ${taskId}`);
  signal.addEventListener('abort', say, { once: true });
  return watchNode(options, (node) => follow(node, taskId, options.json === true), signal);
}

async function follow(node: NodeClient, taskId: string, json: boolean): Promise<ExitCode> {
  const progress = createProgress(true);
  let task = await node.builtin<TaskView>('task_status', { taskId });
  try {
    while (!isOver(task)) {
      progress.show(goesText(task));
      const args = { taskId, version: task.version, timeout_s: WAIT_S };
      task = await node.builtin('task_status', args, { timeoutMs: WAIT_S * 1000 + WAY_MS });
    }
  } finally {
    progress.done();
  }
  const result = await node.builtin<TaskResult>('task_result', { taskId });
  return shown(result, json);
}

/** Prints a task that has ended, or stands still for now. */
export function shown(result: TaskResult, json: boolean): ExitCode {
  const isDone = result.status === 'done';
  if (isDone && !json) tell(endText(result));
  printData(result, json, () => resultText(result));
  return isDone ? EXIT.done : EXIT.failed;
}
