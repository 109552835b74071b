/**
 * What others say of peers to which this node has no link: who stands in a heartbeat as suspect, and when that
 * counts. Pure but for the time that is handed in. A neighbour of the suspect speaks from what it has seen; when more
 * than a third of the neighbours say the same, the peer is suspect here as well, and dead when it has not said
 * anything for {@link suspicionTimeoutMs} since. Whatever it says itself refutes all that was said before; not who had
 * heard just that when it accused: its last words are often still under way to some when others know that it is gone.
 * Who says to have heard what the peer had not said by then has made that up, and is not believed about that run of the
 * peer any more; nor is, for a while, whom the peer has refuted again and again.
 */
import type { PeerId } from '../../core/index.ts';

/** That somebody suspects a peer of which this was the last heartbeat that it heard. */
export interface Accusation {
  readonly peer: PeerId;
  readonly incarnation: number;
  readonly sequence: number;
}

/** What an accused peer says. */
export interface Said extends Pick<Accusation, 'incarnation' | 'sequence'> {
  /** When it said so, by its clock as this node knows that, ms since the epoch here; undefined when that is not known. */
  readonly atMs?: number;
}

/** What follows from the accusations of a peer. */
export interface Verdict {
  /** How many of its neighbours accuse it. */
  readonly accusers: number;
  /** When there were enough of them, ms since the epoch; undefined when there are not. */
  readonly sinceMs: number | undefined;
  /** Since when anybody accuses it, neighbour or not, ms since the epoch; undefined when nobody does. */
  readonly accusedMs: number | undefined;
}

/** Keeps who accuses whom. */
export interface Accusations {
  /** The heartbeat of `author` accuses these, and nobody else any more. Gives the peers of whom that says anything new. */
  heard(author: PeerId, accusations: readonly Accusation[], nowMs: number): ReadonlySet<PeerId>;
  /** The peer itself has said this: accusations of those who had not heard it, or can't have, count no more. */
  refuted(peer: PeerId, said: Said, nowMs: number): void;
  /** `neighbours` are those of the peer, without this node. */
  of(peer: PeerId, neighbours: ReadonlySet<PeerId>, nowMs: number): Verdict;
  /** Peers that anybody accuses. */
  peers(): Iterable<PeerId>;
  forget(peer: PeerId): void;
}

/**
 * How long a suspicion lasts that nobody refutes, with no other accuser, in a mesh of ten: more = the slow have more
 * time to answer, and the dead are known later. memberlist's is 4 to 5 probe intervals of a second.
 */
const TIMEOUT_MS = 4000;
/** What of the time is left with {@link CONFIRMING} accusers: less = the dead are known sooner, by more witnesses. */
const LEAST_SHARE = 0.4;
/** Accusers that shorten it. More = more that must be wrong at once; a peer has 6 to 16 neighbours. */
const CONFIRMING = 3;
/** Peers that are accused at the same time. */
const ACCUSED_MAX = 4096;

/**
 * What a peer says so long, ms, after an accusation was heard is later than all that its accuser can have heard. More =
 * who makes things up is believed for longer; less = a clock that is set looks like a lie of somebody else.
 */
const SURELY_LATER_MS = 2000;
/**
 * Who has accused a peer so many times within {@link REFUTED_MS}, and was refuted each time, is not believed about it
 * until the first of them is older than that. More = one liar keeps a peer suspect for longer where there are few
 * neighbours; less = a link that loses much silences an honest one.
 */
const REFUTED_MAX = 3;
const REFUTED_MS = 60_000;

/**
 * `TIMEOUT_MS · max(1, log10 peers) · (1 + localHealth / k) · max(0.4, 1 - 0.6 · log k / log 3)` ms with
 * `k = min(3, accusers)`: as in Lifeguard (Dadgar et al., DSN-W 2018). News takes log N steps; each independent accuser
 * makes an error less likely; `localHealth` (0 to 8) is how slow this node itself has been, which says the less the
 * more others have seen the same. More for `localHealth` = a node that was slow thinks fewer of the living dead; less =
 * it does not keep the dead for longer than others do: a node at 8 waits for 5.9 s in place of 1.6 s.
 */
export function suspicionTimeoutMs(accusers: number, peers: number, localHealth: number): number {
  const spread = Math.max(1, Math.log10(Math.max(1, peers)));
  const counted = Math.min(CONFIRMING, Math.max(1, accusers));
  const confirmed = Math.log(counted) / Math.log(CONFIRMING);
  const share = Math.max(LEAST_SHARE, 1 - (1 - LEAST_SHARE) * confirmed);
  return TIMEOUT_MS * spread * (1 + localHealth / counted) * share;
}

/**
 * By how much the silence of a peer counts more when enough of its neighbours have seen the same: φ is multiplied by
 * `1 + min(3, accusers)`. With three a link whose ticks come each second is suspect after 1.6 s of silence in place of
 * 2.6 s, and, where lost packets have spread its ticks by 0.5 s, after 2 s in place of 3.7 s: all neighbours are as
 * soon as the first third of them. More = sooner; less = a peer that a third accuses wrongly may be late by more.
 */
export function agreement(accusers: number): number {
  return 1 + Math.min(CONFIRMING, accusers);
}

/**
 * How many accusers are enough: more than a third of the neighbours, so that a third that lies changes nothing, and
 * two where there are two.
 */
export function accusersNeeded(neighbours: number): number {
  return Math.max(Math.min(2, neighbours), Math.floor(neighbours / 3) + 1);
}

