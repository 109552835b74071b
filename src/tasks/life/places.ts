/** How many tasks that have not ended a node keeps, in all and of one submitter: no submitter takes the places of all others. */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { sendersIn } from '../../agents/index.ts';
import { OPERATOR, keyOf } from '../../guard/index.ts';
import { INPUTS_BYTES_MAX, SHARE_OF_ONE, TASKS_MAX } from '../limits.ts';
import type { TaskOrder } from '../types.ts';

/** The places of tasks that have not ended. */
export interface Places {
  /** @throws STARLING_LIMIT_EXCEEDED with `reason` full, or share where others still have room */
  checkRoom(order: TaskOrder): void;
  take(order: TaskOrder): void;
  give(order: TaskOrder): void;
  clear(): void;
}

interface Taken {
  tasks: number;
  bytes: number;
}

const HINT =
  'submit again when some have ended: starling task list; or cancel some: starling task cancel <id>';

/** Makes empty places of a node; `self` is what its operator is called in the orders of durable tasks. */
export function createPlaces(self?: Did): Places {
  const all: Taken = { tasks: 0, bytes: 0 };
  const bySubmitter = new Map<string, Taken>();
  const count = (order: TaskOrder, by: 1 | -1): void => {
    const key = whose(order);
    const own = bySubmitter.get(key) ?? { tasks: 0, bytes: 0 };
    for (const taken of [all, own]) {
      taken.tasks += by;
      taken.bytes += by * order.inputBytes;
    }
    if (own.tasks > 0) bySubmitter.set(key, own);
    else bySubmitter.delete(key);
  };
  return {
    checkRoom(order) {
      if (!fits(all, order, 1)) throw full('as this node keeps', 1, 'full');
      const key = whose(order);
      // The operator's node is the operator's own.
      if (key === OPERATOR_KEY || key === self) return;
      const own = bySubmitter.get(key) ?? { tasks: 0, bytes: 0 };
      if (!fits(own, order, SHARE_OF_ONE)) {
        throw full(`as this node keeps of one submitter (${order.from})`, SHARE_OF_ONE, 'share');
      }
    },
    take: (order) => count(order, 1),
    give: (order) => count(order, -1),
    clear() {
      all.tasks = 0;
      all.bytes = 0;
      bySubmitter.clear();
    },
  };
}

const OPERATOR_KEY = keyOf(OPERATOR);

/** Whoever submitted it; for whom that one works does not give it more places. */
function whose({ submitter }: TaskOrder): string {
  return sendersIn(submitter)[0] ?? submitter;
}

function fits({ tasks, bytes }: Taken, { inputBytes }: TaskOrder, share: number): boolean {
  return tasks + 1 <= TASKS_MAX * share && bytes + inputBytes <= INPUTS_BYTES_MAX * share;
}

function full(what: string, share: number, reason: 'full' | 'share'): StarlingError {
  const limit = TASKS_MAX * share;
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `as many tasks wait ${what}: ${limit} tasks, ${INPUTS_BYTES_MAX * share} bytes of input`,
    { hint: HINT, data: { reason, limit } },
  );
}
