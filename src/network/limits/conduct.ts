/**
 * How peers behave: what each does beyond its allowance is counted by kind. The count of late is weighed:
 * over a first bound the peer is told of, over a second one its connections are closed and it is kept out
 * for a while, longer each time, until the operator forgives it. What is counted fades within minutes, so
 * that a good peer on a slow machine, which is over an allowance now and then, is never told of. What a good peer's
 * operator may want to be much is told of only: its pace is bounded where the work is done.
 */
import type { Clock, PeerId } from '../../core/index.ts';
import type { ConductReport, Misconduct } from '../types.ts';

/** How much one time of it weighs. */
const WEIGHTS: Readonly<Record<Misconduct, number>> = {
  streams: 1,
  frames: 0.1,
  connections: 5,
  hellos: 5,
  gossip: 0.5,
  forgeries: 10,
  heartbeats: 1,
  malformed: 10,
  records: 0.5,
  catalogs: 2,
  boards: 1,
  unpermitted: 5,
  messages: 5,
  control: 0.5,
  services: 5,
  unread: 1,
  unfinished: 80,
  lists: 1,
  signs: 0.1,
};

/** What nobody is kept out for: an operator that revokes thousands of grants signs as many records. */
const TOLD_ONLY: ReadonlySet<Misconduct> = new Set(['signs']);

/** Bounds of {@link createConduct}. */
export interface ConductInit {
  /** Weight of late at which a peer is told of. */
  readonly watchedAt: number;
  /** Weight of late at which a peer is kept out. */
  readonly blockedAt: number;
  /** In this time the weight falls by half. */
  readonly halfLifeMs: number;
  /** How long a peer is kept out the first time; doubles each time. */
  readonly blockMs: number;
  readonly blockMaxMs: number;
  /** Peers that are remembered. */
  readonly peersMax: number;
}

/** The conduct of all peers. */
export interface Conduct {
  /** `peer` did `what` beyond its allowance, `times` times. */
  report(peer: PeerId, what: Misconduct, times?: number): void;
  isBlocked(peer: PeerId): boolean;
  of(peer: PeerId): ConductReport | undefined;
  /** Peers that are watched or blocked. */
  peers(): readonly PeerId[];
  /** Forgets everything of a peer; false when there was nothing. */
  forgive(peer: PeerId): boolean;
  /** Hears when a peer becomes `watched` or `blocked`, and `undefined` when it is calm again. */
  onChange(listener: (peer: PeerId, report: ConductReport | undefined) => void): void;
  /** Ends the timers; what is known stays. */
  stop(): void;
}

/** Makes the conduct of peers, all of them good. */
export function createConduct(clock: Clock, init: ConductInit): Conduct {
  return new ConductLedger(clock, init);
}

interface Entry {
  /** Of late, of all that it did. */
  weight: number;
  /** The part of that for which it may be kept out. */
  graveWeight: number;
  weighedAtMs: number;
  counts: Partial<Record<Misconduct, number>>;
  state: 'calm' | 'watched' | 'blocked';
  untilMs: number;
  /** Times that the peer was kept out, and the end of the last. */
  blocks: number;
  cancelTimer: (() => void) | undefined;
}

/** A peer that was kept out is calm only after as long again, this many times. */
const CALM_HALF_LIVES = 4;

class ConductLedger implements Conduct {
  readonly #clock: Clock;
  readonly #init: ConductInit;
  readonly #entries = new Map<PeerId, Entry>();
  readonly #listeners: ((peer: PeerId, report: ConductReport | undefined) => void)[] = [];

  constructor(clock: Clock, init: ConductInit) {
    this.#clock = clock;
    this.#init = init;
  }

