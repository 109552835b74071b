/** `starling task watch` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { watchTask } from './follow.ts';

/** Shows the task to its end, and prints its result. @throws STARLING_TASK_UNKNOWN */
export function run(taskId: string, options: CommonOptions): Promise<ExitCode> {
  return untilInterrupted((signal) => watchTask(taskId, options, signal));
}
