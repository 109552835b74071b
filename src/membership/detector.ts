/**
 * The phi accrual failure detector (Hayashibara et al., "The φ Accrual Failure Detector", SRDS
 * 2004). Pure: arrival times in, a suspicion level out.
 */

/** Bounds of a detector. */
export interface DetectorInit {
  /** Expected time between heartbeats; what is assumed before any were seen. */
  readonly intervalMs: number;
}

/** Watches one peer's heartbeats. */
export interface Detector {
  /** A heartbeat came. */
  heard(nowMs: number): void;
  /** Forgives the silence so far, because it was ours: the clock starts anew. */
  forgive(nowMs: number): void;
  /**
   * φ = -log10 P(a heartbeat comes later than now), with arrival intervals taken as normal: 1 means
   * that one suspicion in ten is wrong, 8 one in a hundred million. Higher limit = fewer false
   * suspicions, slower detection: with regular heartbeats φ is 8 at about 2.7 intervals.
   */
  phi(nowMs: number): number;
}

const WINDOW = 100;
/** The least spread, as a share of the interval: gossip and timers are never exact. */
const SPREAD_MIN = 0.3;

/** Makes a detector that has heard nothing yet. */
export function createDetector(init: DetectorInit, nowMs: number): Detector {
  const intervals: number[] = [];
  let lastMs = nowMs;
  return {
    heard(now) {
      // Heartbeats sent at once on change come early; they say nothing about the rhythm.
      const interval = now - lastMs;
      if (interval > init.intervalMs / 2) intervals.push(interval);
      if (intervals.length > WINDOW) intervals.shift();
      lastMs = now;
    },
    forgive(now) {
      lastMs = now;
    },
    phi(now) {
      const mean = Math.max(
        init.intervalMs,
        intervals.reduce((sum, one) => sum + one, 0) / Math.max(1, intervals.length),
      );
      const variance =
        intervals.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, intervals.length);
      const spread = Math.max(Math.sqrt(variance), SPREAD_MIN * init.intervalMs);
      return -Math.log10(tail((now - lastMs - mean) / spread));
    },
  };
}

/** P(X > x) of the standard normal, by the logistic approximation (Bowling et al. 2009). */
function tail(x: number): number {
  const e = Math.exp(-x * (1.5976 + 0.070565992 * x * x));
  return x > 0 ? e / (1 + e) : 1 - 1 / (1 + e);
}
