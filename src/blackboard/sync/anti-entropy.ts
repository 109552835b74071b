/**
 * Decides when to sync which board with which peer, so that lost gossip is repaired and gossip that
 * is merely under way is not: a digest that differs is looked at again after a second, and while a
 * board keeps changing, not more often than every ten. Knows digests only; the sync is given to it.
 * After "Epidemic algorithms for replicated database maintenance" (Demers et al., 1987).
 */
import { backoffMs, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Digests } from './codec.ts';

/** What the repair works with. */
export interface AntiEntropyComponents {
  /** Digests of our boards that a peer may have, without those that nobody has written to. */
  digests(peer: PeerId): Digests;
  /** Whether a peer may be asked for the board, and it is here or one more board may be. */
  mayAsk(peer: PeerId, board: string): boolean;
  /** Syncs; false when that brought neither side any further. */
  sync(peer: PeerId, board: string): Promise<boolean>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The repair of boards. */
export interface AntiEntropy {
  /**
   * Hears the digests of a peer: repairs what stays different. `isMeant` says of which boards they are all, where
   * they are not of every board.
   */
  hear(peer: PeerId, theirs: Digests, isMeant?: (board: string) => boolean): void;
  /** Syncs as soon as there is a free place; when one is going on, once more after it. */
  syncNow(peer: PeerId, board: string): void;
  /** Hears that something is missing that `peer` seems to have: syncs unless it comes soon. */
  missing(peer: PeerId, board: string, isMissing: () => boolean): void;
  /**
   * Hears that the peer syncs the board with us, which makes both equal as well: until the returned function is called we ask
   * that peer for none of it.
   */
  serving(peer: PeerId, board: string): () => void;
  /** Hears that the peer has synced the board with us. */
  served(peer: PeerId, board: string): void;
  /** Forgets a peer. A sync that is going on ends by itself. */
  forget(peer: PeerId): void;
  stop(): void;
}

/** How long a difference may be gossip under way. */
const SETTLE_MS = 1000;
/** Added to that, by chance, so that the peers of one that missed something do not all come at once. */
const JITTER_MS = 600;
const JITTER_PER_PEER_MS = 100;
/** How long a board may keep changing before it is synced all the same. */
const PATIENCE_MS = 10_000;
/** A sync that fails or brings nothing is repeated later and later. */
const RETRY_BASE_MS = 4000;
const RETRY_CAP_MS = 300_000;
/** Syncs that we ask for at once, and of these with one peer. */
const RUNNING_MAX = 4;
const RUNNING_PER_PEER_MAX = 1;
/** Peers times boards that differ: a bound that an honest mesh does not reach. */
const PAIRS_MAX = 20_000;
/** Boards of one peer that differ: whoever names more than there may be leaves room for the others. */
const PAIRS_PER_PEER_MAX = 512;

interface Pair {
  readonly peer: PeerId;
  readonly board: string;
  state: 'idle' | 'settling' | 'queued' | 'running';
  /** When the difference was first seen. */
  since: number;
  /** Both digests when they were last looked at. */
  seen: string;
  /** Something else than the digests that says that a sync is needed. */
  isMissing: (() => boolean) | undefined;
  /** Sync once more after the one that is running. */
  isAskedAgain: boolean;
  /** The peer went away while the sync was running. */
  isForgotten: boolean;
  failures: number;
  notBefore: number;
  cancel: () => void;
}

/** Makes the repair. */
export function createAntiEntropy(components: AntiEntropyComponents): AntiEntropy {
  return new PairwiseRepair(components);
}

class PairwiseRepair implements AntiEntropy {
  readonly #components: AntiEntropyComponents;
  readonly #scope: Scope;
  readonly #theirs = new Map<PeerId, Digests>();
  readonly #pairs = new Map<string, Pair>();
  #queue: Pair[] = [];
  readonly #running = new Map<PeerId, number>();
  #runningCount = 0;
  /** How many syncs peers have asked us for that go on, by peer and board. */
  readonly #serving = new Map<string, number>();

  constructor(components: AntiEntropyComponents) {
    this.#components = components;
    this.#scope = createScope(components.clock);
  }

