/**
 * Says of whom this node knows something newer, in a tenth of the bytes of a heartbeat: with ten neighbours everybody
 * hears of everybody ten times. Who lacks it asks for the heartbeat, one of those who have said so at a time.
 *
 * ```
 *   a: know(peer, incarnation)  ─►  b, who mostly knows as well
 *   a  ◄─  want(peer) :b            else
 *   a: news(heartbeat)  ─►          see `roster.ts`
 * ```
 */
import { createBuckets, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { NOTICE_ENTRIES_MAX, decodeRosterNotice, encodeRosterNotice } from './roster-messages.ts';
import type { RosterEntry, RosterNotice } from './roster-messages.ts';

/** Of frames on control streams. */
const KIND = 'met';
/** How long who is asked may take. More = slow links are waited for; less = who keeps silent costs less. */
const ANSWER_MS = 1000;
/** Of those who say that they know somebody so many are asked, one after the other: all neighbours, some of whom may lie. */
const KNOWERS_MAX = 16;
/**
 * Heartbeats that are asked for at the same time, and those of them of which one peer was the first to say that it has
 * them: whoever names many that are not there keeps nobody else's from being asked for. What is over that is found by the
 * digest.
 */
const ASKED_MAX = 4000;
const ASKED_OF_ONE = 1000;
/** Entries of one peer, said or asked for: a whole roster. */
const ENTRIES = { burst: 4000, everyMs: 10 } as const;

/** What notices work with. */
export interface RosterNoticesComponents {
  readonly network: Pick<Network, 'isConnected' | 'onFrame' | 'report' | 'sendFrame'>;
  /** Whether this node knows less of that peer. */
  readonly isNews: (entry: RosterEntry) => boolean;
  /** Hears that `from` knows as much as that. */
  readonly knows: (from: PeerId, entry: RosterEntry) => void;
  /** Sends the heartbeats of `peers` that are here. */
  readonly give: (to: PeerId, peers: readonly PeerId[]) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A heartbeat that somebody was asked for. */
interface Asked {
  readonly entry: RosterEntry;
  /** Who has said that it has it, and how many of these were asked. */
  readonly knowers: PeerId[];
  askedCount: number;
  atMs: number;
}

/** See the file. Nothing is heard before `start`. */
export class RosterNotices {
  readonly #components: RosterNoticesComponents;
  readonly #entries: Buckets;
  /** By peer and incarnation: who says a later one than there is delays nothing. */
  readonly #asked = new Map<string, Asked>();
  /** How many of these each has been the first to name. */
  readonly #namedBy = new Map<PeerId, number>();
  #scope: Scope | undefined;

  constructor(components: RosterNoticesComponents) {
    this.#components = components;
    this.#entries = createBuckets(components.clock, ENTRIES);
  }

  /** `scope` owns the timers and listeners. */
  start(scope: Scope): void {
    this.#scope = scope;
    scope.add(this.#components.network.onFrame(KIND, (bytes, from) => this.#heard(bytes, from)));
    scope.add(() => {
      this.#scope = undefined;
      this.#asked.clear();
      this.#namedBy.clear();
    });
  }

  /** Says to `to` whom this node knows. */
  tell(to: PeerId, entries: readonly RosterEntry[]): void {
    for (let at = 0; at < entries.length; at += NOTICE_ENTRIES_MAX) {
      this.#send(to, { t: 'know', entries: entries.slice(at, at + NOTICE_ENTRIES_MAX) });
    }
  }

  #heard(bytes: Uint8Array, from: PeerId): void {
    const { give, network } = this.#components;
    const notice = decodeRosterNotice(bytes);
    if (notice === undefined) {
      network.report(from, 'malformed');
      return;
    }
    const count = notice.t === 'know' ? notice.entries.length : notice.peers.length;
    if (this.#entries.waitMs(from) > 0) {
      network.report(from, 'heartbeats');
      return;
    }
    this.#entries.charge(from, count);
    if (notice.t === 'know') this.#heardOf(notice.entries, from);
    else give(from, [...new Set(notice.peers)]);
  }

  #heardOf(entries: readonly RosterEntry[], from: PeerId): void {
    const { clock, isNews, knows } = this.#components;
    const wanted: PeerId[] = [];
    for (const entry of entries) {
      if (!isNews(entry)) {
        knows(from, entry);
        continue;
      }
      const key = keyOf(entry);
      const asked = this.#asked.get(key);
      if (asked !== undefined) {
        const { knowers } = asked;
        if (knowers.length < KNOWERS_MAX && !knowers.includes(from)) knowers.push(from);
      } else if (this.#asked.size < ASKED_MAX && this.#mayName(from)) {
        if (this.#asked.size === 0) this.#lookLater();
        this.#asked.set(key, { entry, knowers: [from], askedCount: 1, atMs: clock.now() });
        wanted.push(entry.peer);
      }
    }
    this.#want(from, wanted);
  }

  /** Whether `from` may have one more asked for that nobody else has named; counts it then. */
  #mayName(from: PeerId): boolean {
    const named = this.#namedBy.get(from) ?? 0;
    if (named >= ASKED_OF_ONE) return false;
    this.#namedBy.set(from, named + 1);
    return true;
  }

  #forget(key: string, { knowers: [first] }: Asked): void {
    this.#asked.delete(key);
    if (first === undefined) return;
    const named = (this.#namedBy.get(first) ?? 0) - 1;
    if (named > 0) this.#namedBy.set(first, named);
    else this.#namedBy.delete(first);
  }

  #lookLater(): void {
    this.#scope?.after(ANSWER_MS, () => this.#look());
  }

  /** Asks the next one for what has not come, and forgets what has, or what nobody else has. */
  #look(): void {
    const { clock, isNews, network } = this.#components;
    const now = clock.now();
    const wanted = new Map<PeerId, PeerId[]>();
    for (const [key, asked] of this.#asked) {
      const { entry, knowers } = asked;
      const isOpen = isNews(entry);
      if (isOpen && Math.abs(now - asked.atMs) < ANSWER_MS) continue;
      const next = knowers.slice(asked.askedCount).find((peer) => network.isConnected(peer));
      if (!isOpen || next === undefined) {
        this.#forget(key, asked);
        continue;
      }
      asked.askedCount = knowers.indexOf(next) + 1;
      asked.atMs = now;
      const ofNext = wanted.get(next) ?? [];
      ofNext.push(entry.peer);
      wanted.set(next, ofNext);
    }
    for (const [peer, peers] of wanted) this.#want(peer, peers);
    if (this.#asked.size > 0) this.#lookLater();
  }

  #want(from: PeerId, peers: readonly PeerId[]): void {
    for (let at = 0; at < peers.length; at += NOTICE_ENTRIES_MAX) {
      this.#send(from, { t: 'want', peers: peers.slice(at, at + NOTICE_ENTRIES_MAX) });
    }
  }

  #send(peer: PeerId, notice: RosterNotice): void {
    const { logger, network } = this.#components;
    const sent = network.sendFrame(peer, KIND, encodeRosterNotice(notice));
    unawaited(sent, logger, 'a notice of the roster was not sent', { peer });
  }
}

function keyOf({ peer, incarnation }: RosterEntry): string {
  return `${peer} ${incarnation}`;
}
