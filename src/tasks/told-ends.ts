/** The guide's `task.result`: how the tasks of queues end is told to all. */
import { messageOf } from '../core/index.ts';
import type { JsonObject, Logger } from '../core/index.ts';
import type { Agents } from '../agents/index.ts';
import type { Principal } from '../guard/index.ts';
import type { LiveTask } from './life/live-task.ts';
import type { TaskRows } from './rows.ts';
import type { TaskOrder } from './types.ts';

/** Characters of a result that is told to all. */
const TOLD_MAX = 12_000;

/** What telling needs. */
export interface TellerComponents {
  readonly agents: Pick<Agents, 'mayTell' | 'tell'>;
  readonly rows: Pick<TaskRows, 'result'>;
  /** By whose right a task is done. */
  principalOf(this: void, order: TaskOrder): Principal;
  readonly logger: Logger;
}

/** Gives what tells of a task that has ended, where it is one of a queue. That never rejects. */
export function tellerOf({
  agents,
  rows,
  principalOf,
  logger,
}: TellerComponents): (task: LiveTask) => Promise<void> {
  return async (task) => {
    const { capability, id, said } = task.order;
    if (capability?.startsWith('tasks.') !== true) return;
    const { error, processedBy = null, state } = task.row;
    const principal = principalOf(task.order);
    // Of thousands that end in a moment a few are told of.
    if (!agents.mayTell(principal)) return;
    try {
      const result = state === 'done' ? ((await rows.result(id)) ?? null) : null;
      const isSmall = JSON.stringify(result).length < TOLD_MAX;
      const message: JsonObject = {
        taskId: said?.['id'] ?? id,
        task: id,
        status: state,
        processedBy,
        ...(isSmall ? { result } : {}),
        ...(error === undefined ? {} : { error: { ...error } }),
      };
      await agents.tell(principal, { subject: 'task.result', message, from: undefined });
    } catch (trouble) {
      logger.debug({ task: id, error: messageOf(trouble) }, 'the end of a task was not told');
    }
  };
}
