/** Whether this machine's clock can be right: grants and tickets end by the clock. */
import { finding } from './check.ts';
import type { Check } from './check.ts';

/** No release of Starling is older than this. */
const EPOCH = Date.UTC(2026, 0, 1);
const SKEW_MAX_MS = 60_000;

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
    // A peer that started in our future has another idea of the time.
    const ahead = (peers?.peers ?? []).filter(
      (peer) => (peer.startedAt ?? 0) > now.getTime() + SKEW_MAX_MS,
    );
    return ahead.length === 0
      ? [finding('clock', 'ok', now.toISOString())]
      : ahead.map((peer) =>
          finding(
            'clock',
            'warn',
            `the clock of ${peer.alias} is ahead of ours by more than a minute`,
            'set both by NTP: timedatectl set-ntp true',
          ),
        );
  },
};
