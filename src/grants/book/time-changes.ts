/** Tells when, by mere time, a grant starts or ends to count. */
import type { Clock, Did, Scope } from '../../core/index.ts';
import type { HolderIndex } from './holders.ts';

/** Watches the time. */
export interface TimeChanges {
  /** From now on, until `scope` closes. */
  start(scope: Scope): void;
  /** Sets the timer anew: to be called after each change of what is held. */
  look(): void;
  stop(): void;
}

/** Makes a watch over `holders`; `changed` hears whose grants started or ended to count. */
export function createTimeChanges(
  clock: Clock,
  holders: Pick<HolderIndex, 'nextLook' | 'changedBetween'>,
  changed: (holders: readonly Did[]) => void,
): TimeChanges {
  let scope: Scope | undefined;
  let cancel: (() => void) | undefined;
  /** Up to when changes have been told, ms since the epoch. */
  let toldMs = 0;

  const look = (): void => {
    cancel?.();
    if (scope === undefined) return;
    const nowMs = clock.now();
    // A clock that was set back: what ends again is told again.
    toldMs = Math.min(toldMs, nowMs);
    const waitMs = holders.nextLook(toldMs, nowMs);
    if (waitMs === undefined) return;
    cancel = scope.after(waitMs, () => {
      const fromMs = toldMs;
      toldMs = Math.max(fromMs, clock.now());
      changed(holders.changedBetween(fromMs, toldMs));
    });
  };
  return {
    start(on) {
      scope = on;
      toldMs = clock.now();
      look();
    },
    look,
    stop() {
      cancel?.();
      cancel = undefined;
      scope = undefined;
    },
  };
}
