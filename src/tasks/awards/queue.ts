/**
 * Which task comes next. A task's place is the time of its submission plus what its priority lets it wait; the earliest
 * place comes first. A place never moves, so that a task of low priority waits for those of a bounded time alone, and not
 * for all urgent ones that come for ever (earliest deadline first; Liu and Layland, 1973). Pure but for its own lists.
 */
import type { TaskOrder } from '../types.ts';

/** How much later than an urgent task one of this priority comes, ms. */
const WAITS = { high: 0, normal: 10_000, low: 60_000 } as const;

/** A task that waits. */
export interface Waiting {
  readonly order: TaskOrder;
}

/** Tasks that wait, in lanes: those of one lane can be done by the same agents. */
export interface TaskQueue<T extends Waiting> {
  readonly size: number;
  add(task: T): void;
  remove(task: T): void;
  /** The next task of a lane that `mayGo`; it stays in the queue. */
  next(mayGo: (lane: string) => boolean): T | undefined;
  /** The tasks of one lane, in their order. */
  inLane(lane: string): readonly T[];
}

/** Where a task stands among others. */
export function placeOf({ placedAt, submittedAt, priority }: TaskOrder): number {
  return (placedAt ?? submittedAt) + WAITS[priority];
}

/** Lanes of orders: a task asks for its own several times on its way. */
const lanesOf = new WeakMap<TaskOrder, string>();

/** What the agents for a task depend on. */
export function laneOf(order: TaskOrder): string {
  const known = lanesOf.get(order);
  if (known !== undefined) return known;
  const { submitter, capability, agentId, tags, prefer } = order;
  const lane = JSON.stringify([submitter, capability, agentId, tags, prefer]);
  lanesOf.set(order, lane);
  return lane;
}

/** Makes an empty queue. */
export function createTaskQueue<T extends Waiting>(): TaskQueue<T> {
  const lanes = new Map<string, T[]>();
  let size = 0;
  const find = (lane: readonly T[], task: T): number => {
    let low = 0;
    let high = lane.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(lane[middle] as T, task)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    get size() {
      return size;
    },
    add(task) {
      const key = laneOf(task.order);
      const lane = lanes.get(key) ?? [];
      lanes.set(key, lane);
      const last = lane.at(-1);
      // Nearly all come in the order of their places.
      const isLast = last === undefined || isBefore(last, task);
      const at = isLast ? lane.length : find(lane, task);
      if (lane[at] === task) return;
      if (isLast) lane.push(task);
      else lane.splice(at, 0, task);
      size += 1;
    },
    remove(task) {
      const key = laneOf(task.order);
      const lane = lanes.get(key) ?? [];
      const at = find(lane, task);
      if (lane[at] !== task) return;
      lane.splice(at, 1);
      size -= 1;
      if (lane.length === 0) lanes.delete(key);
    },
    next(mayGo) {
      let best: T | undefined;
      for (const [key, [first]] of lanes) {
        if (first === undefined || (best !== undefined && !isBefore(first, best))) continue;
        if (mayGo(key)) best = first;
      }
      return best;
    },
    inLane: (lane) => lanes.get(lane) ?? [],
  };
}

function isBefore(one: Waiting, other: Waiting): boolean {
  const apart = placeOf(one.order) - placeOf(other.order);
  return apart === 0 ? one.order.seq < other.order.seq : apart < 0;
}
