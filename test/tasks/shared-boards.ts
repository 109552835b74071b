/** Strong boards in memory that several nodes share: each request is done at once, and all watchers hear of it. */
import { StarlingError } from '../../src/core/index.ts';
import type { Did, Json } from '../../src/core/index.ts';
import type { Blackboard, Board, BoardChange, BoardEntry } from '../../src/blackboard/index.ts';

/** The boards of all nodes. */
export interface SharedBoards {
  /** As a node sees them. */
  at(self: Did): Pick<Blackboard, 'board'>;
  /** Nodes that reach no majority. */
  readonly cutOff: Set<Did>;
  /** Planted fault: nodes that read what they knew before they were cut off, and set whatever is there. */
  readonly unfenced: Set<Did>;
  /** What each register holds, by board and key. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, BoardEntry>>;
  /** Changes that were made. */
  readonly writes: { count: number };
  /** Questions that were asked of the replicas. */
  readonly reads: { count: number };
  /** After so many registers a board takes no more. */
  readonly room: { registers: number };
}

interface SharedBoard {
  readonly entries: Map<string, BoardEntry>;
  readonly watchers: Map<(changes: readonly BoardChange[]) => void, Did>;
  replicas: readonly Did[];
}

/** Makes them. */
export function createSharedBoards(): SharedBoards {
  const boards = new Map<string, SharedBoard>();
  const entries = new Map<string, Map<string, BoardEntry>>();
  const cutOff = new Set<Did>();
  const unfenced = new Set<Did>();
  /** What a node that is cut off knew, by node and key. */
  const before = new Map<string, BoardEntry | undefined>();
  const writes = { count: 0 };
  const reads = { count: 0 };
  const room = { registers: Number.POSITIVE_INFINITY };
  let version = 0;
  const boardOf = (name: string): SharedBoard => {
    const known = boards.get(name);
    if (known !== undefined) return known;
    const made: SharedBoard = { entries: new Map(), watchers: new Map(), replicas: [] };
    boards.set(name, made);
    entries.set(name, made.entries);
    return made;
  };
  const handle = (name: string, self: Did): Board => {
    const board = boardOf(name);
    const change = (key: string, value: Json | undefined): void => {
      writes.count += 1;
      version += 1;
      for (const whose of cutOff) {
        const name = `${whose} ${key}`;
        if (!before.has(name)) before.set(name, board.entries.get(key));
      }
      const entry = { key, value: value ?? null, by: self, at: 0, clock: {}, version };
      if (value === undefined) board.entries.delete(key);
      else board.entries.set(key, entry);
      for (const [tell, whose] of board.watchers) {
        if (!cutOff.has(whose)) tell([value === undefined ? { key } : { key, entry }]);
      }
    };
    const made: Partial<Board> = {
      name,
      get isStrong() {
        return board.replicas.length > 0;
      },
      get: (key) => board.entries.get(key),
      entries: () => [...board.entries.values()],
      info: () =>
        ({
          name,
          exists: board.replicas.length > 0,
          replicas: board.replicas,
        }) as never,
      async create({ strong = [] } = {}) {
        board.replicas = strong;
        return true;
      },
      async strong(key, { request }) {
        await Promise.resolve();
        if (cutOff.has(self)) throw new StarlingError('STARLING_NO_QUORUM', 'too few');
        const known = unfenced.has(self) ? before.get(`${self} ${key}`) : undefined;
        const held = known ?? board.entries.get(key);
        const now = held?.version ?? 0;
        if (request.t === 'get') {
          reads.count += 1;
          return { ok: true, version: now, ...(held === undefined ? {} : { value: held.value }) };
        }
        const isFit = unfenced.has(self) || request.t !== 'cas' || request.version === now;
        if (!isFit) return { ok: false, version: now };
        if (held === undefined && board.entries.size >= room.registers) {
          throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'the board is full');
        }
        change(key, request.t === 'cas' ? request.value : undefined);
        return { ok: true, version };
      },
      watch(listener) {
        board.watchers.set(listener, self);
        return () => void board.watchers.delete(listener);
      },
    };
    return made as Board;
  };
  return {
    at: (self) => ({ board: async (name) => handle(name, self) }),
    cutOff,
    unfenced,
    entries,
    writes,
    reads,
    room,
  };
}
