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
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream, Topic } from '../../network/index.ts';
import {
  RECORDS_PER_MESSAGE_MAX,
  decodeRecordMessage,
  encodeRecordMessage,
} from './record-messages.ts';
import type { Records } from './records.ts';

const PROTOCOL = '/starling/records/1';
/** Of the frame in which each end of a new link says the digest of its records. */
const KIND = 'records';
const TOPIC = 'event';
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Records in one message: so many bytes and one record more are sent, and no more than four times that is taken. */
const BATCH_BYTES = 256 * 1024;
const RECORDS_BYTES_MAX = 4 * BATCH_BYTES;
const SYNC_TIMEOUT_MS = 30_000;
/** Pause between two syncs with one peer that heartbeats ask for; it grows while nothing comes of it. */
const SYNC_PAUSE_MS = 2000;
const SYNC_PAUSE_MAX_MS = 60_000;
/** New records are told in one message, as many as it holds, and one message after the other. */
const TELL_PAUSE_MS = 10;
/** How many of these messages others take of a node. */
const ALLOWANCE = { burst: 60, everyMs: 200 } as const;
/** How many this node sends: less than others take. */
const OWN_PACE = { burst: 40, everyMs: 250 } as const;
const TELL_BYTES = 40 * 1024;
/** Records that wait to be told; whoever misses one finds out by the next heartbeat. */
const UNTOLD_MAX = 20_000;
/** Records that one peer may have us look at in vain, and how soon it may have another. */
const VAIN = { burst: 2000, everyMs: 20 };
/** Records that one peer may tell of signers that sign too many: all that there can be of one, and then a hundred a second. */
const LATER = { burst: 25_000, everyMs: 10 } as const;
/** What a record that is known already counts of one in vain. */
const KNOWN_COST = 0.1;
/** A sync beyond the allowance counts as much as so many records that are not to be had. */
const SYNC_WEIGHT = 10;
/** Syncs that one peer may ask for, and how many records that it is sent in one count as one more. */
const SERVED = { burst: 30, everyMs: 1000 } as const;
const SENT_AT_ONCE = 2000;
/** Syncs of one peer that are served at a time: each holds a message of it. */
const SERVED_AT_ONCE = 4;
/** Records that gossip of one peer brings and that wait to be taken; those beyond come with the next sync. */
const HEARD_MAX = 2000;
/** How long somebody may wait for records to be in step. */
const STEP_TIMEOUT_MS = 15_000;
/** How often a peer may say which records it has: once a link. */
const GREETINGS = { burst: 8, everyMs: 2000 } as const;
/** How long the digest of whom we meet may take; then its records are asked for. */
const GREETING_MS = 2000;
/** Of two that meet one asks; the other asks too when nothing has come of it after this. */
const STEP_ASK_MS = 500;

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

/** Somebody who waits for a peer's records. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: StarlingError) => void;
}

/** Neither topic nor protocol is heard before `start`. */
export function createRecordSync(components: RecordSyncComponents): RecordSync {
  return new RecordCarrier(components);
}

class RecordCarrier implements RecordSync {
  readonly #components: RecordSyncComponents;
  readonly #topic: Topic;
  /** Syncs of ours under way, by peer and the number of its link. */
  readonly #busy = new Set<string>();
  /** The last admitted connection of a peer: each may be the first after a cut, and no number comes twice. */
  readonly #links = new Map<PeerId, number>();
  #linkCount = 0;
  /** Connections of a peer that were admitted since it had none. */
  readonly #linksSince = new Map<PeerId, number>();
  /** Up to which of them the records are in step. */
  readonly #steps = new Map<PeerId, number>();
  readonly #waiters = new Map<PeerId, Set<Waiter>>();
  readonly #syncedAt = new Map<PeerId, number>();
  /** Pauses of peers with which nothing came of it. */
  readonly #pauses = new Map<PeerId, number>();
  /** New ones that gossip has yet to tell. */
  #untold: string[] = [];
  /** From gossip, which passes them on itself. */
  readonly #heardTexts = new Set<string>();
  /** How many of them each peer has told, and how many syncs with it are served. */
  readonly #heardOf = new Map<PeerId, number>();
  readonly #serving = new Map<PeerId, number>();
  /** Peers of whose records some are to come later. */
  readonly #owed = new Set<PeerId>();
  readonly #vain: Buckets;
  readonly #later: Buckets;
  readonly #own: Buckets;
  readonly #served: Buckets;
  readonly #greetings: Buckets;
  #scope: Scope | undefined;

