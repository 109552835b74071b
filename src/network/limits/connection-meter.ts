/**
 * What the remote end of a connection may have us do before anything reads a byte of it: open streams,
 * and send frames that carry nothing. Until the connection is admitted that is a handful, and whoever
 * takes more is cut off; a member has a steady allowance, over which its streams wait their turn, and a
 * member that goes far beyond is cut off too. The allowance is the peer's, over all its connections.
 */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { BucketSize, Buckets, Clock, PeerId } from '../../core/index.ts';
import type { Conduct } from './conduct.ts';

/** Before the admission of a connection. */
export interface StrangerBounds {
  readonly streams: number;
  readonly frames: number;
  readonly bytes: number;
}

/** Bounds of {@link createConnectionMeters}. */
export interface ConnectionMetersInit {
  /** Of a connection that was dialled to us. */
  readonly inbound: StrangerBounds;
  /** Of one that we dialled: a member that has admitted us opens its streams before we know it. */
  readonly outbound: StrangerBounds;
  /** Streams that a member opens. */
  readonly streams: BucketSize;
  /** Streams of one connection that wait for their turn; those beyond are reset. */
  readonly waitingStreams: number;
  /** Frames of a member that carry no data: new streams, resets, windows, pings. */
  readonly controlFrames: BucketSize;
}

/** Counts what comes on a connection, and slows down whoever is over a bound. */
export interface ConnectionMeter {
  /** A frame came. @throws STARLING_LIMIT_EXCEEDED when the connection is to be cut off */
  frame(sizeBytes: number): void;
  /**
   * The remote end has opened a stream: `serve` is called now, or when its turn has come; `reset` when
   * there is no room to wait. @throws STARLING_LIMIT_EXCEEDED when the connection is to be cut off
   */
  stream(serve: () => void, reset: () => void): void;
  /** The connection is admitted: from now on it is a member's. */
  admitted(peer: PeerId): void;
  /** The connection is over: what waits is forgotten. */
  ended(): void;
}

/** One for each connection, with sums that connections of a peer share. */
export interface ConnectionMeters {
  meter(direction: 'inbound' | 'outbound'): ConnectionMeter;
}

/** Whoever is over a bound is reported to `conduct`. */
export function createConnectionMeters(
  components: { readonly clock: Clock; readonly conduct: Conduct },
  init: ConnectionMetersInit,
): ConnectionMeters {
  const shared: Shared = {
    ...components,
    init,
    streams: createBuckets(components.clock, init.streams),
    frames: createBuckets(components.clock, init.controlFrames),
  };
  return { meter: (direction) => new Meter(shared, init[direction]) };
}

interface Shared {
  readonly clock: Clock;
  readonly conduct: Conduct;
  readonly init: ConnectionMetersInit;
  readonly streams: Buckets;
  readonly frames: Buckets;
}

class Meter implements ConnectionMeter {
  readonly #shared: Shared;
  readonly #bounds: StrangerBounds;
  #peer: PeerId | undefined;
  #streams = 0;
  #frames = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #cancelTimer: (() => void) | undefined;

  constructor(shared: Shared, bounds: StrangerBounds) {
    this.#shared = shared;
    this.#bounds = bounds;
  }

  frame(sizeBytes: number): void {
    const peer = this.#peer;
    if (peer === undefined) {
      this.#frames += 1;
      this.#bytes += sizeBytes;
      const { frames, bytes } = this.#bounds;
      if (this.#frames > frames || this.#bytes > bytes) throw tooMuch('data');
      return;
    }
    if (sizeBytes > 0 || this.#shared.frames.take(peer)) return;
    this.#shared.conduct.report(peer, 'frames');
    // A debt of as much again is what nobody runs into who is merely busy.
    const { burst, everyMs } = this.#shared.init.controlFrames;
    if (this.#shared.frames.charge(peer, 1) > burst * everyMs) throw tooMuch('frames');
  }

  stream(serve: () => void, reset: () => void): void {
    const peer = this.#peer;
    if (peer === undefined) {
      this.#streams += 1;
      if (this.#streams > this.#bounds.streams) throw tooMuch('streams');
      serve();
      return;
    }
    if (this.#waiting.length === 0 && this.#shared.streams.take(peer)) {
      serve();
      return;
    }
    this.#shared.conduct.report(peer, 'streams');
    if (this.#waiting.length >= this.#shared.init.waitingStreams) reset();
    else this.#wait(peer, serve);
  }

  admitted(peer: PeerId): void {
    this.#peer = peer;
  }

  ended(): void {
    this.#cancelTimer?.();
    this.#waiting = [];
  }

  #wait(peer: PeerId, serve: () => void): void {
    this.#waiting.push(serve);
    if (this.#waiting.length === 1) this.#serveLater(peer);
  }

  #serveLater(peer: PeerId): void {
    const { clock, streams } = this.#shared;
    this.#cancelTimer = clock.schedule(Math.max(1, streams.waitMs(peer)), () => {
      while (this.#waiting.length > 0 && streams.take(peer)) this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#serveLater(peer);
    });
  }
}

function tooMuch(what: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the other end of a connection took more than its allowance of ${what}`,
  );
}
