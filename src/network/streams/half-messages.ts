/**
 * What is kept of messages that peers have begun and not ended: bounded for a peer over all its streams, and for all
 * peers together. Over a first bound a peer's long messages come one after the other: the oldest is read on, the others
 * wait. So nothing is lost when a peer sends much at once, and who ends nothing fills no memory. Over a second bound a
 * stream is ended, and so is one whose message has come no further for long, or comes more slowly than any link that is
 * in use. What comes of messages is charged to the
 * peer until they are whole: of who ends none no more is read than an allowance, and what was kept in vain is counted.
 */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { BucketSize, Clock, PeerId } from '../../core/index.ts';
import { createStallWatch } from './stall-watch.ts';

/** One stream that is read. */
export interface Reading {
  readonly peer: PeerId;
  /** Whether we read it now. */
  readonly isRead: boolean;
  /** It may be read on. */
  readOn(): void;
  /** What has come of it and is not read yet. */
  readonly unreadBytes: number;
  abort(error: Error): void;
}

/** Bounds of {@link createHalfMessages}. */
export interface HalfMessagesInit {
  /** From here on a peer's long messages come one after the other. */
  readonly perPeerAtOnce: number;
  /** The same of all peers together; each has an equal share of that. */
  readonly nodeAtOnce: number;
  /** More than that of one peer is not kept. */
  readonly perPeerMax: number;
  /** So many streams of a peer may wait for their turn. */
  readonly waitingMax: number;
  /** A message of which so much has come is a long one. */
  readonly longBytes: number;
  /** How long a message may come no further, ms. */
  readonly stalledMs: number;
  /** How long a message may come while it is read, ms, and how many bytes of it give it another second. */
  readonly slow: { readonly graceMs: number; readonly bytesPerSecond: number };
  /** Bytes of messages that are not whole yet, or never were; beyond that long ones are read at the pace of the refill. */
  readonly wasted: BucketSize;
}

/** The sums of all peers. */
export interface HalfMessages {
  /**
   * More of `reading` has come, and so much is kept of it now. Gives whether it may be read on; else that is told later.
   * @throws STARLING_LIMIT_EXCEEDED when the peer has begun too much, or too many
   */
  hold(reading: Reading, sizeBytes: number): boolean;
  /** The stream has ended: what is kept of it is dropped. */
  drop(reading: Reading): void;
}

/** What the sums work with. */
export interface HalfMessagesComponents {
  readonly clock: Clock;
  /** Hears that a peer has begun messages and not ended them, `times` MiB of them. */
  readonly unfinished: (peer: PeerId, times: number) => void;
}

const MIB = 1024 * 1024;
/** What one long message too many counts, as if so many MiB had been kept in vain: nobody good comes so far. */
const TOO_MANY = 1;

/** Makes the sums, all 0. */
export function createHalfMessages(
  components: HalfMessagesComponents,
  init: HalfMessagesInit,
): HalfMessages {
  return new PeerSums(components, init);
}

interface Kept {
  sizeBytes: number;
  /** Changes with each chunk. */
  steps: number;
  /** How long the message was read, up to when it was looked at. */
  readMs: number;
  lookedAtMs: number;
}

interface OfPeer {
  sumBytes: number;
  /** Streams with long messages, the oldest first. */
  readonly long: Set<Reading>;
  readonly waiting: Set<Reading>;
  /** Runs while long messages wait for the allowance. */
  cancelTimer: (() => void) | undefined;
}

class PeerSums implements HalfMessages {
  readonly #components: HalfMessagesComponents;
  readonly #init: HalfMessagesInit;
  readonly #kept = new Map<Reading, Kept>();
  readonly #peers = new Map<PeerId, OfPeer>();
  readonly #wasted;
  readonly #watch;
  #sumBytes = 0;

