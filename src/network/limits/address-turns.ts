/**
 * When a new connection may come in, by the address that it comes from: a few at once as long as each
 * was admitted, so that a room full of machines behind one router can start together. Once a connection
 * has ended without that, one at a time, and each that does so makes the next wait longer. Who comes too soon waits
 * unread; when too many wait, or come one after the other, who comes is turned away. An address from which an admitted member is
 * connected, and a relay, never waits longer than a second for its next turn, so that who knocks behind
 * the same address can't keep members out.
 */
import { createBuckets } from '../../core/index.ts';
import type { BucketSize, Buckets, Clock } from '../../core/index.ts';
import type { KnockingAddress } from '../types.ts';
import { isRelayKey } from './address-key.ts';

/** Bounds of {@link createAddressTurns}. */
export interface AddressTurnsInit {
  /** Connections of one address that may be in their hello at once, while none of the address came to nothing. */
  readonly atOnce: number;
  /** The wait after the first connection that came to nothing; it doubles with each that follows. */
  readonly waitMs: number;
  /** The longest wait of an address. */
  readonly waitMaxMs: number;
  /** The longest wait of an address from which a member is connected. */
  readonly trustedWaitMs: number;
  /** How long somebody may stand in the queue. */
  readonly patienceMs: number;
  /**
   * How often somebody may come from an address of which the last one came to nothing: to stand in the queue costs
   * much more than to be turned away, also for who leaves it at once.
   */
  readonly arrivals: BucketSize;
  /** Who may stand in the queue of one address, and in all queues. */
  readonly queuePerAddress: number;
  readonly queueMax: number;
  /** Addresses that are remembered. Of more than these, the one that came longest ago is forgotten. */
  readonly addressesMax: number;
}

/** A connection that has its turn, or waits for it. */
export interface Visit {
  /** The connection is admitted: the next one has its turn, and the address a clean slate. */
  admitted(): void;
  /** What the connection came for is done, though nobody was admitted: it counts neither for nor against. */
  excused(): void;
  /** The connection is over. Calling it again does nothing. */
  ended(): void;
}

/** The turns of all addresses. */
export interface AddressTurns {
  /** Asks for a turn; `let` hears once whether the connection may go on. Its visit is known at once. */
  ask(address: string, decided: (mayCome: boolean) => void): Visit;
  /** Whether the queue is full or somebody comes too soon; counts that as somebody turned away. */
  turnsAway(address: string): boolean;
  /** A member is connected from `address`, until the returned function is called. */
  trust(address: string): () => void;
  /** What is known of addresses that keep knocking in vain, the worst first. */
  knocking(): readonly KnockingAddress[];
  /** Turns everybody away who waits. */
  close(): void;
}

/** Makes the turns, nobody waiting. */
export function createAddressTurns(clock: Clock, init: AddressTurnsInit): AddressTurns {
  return new Turns(clock, init);
}

interface Waiter {
  readonly decide: (mayCome: boolean) => void;
  readonly cancelPatience: () => void;
}

interface Entry {
  readonly address: string;
  /** Connections that had their turn and are neither admitted nor over. */
  open: number;
  failures: number;
  turnedAway: number;
  /** Links of admitted members. */
  members: number;
  lastTurnMs: number;
  /** Not before this is the next turn. */
  nextMs: number;
  readonly queue: Set<Waiter>;
  cancelTimer: (() => void) | undefined;
}

class Turns implements AddressTurns {
  readonly #clock: Clock;
  readonly #init: AddressTurnsInit;
  readonly #entries = new Map<string, Entry>();
  readonly #arrivals: Buckets;
  #waiting = 0;

  constructor(clock: Clock, init: AddressTurnsInit) {
    this.#clock = clock;
    this.#init = init;
    this.#arrivals = createBuckets(clock, init.arrivals, init.addressesMax);
  }

  ask(address: string, decided: (mayCome: boolean) => void): Visit {
    const entry = this.#entryOf(address);
    let state: 'waiting' | 'open' | 'over' = 'waiting';
    const waiter: Waiter = {
      decide: (mayCome) => {
        waiter.cancelPatience();
        state = mayCome ? 'open' : 'over';
        decided(mayCome);
      },
      cancelPatience: this.#clock.schedule(this.#init.patienceMs, () => {
        if (this.#leave(entry, waiter)) this.#turnAway(entry, waiter);
      }),
    };
    this.#enter(entry, waiter);
    return {
      admitted: () => {
        if (state !== 'open') return;
        state = 'over';
        this.#done(entry, true);
      },
      excused: () => {
        if (state !== 'open') return;
        state = 'over';
        entry.open -= 1;
        this.#next(entry);
      },
      ended: () => {
        if (state === 'open') this.#done(entry, false);
        else if (this.#leave(entry, waiter)) waiter.cancelPatience();
        state = 'over';
      },
    };
  }