  hear(peer: PeerId, theirs: Digests, isMeant: (board: string) => boolean = () => true): void {
    const others = [...(this.#theirs.get(peer) ?? [])].filter(([board]) => !isMeant(board));
    this.#theirs.set(peer, new Map([...others, ...theirs]));
    const ours = this.#components.digests(peer);
    for (const board of new Set([...theirs.keys(), ...ours.keys()])) {
      if (!isMeant(board)) continue;
      const pair = this.#pairs.get(keyOf(peer, board));
      if (ours.get(board) !== theirs.get(board)) this.#suspect(peer, board);
      else if (pair !== undefined && pair.isMissing === undefined) this.#settled(pair);
    }
  }

  syncNow(peer: PeerId, board: string): void {
    const pair = this.#pair(peer, board);
    if (pair === undefined) return;
    // What the peer is told of meanwhile need not hold what is missing now.
    const isUnderWay = pair.state === 'running' || this.#serving.has(keyOf(peer, board));
    if (isUnderWay) pair.isAskedAgain = true;
    if (pair.state !== 'running') this.#enqueue(pair);
  }

  missing(peer: PeerId, board: string, isMissing: () => boolean): void {
    const pair = this.#suspect(peer, board);
    if (pair !== undefined) pair.isMissing = isMissing;
  }

  serving(peer: PeerId, board: string): () => void {
    const key = keyOf(peer, board);
    this.#serving.set(key, (this.#serving.get(key) ?? 0) + 1);
    return () => {
      const left = (this.#serving.get(key) ?? 1) - 1;
      if (left > 0) this.#serving.set(key, left);
      else this.#serving.delete(key);
      this.#runNext();
    };
  }

  served(peer: PeerId, board: string): void {
    const pair = this.#pairs.get(keyOf(peer, board));
    if (pair === undefined || pair.state === 'running' || pair.isAskedAgain) return;
    this.#drop(pair);
    if (pair.failures === 0) return;
    // How often a sync was of no use so far is kept.
    pair.state = 'idle';
    this.#pairs.set(keyOf(peer, board), pair);
  }

  forget(peer: PeerId): void {
    this.#theirs.delete(peer);
    for (const pair of this.#pairs.values()) {
      if (pair.peer !== peer) continue;
      if (pair.state === 'running') pair.isForgotten = true;
      else this.#drop(pair);
    }
  }

  stop(): void {
    this.#scope.close();
    this.#queue = [];
    this.#pairs.clear();
    this.#theirs.clear();
  }

  #pair(peer: PeerId, board: string): Pair | undefined {
    const key = keyOf(peer, board);
    const known = this.#pairs.get(key);
    if (known !== undefined) {
      known.isForgotten = false;
      return known;
    }
    if (this.#scope.closed || this.#pairs.size >= PAIRS_MAX) return undefined;
    if (this.#pairs.size >= PAIRS_PER_PEER_MAX && this.#isOver(peer)) return undefined;
    if (!this.#components.mayAsk(peer, board)) return undefined;
    const pair: Pair = {
      peer,
      board,
      state: 'idle',
      since: 0,
      seen: '',
      isMissing: undefined,
      isAskedAgain: false,
      isForgotten: false,
      failures: 0,
      notBefore: 0,
      cancel: () => undefined,
    };
    this.#pairs.set(key, pair);
    return pair;
  }

  #isOver(peer: PeerId): boolean {
    let count = 0;
    for (const pair of this.#pairs.values()) if (pair.peer === peer) count += 1;
    return count >= PAIRS_PER_PEER_MAX;
  }

  /** Begins to watch a difference, unless that is done or it is too early after a failure. */
  #suspect(peer: PeerId, board: string): Pair | undefined {
    const now = this.#components.clock.now();
    const pair = this.#pair(peer, board);
    if (pair === undefined || pair.state !== 'idle' || now < pair.notBefore) return pair;
    pair.since = now;
    pair.seen = this.#look(pair);
    this.#settle(pair);
    return pair;
  }

  #settle(pair: Pair): void {
    pair.state = 'settling';
    const jitterMs = JITTER_MS + JITTER_PER_PEER_MS * this.#theirs.size;
    const delayMs = SETTLE_MS + this.#components.random() * jitterMs;
    pair.cancel = this.#scope.after(delayMs, () => this.#lookAgain(pair));
  }

  #lookAgain(pair: Pair): void {
    const isMissing = pair.isMissing?.() === true;
    if (!isMissing && this.#isEqual(pair)) {
      this.#drop(pair);
      return;
    }
    const seen = this.#look(pair);
    const isChanging = seen !== pair.seen && !isMissing;
    pair.seen = seen;
    const isOver = this.#components.clock.now() - pair.since >= PATIENCE_MS;
    if (isChanging && !isOver) this.#settle(pair);
    else this.#enqueue(pair);
  }

  #enqueue(pair: Pair): void {
    if (pair.state === 'queued') return;
    pair.cancel();
    pair.state = 'queued';
    this.#queue.push(pair);
    this.#runNext();
  }

  #runNext(): void {
    while (this.#runningCount < RUNNING_MAX) {
      const index = this.#queue.findIndex(
        ({ peer, board }) =>
          (this.#running.get(peer) ?? 0) < RUNNING_PER_PEER_MAX &&
          !this.#serving.has(keyOf(peer, board)),
      );
      const [pair] = index === -1 ? [] : this.#queue.splice(index, 1);
      if (pair === undefined) return;
      this.#run(pair);
    }
  }

