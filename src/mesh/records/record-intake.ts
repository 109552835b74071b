/**
 * How texts come to the records: read once, in the order in which they can hold, in parts between which others have
 * their turn. What a peer sends has one lane for each peer: its texts are taken one part after the other, however many
 * streams bring them, and after what came to nothing, or was of somebody who signs many, the lane rests for long. So who
 * sends records without end has a small share of a core, and holds up nobody else's records.
 */
import { StarlingError, messageOf, pause, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import { GRANT_TYPE, MEMBERSHIP_LINKS_MAX, SUCCESSION_TYPE } from '../../grants/index.ts';
import type { Revocation } from '../../grants/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { RecordKinds } from './record-kinds.ts';
import type { RecordSet } from './record-set.ts';
import { isFinal, readRecord, recordText } from './record-texts.ts';
import type { ReadRecord, RecordText } from './record-texts.ts';

/** Texts that are taken in one turn of the event loop, with one wait for the disk. */
const AT_ONCE = 128;
/** Texts of a peer that are taken in one turn: others wait for their end. */
const OF_PEER_AT_ONCE = 32;
/** The longest rest of a lane between two of these, in times of the work. */
const REST = { times: 1, leastMs: 0, maxMs: 50 } as const;
/**
 * The same where the lane is in no hurry: a seventh of a core is left to it. More rest = calls go on as before beside a
 * flood; less = whoever has signed thousands is in step before somebody who waits for that gives up (15 s).
 */
const LONG_REST = { times: 6, leastMs: 5, maxMs: 200 } as const;

/** What became of a text: `waits` may hold with others that are not here, `later` is to be offered again. */
export type Outcome = 'new' | 'known' | 'refused' | 'waits' | 'later';

/** What became of the texts of a peer. */
export interface Taken {
  /** New and sound. */
  readonly news: number;
  /** Here already. */
  readonly known: number;
  /** Of signers that sign too many, or for which there is no room: not verified, and to be offered again. */
  readonly later: number;
  /** Those of {@link later} that the peer itself says to have signed. */
  readonly ownLater: number;
}

/** What the intake works with. */
export interface RecordIntakeComponents {
  readonly set: Pick<RecordSet, 'has' | 'sweep'>;
  readonly kinds: Pick<RecordKinds, 'take' | 'takeKnown'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears of each record that is new. */
  readonly told: (jws: string) => void;
}

/** Takes texts in. */
export interface RecordIntake {
  /** One text: gives whether it is new, or was refused for good. Never throws for bad input. */
  one(jws: string): Promise<Outcome>;
  /** Texts in whatever order; `isOnDisk` when they were read from there. Gives how many were new. */
  all(texts: readonly string[], isOnDisk?: boolean): Promise<number>;
  /** Texts that a peer has sent, in its lane. */
  ofPeer(texts: readonly string[], from: PeerId): Promise<Taken>;
  /** One of our own, which must count; it is written by whoever brings it when that is said. @throws why it does not count */
  own(jws: string, isOnDisk?: boolean): Promise<void>;
  /** A revocation that the grant book has already. @throws why it does not count */
  known(revocation: Revocation): void;
}

/** Nothing waits to be checked yet. */
export function createRecordIntake(components: RecordIntakeComponents): RecordIntake {
  return new Intake(components);
}

/** A text while it is taken. */
interface Arrival extends RecordText {
  /** Read, as soon as that is needed. */
  record: ReadRecord | undefined;
  readonly isOnDisk: boolean;
  outcome: Outcome;
  /** The next texts are in no hurry. */
  isHasty: boolean;
}

class Intake implements RecordIntake {
  readonly #components: RecordIntakeComponents;
  /** Being taken, and until when: a revocation is told of before it is in the set. */
  readonly #taking = new Map<string, Promise<void>>();
  readonly #lanes = new Map<PeerId, Promise<void>>();

  constructor(components: RecordIntakeComponents) {
    this.#components = components;
  }

  async one(jws: string): Promise<Outcome> {
    const arrival = arrivalOf(jws, false);
    await this.#try(arrival);
    return arrival.outcome;
  }

  async all(texts: readonly string[], isOnDisk = false): Promise<number> {
    const arrivals = texts.map((jws) => arrivalOf(jws, isOnDisk));
    await this.#inOrder(arrivals, false);
    return countOf(arrivals, 'new');
  }

  ofPeer(texts: readonly string[], from: PeerId): Promise<Taken> {
    const before = this.#lanes.get(from) ?? Promise.resolve();
    const taken = before.then(() => this.#ofPeer(texts, from));
    const lane = taken.then(
      () => undefined,
      () => undefined,
    );
    this.#lanes.set(from, lane);
    const left = lane.then(() => {
      if (this.#lanes.get(from) === lane) this.#lanes.delete(from);
    });
    unawaited(left, this.#components.logger, 'a lane of records stays', { peer: from });
    return taken;
  }

  async own(jws: string, isOnDisk = false): Promise<void> {
    const arrival = arrivalOf(jws, isOnDisk);
    if (this.#isKnown(arrival) && !isOnDisk) return;
    await this.#take(arrival);
    this.#components.told(jws);
  }

  known(revocation: Revocation): void {
    const text = recordText(revocation.jws);
    if (!this.#components.set.has(text.hash)) this.#components.kinds.takeKnown(text, revocation);
  }

  async #ofPeer(texts: readonly string[], from: PeerId): Promise<Taken> {
    const arrivals = texts.map((jws) => arrivalOf(jws, false));
    await this.#inOrder(arrivals, true);
    const own = didFromPeerId(from);
    return {
      news: countOf(arrivals, 'new'),
      known: countOf(arrivals, 'known'),
      later: countOf(arrivals, 'later'),
      ownLater: countOf(
        arrivals.filter(({ record }) => record?.issuer === own),
        'later',
      ),
    };
  }

  /** Parents may come after children, and heirs before whom they follow; what members sign is last. */
  async #inOrder(arrivals: readonly Arrival[], rests: boolean): Promise<void> {
    let waiting = arrivals.filter(isBase);
    for (let pass = 0; pass < MEMBERSHIP_LINKS_MAX && waiting.length > 0; pass += 1) {
      await this.#inParts(waiting, rests);
      const hasNews = waiting.some(({ outcome }) => outcome === 'new');
      waiting = hasNews ? waiting.filter(({ outcome }) => outcome === 'waits') : [];
    }
    const others = arrivals.filter((arrival) => !isBase(arrival));
    await this.#inParts(others, rests);
  }

  /** So that others have a turn, and with one wait for the disk for each part. */
  async #inParts(arrivals: readonly Arrival[], rests: boolean): Promise<void> {
    const { clock } = this.#components;
    const atOnce = rests ? OF_PEER_AT_ONCE : AT_ONCE;
    for (let at = 0; at < arrivals.length; at += atOnce) {
      const part = arrivals.slice(at, at + atOnce);
      const beganMs = clock.now();
      await Promise.all(part.map((arrival) => this.#try(arrival)));
      const { times, leastMs, maxMs } = part.some(isInNoHurry) ? LONG_REST : REST;
      const restMs = Math.min(maxMs, Math.max(leastMs, times * (clock.now() - beganMs)));
      if (rests && restMs > 0) await pause(clock, restMs);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #try(arrival: Arrival): Promise<void> {
    const { logger, set, told } = this.#components;
    set.sweep();
    if (this.#isKnown(arrival)) {
      // What hangs below a grant is judged by it, so that it must count before somebody goes on. (The other
      // kinds are told of while they are taken, by whom they would wait for.)
      if (arrival.typ === GRANT_TYPE) await this.#taking.get(arrival.hash);
      arrival.outcome = 'known';
      return;
    }
    try {
      await this.#take(arrival);
    } catch (error) {
      // That the disk fails is nothing that the record has done.
      if (!(error instanceof StarlingError) || error.code === 'STARLING_STATE_UNUSABLE')
        throw error;
      logger.debug({ error: messageOf(error) }, 'record not taken');
      arrival.outcome = outcomeOf(error);
      return;
    }
    arrival.outcome = 'new';
    told(arrival.jws);
  }

  async #take(arrival: Arrival): Promise<void> {
    const { hash } = arrival;
    // The text is on the list before its verification begins, which may tell of it.
    let done = (): void => undefined;
    this.#taking.set(
      hash,
      new Promise((resolve) => {
        done = resolve;
      }),
    );
    try {
      arrival.record ??= readRecord(arrival);
      arrival.isHasty = await this.#components.kinds.take(arrival, arrival.record, arrival);
    } finally {
      this.#taking.delete(hash);
      done();
    }
  }

  #isKnown({ hash }: RecordText): boolean {
    return this.#components.set.has(hash) || this.#taking.has(hash);
  }
}

function arrivalOf(jws: string, isOnDisk: boolean): Arrival {
  return { ...recordText(jws), record: undefined, isOnDisk, outcome: 'refused', isHasty: false };
}

function isBase({ typ }: RecordText): boolean {
  return typ === GRANT_TYPE || typ === SUCCESSION_TYPE;
}

function isInNoHurry({ isHasty, outcome }: Arrival): boolean {
  return isHasty || outcome === 'later' || outcome === 'refused' || outcome === 'waits';
}

/** That there is no room, or that its signer signs too many, is nothing that who passes the record on has done. */
function outcomeOf(error: StarlingError): Outcome {
  if (error.code === 'STARLING_LIMIT_EXCEEDED') return 'later';
  return isFinal(error) ? 'refused' : 'waits';
}

function countOf(arrivals: readonly Arrival[], wanted: Outcome): number {
  return arrivals.filter(({ outcome }) => outcome === wanted).length;
}
