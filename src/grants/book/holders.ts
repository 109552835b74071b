/**
 * What each holder may use here: verified chains by holder, so that a decision looks up one array.
 * Pure bookkeeping: chains come verified, time comes as an argument.
 */
import type { Did } from '../../core/index.ts';
import type { Grant } from '../types.ts';
import { CLOCK_SKEW_MS } from '../chain/verify.ts';

/** A verified chain and when it counts. */
export interface HeldChain {
  readonly leaf: Grant;
  /** All its grants, leaf first. */
  readonly links: readonly Grant[];
  /** ms since the epoch, inclusive. */
  readonly startsAtMs: number;
  /** ms since the epoch, exclusive. */
  readonly endsAtMs: number;
}

/** Where a chain came from: we issued its leaf ourselves, or the holder presented it. */
type ChainSource = 'issued' | 'presented';

/** Verified chains by holder. */
export interface HolderIndex {
  /** Adds a chain for the holder of its leaf; false when it was there already. */
  add(source: ChainSource, chain: HeldChain): boolean;
  /** Chains of `holder` from `source`, by the hash of their leaf. */
  chains(source: ChainSource, holder: Did): ReadonlyMap<string, HeldChain>;
  /** Leaves that count now, of one holder by all its keys. The same array until something changes. */
  held(keys: readonly Did[], nowMs: number): readonly Grant[];
  /** Drops what `holder` presented. */
  forget(holder: Did): void;
  /** Drops what was presented and has ended. Issued grants stay: a clock may go back. */
  dropEnded(nowMs: number): void;
  /** Drops chains and returns their holders, each once. */
  dropWhere(isOver: (chain: HeldChain) => boolean): readonly Did[];
  /** Holders with presented chains. */
  presenters(): number;
  /**
   * How long to wait, ms, before looking at who starts or ends to count after `fromMs`; undefined when
   * there is nobody. A minute at the most: no timer hears of a clock that is set.
   */
  nextLook(fromMs: number, nowMs: number): number | undefined;
  /** Holders for whom some chain started or ended to count in (`fromMs`, `toMs`]. */
  changedBetween(fromMs: number, toMs: number): readonly Did[];
}

interface Holder {
  readonly issued: Map<string, HeldChain>;
  readonly presented: Map<string, HeldChain>;
  cached?: Cached | undefined;
}

interface Cached {
  readonly grants: readonly Grant[];
  /** The answer is good in [fromMs, toMs). */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What somebody holds by more than one key. */
interface Joined {
  readonly parts: readonly (readonly Grant[])[];
  readonly all: readonly Grant[];
}

const LOOK_MS = 60_000;
const NOTHING: readonly Grant[] = [];
const NO_CHAINS: ReadonlyMap<string, HeldChain> = new Map();

/** Makes an empty index. */
export function createHolderIndex(): HolderIndex {
  return new Index();
}

class Index implements HolderIndex {
  readonly #holders = new Map<Did, Holder>();
  /** What is held by more than one key, by the first part. */
  readonly #joined = new WeakMap<readonly Grant[], Joined>();

  add(source: ChainSource, chain: HeldChain): boolean {
    const did = chain.leaf.claims.aud;
    const holder = this.#holders.get(did) ?? { issued: new Map(), presented: new Map() };
    if (holder[source].has(chain.leaf.hash)) return false;
    this.#holders.set(did, holder);
    holder[source].set(chain.leaf.hash, chain);
    this.#changed(did, holder);
    return true;
  }

  chains(source: ChainSource, did: Did): ReadonlyMap<string, HeldChain> {
    return this.#holders.get(did)?.[source] ?? NO_CHAINS;
  }

