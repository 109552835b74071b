/**
 * The phi accrual failure detector (Hayashibara et al., "The φ Accrual Failure Detector", SRDS
 * 2004). Pure: arrival times in, a suspicion level out. What follows from the level is decided in
 * `suspicion.ts`.
 */

/** How a detector reckons. */
export interface DetectorInit {
  /** Expected time between heartbeats, ms; assumed before any were seen, and never less than it. */
  readonly intervalMs: number;
  /**
   * φ above which the peer is suspect. An interval that ends above it was an outage, and is not
   * recorded: else each outage would teach the detector patience with the next one. Recorded, one
   * gap of 60 s makes it wait for 40 s instead of 13 s, and one of 10 minutes for 380 s.
   */
  readonly phiSuspect: number;
}

/** Watches the heartbeats of one peer. */
export interface Detector {
  /** A heartbeat came. */
  heard(nowMs: number): void;
  /** Forgets the silence so far, because this node was the reason for it, or the peer was reached. */
  forgive(nowMs: number): void;
  /**
   * φ = -log10 P(a heartbeat comes later than now), with arrival intervals taken as normal: 1 means
   * that one suspicion in ten is wrong, 8 one in a hundred million. Higher limit = fewer false
   * suspicions, slower detection: with regular heartbeats φ is 8 at about 2.6 intervals. `stretch` is how many
   * intervals apart they are to be expected, 1 by default.
   */
  phi(nowMs: number, stretch?: number): number;
}

/** Intervals that are remembered. More = a steadier rhythm that follows a new one more slowly. */
const WINDOW = 100;
/**
 * The least spread, as a share of the interval: gossip and timers are never exact. A regular peer is
 * suspect after `(1 + 5.3 · SPREAD_MIN)` intervals at φ = 8, so that more forgives more jitter and
 * detects later.
 */
const SPREAD_MIN = 0.3;
/**
 * Share of the interval below which a heartbeat was sent on change, not by rhythm, and is not
 * recorded. Less = a busy peer's early heartbeats narrow the window, and its silence is suspect sooner.
 */
const EARLY = 0.5;

/** Makes a detector that has heard nothing yet. */
export function createDetector(init: DetectorInit, nowMs: number): Detector {
  const intervals: number[] = [];
  let lastMs = nowMs;

  const phi = (now: number, stretch = 1): number => {
    const expectedMs = init.intervalMs * stretch;
    const count = Math.max(1, intervals.length);
    const average = intervals.reduce((sum, one) => sum + one, 0) / count;
    const mean = Math.max(expectedMs, average);
    const middle = stretch > 1 ? average : mean;
    const variance = intervals.reduce((sum, one) => sum + (one - middle) ** 2, 0) / count;
    const spread = Math.max(Math.sqrt(variance), SPREAD_MIN * expectedMs);
    return -Math.log10(tail((now - lastMs - mean) / spread));
  };
  return {
    heard(now) {
      const interval = now - lastMs;
      const isRhythm = interval > init.intervalMs * EARLY && phi(now) < init.phiSuspect;
      if (isRhythm) intervals.push(interval);
      if (intervals.length > WINDOW) intervals.shift();
      lastMs = now;
    },
    forgive(now) {
      lastMs = now;
    },
    phi,
  };
}

/** P(X > x) of the standard normal, by the logistic approximation (Bowling et al. 2009). */
function tail(x: number): number {
  const e = Math.exp(-x * (1.5976 + 0.070565992 * x * x));
  return x > 0 ? e / (1 + e) : 1 - 1 / (1 + e);
}