  #run(pair: Pair): void {
    const { logger } = this.#components;
    const { peer, board } = pair;
    pair.state = 'running';
    pair.isAskedAgain = false;
    pair.isMissing = undefined;
    this.#runningCount += 1;
    this.#running.set(peer, (this.#running.get(peer) ?? 0) + 1);
    this.#components
      .sync(peer, board)
      .catch((error: unknown) => {
        // Not lost: the next heartbeat shows that the boards differ.
        logger.debug({ peer, board, error: messageOf(error) }, 'board not synced');
        return false;
      })
      .then((isFruitful) => {
        this.#runningCount -= 1;
        const left = (this.#running.get(peer) ?? 1) - 1;
        if (left > 0) this.#running.set(peer, left);
        else this.#running.delete(peer);
        this.#ran(pair, isFruitful);
        this.#runNext();
        return undefined;
      })
      .catch((error: unknown) =>
        logger.error({ peer, board, error: messageOf(error) }, 'repair of a board failed'),
      );
  }

  #ran(pair: Pair, isFruitful: boolean): void {
    if (this.#scope.closed) return;
    pair.state = 'idle';
    if (pair.isAskedAgain) {
      this.#enqueue(pair);
      return;
    }
    if (isFruitful || pair.isForgotten) {
      this.#drop(pair);
      return;
    }
    const init = { baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS };
    const { clock, random } = this.#components;
    pair.notBefore = clock.now() + backoffMs(pair.failures, init, random);
    pair.failures += 1;
  }

  /** Both are equal, or were a moment ago: nothing to do but for a sync that runs already. */
  #settled(pair: Pair): void {
    if (pair.state !== 'running') this.#drop(pair);
  }

  #drop(pair: Pair): void {
    pair.cancel();
    if (pair.state === 'queued') this.#queue = this.#queue.filter((queued) => queued !== pair);
    const key = keyOf(pair.peer, pair.board);
    if (this.#pairs.get(key) === pair) this.#pairs.delete(key);
  }

  /** A peer that has said nothing counts as equal. */
  #isEqual(pair: Pair): boolean {
    const theirs = this.#theirs.get(pair.peer);
    if (theirs === undefined) return true;
    return theirs.get(pair.board) === this.#components.digests(pair.peer).get(pair.board);
  }

  /** Both digests in one string. */
  #look(pair: Pair): string {
    const theirs = this.#theirs.get(pair.peer)?.get(pair.board) ?? '';
    return `${this.#components.digests(pair.peer).get(pair.board) ?? ''} ${theirs}`;
  }
}

function keyOf(peer: PeerId, board: string): string {
  return `${peer} ${board}`;
}
