/**
 * Keeps the state of each peer by what is seen of it: brings evidence to `suspicion.ts`, looks at the
 * silence of peers from time to time, has suspects probed, and hears whom others suspect.
 */
import { messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { agreement, createAccusations, suspicionTimeoutMs } from './detection/accusations.ts';
import type { Accusation, Verdict } from './detection/accusations.ts';
import type { NeighbourKeeper } from './keep-neighbours.ts';
import { intervalStretch } from './heartbeats/heartbeat-interval.ts';
import { createLocalHealth } from './detection/local-health.ts';
import type { Peer, PeerTable } from './peers/peer-table.ts';
import { createDetector } from './detection/phi-accrual.ts';
import { PROBES, probeSuspect } from './detection/reach-suspect.ts';
import { weigh } from './detection/suspicion.ts';
import type { Evidence, SuspicionLimits } from './detection/suspicion.ts';
import type { PeerView } from './types.ts';
import type { IndirectProbe } from './detection/indirect-probe.ts';

/** Looks at the silence of peers so often, ms, and five times in each interval: a suspicion is so late at the most. */
const LOOK_MS = 500;
const LOOKS_PER_INTERVAL = 5;
/** A look that comes later than this many intervals says that this node slept, not its peers. */
const LATE_INTERVALS = 2;
/**
 * The rhythm of the control stream of a link, ms: see `TICK_MS` of the network. Silence is suspect after 2.6 of it.
 * More = a peer may stall for longer; less = a silent cut is known sooner.
 */
const TICK_MS = 1000;
/** Whom this node has found dead stands in its heartbeats for so long, ms, until others are sure as well. */
const TELL_DEAD_MS = 20_000;

/**
 * So many heartbeats that others bring of a peer are doubted while no probe reaches it: the first may have been under
 * way when it went. More = its last words, late and one by one, keep it for less long; less = a peer that only others
 * reach goes to suspect and back less often.
 */
const DOUBTS_MAX = 2;
/**
 * So often a neighbour that has no link to a peer looks for it while others miss it, until it is heard again: each time
 * a dial, a ping and the questions of a probe. More = liars among few witnesses keep a dead peer alive for less long;
 * less = whoever accuses the living causes fewer dials.
 */
const SEARCHES_MAX = 3;
/**
 * A peer that lives says so at once when it is accused: who has no link to it looks for it after so long, ms. More =
 * fewer dials at the word of liars; less = who went just after it came is known to be gone sooner.
 */
const SEARCH_AFTER_MS = 500;
/**
 * A peer that lives may have answered its accusers so long before they were enough here. More = late words of one that
 * is gone keep it alive for longer where it was only suspect; less = each wrong suspicion costs all a dial.
 */
const ANSWER_MS = 1000;

/** What evidence of peers comes by, and who is told of their states. */
export interface PeerEvidenceComponents {
  readonly network: Pick<Network, 'connected' | 'dial' | 'isConnected' | 'ping' | 'self'>;
  readonly peers: PeerTable;
  readonly neighbours: Pick<NeighbourKeeper, 'of'>;
  readonly indirectProbe: Pick<IndirectProbe, 'ask'>;
  /** Called when this node suspects somebody anew, or is suspect: the others are to hear from it soon. */
  readonly speak: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps the states of peers. */
export interface PeerEvidence {
  /** Looks at silences until `scope` closes, which ends probes too. */
  start(scope: Scope): void;
  /** A heartbeat of `peer` came; `changes` are what else it says. */
  heard(peer: Peer, status: 'up' | 'leaving', changes: Partial<PeerView>): void;
  /** Whom `author` suspects, by its heartbeat. */
  accused(author: PeerId, accusations: readonly Accusation[]): void;
  /** Whom this node suspects, because of what it has seen itself. */
  suspects(): readonly Accusation[];
  /** How many times the configured interval lies between two heartbeats, with so many who are there. */
  stretch(): number;
  /** Something came on the control stream of the link to a peer. */
  sign(peer: PeerId): void;
  /** The first link to a peer is there: its silence so far says nothing. */
  connected(peer: PeerId): void;
  /** The last link to a peer is gone; `isMeant` when both ends have closed it, which says nothing of either. */
  disconnected(peer: PeerId, isMeant: boolean): void;
}

/** Makes the keeper; see {@link SuspicionLimits} for the limits. */
export function createPeerEvidence(
  components: PeerEvidenceComponents,
  init: { readonly intervalMs: number } & Omit<SuspicionLimits, 'probes'>,
): PeerEvidence {
  return new EvidenceKeeper(components, init.intervalMs, { ...init, probes: PROBES });
}

class EvidenceKeeper implements PeerEvidence {
  readonly #components: PeerEvidenceComponents;
  readonly #intervalMs: number;
  readonly #lookMs: number;
  readonly #limits: SuspicionLimits;
  readonly #accusations = createAccusations();
  readonly #health = createLocalHealth();
  #scope: Scope | undefined;
  #lastLookMs = 0;

  constructor(components: PeerEvidenceComponents, intervalMs: number, limits: SuspicionLimits) {
    this.#components = components;
    this.#intervalMs = intervalMs;
    this.#lookMs = Math.min(LOOK_MS, intervalMs / LOOKS_PER_INTERVAL);
    this.#limits = limits;
  }

  start(scope: Scope): void {
    this.#scope = scope;
    this.#lastLookMs = this.#components.clock.now();
    scope.every(this.#lookMs, () => this.#look());
  }

  heard(peer: Peer, status: 'up' | 'leaving', changes: Partial<PeerView>): void {
    const now = this.#components.clock.now();
    const { incarnation, sequence, told, view } = peer;
    peer.detector.heard(now);
    peer.linkDetector?.forgive(now);
    const at = told?.atMs === undefined ? {} : { atMs: told.atMs };
    this.#accusations.refuted(view.peerId, { incarnation, sequence, ...at }, now);
    if (status === 'up' && this.#isStale(peer)) {
      this.#components.peers.update(peer, changes);
      return;
    }
    // Who was looked for at the word of others is so again, while their word stands.
    const isOwnSuspect = peer.accusedAtMs !== undefined && peer.searches === 0 && status === 'up';
    if (isOwnSuspect) this.#health.wasWrong();
    const isOld = status === 'up' && wasSaidBefore(peer);
    if (peer.searches > 0) this.#trust(peer);
    peer.searches = 0;
    peer.accusedAtMs = undefined;
    this.#weigh(peer, { kind: 'heartbeat', status }, changes);
    if (isOwnSuspect || isOld) this.#doubt(peer);
  }

  /** Whether enough neighbours had heard the last heartbeat of a peer without a link when they found it gone. */
  #isStale({ view }: Peer): boolean {
    const { peerId, state } = view;
    const isMissed = state === 'suspect' || state === 'dead';
    if (!isMissed || this.#components.network.isConnected(peerId)) return false;
    return this.#verdict(peerId).sinceMs !== undefined;
  }

  /** A heartbeat came of a peer that this node missed: without a link it may be older than that. */
  #doubt(peer: Peer): void {
    peer.doubts += 1;
    peer.isDoubted =
      peer.doubts <= DOUBTS_MAX && !this.#components.network.isConnected(peer.view.peerId);
    if (peer.isDoubted) this.#probe(peer);
  }

  /**
   * Others miss a peer whose neighbour this node is, and to which it has no link: such a peer came a moment ago, and
   * as few as one may watch it, or a liar. Whether it is there, this node sees for itself.
   */
  #search(peer: Peer): void {
    const { neighbours, network } = this.#components;
    if (peer.searches >= SEARCHES_MAX || peer.isProbed) return;
    if (!neighbours.of(peer.view.peerId).has(network.self)) return;
    peer.searches += 1;
    peer.isDoubted = true;
    this.#probe(peer);
  }

  #trust(peer: Peer): void {
    peer.isDoubted = false;
    peer.doubts = 0;
  }

  accused(author: PeerId, accusations: readonly Accusation[]): void {
    const { clock, network, peers, speak } = this.#components;
    for (const peerId of this.#accusations.heard(author, accusations, clock.now())) {
      const peer = peers.get(peerId);
      if (peer !== undefined) this.#believe(peer);
      if (peerId !== network.self) continue;
      if (this.#verdict(peerId).sinceMs !== undefined) this.#health.wasWrong();
      this.#accusations.forget(peerId);
      // Whoever hears from this node believes its accusers no more.
      if (accusations.some((accusation) => accusation.peer === peerId)) speak();
    }
  }

  suspects(): readonly Accusation[] {
    const now = this.#components.clock.now();
    const suspects: Accusation[] = [];
    for (const { accusedAtMs, incarnation, sequence, view } of this.#components.peers.all()) {
      if (accusedAtMs === undefined) continue;
      if (view.state !== 'suspect' && now - accusedAtMs > TELL_DEAD_MS) continue;
      suspects.push({ peer: view.peerId, incarnation, sequence });
    }
    return suspects;
  }

  stretch(): number {
    let members = 1;
    for (const { view } of this.#components.peers.all()) {
      if (view.state === 'alive' || view.state === 'suspect') members += 1;
    }
    return intervalStretch(members);
  }

  sign(peerId: PeerId): void {
    const peer = this.#components.peers.get(peerId);
    if (peer === undefined) return;
    const now = this.#components.clock.now();
    const { phiSuspect } = this.#limits;
    peer.linkDetector ??= createDetector({ intervalMs: TICK_MS, phiSuspect }, now);
    peer.linkDetector.heard(now);
  }

  connected(peerId: PeerId): void {
    const peer = this.#components.peers.get(peerId);
    if (peer === undefined) return;
    peer.detector.forgive(this.#components.clock.now());
    peer.linkDetector = undefined;
    this.#trust(peer);
    peer.searches = 0;
    this.#weigh(peer, { kind: 'connected' });
  }

  disconnected(peerId: PeerId, isMeant: boolean): void {
    const { peers } = this.#components;
    const peer = peers.get(peerId);
    if (peer === undefined) return;
    peer.linkDetector = undefined;
    // The way to it is another.
    if (isMeant) peers.update(peer, {});
    else this.#weigh(peer, { kind: 'disconnected' });
  }

  #look(): void {
    const { clock, peers } = this.#components;
    const now = clock.now();
    // A clock that is set, either way, is no silence of the peers.
    const sinceMs = now - this.#lastLookMs;
    const isLate = sinceMs > this.#intervalMs * LATE_INTERVALS || sinceMs < 0;
    const lateMs = Math.abs(sinceMs) - this.#lookMs;
    this.#lastLookMs = now;
    this.#health.looked(lateMs);
    const stretch = this.stretch();
    for (const peer of peers.all()) {
      if (isLate) peer.detector.forgive(now);
      // What came meanwhile is read after this look.
      if (isLate || lateMs > TICK_MS) peer.linkDetector?.forgive(now);
      const { state } = peer.view;
      if (state !== 'alive' && state !== 'suspect') continue;
      this.#weighSilence(peer, { stretch, isLate });
    }
    for (const peerId of this.#accusations.peers()) {
      const peer = peers.get(peerId);
      if (peer === undefined) this.#accusations.forget(peerId);
      else this.#believe(peer);
    }
  }

  /** `(link or heartbeats, whichever is worse) · agreement / (1 + health)`: see `agreement` for accusers of a peer. */
  #weighSilence(
    peer: Peer,
    { stretch, isLate, agreed = 1 }: { stretch: number; isLate: boolean; agreed?: number },
  ): void {
    const now = this.#components.clock.now();
    const silence = Math.max(peer.detector.phi(now, stretch), peer.linkDetector?.phi(now) ?? 0);
    const phi = (silence * agreed) / (1 + this.#health.score);
    this.#weigh(peer, { kind: 'silence', phi, isLate });
  }

  /** What the neighbours of a peer say of it, but for this node. */
  #verdict(peerId: PeerId): Verdict {
    const { clock, neighbours, network } = this.#components;
    const others = new Set(neighbours.of(peerId));
    others.delete(network.self);
    return this.#accusations.of(peerId, others, clock.now());
  }

  /**
   * Believes the neighbours of a peer to which this node has no link: that it is suspect, and that it is dead. Of a
   * peer that this node suspects itself, on a link that has fallen silent too, they only say the latter, sooner than
   * its own probes may; and where the link is not silent for long, that its silence counts more.
   */
  #believe(peer: Peer): void {
    const { clock, network, peers } = this.#components;
    const { peerId, state } = peer.view;
    if (state !== 'alive' && state !== 'suspect') return;
    const isSuspectHere = peer.accusedAtMs !== undefined;
    const { accusers, sinceMs, accusedMs } = this.#verdict(peerId);
    if (!isSuspectHere && network.isConnected(peerId)) {
      const agreed = agreement(accusers);
      const about = { stretch: this.stretch(), isLate: false, agreed };
      if (sinceMs !== undefined && state === 'alive') this.#weighSilence(peer, about);
      return;
    }
    const now = clock.now();
    const timeoutMs = suspicionTimeoutMs(accusers, peers.size, this.#health.score);
    const isOver = sinceMs !== undefined && now - sinceMs > timeoutMs;
    if (isSuspectHere && !isOver) return;
    if (accusedMs !== undefined && now - accusedMs >= SEARCH_AFTER_MS) this.#search(peer);
    this.#weigh(peer, { kind: 'accused', isEnough: sinceMs !== undefined, isOver });
  }

  /** Takes on what `evidence` says of a peer; a new suspicion of this node's own is probed, and told. */
  #weigh(peer: Peer, evidence: Evidence, changes: Partial<PeerView> = {}): void {
    const { clock, peers } = this.#components;
    const { state } = peer.view;
    const { suspectAtMs } = peer;
    const before = { state, ...(suspectAtMs === undefined ? {} : { suspectAtMs }) };
    const deadAfterMs = this.#limits.deadAfterMs * (1 + this.#health.score);
    const after = weigh(before, evidence, clock.now(), { ...this.#limits, deadAfterMs });
    peer.suspectAtMs = after.suspectAtMs;
    const isMissed = after.state === 'suspect' || after.state === 'dead';
    peer.missedAtMs = isMissed ? (peer.missedAtMs ?? clock.now()) : undefined;
    // A look that finds nothing is taken twice a second, of each peer.
    const isIdle = after === before && (evidence.kind === 'silence' || evidence.kind === 'accused');
    if (!isIdle) peers.update(peer, { ...changes, state: after.state });
    if (after.state === 'alive') peer.accusedAtMs = undefined;
    if (after.state !== 'suspect' || state === 'suspect' || evidence.kind === 'accused') return;
    this.#accuse(peer);
    if (this.#hasLostMost()) this.#health.lostMost();
    this.#probe(peer);
  }

  /** Tells the others that this node misses a peer, by what it has seen itself. */
  #accuse(peer: Peer): void {
    if (peer.accusedAtMs !== undefined) return;
    peer.accusedAtMs = this.#components.clock.now();
    this.#components.speak();
  }

  /** Whether this node suspects more of its peers than it has links: not all of them can have gone at once. */
  #hasLostMost(): boolean {
    const { network, peers } = this.#components;
    let suspects = 0;
    for (const { accusedAtMs, view } of peers.all()) {
      if (accusedAtMs !== undefined && view.state === 'suspect') suspects += 1;
    }
    return suspects > 1 && suspects > network.connected().length;
  }

  #isDoubted({ isDoubted, view }: Peer): boolean {
    return isDoubted && view.state === 'alive';
  }

  #probe(peer: Peer): void {
    const scope = this.#scope;
    if (scope === undefined || peer.isProbed) return;
    const { clock, logger } = this.#components;
    peer.isProbed = true;
    probeSuspect(this.#components, scope, peer.view.peerId, {
      isInDoubt: () => peer.view.state === 'suspect' || this.#isDoubted(peer),
      patience: () => 1 + this.#health.score,
      probed: (probe) => {
        if (probe.isReached) {
          peer.detector.forgive(clock.now());
          peer.linkDetector?.forgive(clock.now());
        }
        if (probe.isReached || probe.isVouched) this.#trust(peer);
        const isInDoubt = peer.view.state === 'suspect' || this.#isDoubted(peer);
        // Who believed others has now seen for itself, and others may wait for one more that has.
        const isMissed = isInDoubt || peer.view.state === 'dead';
        peer.isDoubted = false;
        if (isMissed && !probe.isReached && !probe.isVouched) this.#accuse(peer);
        if (isInDoubt) this.#weigh(peer, { kind: 'probed', ...probe });
      },
    })
      .catch((error: unknown) =>
        logger.error({ error: messageOf(error) }, 'suspicion not confirmed'),
      )
      .finally(() => {
        peer.isProbed = false;
      });
  }
}

/**
 * Whether a peer that is missed said what is heard now before it was. Others pass such words on when they have come to
 * them: of what a peer told its neighbours alone, they know more than whoever has no link to it.
 */
function wasSaidBefore({ missedAtMs, told, view }: Peer): boolean {
  if (missedAtMs === undefined) return false;
  const beforeMs = view.state === 'dead' ? 0 : ANSWER_MS;
  return (told?.atMs ?? -Infinity) < missedAtMs - beforeMs;
}
