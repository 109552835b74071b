/**
 * Carries the records between members: on connecting over a stream (each side says which it has, and
 * gets what it lacks), new ones by gossip, and again when a heartbeat shows that the sets differ.
 */
import { decode, encode } from 'cborg';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../core/index.ts';
import { createMessageChannel } from '../network/index.ts';
import type { MessageChannel, Network, PeerStream, Topic } from '../network/index.ts';
import type { Records } from './records.ts';

const PROTOCOL = '/starling/records/1';
const TOPIC = 'event';
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const BATCH_BYTES = 256 * 1024;
const BATCH_MAX = 5000;
const SYNC_TIMEOUT_MS = 30_000;
/** Pause between two syncs with one peer that heartbeats ask for. */
const SYNC_PAUSE_MS = 2000;
/** How long somebody may wait for records to be in step. */
const STEP_TIMEOUT_MS = 15_000;
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
  /** Syncs with `peer` now, unless that is going on. */
  sync(peer: PeerId): void;
  /** A heartbeat of `peer` shows this digest. */
  compare(peer: PeerId, digest: string): void;
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

type Message =
  | { readonly t: 'have'; readonly hashes: readonly string[] }
  | { readonly t: 'records'; readonly jws: readonly string[] };

/** Makes the sync. */
export function createRecordSync(components: RecordSyncComponents): RecordSync {
  return new Carrier(components);
}

class Carrier implements RecordSync {
  readonly #components: RecordSyncComponents;
  readonly #topic: Topic;
  /** Syncs of ours under way, by peer and {@link Carrier.#linkOf}. */
  readonly #busy = new Set<string>();
  /** How many connections of a peer have been admitted: each may be the first after a cut. */
  readonly #links = new Map<PeerId, number>();
  /** Up to which of them the records are in step. */
  readonly #steps = new Map<PeerId, number>();
  readonly #waiters = new Map<PeerId, Set<Waiter>>();
  readonly #syncedAt = new Map<PeerId, number>();
  #scope: Scope | undefined;

