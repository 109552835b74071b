/**
 * How far the clocks of peers are from ours, as their heartbeats tell, and a warning where that is too
 * much: grants, tickets and certificates count by the clock.
 */
import { clockText, isClockApart } from '../core/index.ts';
import type { Health } from '../core/index.ts';
import type { PeerView } from './types.ts';

/** Heartbeats of which the one with the smallest difference counts: some come late. */
const SAMPLES = 3;
const APART = 'clock-apart';
/** Peers that one warning names. */
const NAMED_MAX = 3;

/** Of the last differences (theirs less ours), ms, the one that lateness has changed least. */
export function offsetOf(samples: readonly number[]): number {
  return samples.reduce((best, one) => (Math.abs(one) < Math.abs(best) ? one : best));
}

/** The samples with one more; the oldest goes. */
export function withSample(samples: readonly number[], offsetMs: number): readonly number[] {
  return [...samples, offsetMs].slice(-SAMPLES);
}

/** Raises the warning that clocks are apart, or clears it; gives whether any are. */
export function watchClocks(
  health: Pick<Health, 'raise' | 'clear'>,
  peers: readonly PeerView[],
): boolean {
  const known = peers.filter((peer) => peer.state === 'alive' && peer.clockOffsetMs !== undefined);
  const apart = known.filter((peer) => isClockApart(peer));
  if (apart.length === 0) {
    health.clear(APART);
    return false;
  }
  const names = apart.slice(0, NAMED_MAX).map((peer) => clockText(peer));
  const more = apart.length > NAMED_MAX ? `, and ${apart.length - NAMED_MAX} more` : '';
  const isOurs = known.length > 1 && apart.length > known.length / 2;
  health.raise({
    code: APART,
    text: isOurs
      ? `this machine's clock is probably wrong: ${names.join(', ')}${more}`
      : `clocks are apart: ${names.join(', ')}${more}`,
    hint: 'grants and tickets end by the clock: set the one that is wrong, best by NTP (timedatectl set-ntp true)',
  });
  return true;
}
