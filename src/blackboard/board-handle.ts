/**
 * A board as its users have it: by name, whether it is open here or not. It comes into being with its first
 * entry or by `create`, and ends with its last one or by `drop`.
 */
import { StarlingError, pause } from '../core/index.ts';
import type { Clock, Did, Json } from '../core/index.ts';
import type { OpenBoard } from './board.ts';
import { HIDDEN } from './document.ts';
import type { BoardHistory } from './history.ts';
import { readToken, writeToken } from './session-token.ts';
import type {
  Board,
  BoardChange,
  BoardEntry,
  BoardInfo,
  HistoryLine,
  HistoryPage,
  HistoryQuery,
  SetOptions,
  Tombstone,
} from './types.ts';

/** The blackboard, as far as one board needs it. */
export interface BoardHome {
  readonly clock: Clock;
  readonly self: Did;
  /** @throws STARLING_STOPPED */
  checkRunning(): void;
  find(): OpenBoard | undefined;
  /** Runs `work` on the board, which is made when there is none; one that stays empty is let go of. */
  write<T>(work: (board: OpenBoard) => Promise<T>): Promise<T>;
  watch(listener: (changes: readonly BoardChange[]) => void): () => void;
  history(): BoardHistory;
}

/** The key under which a board says who created it. */
const CREATION = `${HIDDEN}board`;
/** How long a node may be behind a token. Longer: a client waits where it could ask another node. */
const BEHIND_MS = 2000;
const LOOK_AGAIN_MS = 20;

/** Whether a board exists: it was created, or holds an entry. */
export function exists(board: OpenBoard): boolean {
  return board.document.size > 0;
}

/** The board called `name`. */
export function createBoardHandle(home: BoardHome, name: string): Board {
  return new Handle(home, name);
}

class Handle implements Board {
  readonly name: string;
  readonly #home: BoardHome;

  constructor(home: BoardHome, name: string) {
    this.name = name;
    this.#home = home;
  }

  get(key: string): BoardEntry | undefined {
    if (key.startsWith(HIDDEN)) return undefined;
    return this.#home.find()?.document.get(key);
  }

  set(key: string, value: Json, options?: SetOptions): Promise<BoardEntry> {
    return this.#home.write((board) => board.set(key, value, options));
  }

  async delete(key: string): Promise<boolean> {
    this.#home.checkRunning();
    return (await this.#home.find()?.delete(key)) ?? false;
  }

  entries(prefix = ''): readonly BoardEntry[] {
    return this.#home.find()?.document.entries(prefix) ?? [];
  }

  tombstone(key: string): Tombstone | undefined {
    return this.#home.find()?.document.tombstone(key);
  }

  info(): BoardInfo {
    const { name } = this;
    const board = this.#home.find();
    if (board === undefined) {
      return { name, exists: false, keys: 0, bytes: 0, tombstones: 0, clock: {}, digest: '' };
    }
    const { document } = board;
    const creation = document.get(CREATION);
    return {
      name,
      exists: exists(board),
      ...(creation === undefined ? {} : { createdBy: creation.by, createdAt: creation.at }),
      keys: document.size - (creation === undefined ? 0 : 1),
      bytes: document.sizeBytes,
      tombstones: document.tombstones,
      clock: document.clock(),
      digest: document.digest(),
    };
  }

  create(): Promise<boolean> {
    return this.#home.write(async (board) => {
      if (exists(board)) return false;
      await board.setOwn(CREATION, {});
      return true;
    });
  }

  async drop(): Promise<number> {
    this.#home.checkRunning();
    const board = this.#home.find();
    if (board === undefined) return 0;
    const keys = board.document.entries('').map(({ key }) => key);
    const deleted = await Promise.all(keys.map((key) => board.delete(key)));
    await board.deleteOwn(CREATION);
    return deleted.filter(Boolean).length;
  }

  history(query: HistoryQuery = {}): Promise<HistoryPage> {
    return this.#home.history().read(query);
  }

  async undo(key: string): Promise<BoardEntry | undefined> {
    const { lines, isCut } = await this.#home.history().lastOf(key);
    const [last, before] = lines;
    const now = this.get(key) ?? this.tombstone(key);
    this.#checkUndo(key, last, now);
    if (before === undefined && isCut) {
      throw conflict(`what '${key}' was before is not kept any more`, 'write it again: board set');
    }
    if (before?.value === undefined) {
      await this.delete(key);
      return undefined;
    }
    const leftMs = before.until === undefined ? undefined : before.until - this.#home.clock.now();
    if (leftMs !== undefined && leftMs <= 0) {
      throw conflict(`what '${key}' was before has ended`, 'write it again: board set');
    }
    return this.set(key, before.value, leftMs === undefined ? {} : { ttlMs: leftMs });
  }

  token(): string {
    return writeToken(this.#home.find()?.document.seen() ?? []);
  }

  async reach(token: string): Promise<void> {
    const wanted = readToken(token);
    const { clock } = this.#home;
    const end = clock.now() + BEHIND_MS;
    while (wanted.length > 0 && this.#home.find()?.document.covers(wanted) !== true) {
      this.#home.checkRunning();
      if (clock.now() >= end) {
        throw new StarlingError(
          'STARLING_BOARD_BEHIND',
          `this node has not seen of board '${this.name}' what you have seen elsewhere`,
          { hint: 'try again, ask the node that you used before, or leave the token out' },
        );
      }
      await pause(clock, LOOK_AGAIN_MS);
    }
  }

  digest(): string {
    return this.#home.find()?.document.digest() ?? '';
  }

  watch(listener: (changes: readonly BoardChange[]) => void): () => void {
    return this.#home.watch(listener);
  }

  /** @throws STARLING_BOARD_CONFLICT unless the last change of the key is this node's own */
  #checkUndo(
    key: string,
    last: HistoryLine | undefined,
    now: BoardEntry | Tombstone | undefined,
  ): void {
    if (last === undefined || now === undefined) {
      throw conflict(`no change of '${key}' is known that could be undone`, 'see: board history');
    }
    if (now.by === this.#home.self && last.by === now.by && last.at === now.at) return;
    throw conflict(
      `somebody else wrote '${key}' since`,
      `see who, and write what you want: board history ${this.name} ${key}`,
    );
  }
}

function conflict(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_BOARD_CONFLICT', what, { hint });
}
