/**
 * What agents that the node runs remember: one board of the node, on which each has the keys that begin with its name. The
 * board is closed, so that no peer and no other client reads or writes there; it lasts over restarts of agent and node.
 */
import { boardIdOf } from '../../blackboard/index.ts';
import type { Blackboard, Board } from '../../blackboard/index.ts';
import { StarlingError, isObject } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';

/** What one agent remembers. */
export interface OwnMemory {
  /** The name of the board. */
  readonly board: string;
  /** The value, or undefined. */
  get(key: string): Json | undefined;
  /** The least trusted zone that the agent had read from when it stored the value; it has read from there again then. */
  taintOf(key: string): MemoryTaint | undefined;
  /**
   * Resolves to when it is forgotten, ms since the epoch, once it is durable.
   * @throws STARLING_LIMIT_EXCEEDED where the agent remembers too much, and as `Board.set`
   */
  set(key: string, value: Json, ttl: { readonly ttlMs?: number }): Promise<number | undefined>;
}

/** From how far away comes what is remembered: less trusted than this node. */
export type MemoryTaint = 'trusted' | 'external';

/** The memories of all agents of one node. */
export interface AgentMemory {
  /** That of an agent which the node runs; undefined for any other caller. */
  of(principal: Principal): Promise<OwnMemory | undefined>;
  /** Deletes what the agent of this name remembers. */
  forget(name: string): Promise<void>;
}

/** What the memories stand on. */
export interface AgentMemoryComponents {
  readonly blackboard: Pick<Blackboard, 'board'>;
  /** Keeps which board it is: a key that was rotated makes no other one. */
  readonly table: Pick<Table, 'get' | 'put'>;
  readonly self: Did;
  /** Hears that an agent was reminded of what came from there. */
  readonly recalled?: (agent: string, taint: MemoryTaint) => void;
}

/** Things that one agent remembers: less = it forgets by itself, more = one agent fills the board of all. */
export const MEMORIES_MAX = 1000;
const BOARD = 'agents.memory';
const ROW = 'memory-board';
const AGENT = 'agent:';
const TAINTED = '$taint';

/** Makes the memories of one node. */
export function createAgentMemory(components: AgentMemoryComponents): AgentMemory {
  let opened: Promise<Board> | undefined;
  const coming = new Set<string>();
  const board = async (): Promise<Board> => {
    opened ??= open(components).catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    const found = await opened;
    // The operator may have dropped the board.
    if (!found.info().exists) await found.create({ open: false, lasts: true });
    return found;
  };
  return {
    async of(principal) {
      if (principal.kind !== 'client' || !principal.name.startsWith(AGENT)) return undefined;
      const agent = principal.name.slice(AGENT.length);
      return memoryOf(await board(), agent, {
        taint: principal.taint,
        coming,
        recalled: (taint) => components.recalled?.(agent, taint),
      });
    },
    async forget(name) {
      if ((await components.table.get(ROW)) === undefined) return;
      const all = await board();
      for (const { key } of all.entries(`${name}/`)) await all.delete(key);
    },
  };
}

/** By its id, which names this node: who makes a board of the same name elsewhere first gets nothing by that. */
async function open({ blackboard, table, self }: AgentMemoryComponents): Promise<Board> {
  const kept = await table.get(ROW);
  const id = kept === undefined ? boardIdOf(BOARD, self) : Buffer.from(kept).toString('utf8');
  const board = await blackboard.board(id);
  if (kept === undefined) await table.put(ROW, Buffer.from(id));
  return board;
}

function memoryOf(
  board: Board,
  agent: string,
  {
    taint,
    coming,
    recalled,
  }: {
    /** Of whoever stores. */
    readonly taint: MemoryTaint | undefined;
    /** Places of all agents that are being written for the first time: they count before they are durable. */
    readonly coming: Set<string>;
    readonly recalled: (taint: MemoryTaint) => void;
  },
): OwnMemory {
  const prefix = `${agent}/`;
  const isNew = (place: string): boolean => board.get(place) === undefined;
  const used = (): number =>
    board.entries(prefix).length +
    [...coming].filter((place) => place.startsWith(prefix) && isNew(place)).length;
  return {
    board: board.name,
    get(key) {
      const stored = readStored(board.get(prefix + key)?.value);
      if (stored.taint !== undefined) recalled(stored.taint);
      return stored.value;
    },
    taintOf: (key) => readStored(board.get(prefix + key)?.value).taint,
    async set(key, value, ttl) {
      const place = prefix + key;
      const stored = storedOf(value, taint);
      if (!isNew(place) || coming.has(place)) return (await board.set(place, stored, ttl)).until;
      if (used() >= MEMORIES_MAX) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `agent ${agent} remembers ${MEMORIES_MAX} things already`,
          { hint: 'write over one that is no longer needed, or give each a ttl' },
        );
      }
      coming.add(place);
      try {
        return (await board.set(place, stored, ttl)).until;
      } finally {
        coming.delete(place);
      }
    },
  };
}

/** What is on the board of a value: with its taint, where it has one, or could be taken for one that has. */
function storedOf(value: Json, taint: MemoryTaint | undefined): Json {
  const isPlain = taint === undefined && !(isObject(value) && TAINTED in value);
  return isPlain ? value : { [TAINTED]: taint ?? null, value };
}

function readStored(stored: Json | undefined): { value?: Json; taint?: MemoryTaint } {
  if (!isObject(stored) || !(TAINTED in stored))
    return stored === undefined ? {} : { value: stored };
  const { [TAINTED]: taint, value = null } = stored;
  const isKnown = taint === 'trusted' || taint === 'external';
  return { value, ...(isKnown ? { taint } : {}) };
}
