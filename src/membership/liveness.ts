/**
 * Keeps the state of each peer by what is seen of it: brings evidence to `suspicion.ts`, looks at the
 * silence of peers from time to time, and has suspects probed.
 */
import { messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import type { Peer, PeerTable } from './peer-table.ts';
import { PROBES, probeSuspect } from './reach-suspect.ts';
import { weigh } from './suspicion.ts';
import type { Evidence, SuspicionLimits } from './suspicion.ts';
import type { PeerView } from './types.ts';
import type { IndirectProbe } from './indirect-probe.ts';

/** Looks at the silence of peers in each interval: a suspicion comes at most a fifth of it late. */
const LOOKS_PER_INTERVAL = 5;
/** A look that comes later than this many intervals says that this node slept, not its peers. */
const LATE_INTERVALS = 2;

/** What liveness is kept with. */
export interface LivenessComponents {
  readonly network: Pick<Network, 'connected' | 'dial' | 'ping'>;
  readonly peers: PeerTable;
  readonly indirectProbe: Pick<IndirectProbe, 'ask'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps the states of peers. */
export interface Liveness {
  /** Looks at silences until `scope` closes, which ends probes too. */
  start(scope: Scope): void;
  /** A heartbeat of `peer` came; `changes` are what else it says. */
  heard(peer: Peer, status: 'up' | 'leaving', changes: Partial<PeerView>): void;
  /** The first link to a peer is there: its silence so far says nothing. */
  connected(peer: PeerId): void;
  /** The last link to a peer is gone; `isMeant` when both ends have closed it, which says nothing of either. */
  disconnected(peer: PeerId, isMeant: boolean): void;
}

/** Makes the keeper; see {@link SuspicionLimits} for the limits. */
export function createLiveness(
  components: LivenessComponents,
  init: { readonly intervalMs: number } & Omit<SuspicionLimits, 'probes'>,
): Liveness {
  return new LivenessKeeper(components, init.intervalMs, { ...init, probes: PROBES });
}

class LivenessKeeper implements Liveness {
  readonly #components: LivenessComponents;
  readonly #intervalMs: number;
  readonly #limits: SuspicionLimits;
  #scope: Scope | undefined;
  #lastLookMs = 0;

  constructor(components: LivenessComponents, intervalMs: number, limits: SuspicionLimits) {
    this.#components = components;
    this.#intervalMs = intervalMs;
    this.#limits = limits;
  }

  start(scope: Scope): void {
    this.#scope = scope;
    this.#lastLookMs = this.#components.clock.now();
    scope.every(this.#intervalMs / LOOKS_PER_INTERVAL, () => this.#look());
  }

  heard(peer: Peer, status: 'up' | 'leaving', changes: Partial<PeerView>): void {
    peer.detector.heard(this.#components.clock.now());
    this.#weigh(peer, { kind: 'heartbeat', status }, changes);
  }

  connected(peerId: PeerId): void {
    const peer = this.#components.peers.get(peerId);
    if (peer === undefined) return;
    peer.detector.forgive(this.#components.clock.now());
    this.#weigh(peer, { kind: 'connected' });
  }

  disconnected(peerId: PeerId, isMeant: boolean): void {
    const { peers } = this.#components;
    const peer = peers.get(peerId);
    if (peer === undefined) return;
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
    this.#lastLookMs = now;
    for (const peer of peers.all()) {
      if (isLate) peer.detector.forgive(now);
      const { state } = peer.view;
      if (state !== 'alive' && state !== 'suspect') continue;
      this.#weigh(peer, { kind: 'silence', phi: peer.detector.phi(now), isLate });
    }
  }

  /** Takes on what `evidence` says of a peer; a new suspicion is probed. */
  #weigh(peer: Peer, evidence: Evidence, changes: Partial<PeerView> = {}): void {
    const { clock, peers } = this.#components;
    const { state } = peer.view;
    const { suspectAtMs } = peer;
    const before = { state, ...(suspectAtMs === undefined ? {} : { suspectAtMs }) };
    const after = weigh(before, evidence, clock.now(), this.#limits);
    peer.suspectAtMs = after.suspectAtMs;
    // A look that finds nothing is taken five times in each interval, of each peer.
    const isIdle = after === before && evidence.kind === 'silence';
    if (!isIdle) peers.update(peer, { ...changes, state: after.state });
    if (after.state === 'suspect' && state !== 'suspect') this.#probe(peer);
  }

  #probe(peer: Peer): void {
    const scope = this.#scope;
    if (scope === undefined || peer.isProbed) return;
    const { clock, logger } = this.#components;
    peer.isProbed = true;
    probeSuspect(this.#components, scope, peer.view.peerId, {
      isSuspect: () => peer.view.state === 'suspect',
      probed: (probe) => {
        if (probe.isReached) peer.detector.forgive(clock.now());
        this.#weigh(peer, { kind: 'probed', ...probe });
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
