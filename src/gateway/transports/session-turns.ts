/**
 * The turns of sessions that a peer opens and in which it has said nothing whole yet. A handful of them is read at a
 * time, and of long first messages one; the others wait unread, before anything is built for them. Many that begin within
 * seconds come at a pace, and sessions that end without one whole message cost the peer later turns. Once a session has
 * brought a message it waits for none.
 */
import { StarlingError, createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';

/** Sessions of one peer that are read at a time while nothing whole has come in them. */
const READ_AT_ONCE = 16;
/** A first message of which so much has come is a long one: more than all grants of a peer with what they stand on. */
const LONG_BYTES = 512 * 1024;
/** More than the grants that a first message may carry. */
const FIRST_BYTES_MAX = 5 * 1024 * 1024;
/** What such a message counts, as if so many MiB had been sent in vain: nobody good sends one, and who does is kept out. */
const TOO_LONG = 40;
/**
 * Sessions that begin: as many at once as a peer may have, then twenty a second. Each costs its stream, its lists and
 * its `initialize`, about 5 ms together.
 */
const BEGUN = { burst: 512, everyMs: 50 } as const;
/** Sessions that may end with nothing said: so many at once, then four a second. */
const SILENT = { burst: 64, everyMs: 250 } as const;
/** What one more counts, in times of a stream too many. */
const SILENT_COUNT = 5;
/** How many may wait of a peer whose long first messages wait for each other, or that owes turns. */
const WAITING_MAX = 16;
/** What one more counts: it brings a whole window of bytes, which the node has to take. */
const TOO_MANY = 2;

/** A session that has not begun. */
export interface Opening {
  readonly peer: PeerId;
  /** It is its turn: it is read from now on. */
  begin(): void;
  /** It may be read on after a wait. */
  readOn(): void;
}

/** The place of one session. */
export interface Turn {
  /** Has it begin, now or in its turn. */
  ask(): void;
  /**
   * So much of the first message has come and it is not whole. Gives whether it may be read on; else that is told later.
   * @throws STARLING_LIMIT_EXCEEDED when no first message is so long
   */
  holds(sizeBytes: number): boolean;
  /** A whole message has come. */
  proven(): void;
  /** The session is over. */
  ended(): void;
}

/** The turns of all peers. */
export interface SessionTurns {
  /** A place for `opening`. @throws STARLING_LIMIT_EXCEEDED when too many wait already */
  enter(opening: Opening): Turn;
}

/** Makes the turns; `network` hears of what is too much. */
export function createSessionTurns(clock: Clock, network: Pick<Network, 'report'>): SessionTurns {
  return new TurnsByPeer(clock, network);
}

interface OfPeer {
  /** Those that are read, until something whole has come. */
  readonly reading: Set<Opening>;
  /** Those that are not, the oldest first. */
  readonly waiting: Set<Opening>;
  /** Those of the first whose message is long, the oldest first: that one is read. */
  readonly long: Set<Opening>;
  cancelTimer: (() => void) | undefined;
  /** Those that wait are begun just now: one that says all at once ends its turn meanwhile. */
  isBeginning: boolean;
}

class TurnsByPeer implements SessionTurns {
  readonly #clock: Clock;
  readonly #network: Pick<Network, 'report'>;
  readonly #silent: Buckets;
  readonly #begun: Buckets;
  readonly #peers = new Map<PeerId, OfPeer>();

  constructor(clock: Clock, network: Pick<Network, 'report'>) {
    this.#clock = clock;
    this.#network = network;
    this.#silent = createBuckets(clock, SILENT);
    this.#begun = createBuckets(clock, BEGUN);
  }

  enter(opening: Opening): Turn {
    const { peer } = opening;
    const of = this.#peers.get(peer) ?? {
      reading: new Set(),
      waiting: new Set(),
      long: new Set(),
      cancelTimer: undefined,
      isBeginning: false,
    };
    const isStuck = of.long.size > 1 || this.#silent.waitMs(peer) > 0;
    if (isStuck && of.waiting.size >= WAITING_MAX) {
      this.#network.report(peer, 'unfinished', TOO_MANY);
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${of.waiting.size} sessions of this peer wait for others in which it has said nothing whole`,
        { hint: 'try again once those have begun', data: { peer } },
      );
    }
    this.#peers.set(peer, of);
    of.waiting.add(opening);
    return {
      ask: () => this.#next(peer, of),
      holds: (sizeBytes) => this.#holds(opening, of, sizeBytes),
      proven: () => this.#leave(opening, of),
      ended: () => {
        const isSilent = this.#leave(opening, of);
        if (isSilent && this.#silent.charge(peer, 1) > 0) {
          this.#network.report(peer, 'streams', SILENT_COUNT);
        }
      },
    };
  }

  #holds(opening: Opening, of: OfPeer, sizeBytes: number): boolean {
    if (sizeBytes <= LONG_BYTES || !of.reading.has(opening)) return true;
    if (sizeBytes > FIRST_BYTES_MAX) {
      this.#network.report(opening.peer, 'unfinished', TOO_LONG);
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `the first message of a session has more than ${FIRST_BYTES_MAX} bytes`,
        { data: { peer: opening.peer } },
      );
    }
    of.long.add(opening);
    const [oldest] = of.long;
    return oldest === opening;
  }

  /** Gives whether it was one in which nothing whole had come. */
  #leave(opening: Opening, of: OfPeer): boolean {
    const { peer } = opening;
    if (of.waiting.delete(opening)) {
      this.#forget(peer, of);
      return true;
    }
    if (!of.reading.delete(opening)) return false;
    const [oldest] = of.long;
    of.long.delete(opening);
    const [next] = of.long;
    if (oldest === opening) next?.readOn();
    this.#next(peer, of);
    this.#forget(peer, of);
    return true;
  }

  /** Lets the next ones begin, as many as there is room for. */
  #next(peer: PeerId, of: OfPeer): void {
    if (of.isBeginning) return;
    of.isBeginning = true;
    for (const opening of of.waiting) {
      if (!this.#hasRoom(peer, of)) break;
      of.waiting.delete(opening);
      of.reading.add(opening);
      this.#begun.charge(peer, 1);
      opening.begin();
    }
    of.isBeginning = false;
  }

  #hasRoom(peer: PeerId, of: OfPeer): boolean {
    if (of.reading.size >= READ_AT_ONCE || of.cancelTimer !== undefined) return false;
    const waitMs = Math.max(this.#silent.waitMs(peer), this.#begun.waitMs(peer));
    if (waitMs === 0) return true;
    of.cancelTimer = this.#clock.schedule(waitMs, () => {
      of.cancelTimer = undefined;
      this.#next(peer, of);
    });
    return false;
  }

  #forget(peer: PeerId, of: OfPeer): void {
    if (of.reading.size + of.waiting.size > 0) return;
    of.cancelTimer?.();
    of.cancelTimer = undefined;
    if (this.#peers.get(peer) === of) this.#peers.delete(peer);
  }
}