/** Makes the keeper, empty. */
export function createAccusations(): Accusations {
  return new AccusationTable();
}

/** An accusation, and when it was heard first. */
interface Heard extends Accusation {
  readonly atMs: number;
}

/** What an author's accusations of one peer have come to. */
interface PastWords {
  /** The run of the peer of which it has made things up. */
  madeUpOf?: number;
  /** When it was refuted last, ms since the epoch; at most {@link REFUTED_MAX}. */
  refutedMs: readonly number[];
}

interface Accused {
  readonly by: Map<PeerId, Heard>;
  readonly past: Map<PeerId, PastWords>;
  /** What the peer has said since it was accused first: older accusations are refuted. */
  refuted: Said | undefined;
  sinceMs: number | undefined;
}

class AccusationTable implements Accusations {
  readonly #accused = new Map<PeerId, Accused>();
  /** Whom each author accuses. */
  readonly #byAuthor = new Map<PeerId, ReadonlySet<PeerId>>();

  heard(author: PeerId, accusations: readonly Accusation[], nowMs: number): ReadonlySet<PeerId> {
    const before = this.#byAuthor.get(author) ?? new Set<PeerId>();
    const now = new Set(accusations.map(({ peer }) => peer));
    const changed = new Set<PeerId>();
    for (const peer of before) {
      if (!now.has(peer) && this.#accused.get(peer)?.by.delete(author)) changed.add(peer);
    }
    for (const accusation of accusations)
      if (this.#add(author, accusation, nowMs)) changed.add(accusation.peer);
    if (now.size === 0) this.#byAuthor.delete(author);
    else this.#byAuthor.set(author, now);
    for (const peer of changed) this.#dropIfEmpty(peer);
    return changed;
  }

  refuted(peer: PeerId, said: Said, nowMs: number): void {
    const accused = this.#accused.get(peer);
    if (accused === undefined) return;
    for (const [author, accusation] of accused.by) {
      const isMadeUp = isLater(accusation, said, 'strictly') && isSurelyLater(said, accusation);
      if (isLater(accusation, said) && !isMadeUp) continue;
      accused.by.delete(author);
      const { refutedMs = [] } = accused.past.get(author) ?? {};
      accused.past.set(author, {
        ...(isMadeUp ? { madeUpOf: said.incarnation } : {}),
        refutedMs: [...refutedMs, nowMs].slice(-REFUTED_MAX),
      });
    }
    accused.refuted = said;
  }

  of(peer: PeerId, neighbours: ReadonlySet<PeerId>, nowMs: number): Verdict {
    const accused = this.#accused.get(peer);
    if (accused === undefined) return { accusers: 0, sinceMs: undefined, accusedMs: undefined };
    const accusers = [...accused.by.keys()].filter((author) => neighbours.has(author)).length;
    const isEnough = accusers > 0 && accusers >= accusersNeeded(neighbours.size);
    accused.sinceMs = isEnough ? (accused.sinceMs ?? nowMs) : undefined;
    const times = [...accused.by.values()].map(({ atMs }) => atMs);
    const accusedMs = times.length === 0 ? undefined : Math.min(...times);
    return { accusers, sinceMs: accused.sinceMs, accusedMs };
  }

  peers(): Iterable<PeerId> {
    return this.#accused.keys();
  }

  forget(peer: PeerId): void {
    this.#accused.delete(peer);
    for (const accused of this.#byAuthor.get(peer) ?? [])
      this.#accused.get(accused)?.by.delete(peer);
    this.#byAuthor.delete(peer);
  }

  /** True when it says anything new. */
  #add(author: PeerId, accusation: Accusation, nowMs: number): boolean {
    const { peer } = accusation;
    const known = this.#accused.get(peer);
    if (known?.by.has(author)) return false;
    if (known !== undefined && !isBelieved(known, author, nowMs)) return false;
    if (known?.refuted !== undefined && !isLater(accusation, known.refuted)) return false;
    if (known === undefined && this.#accused.size >= ACCUSED_MAX) return false;
    const accused = known ?? {
      by: new Map(),
      past: new Map(),
      refuted: undefined,
      sinceMs: undefined,
    };
    accused.by.set(author, { ...accusation, atMs: nowMs });
    this.#accused.set(peer, accused);
    return true;
  }

  #dropIfEmpty(peer: PeerId): void {
    const accused = this.#accused.get(peer);
    if (accused?.by.size === 0 && accused.refuted === undefined) this.#accused.delete(peer);
  }
}

/** Whether who accuses had heard what was said, or more; `strictly`: more. */
function isLater(
  accusation: Accusation,
  said: Pick<Accusation, 'incarnation' | 'sequence'>,
  how?: 'strictly',
): boolean {
  if (accusation.incarnation !== said.incarnation) return accusation.incarnation > said.incarnation;
  if (how === 'strictly') return accusation.sequence > said.sequence;
  return accusation.sequence >= said.sequence;
}

/** Whether the peer said it when its accuser had long spoken. */
function isSurelyLater({ atMs }: Said, accusation: Heard): boolean {
  return atMs !== undefined && atMs > accusation.atMs + SURELY_LATER_MS;
}

function isBelieved({ past, refuted }: Accused, author: PeerId, nowMs: number): boolean {
  const { madeUpOf, refutedMs } = past.get(author) ?? { refutedMs: [] };
  if (madeUpOf !== undefined && madeUpOf === refuted?.incarnation) return false;
  const [firstMs = 0] = refutedMs;
  return refutedMs.length < REFUTED_MAX || Math.abs(nowMs - firstMs) > REFUTED_MS;
}
