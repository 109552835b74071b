/**
 * What goes between nodes about boards that are not open, besides syncs: digests and records in frames, updates by the road,
 * to and from those who may have them. An update whose right is not known yet waits for that.
 */
import { createBuckets, messageOf, unawaited } from '../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import type { AntiEntropy } from './sync/anti-entropy.ts';
import { isClosed } from './board-id.ts';
import { digestOf } from './board/board.ts';
import type { OpenBoard } from './board/board.ts';
import type { ClosedBoards } from './closed-boards.ts';
import type { Digests } from './sync/codec.ts';
import { createClosedNews } from './sync/closed-news.ts';
import type { ClosedNews } from './sync/closed-news.ts';
import type { ApplyResult } from './document/document-types.ts';
import { createWithheldUpdates } from './sync/withheld-updates.ts';

/** What the traffic works with. */
export interface ClosedTrafficComponents {
  readonly closed: ClosedBoards;
  readonly network: Network;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly boards: ReadonlyMap<string, OpenBoard>;
  didOf(peer: PeerId): Did;
  /** Undefined when the node stops. */
  repair(): AntiEntropy | undefined;
  /** Whether entries of a board belong here now, see `on-demand.ts`. */
  isHeld(id: string): boolean;
  take(
    id: string,
    update: Uint8Array,
    from: { readonly peer: PeerId; readonly author: Did },
  ): Promise<ApplyResult>;
}

/** What a peer wrote to a board that is not open. */
interface SentUpdate {
  readonly board: string;
  readonly update: Uint8Array;
  /** By which records the peer judges the board, as a digest. */
  readonly access: string;
}

/** Boards unknown here that a peer may speak of: each is asked for. Lower: whoever gets rights on many waits longer. */
const UNKNOWN = { burst: 256, everyMs: 500 } as const;
/** How often boards are compared again where they differ. */
const LOOK_AGAIN_MS = 5000;

/** What this node and its peers tell each other of boards that are not open. */
export class ClosedTraffic {
  readonly #components: ClosedTrafficComponents;
  /** Digests as peers said them. */
  readonly #theirs = new Map<PeerId, Digests>();
  readonly #withheld = createWithheldUpdates();
  readonly #unknown: Buckets;
  #running: { readonly scope: Scope; readonly news: ClosedNews } | undefined;
  #looksAgain = false;

  constructor(components: ClosedTrafficComponents) {
    this.#components = components;
    this.#unknown = createBuckets(components.clock, UNKNOWN);
  }

  /** Begins to tell, until the scope closes. */
  start(scope: Scope): void {
    this.#running = { scope, news: this.#openNews(scope) };
  }

  /** Begins to hear, once the boards are there. */
  hear(): void {
    this.#running?.news.hear();
  }

  stop(): void {
    this.#running = undefined;
    this.#looksAgain = false;
    this.#theirs.clear();
    this.#withheld.clear();
  }

  forget(peer: PeerId): void {
    this.#theirs.delete(peer);
  }

  /** A board has changed. */
  changed(): void {
    this.#running?.news.changed();
  }

