/**
 * A brake on new sockets. Each one that is refused costs the system a handshake and this node a turn of its
 * loop, and who floods a node with them takes the CPU in that way, however cheap the refusal. So while too many
 * are refused, the queue that the system keeps of connections that wait to be accepted is made short. What
 * finds it full is neither refused nor accepted: the other end's system tries again after a second, then two.
 * The flood slows itself down, and anybody else comes in a second later at the worst.
 */
import type { Clock } from '../../core/index.ts';

/** Bounds of {@link createAcceptBrake}. */
export interface AcceptBrakeInit {
  /** The time over which refusals are counted. */
  readonly sliceMs: number;
  /** Refusals in one slice from which on the queue is short. */
  readonly refusalsMax: number;
  /** The queue is as long as ever after so many slices with less than half of that. */
  readonly calmSlices: number;
}

/** Shortens the queue of sockets that wait to be accepted while strangers flood the listener. */
export interface AcceptBrake {
  /** A socket was refused. */
  refused(): void;
  /** Has the queue as long as ever from now on, and ends the timer. */
  stop(): void;
}

/** Makes the brake, loose; `apply` hears whether the queue is to be short. */
export function createAcceptBrake(
  clock: Clock,
  init: AcceptBrakeInit,
  apply: (isShort: boolean) => void,
): AcceptBrake {
  let refusals = 0;
  let calm = 0;
  let isShort = false;
  let cancel: (() => void) | undefined;

  const set = (next: boolean): void => {
    if (isShort !== next) apply(next);
    isShort = next;
  };
  const look = (): void => {
    calm = refusals * 2 < init.refusalsMax ? calm + 1 : 0;
    refusals = 0;
    if (calm >= init.calmSlices) set(false);
    // Without the brake and without refusals nothing is left to be looked at.
    cancel = isShort || calm < init.calmSlices ? clock.schedule(init.sliceMs, look) : undefined;
  };
  return {
    refused() {
      refusals += 1;
      if (refusals >= init.refusalsMax) set(true);
      if (cancel !== undefined) return;
      calm = 0;
      cancel = clock.schedule(init.sliceMs, look);
    },
    stop() {
      cancel?.();
      cancel = undefined;
      refusals = 0;
      set(false);
    },
  };
}
