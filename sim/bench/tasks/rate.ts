/** How often in a second something is done, and what of a processor that takes. */
import { cpuUs } from '../cpu.ts';

/** In a second, and the processor's time of each, µs; NaN where there is no /proc. */
export interface Pace {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** How many times, by how many callers at a time, and the processes whose time counts. */
export interface PaceInit {
  readonly count: number;
  readonly callers: number;
  readonly pids: readonly number[];
}

/** Does `work` as often, and says how fast that was. Rejects as `work` does. */
export async function paceOf(
  { callers, count, pids }: PaceInit,
  work: (at: number) => Promise<unknown>,
): Promise<Pace> {
  const before = cpuUs(pids) ?? Number.NaN;
  const from = performance.now();
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let at = next; at < count; at = next) {
      next += 1;
      await work(at);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = (count / (performance.now() - from)) * 1000;
  return { perSecond, cpuUs: ((cpuUs(pids) ?? Number.NaN) - before) / count };
}

/** The one in the middle by what was done in a second. */
export function medianPace(paces: readonly Pace[]): Pace {
  const sorted = paces.toSorted((one, other) => one.perSecond - other.perSecond);
  return sorted[sorted.length >> 1] ?? { perSecond: Number.NaN, cpuUs: Number.NaN };
}
