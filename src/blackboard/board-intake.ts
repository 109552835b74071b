/** What comes from peers, on its way into boards: which boards may be new here, whose word counts, and what is missing. */
import type { Did, Logger, PeerId } from '../core/index.ts';
import type { ApplyResult } from './document/document-types.ts';
import type { BoardOverflow } from './board-overflow.ts';
import type { BoardShelf } from './board-shelf.ts';
import type { BoardSync } from './sync/sync.ts';

/** What the intake works with. */
export interface BoardIntakeComponents {
  readonly shelf: BoardShelf;
  readonly overflow: BoardOverflow;
  readonly logger: Logger;
  /** False while the node stops: nothing is taken then. */
  isRunning(): boolean;
  didOf(peer: PeerId): Did;
}

/** Syncs after which we no longer wait for what an update refers to. */
const WAITING_SYNCS_MAX = 3;

/** Takes updates of peers into the boards of this node. */
export class BoardIntake {
  readonly #components: BoardIntakeComponents;
  /** Syncs since which a board waits for what an update refers to. */
  readonly #waitingSyncs = new Map<string, number>();

  constructor(components: BoardIntakeComponents) {
    this.#components = components;
  }

  /**
   * Writes and applies a peer's update, to a board that may be new here. `author`: nobody else's lanes may be in it. Never
   * rejects.
   */
  async take(
    id: string,
    update: Uint8Array,
    { peer, author }: { readonly peer: PeerId; readonly author?: Did },
  ): Promise<ApplyResult> {
    const { shelf, overflow } = this.#components;
    if (!this.#components.isRunning()) return 'full';
    if (!shelf.hasRoomFor(id)) {
      overflow.add('', peer);
      return 'full';
    }
    const board = shelf.find(id) ?? shelf.open(id, []);
    const did = this.#components.didOf(peer);
    const answers = board.access?.isSigned === true || board.access?.mayWriteSome(did) !== false;
    const read = await board.take(update, answers ? author : did);
    // Whoever may only read has no word on what others wrote.
    const result = !answers && read === 'malformed' ? 'unpermitted' : read;
    if (result === 'full') overflow.add(id, peer);
    shelf.forgetBlank(board);
    return result;
  }

  /** Syncs once, and forgets what a board has waited for in vain. */
  async syncOnce(sync: BoardSync, peer: PeerId, id: string): Promise<boolean> {
    const { shelf, logger } = this.#components;
    const isFruitful = await sync.sync(peer, id);
    const document = shelf.find(id)?.document;
    if (document?.isWaiting !== true) {
      this.#waitingSyncs.delete(id);
      return isFruitful;
    }
    const syncs = (this.#waitingSyncs.get(id) ?? 0) + 1;
    if (syncs < WAITING_SYNCS_MAX) this.#waitingSyncs.set(id, syncs);
    else {
      document.dropWaiting();
      this.#waitingSyncs.delete(id);
      logger.debug({ peer, board: id }, 'updates without their past dropped');
    }
    return isFruitful;
  }

  clear(): void {
    this.#waitingSyncs.clear();
  }
}