  held(keys: readonly Did[], nowMs: number): readonly Grant[] {
    const [key] = keys;
    if (keys.length === 1 && key !== undefined) return this.#heldBy(key, nowMs);
    const parts = keys.map((one) => this.#heldBy(one, nowMs)).filter((part) => part.length > 0);
    const [first = NOTHING] = parts;
    if (parts.length <= 1) return first;
    const known = this.#joined.get(first);
    if (known !== undefined && isSame(known.parts, parts)) return known.all;
    const all = parts.flat();
    this.#joined.set(first, { parts, all });
    return all;
  }

  forget(did: Did): void {
    const holder = this.#holders.get(did);
    if (holder === undefined) return;
    holder.presented.clear();
    this.#changed(did, holder);
  }

  dropEnded(nowMs: number): void {
    for (const [did, holder] of this.#holders) {
      const dropped = dropFrom(holder.presented, ({ endsAtMs }) => endsAtMs <= nowMs);
      if (dropped > 0) this.#changed(did, holder);
    }
  }

  dropWhere(isOver: (chain: HeldChain) => boolean): readonly Did[] {
    const affected: Did[] = [];
    for (const [did, holder] of this.#holders) {
      const dropped = dropFrom(holder.issued, isOver) + dropFrom(holder.presented, isOver);
      if (dropped === 0) continue;
      affected.push(did);
      this.#changed(did, holder);
    }
    return affected;
  }

  presenters(): number {
    return [...this.#holders.values()].filter(({ presented }) => presented.size > 0).length;
  }

  nextLook(fromMs: number, nowMs: number): number | undefined {
    let next = Infinity;
    for (const holder of this.#holders.values()) {
      next = Math.min(next, nextOf(chainsOf(holder), fromMs));
    }
    // What has ended may end once more, after the clock was set back.
    return this.#holders.size === 0 ? undefined : Math.min(Math.max(next - nowMs, 0), LOOK_MS);
  }

  changedBetween(fromMs: number, toMs: number): readonly Did[] {
    return [...this.#holders]
      .filter(([, holder]) => nextOf(chainsOf(holder), fromMs) <= toMs)
      .map(([did]) => did);
  }

  #changed(did: Did, holder: Holder): void {
    holder.cached = undefined;
    if (holder.issued.size === 0 && holder.presented.size === 0) this.#holders.delete(did);
  }

  #heldBy(did: Did, nowMs: number): readonly Grant[] {
    const holder = this.#holders.get(did);
    if (holder === undefined) return NOTHING;
    const { cached } = holder;
    if (cached !== undefined && nowMs >= cached.fromMs && nowMs < cached.toMs) return cached.grants;
    holder.cached = countNow(holder, nowMs);
    return holder.cached.grants;
  }
}

function isSame(some: readonly object[], others: readonly object[]): boolean {
  return some.length === others.length && some.every((one, index) => one === others[index]);
}

/** When a chain counts: links of other clocks get the forgiven skew, our own do not need it. */
export function windowOf(
  links: readonly Grant[],
  isOwn: (grant: Grant) => boolean,
): Pick<HeldChain, 'startsAtMs' | 'endsAtMs'> {
  const skewOf = (grant: Grant): number => (isOwn(grant) ? 0 : CLOCK_SKEW_MS);
  return {
    startsAtMs: Math.max(...links.map((it) => (it.claims.nbf ?? 0) * 1000 - skewOf(it))),
    endsAtMs: Math.min(...links.map((it) => it.claims.exp * 1000 + skewOf(it))),
  };
}

function countNow(holder: Holder, nowMs: number): Cached {
  const chains = chainsOf(holder);
  const grants = new Map<string, Grant>();
  for (const { leaf, startsAtMs, endsAtMs } of chains) {
    if (startsAtMs <= nowMs && nowMs < endsAtMs) grants.set(leaf.hash, leaf);
  }
  return { grants: [...grants.values()], fromMs: nowMs, toMs: nextOf(chains, nowMs) };
}

function chainsOf(holder: Holder): readonly HeldChain[] {
  return [...holder.issued.values(), ...holder.presented.values()];
}

function nextOf(chains: readonly HeldChain[], nowMs: number): number {
  let next = Infinity;
  for (const { startsAtMs, endsAtMs } of chains) {
    if (startsAtMs > nowMs && startsAtMs < next) next = startsAtMs;
    if (endsAtMs > nowMs && endsAtMs < next) next = endsAtMs;
  }
  return next;
}

function dropFrom(chains: Map<string, HeldChain>, isOver: (chain: HeldChain) => boolean): number {
  const before = chains.size;
  for (const [hash, chain] of chains) if (isOver(chain)) chains.delete(hash);
  return before - chains.size;
}
