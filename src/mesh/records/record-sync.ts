/**
 * Carries the records between members: on connecting over a stream (each side says which it has, and
 * gets what it lacks), new ones by gossip, and again when a heartbeat shows that the sets differ.
 */
import {
  StarlingError,
  createBuckets,
  createScope,
  messageOf,
  withDeadline,
  unawaited,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { changeCount } from './peer-counts.ts';
import { exchangeRecords } from './record-exchange.ts';
import { RecordGossip } from './record-gossip.ts';
import { RecordsInStep } from './records-in-step.ts';
import type { Records } from './records.ts';
import { SentRecords } from './sent-records.ts';

const PROTOCOL = '/starling/records/1';
/** Of the frame in which each end of a new link says the digest of its records. */
const KIND = 'records';
const SYNC_TIMEOUT_MS = 30_000;
/** Pause between two syncs with one peer that heartbeats ask for; it grows while nothing comes of it. */
const SYNC_PAUSE_MS = 2000;
const SYNC_PAUSE_MAX_MS = 60_000;
/** A sync beyond the allowance counts as much as so many records that are not to be had. */
const SYNC_WEIGHT = 10;
/** Syncs that one peer may ask for, and how many records that it is sent in one count as one more. */
const SERVED = { burst: 30, everyMs: 1000 } as const;
const SENT_AT_ONCE = 2000;
/** Syncs of one peer that are served at a time: each holds a message of it. */
const SERVED_AT_ONCE = 4;
/** How often a peer may say which records it has: once a link. */
const GREETINGS = { burst: 8, everyMs: 2000 } as const;
/** How long the digest of whom we meet may take; then its records are asked for. */
const GREETING_MS = 2000;

/** What the sync works with. */
export interface RecordSyncComponents {
  readonly network: Network;
  readonly records: Records;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Syncs between start and stop. */
export interface RecordSync {
  start(): void;
  stop(): void;
  /** Tells at once which records are new, as far as one message holds them: the node is about to stop. */
  tellNow(): void;
  /** Syncs with `peer` now, unless that is going on. */
  sync(peer: PeerId): void;
  /** A heartbeat of `peer` shows this digest. */
  compare(peer: PeerId, digest: string): void;
  /** `peer`, who is connected, has a record that this node lacks: asks for what there is, at a pace. */
  isBehind(peer: PeerId): void;
  /**
   * Undefined when we have all that `peer` had when it last connected, else a promise of that. It
   * rejects with STARLING_TIMEOUT, STARLING_STOPPED.
   */
  inStep(peer: PeerId): Promise<void> | undefined;
}

/** Neither topic nor protocol is heard before `start`. */
export function createRecordSync(components: RecordSyncComponents): RecordSync {
  return new RecordCarrier(components);
}

class RecordCarrier implements RecordSync {
  readonly #components: RecordSyncComponents;
  readonly #inStep: RecordsInStep;
  readonly #sent: SentRecords;
  readonly #gossip: RecordGossip;
  /** Syncs of ours under way, by peer and the number of its link. */
  readonly #busy = new Set<string>();
  readonly #syncedAt = new Map<PeerId, number>();
  /** Pauses of peers with which nothing came of it. */
  readonly #pauses = new Map<PeerId, number>();
  /** How many syncs with each peer are served. */
  readonly #serving = new Map<PeerId, number>();
  readonly #served: Buckets;
  readonly #greetings: Buckets;
  #scope: Scope | undefined;

  constructor(components: RecordSyncComponents) {
    this.#components = components;
    this.#inStep = new RecordsInStep((peer) => this.sync(peer));
    this.#sent = new SentRecords(components);
    this.#gossip = new RecordGossip({
      ...components,
      take: (texts, peer) => this.#sent.take(texts, peer),
    });
    this.#served = createBuckets(components.clock, SERVED);
    this.#greetings = createBuckets(components.clock, GREETINGS);
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const { network, records, clock, logger } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    this.#inStep.start(scope);
    const linked = (peer: PeerId): void => {
      this.#inStep.linked(peer);
      unawaited(this.#greet(peer, scope), logger, 'records not greeted', { peer });
    };
    const lost = (peer: PeerId): void => {
      this.#inStep.lost(peer);
      this.#pauses.delete(peer);
      this.#syncedAt.delete(peer);
      this.#sent.takeOwed(peer);
    };
    network.events.on('peer:link', linked);
    network.events.on('peer:disconnect', lost);
    scope.add(() => network.events.off('peer:link', linked));
    scope.add(() => network.events.off('peer:disconnect', lost));
    scope.add(network.onFrame(KIND, (digest, from) => this.#greeted(digest, from)));
    scope.add(network.handle(PROTOCOL, (stream) => this.#serve(stream)));
    this.#gossip.start(scope);
    scope.add(
      records.onSignsTooMuch((signer, times) =>
        network.report(peerIdFromDid(signer), 'signs', times),
      ),
    );
    // Whoever let us in did so before we could sync.
    for (const peer of network.connected()) this.sync(peer);
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#gossip.stop();
    this.#inStep.stop();
  }

  tellNow(): void {
    this.#gossip.tellNow();
  }

  inStep(peer: PeerId): Promise<void> | undefined {
    return this.#inStep.inStep(peer);
  }

  compare(peer: PeerId, digest: string): void {
    const { network, records } = this.#components;
    // To know of somebody is no reason to dial: records come round by those who are connected.
    if (digest === records.digest() || !network.isConnected(peer)) return;
    this.isBehind(peer);
  }

  isBehind(peer: PeerId): void {
    const since = this.#components.clock.now() - (this.#syncedAt.get(peer) ?? -Infinity);
    // Whoever sets the clock back need not wait for it.
    if (since >= 0 && since <= (this.#pauses.get(peer) ?? SYNC_PAUSE_MS)) return;
    this.sync(peer);
  }

  sync(peer: PeerId): void {
    const { clock, logger } = this.#components;
    const key = `${peer} ${this.#inStep.linkOf(peer)}`;
    const scope = this.#scope;
    if (this.#busy.has(key) || scope === undefined) return;
    this.#busy.add(key);
    const sizeBefore = this.#components.records.all().size;
    this.#syncedAt.set(peer, clock.now());
    this.#ask(peer)
      .then(() => this.#weigh(peer, sizeBefore))
      .catch((error: unknown) => {
        logger.debug({ peer, error: messageOf(error) }, 'records not synced');
        this.#inStep.failed(peer);
      })
      .finally(() => this.#busy.delete(key));
  }

  /** Says which records this node has: mostly the same as the peer, which then costs no stream. */
  async #greet(peer: PeerId, scope: Scope): Promise<void> {
    const { network, records } = this.#components;
    const link = this.#inStep.linkOf(peer);
    const told = await network.sendFrame(peer, KIND, Buffer.from(records.digest(), 'latin1'));
    // Of two that meet, one asks.
    if (network.self > peer || link !== this.#inStep.linkOf(peer)) return;
    const ask = (): void => {
      if (link === this.#inStep.linkOf(peer) && !this.#inStep.isInStep(peer)) this.sync(peer);
    };
    if (told) scope.after(GREETING_MS, ask);
    else ask();
  }

  #greeted(bytes: Uint8Array, peer: PeerId): void {
    const { network, records } = this.#components;
    if (!this.#greetings.take(peer)) {
      network.report(peer, 'records');
      return;
    }
    if (Buffer.from(bytes).toString('latin1') !== records.digest()) {
      if (network.self < peer && !this.#inStep.isInStep(peer)) this.sync(peer);
      return;
    }
    // Of two connections the older may carry what was said before a cut: only a sync counts then.
    if (this.#inStep.isFirstLink(peer)) this.#inStep.stepped(peer, this.#inStep.linkOf(peer));
  }

  /** Who differs for good, because of a bound or to tease, is asked ever less often, and so is who signs too many. */
  #weigh(peer: PeerId, sizeBefore: number): void {
    const isInVain =
      this.#sent.takeOwed(peer) || this.#components.records.all().size === sizeBefore;
    const pauseMs = (this.#pauses.get(peer) ?? SYNC_PAUSE_MS) * 2;
    if (isInVain) this.#pauses.set(peer, Math.min(pauseMs, SYNC_PAUSE_MAX_MS));
    else this.#pauses.delete(peer);
  }

  async #ask(peer: PeerId): Promise<void> {
    const { clock, network } = this.#components;
    const stream = await withDeadline(clock, SYNC_TIMEOUT_MS, (signal) =>
      network.open(peer, PROTOCOL, { signal }),
    );
    await this.#exchange(stream, () => undefined);
  }

  #serve(stream: PeerStream): void {
    const { peer } = stream;
    const { logger, network } = this.#components;
    const isMuch = (this.#serving.get(peer) ?? 0) >= SERVED_AT_ONCE;
    if (isMuch || !this.#served.take(peer)) {
      network.report(peer, 'records', SYNC_WEIGHT);
      stream.abort(new StarlingError('STARLING_RATE_LIMITED', 'too many syncs of records'));
      return;
    }
    changeCount(this.#serving, peer, 1);
    this.#exchange(stream, (count) => {
      this.#served.charge(peer, count / SENT_AT_ONCE);
    })
      .catch((error: unknown) =>
        logger.debug({ peer, error: messageOf(error) }, 'records not synced'),
      )
      .finally(() => changeCount(this.#serving, peer, -1));
  }

  async #exchange(stream: PeerStream, sent: (count: number) => void): Promise<void> {
    const { peer } = stream;
    const link = this.#inStep.linkOf(peer);
    // A newcomer's first sync is news to nobody else: all that it could tell has just come from there.
    const take = (texts: readonly string[], from: PeerId): Promise<void> =>
      this.#gossip.takeSynced(texts, this.#inStep.isInStepBeside(from), () =>
        this.#sent.take(texts, from),
      );
    await exchangeRecords({ ...this.#components, take, sent }, stream);
    this.#inStep.stepped(peer, link);
  }
}
