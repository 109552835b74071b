/** Boards with rights in memory that several nodes share: each change is done at once, and all watchers hear of it. */
import { StarlingError } from '../../src/core/index.ts';
import type { Did, Json } from '../../src/core/index.ts';
import type { Blackboard, Board, BoardChange, BoardEntry } from '../../src/blackboard/index.ts';

/** The boards of all nodes. */
export interface PlainBoards {
  /** As a node sees them. */
  at(self: Did): Pick<Blackboard, 'board' | 'names'>;
  /** Writes what the rights of `by` do not allow, as a node with another program could keep it on its own disk. */
  forge(name: string, by: Did, key: string, value: Json): void;
  /** Makes a board that `by` calls like one that there is. */
  copy(name: string, by: Did): void;
}

interface PlainBoard {
  createdBy?: Did;
  version: number;
  readonly entries: Map<string, BoardEntry>;
  rights: { readonly to: Did; readonly prefix: string; readonly ability: string }[];
  readonly watchers: Set<(changes: readonly BoardChange[]) => void>;
}

/** Makes them. */
export function createPlainBoards(): PlainBoards {
  const boards = new Map<string, PlainBoard>();
  /** A name is said with or without the key of who made the board. */
  const boardOf = (ref: string): PlainBoard => {
    const [name = ''] = ref.split('@');
    const known = boards.get(ref) ?? boards.get(name);
    if (known !== undefined) return known;
    const made = { version: 0, entries: new Map(), rights: [], watchers: new Set<never>() };
    boards.set(name, made);
    return made;
  };
  const change = (board: PlainBoard, by: Did, key: string, value: Json | undefined): void => {
    board.version += 1;
    const entry = { key, value: value ?? null, by, at: 0, clock: {} };
    if (value === undefined) board.entries.delete(key);
    else board.entries.set(key, entry);
    for (const tell of board.watchers) tell([value === undefined ? { key } : { key, entry }]);
  };
  const handle = (ref: string, self: Did): Board => {
    const board = boardOf(ref);
    const may = (whom: Did, what: string, key = ''): boolean =>
      board.createdBy === whom ||
      board.rights.some(
        ({ ability, prefix, to }) =>
          to === whom && (ability === 'admin' || (ability === what && key.startsWith(prefix))),
      );
    const check = (what: string, key?: string): void => {
      if (!may(self, what, key)) throw new StarlingError('STARLING_BOARD_REFUSED', `${key}`);
    };
    const made: Partial<Board> = {
      name: ref.split('@')[0] ?? '',
      isOpen: false,
      get: (key) => board.entries.get(key),
      entries: (prefix = '') =>
        [...board.entries.values()].filter(({ key }) => key.startsWith(prefix)),
      info: () => ({ createdBy: board.createdBy }) as never,
      digest: () => String(board.version),
      may,
      async create() {
        board.createdBy ??= self;
        return true;
      },
      async grant({ ability, prefix = '', to }) {
        check('admin');
        board.rights.push({ to, prefix, ability });
        return {} as never;
      },
      async revoke(whom) {
        check('admin');
        board.rights = board.rights.filter(({ to }) => to !== whom);
        return [];
      },
      async set(key, value) {
        check('write', key);
        change(board, self, key, value);
        return board.entries.get(key) as BoardEntry;
      },
      async delete(key) {
        check('write', key);
        change(board, self, key, undefined);
        return true;
      },
      async drop() {
        check('admin');
        for (const [name, one] of boards) if (one === board) boards.delete(name);
        return 0;
      },
      watch(listener) {
        board.watchers.add(listener);
        return () => void board.watchers.delete(listener);
      },
    };
    return made as Board;
  };
  return {
    at: (self) => ({
      board: async (name) => handle(name, self),
      names: () => [...boards.keys()],
    }),
    forge: (name, by, key, value) => change(boardOf(name), by, key, value),
    copy(name, by) {
      const made = { version: 0, entries: new Map(), rights: [], watchers: new Set<never>() };
      boards.set(name, { ...made, createdBy: by });
    },
  };
}
