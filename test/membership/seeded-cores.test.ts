/**
 * The pure cores of membership (detector, suspicion, incarnation) under a seeded scheduler with a virtual clock:
 * hundreds of schedules of late, lost and repeated heartbeats, each of which runs again from its seed.
 */
import { describe, expect, it } from 'vitest';
import { createSeededScheduler } from '../../sim/seeded-scheduler.ts';
import type { SeededScheduler } from '../../sim/seeded-scheduler.ts';
import {
  accusersNeeded,
  createAccusations,
  suspicionTimeoutMs,
} from '../../src/membership/detection/accusations.ts';
import { createIncarnations } from '../../src/membership/heartbeats/incarnation.ts';
import { createDetector } from '../../src/membership/detection/phi-accrual.ts';
import { weigh } from '../../src/membership/detection/suspicion.ts';
import type { PeerId } from '../../src/core/index.ts';
import type { Evidence, Suspicion } from '../../src/membership/detection/suspicion.ts';
import { memoryTable } from '../grants/memory-table.ts';

const INTERVAL_MS = 5000;
const PHI = 8;
const LIMITS = { phiSuspect: PHI, deadAfterMs: 3 * INTERVAL_MS, probes: 2 };
const LOOK_MS = INTERVAL_MS / 5;
const PROBE_MS = 2000;
const SEEDS = Array.from({ length: 300 }, (_, at) => at);

/** How a peer and the way to it are. */
interface Peer {
  /** A heartbeat is so late at the most. */
  readonly jitterMs: number;
  /** Share of heartbeats that are lost. */
  readonly loss: number;
  /** Whether a probe reaches it. */
  readonly reaches: () => boolean;
  readonly isUp: () => boolean;
}

/** One node that watches one peer, as the keeper of liveness does it. */
class Watch {
  state: Suspicion = { state: 'alive' };
  readonly #time: SeededScheduler;
  readonly #peer: Peer;
  readonly #detector;

  constructor(time: SeededScheduler, peer: Peer) {
    this.#time = time;
    this.#peer = peer;
    this.#detector = createDetector({ intervalMs: INTERVAL_MS, phiSuspect: PHI }, time.now());
  }

  /** Watches from now on. */
  begin(): this {
    this.#beat();
    this.#look();
    return this;
  }

  weigh(evidence: Evidence): void {
    const before = this.state;
    this.state = weigh(before, evidence, this.#time.now(), LIMITS);
    if (before.state !== this.state.state) this.#time.note(this.state.state);
    if (before.state !== 'suspect' && this.state.state === 'suspect') this.#probe(1);
  }

  #beat(): void {
    const { chance } = this.#time;
    const { jitterMs, loss, isUp } = this.#peer;
    if (isUp() && chance.next() >= loss) {
      this.#time.schedule(chance.next() * jitterMs, () => {
        this.#detector.heard(this.#time.now());
        this.weigh({ kind: 'heartbeat', status: 'up' });
      });
    }
    this.#time.schedule(INTERVAL_MS, () => this.#beat());
  }

  #look(): void {
    const phi = this.#detector.phi(this.#time.now());
    this.weigh({ kind: 'silence', phi, isLate: false });
    this.#time.schedule(LOOK_MS, () => this.#look());
  }

  #probe(attempt: number): void {
    this.#time.schedule(PROBE_MS, () => {
      if (this.state.state !== 'suspect') return;
      const isReached = this.#peer.reaches();
      this.weigh({ kind: 'probed', isReached, isVouched: false, attempt });
      if (this.state.state === 'suspect') this.#probe(attempt + 1);
    });
  }
}

/** A peer whose heartbeats come so late, and are lost so often, that it is suspected again and again. */
const troubled = ({ chance }: SeededScheduler): Peer => ({
  jitterMs: 5000,
  loss: 0.5,
  reaches: () => chance.next() < 0.5,
  isUp: () => true,
});

/** What happened to a peer in ten minutes, by the schedule of `seed`. */
function traceOf(seed: number, peer: (time: SeededScheduler) => Peer): readonly string[] {
  const time = createSeededScheduler(seed);
  new Watch(time, peer(time)).begin();
  time.run(600_000);
  return time.trace;
}

describe('a peer that lives', () => {
  it('is never dead, however late and seldom its heartbeats come, while a probe reaches it', () => {
    const dead = SEEDS.filter((seed) => {
      const late = { jitterMs: 4000, loss: 0.4, reaches: () => true, isUp: () => true };
      return traceOf(seed, () => late).some((line) => line.endsWith(' dead'));
    });
    expect(dead).toEqual([]);
  });

  it('is not even suspect while no heartbeat is lost or late by a whole interval', () => {
    const suspect = SEEDS.filter((seed) => {
      const regular = { jitterMs: 4000, loss: 0, reaches: () => false, isUp: () => true };
      return traceOf(seed, () => regular).length > 0;
    });
    expect(suspect).toEqual([]);
  });
});