  report(peer: PeerId, what: Misconduct, times = 1): void {
    const entry = this.#entryOf(peer);
    const now = this.#clock.now();
    const weight = WEIGHTS[what] * times;
    this.#fade(entry, now);
    entry.weight += weight;
    if (!TOLD_ONLY.has(what)) entry.graveWeight += weight;
    const isNews = entry.counts[what] === undefined;
    entry.counts[what] = (entry.counts[what] ?? 0) + times;
    if (entry.state === 'blocked') return;
    if (entry.graveWeight >= this.#init.blockedAt) this.#block(peer, entry, now);
    else if (entry.weight >= this.#init.watchedAt && entry.state === 'calm') {
      this.#become(peer, entry, 'watched');
      this.#lookLater(peer, entry, CALM_HALF_LIVES * this.#init.halfLifeMs);
    } else if (isNews && entry.state === 'watched') this.#tell(peer, this.of(peer));
  }

  isBlocked(peer: PeerId): boolean {
    return this.#entries.get(peer)?.state === 'blocked';
  }

  of(peer: PeerId): ConductReport | undefined {
    const entry = this.#entries.get(peer);
    if (entry === undefined || entry.state === 'calm') return undefined;
    const { state, counts, untilMs } = entry;
    const until = state === 'blocked' ? { until: untilMs } : {};
    return { peer, state, counts: { ...counts }, ...until };
  }

  peers(): readonly PeerId[] {
    return [...this.#entries].flatMap(([peer, { state }]) => (state === 'calm' ? [] : [peer]));
  }

  forgive(peer: PeerId): boolean {
    const entry = this.#entries.get(peer);
    if (entry === undefined) return false;
    entry.cancelTimer?.();
    this.#entries.delete(peer);
    if (entry.state !== 'calm') this.#tell(peer, undefined);
    return entry.state !== 'calm';
  }

  onChange(listener: (peer: PeerId, report: ConductReport | undefined) => void): void {
    this.#listeners.push(listener);
  }

  stop(): void {
    for (const entry of this.#entries.values()) {
      entry.cancelTimer?.();
      // Without its timer nobody would let the peer in again.
      if (entry.state === 'blocked') entry.state = 'watched';
    }
  }

  #block(peer: PeerId, entry: Entry, now: number): void {
    const { blockMs, blockMaxMs } = this.#init;
    const forMs = Math.min(blockMaxMs, blockMs * 2 ** Math.min(30, entry.blocks));
    entry.blocks += 1;
    entry.untilMs = now + forMs;
    this.#become(peer, entry, 'blocked');
    this.#lookLater(peer, entry, forMs);
  }

  /** Lets in whose time is over, and forgets what has faded. */
  #look(peer: PeerId, entry: Entry): void {
    const now = this.#clock.now();
    if (entry.state === 'blocked') {
      // It comes in on trial: what it does now counts from half of the bound on.
      entry.weight = this.#init.watchedAt;
      entry.graveWeight = this.#init.watchedAt;
      entry.weighedAtMs = now;
      entry.counts = {};
      this.#become(peer, entry, 'watched');
      this.#lookLater(peer, entry, CALM_HALF_LIVES * this.#init.halfLifeMs);
      return;
    }
    this.#fade(entry, now);
    if (entry.weight < this.#init.watchedAt / 2) {
      entry.counts = {};
      this.#become(peer, entry, 'calm');
      if (entry.blocks === 0) this.#entries.delete(peer);
      return;
    }
    this.#lookLater(peer, entry, CALM_HALF_LIVES * this.#init.halfLifeMs);
  }

  #lookLater(peer: PeerId, entry: Entry, delayMs: number): void {
    entry.cancelTimer?.();
    entry.cancelTimer = this.#clock.schedule(delayMs, () => this.#look(peer, entry));
  }

  #become(peer: PeerId, entry: Entry, state: Entry['state']): void {
    entry.state = state;
    this.#tell(peer, this.of(peer));
  }

  #tell(peer: PeerId, report: ConductReport | undefined): void {
    for (const listener of this.#listeners) listener(peer, report);
  }

  #fade(entry: Entry, now: number): void {
    const left = 0.5 ** (Math.max(0, now - entry.weighedAtMs) / this.#init.halfLifeMs);
    entry.weight *= left;
    entry.graveWeight *= left;
    entry.weighedAtMs = now;
  }

  #entryOf(peer: PeerId): Entry {
    const known = this.#entries.get(peer);
    if (known !== undefined) return known;
    const entry: Entry = {
      weight: 0,
      graveWeight: 0,
      weighedAtMs: this.#clock.now(),
      counts: {},
      state: 'calm',
      untilMs: 0,
      blocks: 0,
      cancelTimer: undefined,
    };
    this.#entries.set(peer, entry);
    if (this.#entries.size > this.#init.peersMax) this.#forgetOne();
    return entry;
  }

  /** Of more peers than are remembered, one that is calm is forgotten, else the one that is known longest. */
  #forgetOne(): void {
    for (const [peer, { state }] of this.#entries) {
      if (state !== 'calm') continue;
      this.#entries.delete(peer);
      return;
    }
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.forgive(oldest);
  }
}
