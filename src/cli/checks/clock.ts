/** Whether this machine's clock can be right: grants and tickets end by the clock. */
import { clockText, isClockApart } from '../../core/words/clock-offset.ts';
import { finding } from './check.ts';
import type { Check } from './check.ts';

/** No release of Starling is older than this. */
const EPOCH = Date.UTC(2026, 0, 1);

/** Compares the clock with the release of Starling, and with the clocks of peers. */
export const clock: Check = {
  name: 'clock',
  run: async ({ peers }) => {
    const now = new Date();
    if (now.getTime() < EPOCH) {
      return [
        finding(
          'clock',
          'fail',
          `this machine's clock says ${now.toISOString()}`,
          'set it, best by NTP: timedatectl set-ntp true',
        ),
      ];
    }
    const apart = (peers?.peers ?? []).filter(isClockApart);
    return apart.length === 0
      ? [finding('clock', 'ok', now.toISOString())]
      : apart.map((peer) =>
          finding('clock', 'warn', clockText(peer), 'set both by NTP: timedatectl set-ntp true'),
        );
  },
};
