/** `starling task result` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { TaskResult } from '../../../tasks/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { shown } from './follow.ts';

/** The longest wait of one call. */
const WAIT_MAX_MS = 300_000;
const WAY_MS = 10_000;

/** Options of the command. */
interface ResultOptions extends CommonOptions {
  /** Milliseconds. */
  readonly wait?: number;
}

/** Prints the result; exit code 1 where there is none. @throws STARLING_TASK_UNKNOWN */
export async function run(taskId: string, options: ResultOptions): Promise<ExitCode> {
  const waitMs = Math.min(options.wait ?? 0, WAIT_MAX_MS);
  const result = await withNode(options, (node) =>
    node.builtin<TaskResult>(
      'task_result',
      { taskId, timeout_s: waitMs / 1000 },
      { timeoutMs: waitMs + WAY_MS },
    ),
  );
  return shown(result, options.json === true);
}