  constructor(components: RecordSyncComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC, ALLOWANCE);
    this.#vain = createBuckets(components.clock, VAIN);
    this.#later = createBuckets(components.clock, LATER);
    this.#own = createBuckets(components.clock, OWN_PACE);
    this.#served = createBuckets(components.clock, SERVED);
    this.#greetings = createBuckets(components.clock, GREETINGS);
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const { network, records, clock, logger } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    const linked = (peer: PeerId): void => {
      this.#linkCount += 1;
      this.#links.set(peer, this.#linkCount);
      this.#linksSince.set(peer, (this.#linksSince.get(peer) ?? 0) + 1);
      unawaited(this.#greet(peer, scope), logger, 'records not greeted', { peer });
    };
    const lost = (peer: PeerId): void => {
      this.#links.delete(peer);
      this.#linksSince.delete(peer);
      this.#steps.delete(peer);
      this.#pauses.delete(peer);
      this.#syncedAt.delete(peer);
      this.#owed.delete(peer);
    };
    network.events.on('peer:link', linked);
    network.events.on('peer:disconnect', lost);
    scope.add(() => network.events.off('peer:link', linked));
    scope.add(() => network.events.off('peer:disconnect', lost));
    scope.add(network.onFrame(KIND, (digest, from) => this.#greeted(digest, from)));
    scope.add(network.handle(PROTOCOL, (stream) => this.#serve(stream)));
    scope.add(this.#topic.subscribe((data, from) => this.#heard(data, from)));
    scope.add(records.onAdded((jws) => this.#tell(jws)));
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
    this.#links.clear();
    this.#linksSince.clear();
    this.#steps.clear();
    this.#untold = [];
    for (const waiters of this.#waiters.values())
      for (const { reject } of waiters) reject(stopped());
  }

  tellNow(): void {
    if (this.#untold.length > 0) this.#tellSome();
  }

  inStep(peer: PeerId): Promise<void> | undefined {
    if (this.#isInStep(peer)) return undefined;
    const scope = this.#scope;
    if (scope === undefined) return Promise.reject(stopped());
    const waiters = this.#waiters.get(peer) ?? new Set();
    this.#waiters.set(peer, waiters);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        cancelAsk();
        cancelLate();
        waiters.delete(waiter);
        if (waiters.size === 0) this.#waiters.delete(peer);
      };
      const waiter: Waiter = {
        resolve: () => (done(), resolve()),
        reject: (error) => (done(), reject(error)),
      };
      const cancelAsk = scope.after(STEP_ASK_MS, () => this.sync(peer));
      const cancelLate = scope.after(STEP_TIMEOUT_MS, () =>
        waiter.reject(
          new StarlingError(
            'STARLING_TIMEOUT',
            `what ${peer} knows of revocations has not come within ${STEP_TIMEOUT_MS / 1000} s`,
            { hint: 'try again; if it stays so, see: starling peers', data: { peer } },
          ),
        ),
      );
      waiters.add(waiter);
    });
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
    const key = `${peer} ${this.#linkOf(peer)}`;
    const scope = this.#scope;
    if (this.#busy.has(key) || scope === undefined) return;
    this.#busy.add(key);
    const sizeBefore = this.#components.records.all().size;
    this.#syncedAt.set(peer, clock.now());
    this.#ask(peer)
      .then(() => this.#weigh(peer, sizeBefore))
      .catch((error: unknown) => {
        logger.debug({ peer, error: messageOf(error) }, 'records not synced');
        if (this.#waiters.has(peer)) scope.after(STEP_ASK_MS, () => this.#askAgain(peer));
      })
      .finally(() => this.#busy.delete(key));
  }

  /** Says which records this node has: mostly the same as the peer, which then costs no stream. */
  async #greet(peer: PeerId, scope: Scope): Promise<void> {
    const { network, records } = this.#components;
    const link = this.#linkOf(peer);
    const told = await network.sendFrame(peer, KIND, Buffer.from(records.digest(), 'latin1'));
    // Of two that meet, one asks.
    if (network.self > peer || link !== this.#linkOf(peer)) return;
    const ask = (): void => {
      if (link === this.#linkOf(peer) && !this.#isInStep(peer)) this.sync(peer);
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
      if (network.self < peer && !this.#isInStep(peer)) this.sync(peer);
      return;
    }
    // Of two connections the older may carry what was said before a cut: only a sync counts then.
    if (this.#linksSince.get(peer) === 1) this.#stepped(peer, this.#linkOf(peer));
  }

  /** Who differs for good, because of a bound or to tease, is asked ever less often, and so is who signs too many. */
  #weigh(peer: PeerId, sizeBefore: number): void {
    const isInVain = this.#owed.delete(peer) || this.#components.records.all().size === sizeBefore;
    const pauseMs = (this.#pauses.get(peer) ?? SYNC_PAUSE_MS) * 2;
    if (isInVain) this.#pauses.set(peer, Math.min(pauseMs, SYNC_PAUSE_MAX_MS));
    else this.#pauses.delete(peer);
  }

  #askAgain(peer: PeerId): void {
    if (this.#waiters.has(peer)) this.sync(peer);
  }

  #linkOf(peer: PeerId): number {
    return this.#links.get(peer) ?? 0;
  }

  #isInStep(peer: PeerId): boolean {
    return this.#steps.get(peer) === this.#linkOf(peer);
  }

  /** Has all that `peer` had when its connection number `link` was the last. */
  #stepped(peer: PeerId, link: number): void {
    if (link !== this.#linkOf(peer)) return;
    this.#steps.set(peer, link);
    for (const { resolve } of this.#waiters.get(peer) ?? []) resolve();
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
    change(this.#serving, peer, 1);
    this.#exchange(stream, (count) => void this.#served.charge(peer, count / SENT_AT_ONCE))
      .catch((error: unknown) =>
        logger.debug({ peer, error: messageOf(error) }, 'records not synced'),
      )
      .finally(() => change(this.#serving, peer, -1));
  }

  /**
   * Both sides do the same: say what they have, send what the other lacks, and close when they have
   * sent it. Ends when the other has closed as well.
   */
  async #exchange(stream: PeerStream, sent: (count: number) => void): Promise<void> {
    const link = this.#linkOf(stream.peer);
    await this.#swap(stream, sent);
    this.#stepped(stream.peer, link);
  }

  #swap(stream: PeerStream, sent: (count: number) => void): Promise<void> {
    const { records, clock } = this.#components;
    return new Promise((resolve, reject) => {
      const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
      const cancelTimer = clock.schedule(SYNC_TIMEOUT_MS, () =>
        channel.abort(new StarlingError('STARLING_TIMEOUT', 'the sync of records took too long')),
      );
      let taking: Promise<unknown> = Promise.resolve();
      let waiting = 0;
      let hasAsked = false;
      channel.onEnd((error) => {
        cancelTimer();
        if (error === undefined) taking.then(() => resolve(), reject);
        else reject(error);
      });
      channel.onMessage((bytes) => {
        const message = decodeRecordMessage(bytes);
        const isWrong = message?.t === 'have' ? hasAsked : bytes.length > RECORDS_BYTES_MAX;
        if (message === undefined || isWrong) {
          channel.abort(
            new StarlingError('STARLING_PROTOCOL_VIOLATION', 'not a message about records'),
          );
        } else if (message.t === 'have') {
          hasAsked = true;
          sendMissing(channel, records, new Set(message.hashes))
            .then(sent)
            .catch((error: unknown) =>
              channel.abort(error instanceof Error ? error : new Error(String(error))),
            );
        } else {
          // What comes faster than it is taken stays with who sends it, not in our memory.
          waiting += 1;
          stream.pause();
          taking = taking
            .then(() => this.#takeAll(message.jws, stream.peer))
            .finally(() => {
              waiting -= 1;
              if (waiting === 0) stream.resume();
            });
          taking.catch((error: unknown) =>
            channel.abort(error instanceof Error ? error : new Error(String(error))),
          );
        }
      });
      channel.send(encodeRecordMessage({ t: 'have', hashes: [...records.all().keys()] }));
    });
  }

  /** @throws STARLING_RATE_LIMITED when `peer` has told too much that is not to be had */
  async #takeAll(texts: readonly string[], peer: PeerId): Promise<void> {
    const { records } = this.#components;
    if (this.#vain.waitMs(peer) > 0) {
      this.#components.network.report(peer, 'records', texts.length);
      throw new StarlingError('STARLING_RATE_LIMITED', `${peer} tells too many unsound records`);
    }
    // What comes later is held against who has signed it, and not against who passes it on.
    const { news, known, later, ownLater } = await records.addOfPeer(texts, peer);
    if (ownLater > 0) this.#components.network.report(peer, 'signs', ownLater);
    if (later > 0) this.#owed.add(peer);
    if (later > 0 && this.#later.charge(peer, later) > 0) {
      this.#components.network.report(peer, 'records');
      throw new StarlingError('STARLING_RATE_LIMITED', `${peer} tells too much that comes later`);
    }
    // Who is told what this node has does not send that; in a race of two syncs it comes twice.
    const vain = texts.length - news - later - known * (1 - KNOWN_COST);
    if (vain > 0 && this.#vain.charge(peer, vain) > 0) {
      this.#components.network.report(peer, 'records', vain);
    }
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const message = decodeRecordMessage(data);
    if (message?.t !== 'records') return;
    const count = message.jws.length;
    if ((this.#heardOf.get(from) ?? 0) + count > HEARD_MAX) return;
    change(this.#heardOf, from, count);
    for (const jws of message.jws) this.#heardTexts.add(jws);
    this.#takeAll(message.jws, from)
      .catch((error: unknown) =>
        this.#components.logger.debug({ from, error: messageOf(error) }, 'records not kept'),
      )
      .finally(() => {
        change(this.#heardOf, from, -count);
        for (const jws of message.jws) this.#heardTexts.delete(jws);
      });
  }

  #tell(jws: string): void {
    if (this.#heardTexts.has(jws) || this.#untold.length >= UNTOLD_MAX) return;
    this.#untold.push(jws);
    if (this.#untold.length === 1) this.#tellLater();
  }

  #tellLater(): void {
    const pauseMs = Math.max(TELL_PAUSE_MS, this.#own.waitMs('own'));
    // They may have been told before.
    this.#scope?.after(pauseMs, () => this.tellNow());
  }

  #tellSome(): void {
    let sizeBytes = 0;
    let count = 0;
    for (const jws of this.#untold) {
      sizeBytes += jws.length + 8;
      if (count > 0 && sizeBytes > TELL_BYTES) break;
      count += 1;
    }
    const jws = this.#untold.splice(0, count);
    this.#topic.publish(encodeRecordMessage({ t: 'records', jws })).catch((error: unknown) =>
      // Not lost: the next heartbeat shows that the sets differ.
      this.#components.logger.debug({ error: messageOf(error) }, 'records not gossiped'),
    );
    this.#own.charge('own', 1);
    if (this.#untold.length > 0) this.#tellLater();
  }
}

function stopped(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'this node is not running');
}

function change(counts: Map<PeerId, number>, peer: PeerId, by: number): void {
  const count = (counts.get(peer) ?? 0) + by;
  if (count > 0) counts.set(peer, count);
  else counts.delete(peer);
}

/** Gives how many records were sent. */
async function sendMissing(
  channel: MessageStream,
  records: Records,
  theirs: ReadonlySet<string>,
): Promise<number> {
  let sent = 0;
  let batch: string[] = [];
  let sizeBytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    sent += batch.length;
    if (!channel.send(encodeRecordMessage({ t: 'records', jws: batch }))) await channel.drained();
    batch = [];
    sizeBytes = 0;
  };
  for (const [hash, jws] of records.all()) {
    if (theirs.has(hash)) continue;
    batch.push(jws);
    sizeBytes += jws.length;
    if (sizeBytes > BATCH_BYTES || batch.length >= RECORDS_PER_MESSAGE_MAX) await flush();
  }
  await flush();
  await channel.close();
  return sent;
}
