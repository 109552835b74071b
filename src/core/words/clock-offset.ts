/** How far a peer's clock is from ours, in words. */
import { durationText } from '../time/duration.ts';
import { shownName } from './shown-name.ts';
import type { Named } from './shown-name.ts';

/** Clocks that are further apart are told of, ms. Grants forgive as much. */
const CLOCK_APART_MS = 60_000;

/** What is known of a peer's clock. */
export interface ClockOffset extends Named {
  /** Its clock less ours, ms. */
  readonly clockOffsetMs?: number;
}

/** Whether a peer's clock is too far from ours. */
export function isClockApart({ clockOffsetMs = 0 }: ClockOffset): boolean {
  return Math.abs(clockOffsetMs) > CLOCK_APART_MS;
}

/** `the clock of bob is 3m ahead of ours`. */
export function clockText(peer: ClockOffset): string {
  const { clockOffsetMs = 0 } = peer;
  const side = clockOffsetMs > 0 ? 'ahead of' : 'behind';
  return `the clock of ${shownName(peer)} is ${durationText(Math.abs(clockOffsetMs))} ${side} ours`;
}