  constructor(components: RecordSyncComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC);
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const { network, records, clock } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    const linked = (peer: PeerId): void => {
      this.#links.set(peer, this.#linkOf(peer) + 1);
      // Of two that meet, one asks.
      if (network.self < peer) this.sync(peer);
    };
    const lost = (peer: PeerId): void => {
      this.#links.delete(peer);
      this.#steps.delete(peer);
    };
    network.events.on('peer:link', linked);
    network.events.on('peer:disconnect', lost);
    scope.add(() => network.events.off('peer:link', linked));
    scope.add(() => network.events.off('peer:disconnect', lost));
    scope.add(network.handle(PROTOCOL, (stream) => this.#serve(stream)));
    scope.add(this.#topic.subscribe((data) => this.#heard(data)));
    scope.add(records.onAdded((jws) => this.#tell(jws)));
    // Whoever let us in did so before we could sync.
    for (const peer of network.connected()) this.sync(peer);
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#links.clear();
    this.#steps.clear();
    for (const waiters of this.#waiters.values())
      for (const { reject } of waiters) reject(stopped());
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
    if (digest === this.#components.records.digest()) return;
    const since = this.#components.clock.now() - (this.#syncedAt.get(peer) ?? 0);
    if (since > SYNC_PAUSE_MS) this.sync(peer);
  }

  sync(peer: PeerId): void {
    const { clock, logger } = this.#components;
    const key = `${peer} ${this.#linkOf(peer)}`;
    const scope = this.#scope;
    if (this.#busy.has(key) || scope === undefined) return;
    this.#busy.add(key);
    this.#syncedAt.set(peer, clock.now());
    this.#ask(peer)
      .catch((error: unknown) => {
        logger.debug({ peer, error: messageOf(error) }, 'records not synced');
        if (this.#waiters.has(peer)) scope.after(STEP_ASK_MS, () => this.#askAgain(peer));
      })
      .finally(() => this.#busy.delete(key));
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
    const stream = await this.#components.network.open(peer, PROTOCOL, {
      signal: AbortSignal.timeout(SYNC_TIMEOUT_MS),
    });
    await this.#exchange(stream);
  }

  #serve(stream: PeerStream): void {
    this.#exchange(stream).catch((error: unknown) =>
      this.#components.logger.debug(
        { peer: stream.peer, error: messageOf(error) },
        'records not synced',
      ),
    );
  }

  /**
   * Both sides do the same: say what they have, send what the other lacks, and close when they have
   * sent it. Ends when the other has closed as well.
   */
  async #exchange(stream: PeerStream): Promise<void> {
    const link = this.#linkOf(stream.peer);
    await this.#swap(stream);
    this.#stepped(stream.peer, link);
  }

  #swap(stream: PeerStream): Promise<void> {
    const { records, clock } = this.#components;
    return new Promise((resolve, reject) => {
      const channel = createMessageChannel(stream, { maxBytes: MESSAGE_BYTES_MAX });
      const cancelTimer = clock.schedule(SYNC_TIMEOUT_MS, () =>
        channel.abort(new StarlingError('STARLING_TIMEOUT', 'the sync of records took too long')),
      );
      let taking: Promise<void> = Promise.resolve();
      channel.onEnd((error) => {
        cancelTimer();
        if (error === undefined) taking.then(resolve, reject);
        else reject(error);
      });
      channel.onMessage((bytes) => {
        const message = readMessage(bytes);
        if (message === undefined) {
          channel.abort(
            new StarlingError('STARLING_PROTOCOL_VIOLATION', 'not a message about records'),
          );
        } else if (message.t === 'have') {
          sendMissing(channel, records, new Set(message.hashes)).catch((error: unknown) =>
            channel.abort(error instanceof Error ? error : new Error(String(error))),
          );
        } else {
          taking = taking.then(() => this.#takeAll(message.jws));
        }
      });
      channel.send(encode({ t: 'have', hashes: [...records.all().keys()] }));
    });
  }

  /** Parents may come after children: goes over the rest until nothing more fits. */
  async #takeAll(texts: readonly string[]): Promise<void> {
    let waiting = texts;
    for (let progress = true; progress && waiting.length > 0;) {
      const left: string[] = [];
      for (const jws of waiting) if (!(await this.#components.records.add(jws))) left.push(jws);
      progress = left.length < waiting.length;
      waiting = left;
    }
  }

  #heard(data: Uint8Array): void {
    const message = readMessage(data);
    if (message?.t !== 'records') return;
    this.#takeAll(message.jws).catch((error: unknown) =>
      this.#components.logger.warn({ error: messageOf(error) }, 'records from gossip not kept'),
    );
  }

  #tell(jws: string): void {
    this.#topic.publish(encode({ t: 'records', jws: [jws] })).catch((error: unknown) =>
      // Not lost: the next heartbeat shows that the sets differ.
      this.#components.logger.debug({ error: messageOf(error) }, 'record not gossiped'),
    );
  }
}

function stopped(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'this node is not running');
}

async function sendMissing(
  channel: MessageChannel,
  records: Records,
  theirs: ReadonlySet<string>,
): Promise<void> {
  let batch: string[] = [];
  let sizeBytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    if (!channel.send(encode({ t: 'records', jws: batch }))) await channel.drained();
    batch = [];
    sizeBytes = 0;
  };
  for (const [hash, jws] of records.all()) {
    if (theirs.has(hash)) continue;
    batch.push(jws);
    sizeBytes += jws.length;
    if (sizeBytes > BATCH_BYTES) await flush();
  }
  await flush();
  await channel.close();
}

function readMessage(bytes: Uint8Array): Message | undefined {
  let value: unknown;
  try {
    value = decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
  } catch {
    // Whatever a peer sends that is no CBOR is no message.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { t, hashes, jws } = value as Readonly<Record<string, unknown>>;
  if (t === 'have' && isStrings(hashes, 100_000)) return { t, hashes };
  if (t === 'records' && isStrings(jws, BATCH_MAX)) return { t, jws };
  return undefined;
}

function isStrings(value: unknown, max: number): value is readonly string[] {
  return (
    Array.isArray(value) && value.length <= max && value.every((one) => typeof one === 'string')
  );
}
