/** New records by gossip: told to all as they come, many in one message, and taken of what others tell. */
import { createBuckets, messageOf } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import type { Network, Topic } from '../../network/index.ts';
import { decodeRecordMessage, encodeRecordMessage } from './record-messages.ts';
import { changeCount } from './peer-counts.ts';
import type { Records } from './records.ts';

const TOPIC = 'event';
/** New records are told in one message, as many as it holds, and one message after the other. */
const TELL_PAUSE_MS = 10;
/** How many of these messages others take of a node. */
const ALLOWANCE = { burst: 60, everyMs: 200 } as const;
/** How many this node sends: less than others take. */
const OWN_PACE = { burst: 40, everyMs: 250 } as const;
const TELL_BYTES = 40 * 1024;
/** Records that wait to be told; whoever misses one finds out by the next heartbeat. */
const UNTOLD_MAX = 20_000;
/** Records that gossip of one peer brings and that wait to be taken; those beyond come with the next sync. */
const HEARD_MAX = 2000;

/** What gossip of records works with. */
export interface RecordGossipComponents {
  readonly network: Pick<Network, 'topic'>;
  readonly records: Pick<Records, 'onAdded'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes what `peer` tells. @throws where the peer has told too much of no use */
  take(this: void, texts: readonly string[], peer: PeerId): Promise<void>;
}

/** See the file. Nothing is told or heard before `start`. */
export class RecordGossip {
  readonly #components: RecordGossipComponents;
  readonly #topic: Topic;
  /** New ones that are yet to be told. */
  #untold: string[] = [];
  /** From gossip, which passes them on itself. */
  readonly #heardTexts = new Set<string>();
  /** How many of them each peer has told. */
  readonly #heardOf = new Map<PeerId, number>();
  readonly #own: Buckets;
  #scope: Scope | undefined;

  constructor(components: RecordGossipComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC, ALLOWANCE);
    this.#own = createBuckets(components.clock, OWN_PACE);
  }

  /** `scope` owns the timers and listeners. */
  start(scope: Scope): void {
    this.#scope = scope;
    scope.add(this.#topic.subscribe((data, from) => this.#heard(data, from)));
    scope.add(this.#components.records.onAdded((jws) => this.#tell(jws)));
  }

  stop(): void {
    this.#scope = undefined;
    this.#untold = [];
  }

  /** Tells what is new now, as far as one message holds it. */
  tellNow(): void {
    if (this.#untold.length > 0) this.#tellSome();
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const message = decodeRecordMessage(data);
    if (message?.t !== 'records') return;
    const count = message.jws.length;
    if ((this.#heardOf.get(from) ?? 0) + count > HEARD_MAX) return;
    changeCount(this.#heardOf, from, count);
    for (const jws of message.jws) this.#heardTexts.add(jws);
    this.#components
      .take(message.jws, from)
      .catch((error: unknown) =>
        this.#components.logger.debug({ from, error: messageOf(error) }, 'records not kept'),
      )
      .finally(() => {
        changeCount(this.#heardOf, from, -count);
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
