/**
 * Sends and hears heartbeats: by gossip to all, and on the control stream of a link to one peer, because
 * gossip may have no way to whom we have just met, or when we leave.
 */
import { createBuckets, messageOf, settledWithin } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Network, Topic, TopicOptions } from '../../network/index.ts';
import type { Accusation } from '../detection/accusations.ts';
import { decodeGossip, decodeHeartbeat, encodeHeartbeat, encodePulse } from './heartbeat-format.ts';
import type { Heartbeat, Pulse } from './heartbeat-format.ts';
import type { Presence } from '../types.ts';

const TOPIC = 'heartbeat';
/**
 * How many heartbeats a peer may send, by gossip and again over streams: those of its rhythm, and one
 * for each of a few changes. More lets a busy node tell its changes sooner; each costs every node 1 ms.
 */
const ALLOWANCE = { burst: 40, everyMs: 500 } as const;
/** What this node sends of its own accord, besides its rhythm: less than others take of it. */
const OWN_PACE = { burst: 15, everyMs: 700 } as const;
/** Of frames on control streams. */
const KIND = 'heartbeat';
/**
 * A heartbeat for one peer is the last one again, when that is not older and says the same: a signature costs 4 ms.
 * More = fewer signatures while many connect; less = the time in it is truer.
 */
const AGAIN_MS = 500;

/**
 * What is new is said to all in so many whole heartbeats, the second for those who have missed one; then pulses say that
 * nothing has changed, in a tenth of the bytes and without a signature of ours. More = what a node has missed comes
 * sooner; less = fewer bytes.
 */
const WHOLES = 2;
/**
 * After so many that were not signed, and so long, it is a whole one again, signed, so that what is passed on by hand is
 * no older. More = fewer bytes; less = fresher.
 */
const UNSIGNED_BEATS = 11;
const UNSIGNED_MS = 60_000;

/** What heartbeats are sent with. */
export interface HeartbeatsComponents {
  readonly network: Pick<Network, 'onFrame' | 'report' | 'sendFrame' | 'topic'>;
  /** Signs the heartbeats, so that others can pass them on. */
  readonly identity: Pick<Signer, 'sign'>;
  /** What this node says of itself. */
  readonly presence: () => Presence;
  /** Whom this node suspects because of what it has seen itself. */
  readonly suspects: () => readonly Accusation[];
  /** Digest of its records. */
  readonly records: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Hears what others say of themselves. */
export interface HeartbeatListener {
  /** A heartbeat: what it says, its bytes, and whether it came by gossip or from its author alone. */
  heard(heartbeat: Heartbeat, from: PeerId, bytes: Uint8Array, road: 'gossip' | 'told'): void;
  pulsed(pulse: Pulse, from: PeerId): void;
}

/** Heartbeats out and in. */
export interface Heartbeats {
  /** From now on heartbeats are of this incarnation. */
  begin(incarnation: number): void;
  /** Hears from now on whatever decodes, and whoever sent it. Returns a function that ends it. */
  listen(listener: HeartbeatListener): () => void;
  /** The incarnation that heartbeats are of. */
  readonly incarnation: number;
  /** The next heartbeat, encoded; `toOne` is for the one peer whom it is told. Each call makes a new one. */
  next(status: Heartbeat['status'], toOne?: Pick<Heartbeat, 'called' | 'seen'>): Uint8Array;
  /** What the rhythm says to all: a heartbeat, or a pulse when there is nothing new. */
  beat(status: Heartbeat['status']): Uint8Array;
  /** Milliseconds until the next change may be told; telling it is counted. */
  paceMs(): number;
  /** Gossips a heartbeat. A failure is logged. */
  publish(bytes: Uint8Array): void;
  /** Sends a heartbeat to one connected peer. Never rejects: a failure is logged. */
  tell(peer: PeerId, bytes: Uint8Array): Promise<void>;
  /**
   * Says the last heartbeat by all ways: floods it by gossip, and tells it to each of `peers`. Resolves when each was told, `withinMs` later at the most. Never rejects.
   */
  sayGoodbye(peers: readonly PeerId[], bytes: Uint8Array, withinMs: number): Promise<void>;
}

/** Makes the heartbeats of a node. */
export function createHeartbeats(
  components: HeartbeatsComponents,
  init: { readonly intervalMs: number },
): Heartbeats {
  return new HeartbeatRoads(components, init.intervalMs);
}

type Said = Omit<Heartbeat, 'sequence' | 'time'>;

interface Signed {
  /** What the signature is over. */
  readonly part: Uint8Array;
  readonly sig: Uint8Array;
  readonly sequence: number;
  readonly time: number;
}

class HeartbeatRoads implements Heartbeats {
  readonly #components: HeartbeatsComponents;
  readonly #topic: Topic;
  readonly #told: Buckets;
  readonly #own: Buckets;
  #incarnation = 0;
  #sequence = 0;
  /** The last heartbeat that was signed, and how many were published since it first said what it says. */
  #last: Signed | undefined;
  #wholes = 0;

