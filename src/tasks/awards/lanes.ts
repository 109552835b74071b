/**
 * How many awards of one lane may be under way: as many as have gone well twice over, and one after one that found nobody;
 * a lane that found nobody waits until an agent is free again, or a moment. So ten thousand tasks ask as often as one.
 */
import { backoffMs } from '../../core/index.ts';
import type { Clock, Random } from '../../core/index.ts';
import { AWARDS_MAX, LANE_BASE_MS, LANE_CAP_MS } from '../limits.ts';

/** Lanes by name. */
export interface Lanes {
  mayGo(lane: string): boolean;
  begins(lane: string): void;
  /** An award has ended: somebody took the task, nobody did, or the task has gone. */
  ends(lane: string, how: 'taken' | 'nobody' | 'gone'): void;
  /** An agent may be free again. */
  wake(): void;
  stop(): void;
}

/** Lanes that are remembered. */
const LANES_MAX = 4096;

interface Lane {
  window: number;
  under: number;
  failures: number;
  cancelPause: (() => void) | undefined;
}

/** Makes lanes; `ready` hears that one may go again. */
export function createLanes(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  ready: () => void,
): Lanes {
  const lanes = new Map<string, Lane>();
  const laneOf = (name: string): Lane => {
    const known = lanes.get(name);
    if (known !== undefined) return known;
    if (lanes.size >= LANES_MAX) {
      const idle = [...lanes].find(
        ([, lane]) => lane.under === 0 && lane.cancelPause === undefined,
      );
      if (idle !== undefined) lanes.delete(idle[0]);
    }
    const made: Lane = { window: 1, under: 0, failures: 0, cancelPause: undefined };
    lanes.set(name, made);
    return made;
  };
  const resume = (lane: Lane): void => {
    lane.cancelPause?.();
    lane.cancelPause = undefined;
  };
  return {
    mayGo(name) {
      const lane = lanes.get(name);
      return lane === undefined || (lane.cancelPause === undefined && lane.under < lane.window);
    },
    begins: (name) => {
      laneOf(name).under += 1;
    },
    ends(name, how) {
      const lane = laneOf(name);
      lane.under -= 1;
      if (how === 'taken') {
        lane.failures = 0;
        lane.window = Math.min(AWARDS_MAX, lane.window * 2);
      }
      if (how !== 'nobody') return;
      lane.window = 1;
      resume(lane);
      const pauseMs = backoffMs(
        lane.failures,
        { baseMs: LANE_BASE_MS, capMs: LANE_CAP_MS },
        random,
      );
      lane.failures += 1;
      lane.cancelPause = clock.schedule(pauseMs, () => {
        resume(lane);
        ready();
      });
    },
    wake() {
      for (const lane of lanes.values()) {
        resume(lane);
        lane.failures = 0;
      }
      ready();
    },
    stop() {
      for (const lane of lanes.values()) resume(lane);
    },
  };
}
