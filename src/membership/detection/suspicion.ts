/**
 * What happens when a peer's heartbeat is late: when the peer is suspect, dead, or alive again. Pure: a
 * state and evidence in, the next state out. The evidence comes from `phi-accrual.ts` (how unlikely the
 * silence is) and `reach-suspect.ts` (whether anybody reaches the peer); `peer-evidence.ts` has the clock and
 * keeps the states.
 *
 * ```
 *            φ > phiSuspect of its heartbeats or of the ticks of its link, or its last link lost
 *   alive ────────────────────────────────────────► suspect ──► dead
 *     ▲   a heartbeat, a new link, or a probe reached it │    `probes` probes in vain and unvouched, or
 *     └──────────────────────────────────────────────────┘    suspect for over `deadAfterMs`
 *   any state ── its goodbye ──► left;   dead, left ── a heartbeat ──► alive
 * ```
 *
 * A heartbeat that others brought says that the peer lived when it said it, which may be before its link was lost:
 * such a peer is alive again, and probed all the same until a probe reaches it, is vouched for, or a link is there; one
 * in vain makes it suspect again. Without that its last words, late at one node, made it live there for 2.6 more
 * intervals of heartbeats: 13 s.
 *
 * A probe is vouched for when others say that they reach the suspect (`reach-suspect.ts` has how many): then
 * it counts neither way, and the suspect is alive by its next heartbeat, which comes by way of those others,
 * or dead after `deadAfterMs`. So whoever lies about a dead peer gains that time and no more.
 *
 * A peer that falls silent (its machine loses power) is suspect after about 2.6 intervals at φ = 8, and dead
 * `probes · timeoutMs + (probes - 1) · pauseMs` later: at a neighbour, which hears a tick each second, 2.6 s + 5 s. A
 * peer whose process ends is suspect as soon as its link is lost. Whoever has no link to it believes its neighbours
 * (`accusations.ts`), or its own ears after 2.6 intervals of its heartbeats. A false death needs every probe and all
 * witnesses of every probe to fail: with a loss of 1 % each and 3 witnesses, (0.01 · 0.01³)² = 1 in 10¹⁶.
 * The states are those of SWIM (Das et al., DSN 2002, §4.2); what is not told to others needs no
 * incarnation to be refuted.
 */
import type { PeerState } from '../types.ts';

/** How sure this node is that a peer is there. */
export interface Suspicion {
  readonly state: PeerState;
  /** Since when it is suspect, ms since the epoch. */
  readonly suspectAtMs?: number;
}

/** What is seen of a peer. */
export type Evidence =
  /** It said something itself; `leaving` is its goodbye. */
  | { readonly kind: 'heartbeat'; readonly status: 'up' | 'leaving' }
  /** Its first link is admitted. */
  | { readonly kind: 'connected' }
  /** Its last link is gone. */
  | { readonly kind: 'disconnected' }
  /**
   * More than a third of the neighbours of a peer to which this node has no link suspect it (`accusations.ts`), or
   * they do no more; `isOver` when that has lasted for its time.
   */
  | { readonly kind: 'accused'; readonly isEnough: boolean; readonly isOver: boolean }
  /** The look at the time since its last heartbeat. `isLate`: this node slept, or its clock was set. */
  | { readonly kind: 'silence'; readonly phi: number; readonly isLate: boolean }
  /**
   * Probe number `attempt`, from 1, has come to an end, of a suspect or of one who is in doubt. `isReached`: this node has reached it itself;
   * `isVouched`: enough others say that they have.
   */
  | {
      readonly kind: 'probed';
      readonly isReached: boolean;
      readonly isVouched: boolean;
      readonly attempt: number;
    };

/** When a peer is suspect, and when dead. */
export interface SuspicionLimits {
  /** φ above which a silent peer is suspect; see `Detector.phi` for the formula. Configured. */
  readonly phiSuspect: number;
  /**
   * A peer that is suspect for longer is dead, ms, whatever its probes are doing. Less = the dead are
   * known sooner, and a slow network loses the living. Configured; default 3 intervals.
   */
  readonly deadAfterMs: number;
  /**
   * Probes that must fail one after the other. More = fewer false deaths (each multiplies their
   * probability by that of one probe's failure), and `timeoutMs + pauseMs` more time for each.
   */
  readonly probes: number;
}

/** The next state of a peer after `evidence`; the same object when it says nothing new. */
export function weigh(
  before: Suspicion,
  evidence: Evidence,
  nowMs: number,
  limits: SuspicionLimits,
): Suspicion {
  const { state } = before;
  switch (evidence.kind) {
    case 'heartbeat':
      return become(before, evidence.status === 'leaving' ? 'left' : 'alive');
    case 'connected':
      return state === 'suspect' ? { state: 'alive' } : before;
    case 'disconnected':
      return state === 'alive' ? { state: 'suspect', suspectAtMs: nowMs } : before;
    case 'accused':
      if (!evidence.isEnough) return state === 'suspect' ? { state: 'alive' } : before;
      if (state === 'alive') return { state: 'suspect', suspectAtMs: nowMs };
      return state === 'suspect' && evidence.isOver ? { state: 'dead' } : before;
    case 'silence':
      return weighSilence(before, evidence, nowMs, limits);
    case 'probed':
      return weighProbe(before, evidence, nowMs, limits);
  }
}

function weighProbe(
  before: Suspicion,
  { isReached, isVouched, attempt }: Extract<Evidence, { readonly kind: 'probed' }>,
  nowMs: number,
  { probes }: SuspicionLimits,
): Suspicion {
  const { state } = before;
  // Others may lie, or be wrong: they put its death off, and only it can say that it lives.
  const isInVain = !isReached && !isVouched;
  if (state === 'alive') return isInVain ? { state: 'suspect', suspectAtMs: nowMs } : before;
  if (state !== 'suspect') return before;
  if (isReached) return { state: 'alive' };
  return isInVain && attempt >= probes ? { state: 'dead' } : before;
}

function weighSilence(
  before: Suspicion,
  { phi, isLate }: Extract<Evidence, { readonly kind: 'silence' }>,
  nowMs: number,
  { phiSuspect, deadAfterMs }: SuspicionLimits,
): Suspicion {
  const { state, suspectAtMs = nowMs } = before;
  if (state === 'alive' && phi > phiSuspect) return { state: 'suspect', suspectAtMs: nowMs };
  if (state !== 'suspect') return before;
  // The time that this node slept says nothing about the peer.
  if (isLate) return { state, suspectAtMs: nowMs };
  return nowMs - suspectAtMs > deadAfterMs ? { state: 'dead' } : before;
}

function become(before: Suspicion, state: PeerState): Suspicion {
  return before.state === state ? before : { state };
}
