/** The boards that are here: which are open, which of them a name means, and whether there is room for one more. */
import { StarlingError } from '../core/index.ts';
import type { Clock, Did, Logger } from '../core/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import type { BoardAccess } from './access/board-access.ts';
import { creatorIn, isBoardId, isClosed, nameIn } from './board-id.ts';
import { resolveBoard, shownBoardName } from './board-names.ts';
import type { NamedBoard } from './board-names.ts';
import { creationOf, exists } from './board/board-handle.ts';
import { createOpenBoard, digestOf } from './board/board.ts';
import type { OpenBoard } from './board/board.ts';
import type { LateChange } from './disk/history.ts';
import type { BoardRow } from './disk/persistence.ts';
import { invalid } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import type { LanePart } from './lanes/update.ts';
import type { Digests } from './sync/codec.ts';
import type { BoardChange, PastLine } from './types.ts';

/** What the shelf works with. */
export interface BoardShelfComponents {
  readonly table: Table;
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signer?: FrequentSigner;
  readonly nameOf?: (did: Did) => string | undefined;
  readonly limits: BoardLimits;
  /** By what entries are stamped and end, ms since the epoch. */
  nowMs(): number;
  /** By what a board is judged; undefined of an open one. */
  accessFor(id: string): BoardAccess | undefined;
  /** Hears own updates once they are durable. */
  publish(id: string, part: LanePart): void;
  /** Hears what changed, at once, see `OpenBoardComponents.changed`. */
  changed(
    id: string,
    changes: readonly BoardChange[],
    unnoted: readonly BoardChange[],
    bulk?: Uint8Array,
  ): void;
  /** Hears what of peers came to a board right before the last end of this node. */
  recovered(id: string, changes: readonly LateChange[]): void;
  /** Hears what this node writes as it goes to the disk, see `BoardWriterComponents.noting`. */
  noting(id: string, lines: readonly PastLine[]): (isRefused: boolean) => void;
}

/** Boards of one creator that is not this node. */
const BOARDS_OF_ONE_MAX = 16;

/** The boards of this node, by id. */
export class BoardShelf {
  readonly #components: BoardShelfComponents;
  readonly #boards = new Map<string, OpenBoard>();

  constructor(components: BoardShelfComponents) {
    this.#components = components;
  }

  get boards(): ReadonlyMap<string, OpenBoard> {
    return this.#boards;
  }

  find(id: string): OpenBoard | undefined {
    return this.#boards.get(id);
  }

  /** What boards that exist are called here, sorted. */
  names(): readonly string[] {
    const named = this.#named();
    const calls = (did: Did): string | undefined => this.#components.nameOf?.(did);
    return named.map(({ id }) => shownBoardName(id, named, calls)).toSorted();
  }

  /** What the board of this id is called here. */
  shownName(id: string): string {
    return shownBoardName(id, this.#named(), (did) => this.#components.nameOf?.(did));
  }

  /** The id of the board that a name means; of a name that nobody has, that of an open board. */
  idOf(name: string): string {
    return resolveBoard(name, this.#named(), (did) => this.#components.nameOf?.(did)) ?? name;
  }

  /** Digests of the open boards that somebody has written to. */
  digests(): Digests {
    const digests = new Map<string, string>();
    for (const [id, board] of this.#boards) {
      const digest = isClosed(id) ? '' : digestOf(board);
      if (digest !== '') digests.set(id, digest);
    }
    return digests;
  }

  /** Opens a board from its rows on disk. */
  open(id: string, rows: readonly BoardRow[]): OpenBoard {
    const components = this.#components;
    const { table, self, clock, logger, signer, limits } = components;
    const board = createOpenBoard(
      {
        table,
        self,
        clock,
        nowMs: () => components.nowMs(),
        logger,
        ...(signer === undefined ? {} : { sign: (message) => signer.signOften(message) }),
        publish: (part) => components.publish(id, part),
        changed: (changes, unnoted, bulk) => components.changed(id, changes, unnoted, bulk),
        recovered: (changes) => components.recovered(id, changes),
        noting: (lines) => components.noting(id, lines),
      },
      { name: id, rows, limits, access: components.accessFor(id) },
    );
    this.#boards.set(id, board);
    // What was taken back while this node was away counts no more.
    board.document.reviewRights();
    return board;
  }

  /**
   * Runs `work` on a board, which is made when there is none; one that stays empty is let go of.
   * @throws STARLING_BOARD_INVALID, STARLING_BOARD_UNKNOWN
   */
  async write<T>(id: string, work: (board: OpenBoard) => Promise<T>): Promise<T> {
    const board = this.#openToWrite(id);
    try {
      return await work(board);
    } finally {
      this.forgetBlank(board);
    }
  }

  /** @throws STARLING_BOARD_INVALID when there is no room for a board */
  checkRoom(id: string): void {
    if (this.hasRoomFor(id)) return;
    throw invalid(
      `this mesh has ${this.#components.limits.boards} boards, which is the limit`,
      'use one that there is: starling board list',
    );
  }

  hasRoomFor(id: string): boolean {
    if (!isBoardId(id)) return false;
    if (this.#boards.has(id)) return true;
    if (this.#boards.size >= this.#components.limits.boards) return false;
    const creator = creatorIn(id);
    if (creator === undefined || creator === this.#components.self) return true;
    const others = [...this.#boards.keys()].filter((one) => creatorIn(one) === creator);
    return others.length < BOARDS_OF_ONE_MAX;
  }

  /** Takes the entries of a board off the disk: what judges it stays. @throws what the disk says: then all is as before */
  async empty(id: string): Promise<void> {
    const board = this.#boards.get(id);
    await board?.erase();
    // Stopped meanwhile: the next start opens what is on disk.
    if (this.#boards.get(id) === board && board !== undefined) this.open(id, []);
  }

  /** Lets go of a board that nothing could be written to. */
  forgetBlank(board: OpenBoard): void {
    if (!board.document.isBlank || !board.isIdle || this.#boards.get(board.name) !== board) return;
    if (board.access !== undefined && board.access.digest !== '') return;
    // What waits for its time may be its first entry.
    if (board.document.early !== undefined) return;
    board.close();
    this.#boards.delete(board.name);
  }

  /** Resolves once all boards are on disk, or the disk has refused that: a failed write was told of when it failed. */
  async flushed(): Promise<void> {
    await Promise.allSettled([...this.#boards.values()].map((board) => board.flushed()));
  }

  closeAll(): void {
    for (const board of this.#boards.values()) board.close();
    this.#boards.clear();
  }

  /** The boards that exist. */
  #named(): readonly NamedBoard[] {
    return [...this.#boards]
      .filter(([, board]) => exists(board))
      .map(([id, board]) => ({ id, createdAt: creationOf(board)?.at }));
  }

  /** @throws STARLING_BOARD_INVALID, STARLING_BOARD_UNKNOWN */
  #openToWrite(id: string): OpenBoard {
    const known = this.#boards.get(id);
    if (known !== undefined) return known;
    if (id !== nameIn(id)) {
      throw new StarlingError('STARLING_BOARD_UNKNOWN', `there is no board '${id}'`, {
        hint: 'see which there are: starling board list',
      });
    }
    this.checkRoom(id);
    return this.open(id, []);
  }
}