  constructor(components: HalfMessagesComponents, init: HalfMessagesInit) {
    this.#components = components;
    this.#init = init;
    this.#wasted = createBuckets(components.clock, init.wasted);
    this.#watch = createStallWatch<Reading>({
      clock: components.clock,
      limitMs: init.stalledMs,
      mark: (reading) => this.#mark(reading),
      isDone: (reading) => !this.#kept.has(reading),
      isOverdue: (reading) => this.#isOverdue(reading),
      stalled: (reading, isOverdue) => this.#stalled(reading, isOverdue),
    });
  }

  hold(reading: Reading, sizeBytes: number): boolean {
    const known = this.#kept.get(reading);
    if (known === undefined && sizeBytes === 0) return true;
    const lookedAtMs = this.#components.clock.now();
    const kept = known ?? { sizeBytes: 0, steps: 0, readMs: 0, lookedAtMs };
    const peer = this.#ofPeer(reading.peer);
    const byBytes = sizeBytes - kept.sizeBytes;
    if (byBytes > 0 && peer.sumBytes + byBytes > this.#init.perPeerMax) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${reading.peer} has begun messages of more than ${this.#init.perPeerMax} bytes together and ended none`,
        { data: { peer: reading.peer } },
      );
    }
    kept.steps += 1;
    // One message has ended, and the next has begun.
    if (byBytes < 0) kept.readMs = 0;
    this.#count(peer, kept, byBytes);
    // What is whole is given back.
    this.#wasted.charge(reading.peer, byBytes);
    if (sizeBytes === 0) {
      this.#forget(reading, peer);
      return true;
    }
    if (known === undefined) this.#kept.set(reading, kept);
    this.#watch.add(reading);
    if (sizeBytes > this.#init.longBytes) peer.long.add(reading);
    else peer.long.delete(reading);
    if (byBytes < 0) this.#wake(peer);
    if (this.#mayReadOn(reading, peer)) return true;
    if (peer.waiting.size >= this.#init.waitingMax && !peer.waiting.has(reading)) {
      this.#components.unfinished(reading.peer, TOO_MANY);
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${reading.peer} has begun ${peer.waiting.size} long messages beside those that are read`,
        { data: { peer: reading.peer } },
      );
    }
    peer.waiting.add(reading);
    return false;
  }

  drop(reading: Reading): void {
    const kept = this.#kept.get(reading);
    const peer = this.#peers.get(reading.peer);
    if (kept === undefined || peer === undefined) return;
    const { sizeBytes } = kept;
    this.#count(peer, kept, -sizeBytes);
    this.#forget(reading, peer);
    const { unreadBytes } = reading;
    if (this.#wasted.charge(reading.peer, unreadBytes) > 0) {
      this.#components.unfinished(reading.peer, (sizeBytes + unreadBytes) / MIB);
    }
  }

  /** How far the message has come; undefined while the peer waits for us. */
  #mark(reading: Reading): number | undefined {
    const kept = this.#kept.get(reading);
    if (kept === undefined) return undefined;
    const nowMs = this.#components.clock.now();
    if (reading.isRead) kept.readMs += Math.max(0, nowMs - kept.lookedAtMs);
    kept.lookedAtMs = nowMs;
    return reading.isRead ? kept.steps : undefined;
  }

  #isOverdue(reading: Reading): boolean {
    const { graceMs, bytesPerSecond } = this.#init.slow;
    const { readMs = 0, sizeBytes = 0 } = this.#kept.get(reading) ?? {};
    return readMs > graceMs + (sizeBytes / bytesPerSecond) * 1000;
  }

  #stalled(reading: Reading, isOverdue: boolean): void {
    const { sizeBytes = 0, readMs = 0 } = this.#kept.get(reading) ?? {};
    this.#components.unfinished(reading.peer, 1);
    const how = isOverdue
      ? `${sizeBytes} bytes of it in ${Math.round(readMs / 1000)} s`
      : `no more of it for ${this.#init.stalledMs / 1000} s`;
    reading.abort(
      new StarlingError('STARLING_TIMEOUT', `${reading.peer} has begun a message and sent ${how}`, {
        data: { peer: reading.peer },
      }),
    );
  }

  #count(peer: OfPeer, kept: Kept, byBytes: number): void {
    kept.sizeBytes += byBytes;
    peer.sumBytes += byBytes;
    this.#sumBytes += byBytes;
  }

  #mayReadOn(reading: Reading, peer: OfPeer): boolean {
    if (!peer.long.has(reading)) return true;
    const waitMs = this.#wasted.waitMs(reading.peer);
    if (waitMs > 0) {
      peer.cancelTimer ??= this.#components.clock.schedule(waitMs, () => this.#readOneOn(peer));
      return false;
    }
    const [oldest] = peer.long;
    return oldest === reading || peer.sumBytes <= this.#atOnce();
  }

  /** One at a time: each brings what has come of it meanwhile. */
  #readOneOn(peer: OfPeer): void {
    peer.cancelTimer = undefined;
    const first = Array.from(peer.long).find((reading) => peer.waiting.has(reading));
    if (first === undefined || !this.#mayReadOn(first, peer)) return;
    peer.waiting.delete(first);
    first.readOn();
  }

  /** Over the bound of all peers each has an equal share. */
  #atOnce(): number {
    const { nodeAtOnce, perPeerAtOnce } = this.#init;
    if (this.#sumBytes <= nodeAtOnce) return perPeerAtOnce;
    return Math.min(perPeerAtOnce, nodeAtOnce / this.#peers.size);
  }

  #forget(reading: Reading, peer: OfPeer): void {
    this.#kept.delete(reading);
    this.#watch.remove(reading);
    peer.long.delete(reading);
    peer.waiting.delete(reading);
    if (peer.sumBytes === 0) this.#peers.delete(reading.peer);
    this.#wake(peer);
    if (peer.waiting.size > 0) return;
    peer.cancelTimer?.();
    peer.cancelTimer = undefined;
  }

  #wake(peer: OfPeer): void {
    for (const reading of Array.from(peer.waiting)) {
      if (!peer.waiting.has(reading) || !this.#mayReadOn(reading, peer)) continue;
      peer.waiting.delete(reading);
      reading.readOn();
    }
  }

  #ofPeer(peer: PeerId): OfPeer {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const made: OfPeer = {
      sumBytes: 0,
      long: new Set(),
      waiting: new Set(),
      cancelTimer: undefined,
    };
    this.#peers.set(peer, made);
    return made;
  }
}