  constructor(components: HeartbeatsComponents, intervalMs: number) {
    this.#components = components;
    // All nodes of a mesh have one rhythm.
    const everyMs = Math.min(ALLOWANCE.everyMs, intervalMs / 2);
    const allowance = { ...ALLOWANCE, everyMs };
    // Whoever is met is told on its link: gossip has the time to come by way of others.
    this.#topic = components.network.topic(TOPIC, allowance, { floods: false });
    this.#told = createBuckets(components.clock, allowance);
    this.#own = createBuckets(components.clock, {
      ...OWN_PACE,
      everyMs: Math.min(OWN_PACE.everyMs, intervalMs),
    });
  }

  begin(incarnation: number): void {
    this.#incarnation = incarnation;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  listen(listener: HeartbeatListener): () => void {
    const { logger, network } = this.#components;
    const malformed = (peer: PeerId): void => {
      logger.debug({ peer }, 'not a heartbeat');
      network.report(peer, 'malformed');
    };
    const take = (bytes: Uint8Array, from: PeerId): void => {
      const heartbeat = decodeHeartbeat(bytes);
      if (heartbeat === undefined) malformed(from);
      else listener.heard(heartbeat, from, bytes, 'told');
    };
    const stops = [
      this.#topic.subscribe((bytes, from) => {
        const said = decodeGossip(bytes);
        if (said === undefined) malformed(from);
        else if ('pulse' in said) listener.pulsed(said.pulse, from);
        else listener.heard(said.heartbeat, from, bytes, 'gossip');
      }),
      network.onFrame(KIND, (bytes, from) => {
        if (this.#told.take(from)) take(bytes, from);
        else network.report(from, 'heartbeats');
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  next(status: Heartbeat['status'], toOne: Pick<Heartbeat, 'called' | 'seen'> = {}): Uint8Array {
    const said = this.#said(status);
    const isForOne = Object.keys(toOne).length > 0;
    const last = this.#last;
    const isRecent = last !== undefined && Math.abs(this.#nowMs() - last.time) <= AGAIN_MS;
    if (isForOne && isRecent && this.#isSigned(said, last)) {
      const { sequence, sig, time } = last;
      return encodeHeartbeat({ ...said, ...toOne, sequence, time }, { sign: () => sig });
    }
    return this.#signed({ ...said, ...toOne });
  }

  beat(status: Heartbeat['status']): Uint8Array {
    const said = this.#said(status);
    const last = this.#last;
    if (last === undefined || this.#isOld(last) || !this.#isSigned(said, last)) {
      return this.#signed(said);
    }
    this.#sequence += 1;
    const now = { sequence: this.#sequence, time: this.#nowMs() };
    if (status !== 'leaving' && this.#wholes >= WHOLES) {
      return encodePulse({ incarnation: this.#incarnation, ...now });
    }
    return encodeHeartbeat({ ...said, ...now });
  }

  #nowMs(): number {
    return Math.max(0, Math.trunc(this.#components.clock.now()));
  }

  #said(status: Heartbeat['status']): Said {
    const { presence, records, suspects } = this.#components;
    return {
      incarnation: this.#incarnation,
      status,
      records: records(),
      presence: presence(),
      suspects: suspects(),
    };
  }

  #signed(said: Said): Uint8Array {
    this.#sequence += 1;
    const sequence = this.#sequence;
    const time = this.#nowMs();
    if (this.#last === undefined || !this.#isSigned(said, this.#last)) this.#wholes = 0;
    const sign = (part: Uint8Array): Uint8Array => {
      const sig = this.#components.identity.sign(part);
      this.#last = { part, sig, sequence, time };
      return sig;
    };
    return encodeHeartbeat({ ...said, sequence, time }, { sign });
  }

  /** The last signature is so old that there is to be another, whatever is said. */
  #isOld({ sequence, time }: Signed): boolean {
    const ageMs = this.#nowMs() - time;
    // What was signed before the clock was set back tells a time that is not yet.
    return ageMs < 0 || (ageMs > UNSIGNED_MS && this.#sequence - sequence >= UNSIGNED_BEATS);
  }

  /** Whether the same was signed in `last`, but for its number and time. */
  #isSigned(said: Said, { part, sequence, time }: Signed): boolean {
    let isSame = false;
    const look = (again: Uint8Array): Uint8Array => {
      isSame = Buffer.compare(again, part) === 0;
      return again;
    };
    encodeHeartbeat({ ...said, sequence, time }, { sign: look });
    return isSame;
  }

  paceMs(): number {
    return this.#own.charge('own', 1);
  }

  publish(bytes: Uint8Array, options?: TopicOptions): void {
    const { logger } = this.#components;
    // A pulse counts as well: there is none before enough were whole.
    this.#wholes += 1;
    this.#topic
      .publish(bytes, options)
      .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'heartbeat not sent'));
  }

  async tell(peer: PeerId, bytes: Uint8Array): Promise<void> {
    const { logger, network } = this.#components;
    if (!(await network.sendFrame(peer, KIND, bytes))) logger.debug({ peer }, 'heartbeat not told');
  }

  async sayGoodbye(peers: readonly PeerId[], bytes: Uint8Array, withinMs: number): Promise<void> {
    this.publish(bytes, { floods: true });
    const told = peers.map((peer) => this.tell(peer, bytes));
    await settledWithin(withinMs, Promise.all(told), this.#components.clock);
  }
}