  turnsAway(address: string): boolean {
    const entry = this.#entries.get(address);
    if (entry === undefined) return false;
    const isFull = entry.queue.size >= this.#init.queuePerAddress;
    const isTurnedAway = isFull || (entry.failures > 0 && !this.#arrivals.take(address));
    if (isTurnedAway) entry.turnedAway += 1;
    return isTurnedAway;
  }

  trust(address: string): () => void {
    const entry = this.#entryOf(address);
    entry.members += 1;
    this.#next(entry);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      entry.members -= 1;
    };
  }

  knocking(): readonly KnockingAddress[] {
    const weight = ({ failures, turnedAway }: KnockingAddress): number => failures + turnedAway;
    return [...this.#entries.values()]
      .filter((entry) => !this.#isCalm(entry) && weight(entry) > 0)
      .map(({ address, failures, turnedAway }) => ({ address, failures, turnedAway }))
      .sort((a, b) => weight(b) - weight(a));
  }

  close(): void {
    for (const entry of this.#entries.values()) {
      entry.cancelTimer?.();
      for (const waiter of entry.queue) if (this.#leave(entry, waiter)) waiter.decide(false);
    }
  }

  #enter(entry: Entry, waiter: Waiter): void {
    const { queueMax, queuePerAddress } = this.#init;
    if (entry.queue.size >= queuePerAddress || this.#waiting >= queueMax) {
      this.#turnAway(entry, waiter);
      return;
    }
    entry.queue.add(waiter);
    this.#waiting += 1;
    this.#next(entry);
  }

  #turnAway(entry: Entry, waiter: Waiter): void {
    entry.turnedAway += 1;
    waiter.decide(false);
  }

  /** Lets the first one in whose turn has come, and looks again when the next turn comes. */
  #next(entry: Entry): void {
    entry.cancelTimer?.();
    entry.cancelTimer = undefined;
    for (const waiter of entry.queue) {
      const waitMs = this.#waitMs(entry);
      if (waitMs > 0) {
        if (waitMs < Infinity) {
          entry.cancelTimer = this.#clock.schedule(waitMs, () => this.#next(entry));
        }
        return;
      }
      this.#leave(entry, waiter);
      entry.open += 1;
      entry.lastTurnMs = this.#clock.now();
      waiter.decide(true);
    }
  }

  /** Until the next turn; infinite while it hangs on the connection that has its turn. */
  #waitMs(entry: Entry): number {
    const now = this.#clock.now();
    const { trustedWaitMs } = this.#init;
    const isTrusted = entry.members > 0 || isRelayKey(entry.address);
    const trustedMs = isTrusted ? entry.lastTurnMs + trustedWaitMs - now : Infinity;
    const isTaken = entry.open >= (entry.failures === 0 ? this.#init.atOnce : 1);
    const plainMs = isTaken ? Infinity : entry.nextMs - now;
    // A clock that was set back must not keep anybody out for longer than the longest wait.
    return Math.min(plainMs, trustedMs, isTaken ? Infinity : this.#init.waitMaxMs);
  }

  #leave(entry: Entry, waiter: Waiter): boolean {
    if (!entry.queue.delete(waiter)) return false;
    this.#waiting -= 1;
    return true;
  }

  #done(entry: Entry, isAdmitted: boolean): void {
    const { waitMs, waitMaxMs } = this.#init;
    entry.open -= 1;
    if (isAdmitted) {
      entry.failures = 0;
      entry.turnedAway = 0;
      entry.nextMs = 0;
    } else {
      entry.failures += 1;
      const delayMs = Math.min(waitMaxMs, waitMs * 2 ** Math.min(30, entry.failures - 1));
      entry.nextMs = this.#clock.now() + delayMs;
    }
    this.#next(entry);
  }

  /** Nobody has come since its longest wait was over, twice. */
  #isCalm(entry: Entry): boolean {
    if (entry.open > 0 || entry.queue.size > 0) return false;
    const { waitMaxMs } = this.#init;
    return Math.abs(this.#clock.now() - Math.max(entry.lastTurnMs, entry.nextMs)) > waitMaxMs;
  }

  #entryOf(address: string): Entry {
    const known = this.#entries.get(address);
    if (known !== undefined) {
      // The order of the map is the order in which addresses came last.
      this.#entries.delete(address);
      this.#entries.set(address, known);
      if (this.#isCalm(known)) {
        known.failures = 0;
        known.turnedAway = 0;
      }
      return known;
    }
    const entry: Entry = {
      address,
      open: 0,
      failures: 0,
      turnedAway: 0,
      members: 0,
      lastTurnMs: -Infinity,
      nextMs: 0,
      queue: new Set(),
      cancelTimer: undefined,
    };
    this.#entries.set(address, entry);
    this.#forgetOldest();
    return entry;
  }

  #forgetOldest(): void {
    if (this.#entries.size <= this.#init.addressesMax) return;
    for (const [address, { open, members, queue }] of this.#entries) {
      if (open > 0 || members > 0 || queue.size > 0) continue;
      this.#entries.delete(address);
      return;
    }
  }
}
