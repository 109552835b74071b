/**
 * New records by gossip: told to all as they come, many in one message, and taken of what others tell. What a sync with
 * a peer has brought is told only where it may be news to others, and later: mostly somebody else has told it by then.
 */
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
/**
 * What a sync has brought waits so long for somebody else to tell it. More = fewer records are told by several; less =
 * what one part of a mesh has missed while it was cut off goes round sooner.
 */
const LATE_MS = 300;
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
  /** New ones that are yet to be told, in their order. */
  readonly #untold = new Set<string>();
  /** From gossip, which passes them on itself. */
  readonly #heardTexts = new Set<string>();
  /** Being taken from a sync: whether they are told later, or not at all. */
  readonly #synced = new Map<string, 'later' | 'never'>();
  /** From a sync, new, and told soon unless somebody else does it. */
  readonly #late = new Set<string>();
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
    this.#untold.clear();
    this.#late.clear();
  }

  /**
   * Takes `texts`, which a sync has brought, by `take`. What is new of them is told a little later where `isNews` says
   * that it may be news to others, and else not at all.
   */
  async takeSynced(
    texts: readonly string[],
    isNews: boolean,
    take: () => Promise<void>,
  ): Promise<void> {
    for (const jws of texts) this.#synced.set(jws, isNews ? 'later' : 'never');
    try {
      await take();
    } finally {
      for (const jws of texts) this.#synced.delete(jws);
    }
  }

  /** Tells what is new now, as far as one message holds it. */
  tellNow(): void {
    this.#tellLate();
    this.#tellSome();
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const message = decodeRecordMessage(data);
    if (message?.t !== 'records') return;
    const count = message.jws.length;
    if ((this.#heardOf.get(from) ?? 0) + count > HEARD_MAX) return;
    changeCount(this.#heardOf, from, count);
    for (const jws of message.jws) {
      this.#heardTexts.add(jws);
      // All who would hear it of this node hear that message.
      this.#late.delete(jws);
    }
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
    if (this.#heardTexts.has(jws)) return;
    const synced = this.#synced.get(jws);
    if (synced === undefined) this.#tellSoon(jws);
    if (synced !== 'later' || this.#late.size >= UNTOLD_MAX) return;
    this.#late.add(jws);
    if (this.#late.size === 1) this.#scope?.after(LATE_MS, () => this.#tellLate());
  }

  #tellLate(): void {
    for (const jws of this.#late) this.#tellSoon(jws);
    this.#late.clear();
  }

  #tellSoon(jws: string): void {
    if (this.#untold.size >= UNTOLD_MAX) return;
    this.#untold.add(jws);
    if (this.#untold.size === 1) this.#tellNext();
  }

  #tellNext(): void {
    const pauseMs = Math.max(TELL_PAUSE_MS, this.#own.waitMs('own'));
    // They may have been told before.
    this.#scope?.after(pauseMs, () => this.#tellSome());
  }

  #tellSome(): void {
    if (this.#untold.size === 0) return;
    let sizeBytes = 0;
    const jws: string[] = [];
    for (const text of this.#untold) {
      sizeBytes += text.length + 8;
      if (jws.length > 0 && sizeBytes > TELL_BYTES) break;
      jws.push(text);
      this.#untold.delete(text);
    }
    this.#topic.publish(encodeRecordMessage({ t: 'records', jws })).catch((error: unknown) =>
      // Not lost: the next heartbeat shows that the sets differ.
      this.#components.logger.debug({ error: messageOf(error) }, 'records not gossiped'),
    );
    this.#own.charge('own', 1);
    if (this.#untold.size > 0) this.#tellNext();
  }
}