describe('a peer that falls silent', () => {
  it('is dead in time, and alive with its next heartbeat', () => {
    const late = SEEDS.filter((seed) => {
      const time = createSeededScheduler(seed);
      let isUp = true;
      const watch = new Watch(time, {
        jitterMs: 300,
        loss: 0.02,
        reaches: () => isUp,
        isUp: () => isUp,
      }).begin();
      time.run(60_000 + time.chance.next() * INTERVAL_MS);
      isUp = false;
      time.run(3.2 * INTERVAL_MS + LOOK_MS + LIMITS.probes * PROBE_MS);
      const wasDead = watch.state.state === 'dead';
      isUp = true;
      time.run(INTERVAL_MS * 4);
      return !wasDead || watch.state.state !== 'alive';
    });
    expect(late).toEqual([]);
  });

  it('goes through suspicion, never from alive to dead at once', () => {
    const leaps = SEEDS.filter((seed) => {
      const trace = traceOf(seed, troubled);
      const states = ['alive', ...trace.map((line) => line.split(' ')[1] ?? '')];
      return states.some((state, at) => state === 'dead' && states[at - 1] !== 'suspect');
    });
    expect(leaps).toEqual([]);
  });
});

describe('accusations', () => {
  const peers = (count: number): readonly PeerId[] =>
    Array.from({ length: count }, (_, at) => `12D3KooWpeer${at}` as PeerId);

  it('by a third of the neighbours who lie change nothing, in whatever order they come', () => {
    const fooled: string[] = [];
    for (const seed of SEEDS) {
      const { chance } = createSeededScheduler(seed);
      const [victim = '' as PeerId, ...neighbours] = peers(4 + chance.below(14));
      const liars = neighbours.slice(0, Math.floor(neighbours.length / 3));
      const book = createAccusations();
      for (let step = 0; step < 50; step += 1) {
        const said = { peer: victim, incarnation: 1, sequence: step };
        const liar = liars[chance.below(liars.length)];
        if (liar !== undefined) book.heard(liar, chance.next() < 0.8 ? [said] : [], step);
        if (chance.next() < 0.1) book.refuted(victim, { incarnation: 1, sequence: step }, step);
        const { sinceMs } = book.of(victim, new Set(neighbours), step);
        if (sinceMs !== undefined) fooled.push(`seed ${seed}, step ${step}`);
      }
    }
    expect(fooled).toEqual([]);
  });

  it('by more than a third count from the moment that there are enough, until the peer says something', () => {
    for (const seed of SEEDS) {
      const { chance } = createSeededScheduler(seed);
      const [victim = '' as PeerId, ...neighbours] = peers(4 + chance.below(14));
      const book = createAccusations();
      const needed = accusersNeeded(neighbours.length);
      for (const [at, by] of neighbours.slice(0, needed).entries()) {
        book.heard(by, [{ peer: victim, incarnation: 1, sequence: 5 }], 100 + at);
        const { sinceMs } = book.of(victim, new Set(neighbours), 100 + at);
        expect([seed, sinceMs]).toEqual([seed, at + 1 < needed ? undefined : 100 + at]);
      }
      book.refuted(victim, { incarnation: 1, sequence: 6 }, 200);
      expect(book.of(victim, new Set(neighbours), 999).sinceMs).toBeUndefined();
    }
  });

  it('need less time the more there are, and more in bigger meshes and at slow nodes', () => {
    const time = suspicionTimeoutMs;
    expect([time(1, 10, 0), time(2, 10, 0), time(3, 10, 0), time(9, 10, 0)]).toEqual(
      [time(1, 10, 0), time(2, 10, 0), time(3, 10, 0), time(9, 10, 0)].toSorted((a, b) => b - a),
    );
    expect(time(3, 1000, 0)).toBeCloseTo(3 * time(3, 10, 0));
    expect(time(1, 10, 2)).toBeCloseTo(3 * time(1, 10, 0));
    expect(time(3, 10, 2)).toBeCloseTo((1 + 2 / 3) * time(3, 10, 0));
  });
});

describe('a schedule', () => {
  it('runs the same from the same seed, and otherwise from another', () => {
    expect(traceOf(3, troubled)).toEqual(traceOf(3, troubled));
    expect(traceOf(3, troubled).length).toBeGreaterThan(3);
    expect(traceOf(3, troubled)).not.toEqual(traceOf(4, troubled));
  });

  it('puts what is due at the same moment in an order of its seed', () => {
    const orderOf = (seed: number): string => {
      const time = createSeededScheduler(seed);
      for (const name of 'abcd') time.schedule(10, () => time.note(name));
      time.run(10);
      return time.trace.map((line) => line.split(' ')[1]).join('');
    };
    expect(orderOf(1)).toBe(orderOf(1));
    expect(new Set(SEEDS.map(orderOf)).size).toBeGreaterThan(10);
  });
});

describe('an incarnation', () => {
  it('never goes back, whatever the clock does and whoever claims to have seen it', async () => {
    for (const seed of SEEDS.slice(0, 50)) {
      const { chance } = createSeededScheduler(seed);
      const table = memoryTable();
      let clockMs = 1_700_000_000_000;
      let last = 0;
      for (let run = 0; run < 10; run += 1) {
        clockMs += Math.floor((chance.next() - 0.6) * 86_400_000);
        const nowMs = clockMs;
        const incarnations = createIncarnations({
          table,
          clock: { now: () => nowMs, schedule: () => () => undefined },
        });
        const begun = await incarnations.begin();
        expect([seed, begun > last]).toEqual([seed, true]);
        last = begun;
        const passed = await incarnations.pass(last + chance.below(1000) - 500);
        if (passed !== undefined) {
          expect([seed, passed > last]).toEqual([seed, true]);
          last = passed;
        }
      }
    }
  });
});
