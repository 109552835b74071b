/**
 * Carries the records between members: on connecting over a stream (each side says which it has, and
 * gets what it lacks), new ones by gossip, and again when a heartbeat shows that the sets differ.
 */
import { decode, encode } from 'cborg';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
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
  readonly #busy = new Set<PeerId>();
  readonly #syncedAt = new Map<PeerId, number>();
  readonly #stops: (() => void)[] = [];

  constructor(components: RecordSyncComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC);
  }

  start(): void {
    if (this.#stops.length > 0) return;
    const { network, records } = this.#components;
    const connected = (peer: PeerId): void => {
      // Of two that meet, one asks.
      if (network.self < peer) this.sync(peer);
    };
    network.events.on('peer:connect', connected);
    this.#stops.push(
      () => network.events.off('peer:connect', connected),
      network.handle(PROTOCOL, (stream) => this.#serve(stream)),
      this.#topic.subscribe((data) => this.#heard(data)),
      records.onAdded((jws) => this.#tell(jws)),
    );
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  compare(peer: PeerId, digest: string): void {
    if (digest === this.#components.records.digest()) return;
    const since = this.#components.clock.now() - (this.#syncedAt.get(peer) ?? 0);
    if (since > SYNC_PAUSE_MS) this.sync(peer);
  }

  sync(peer: PeerId): void {
    if (this.#busy.has(peer)) return;
    this.#busy.add(peer);
    this.#syncedAt.set(peer, this.#components.clock.now());
    this.#ask(peer)
      .catch((error: unknown) =>
        this.#components.logger.debug({ peer, error: messageOf(error) }, 'records not synced'),
      )
      .finally(() => this.#busy.delete(peer));
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
  #exchange(stream: PeerStream): Promise<void> {
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