  #openNews(scope: Scope): ClosedNews {
    const { network, clock } = this.#components;
    return createClosedNews({
      network,
      clock,
      scope,
      digests: (peer) => this.digests(peer),
      heardDigests: (peer, digests) => this.#heardClosed(peer, digests),
      heardRecords: (peer, id, records) => this.#heardRecords(peer, id, records),
    });
  }

  /** A peer says which boards that are not open it has. */
  #heardClosed(peer: PeerId, digests: Digests): void {
    const running = this.#running;
    const repair = this.#components.repair();
    if (running === undefined || repair === undefined) return;
    const theirs = new Map([...digests].filter(([id]) => isClosed(id)));
    this.#theirs.set(peer, theirs);
    for (const id of theirs.keys()) {
      if (this.#components.closed.accessOf(id) === undefined) this.#ask(peer, id);
      else if (!this.#components.closed.mayHave(id, peer)) {
        // It may not know yet that its right is gone.
        running.news.tell(peer, id, this.#components.closed.goodbye(id, peer));
      }
    }
    repair.hear(peer, this.#comparable(peer, theirs), isClosed);
    this.#lookAgain();
  }

  /**
   * What a peer has said, to be compared with what is here: of a board that is held on demand nothing is missing at the one
   * that does not hold it, as long as both judge it alike.
   */
  #comparable(peer: PeerId, theirs: Digests): Digests {
    const ours = this.digests(peer);
    return new Map(
      [...theirs].map(([id, digest]): [string, string] => {
        const mine = ours.get(id) ?? '';
        if (this.#components.boards.get(id)?.access?.isOnDemand !== true) return [id, digest];
        const areBothHeld = isOfEntries(digest) && isOfEntries(mine);
        const areAlike = recordsIn(digest) === recordsIn(mine);
        return [id, areAlike && !areBothHeld ? mine : digest];
      }),
    );
  }

  /** Whether a peer has said that it holds entries of a board; undefined where it has said nothing of it. */
  saidToHold(peer: PeerId, id: string): boolean | undefined {
    const digest = this.#theirs.get(peer)?.get(id);
    return digest === undefined ? undefined : isOfEntries(digest);
  }

  /** A peer begins to hold a board, and will say so. */
  isHolder(peer: PeerId, id: string): void {
    if (this.saidToHold(peer, id) !== false) return;
    this.#theirs.set(
      peer,
      new Map([...(this.#theirs.get(peer) ?? [])].filter(([one]) => one !== id)),
    );
  }

  /** What a failed sync has left is looked at again, as long as there is a peer with such boards. */
  #lookAgain(): void {
    if (this.#looksAgain || this.#theirs.size === 0) return;
    this.#looksAgain = true;
    this.#running?.scope.after(LOOK_AGAIN_MS, () => {
      this.#looksAgain = false;
      const repair = this.#components.repair();
      for (const [peer, theirs] of this.#theirs) {
        repair?.hear(peer, this.#comparable(peer, theirs), isClosed);
      }
      this.#lookAgain();
    });
  }

  /** Asks a peer for a board that is unknown here. */
  #ask(peer: PeerId, id: string): void {
    if (this.#mayName(peer)) this.#components.repair()?.syncNow(peer, id);
  }

  /** Whether a peer may speak of one more board that is unknown here; one that does so too often is told of. */
  #mayName(peer: PeerId): boolean {
    if (this.#unknown.take(peer)) return true;
    this.#components.network.report(peer, 'boards');
    return false;
  }

  #heardRecords(peer: PeerId, id: string, records: readonly string[]): void {
    this.#components.closed
      .learn(id, records, peer)
      .catch((error: unknown) =>
        this.#components.logger.warn({ board: id, error: messageOf(error) }, 'rights not kept'),
      );
  }

  /** A peer sends what it wrote to a board that is not open, and by which records it judges that. */
  heardUpdate(peer: PeerId, sent: SentUpdate): void {
    const fields = { peer, board: sent.board };
    unawaited(this.#takeUpdate(peer, sent), this.#components.logger, 'update not taken', fields);
  }

  async #takeUpdate(
    peer: PeerId,
    { board: id, update, access: judgedBy }: SentUpdate,
  ): Promise<void> {
    const running = this.#running;
    const repair = this.#components.repair();
    if (running === undefined || repair === undefined || !isClosed(id)) return;
    const { network, logger } = this.#components;
    const author = this.#components.didOf(peer);
    const access = this.#components.closed.accessOf(id);
    if (access === undefined && !this.#mayName(peer)) return;
    // Its entries come when somebody here wants them.
    if (!this.#components.isHeld(id)) return;
    const isSame = access?.digest === judgedBy;
    const state = access?.state;
    const result =
      access === undefined
        ? 'unpermitted'
        : await this.#components.take(id, update, { peer, author });
    if (result === 'malformed' || result === 'crowded') {
      logger.debug({ peer, board: id, result }, 'update of a board dropped');
      network.report(peer, result === 'crowded' ? 'boards' : 'malformed');
    } else if (result === 'unpermitted') {
      if (isSame && state === access?.state) this.#refused(peer, id);
      else this.#withheld.put(id, { peer, author, update });
      running.news.tell(peer, id, this.#components.closed.goodbye(id, peer));
      if (!isSame) repair.syncNow(peer, id);
    }
    const isMissing = (): boolean => this.#components.boards.get(id)?.document.isWaiting ?? false;
    if (isMissing()) repair.missing(peer, id, isMissing);
  }

  /** Tells of entries whose writer knows that it may not write them. */
  #refused(peer: PeerId, board: string): void {
    const { logger, network } = this.#components;
    logger.warn({ peer, board }, 'entries of a board by a writer without the right are refused');
    network.report(peer, 'unpermitted');
  }

  /** Rights on a board have changed by `records`. */
  rightsChanged(id: string, records: readonly string[]): void {
    const running = this.#running;
    const board = this.#components.boards.get(id);
    if (running === undefined || board === undefined) return;
    board.document.reviewRights();
    for (const { peer, author, update } of this.#withheld.take(id)) {
      if (!this.#components.isHeld(id)) continue;
      const taking = this.#components.take(id, update, { peer, author });
      unawaited(taking, this.#components.logger, 'update not taken', { peer, board: id });
    }
    for (const peer of this.#components.network.connected()) {
      if (this.#components.closed.mayHave(id, peer)) {
        running.news.tell(peer, id, [
          ...new Set([...records, ...this.#components.closed.proof(id)]),
        ]);
      } else {
        const lost = this.#components.closed.goodbye(id, peer);
        if (lost.some((one) => records.includes(one))) running.news.tell(peer, id, lost);
      }
    }
    running.news.changed();
  }

  /** Says to a peer which boards that are not open it may have here, and why this node may have them. */
  greet(peer: PeerId): void {
    const news = this.#running?.news;
    for (const id of this.#components.closed.ids) {
      if (this.#components.closed.mayHave(id, peer))
        news?.tell(peer, id, this.#components.closed.proof(id));
    }
    news?.greet(peer);
  }

  /** Digests of the other boards that `peer` may have. */
  digests(peer: PeerId): Digests {
    const digests = new Map<string, string>();
    for (const [id, board] of this.#components.boards) {
      if (!isClosed(id) || !this.#components.closed.mayHave(id, peer)) continue;
      const digest = digestOf(board);
      if (digest !== '') digests.set(id, digest);
    }
    return digests;
  }
}

/** Whether a digest is of a board of which entries are there, see `digestOf`. */
function isOfEntries(digest: string): boolean {
  return digest !== '' && !digest.startsWith('.');
}

/** What of a digest says by which records a board is judged. */
function recordsIn(digest: string): string {
  return digest.slice(digest.indexOf('.') + 1);
}
