/**
 * This node as a replica of strong boards: what it has promised and accepted of each key, on disk before the answer
 * leaves. One question of a key at a time, many keys at once: the store writes what comes together in one sync.
 */
import { hash, randomBytes } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { LIMITS } from '../limits.ts';
import { NO_FLOOR, answerQuestion, compareBallots, eraseRow, wholeOf } from './acceptor.ts';
import type {
  AcceptorRow,
  Erasure,
  Floor,
  QuorumAnswer,
  QuorumQuestion,
  Shown,
  StepQuestion,
  WantsWhole,
} from './acceptor.ts';
import { decodeFloor, decodeRow, decodeSet, encodeJson, encodeRow } from './format.ts';
import type { Cell } from './format.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';

/** A question by an earlier set than the replica knows, or by a later one. */
export type OtherSet =
  | { readonly t: 'moved'; readonly set: ReplicaSet }
  | { readonly t: 'behind'; readonly number: number };

/** What this node keeps as a replica. */
export interface Replica {
  /** What the disk is called: another one after the disk was lost. */
  disk(): Promise<string>;
  /** The set that this node goes by; undefined as long as that is the first one. */
  setOf(board: string): Promise<ReplicaSet | undefined>;
  /**
   * Goes by a later set from now on, durably: no question of an earlier one is answered any more, and all that were
   * have ended. What `self` kept before it came into the set is forgotten. False when a later set is known.
   */
  adopt(board: string, set: ReplicaSet, self: (voter: Voter) => boolean): Promise<boolean>;
  /** The answer to a question of the set `number`, once what it promises is durable. @throws why the disk refuses, STARLING_LIMIT_EXCEEDED */
  answer(
    cell: Cell,
    number: number,
    question: QuorumQuestion | StepQuestion,
  ): Promise<QuorumAnswer | WantsWhole | OtherSet>;
  /**
   * What is kept of a key, where that is in memory and nothing of the key is on its way to the disk; undefined: take
   * {@link Replica.look}.
   */
  peek(cell: Cell, number: number): Shown | undefined;
  /** What is kept of a key. */
  look(cell: Cell, number: number): Promise<Shown | OtherSet>;
  /** Erases a deletion that all replicas have; false when the row is another one by now. */
  erase(cell: Cell, number: number, erasure: Erasure): Promise<boolean | OtherSet>;
  /** The keys of a board, those of the board itself included, and the highest number of an erased one. */
  keys(board: string): Promise<{ readonly keys: readonly string[]; readonly count: number }>;
  /** The number of this start of the node, durable: no start before had it, whichever disk the node had then. */
  boot(): Promise<number>;
}

const ROWS = 'row/';
/** Keys of the boards themselves, which no user can have. */
const OWN = 'own/';
const SETS = 'set/';
const FLOORS = 'floor/';
const BOOT = 'boot';
const DISK = 'disk';
const DISK_BYTES = 12;
/** Hexadecimal digits of the number from which starts are counted. */
const BOOT_DIGITS = 11;
/** Rows that are kept in memory, as bytes on disk. Higher: fewer readings of the disk. */
const CACHE_BYTES_MAX = 8 * 1024 * 1024;
/** Keys that begin with this are the board's own. */
const HIDDEN = '\u0000';

/** Makes the replica, whose rows are in `table`. */
export function createReplica(table: Table): Replica {
  return new TableReplica(table);
}

/** What is in memory of one board. */
interface Kept {
  set: ReplicaSet | undefined;
  floor: Floor;
  keys: number;
  /** Work under way, by the name of the row. */
  readonly busy: Map<string, Promise<unknown>>;
  /** Ends when the set that is adopted is on disk; undefined while none is. */
  adopting: Promise<unknown> | undefined;
}

class TableReplica implements Replica {
  readonly #table: Table;
  readonly #rows = new RowCache();
  readonly #boards = new Map<string, Promise<Kept>>();
  /** Of these what has been read. */
  readonly #known = new Map<string, Kept>();
  #boot: Promise<number> | undefined;
  #disk: Promise<string> | undefined;

  constructor(table: Table) {
    this.#table = table;
  }

  disk(): Promise<string> {
    this.#disk ??= this.#nameDisk().catch((error: unknown) => {
      this.#disk = undefined;
      throw error;
    });
    return this.#disk;
  }

  async setOf(board: string): Promise<ReplicaSet | undefined> {
    return (await this.#settled(board)).set;
  }

  async adopt(board: string, set: ReplicaSet, isSelf: (voter: Voter) => boolean): Promise<boolean> {
    const kept = await this.#settled(board);
    const before = kept.set;
    if (set.number <= (before?.number ?? 0)) return set.number === before?.number;
    // From here on no question of an earlier set begins; those under way end first.
    kept.set = set;
    const adopting = Promise.allSettled(kept.busy.values()).then(() =>
      this.#writeSet(board, kept, { before, set, isSelf }),
    );
    kept.adopting = adopting.catch(() => undefined);
    const mine = kept.adopting;
    try {
      await adopting;
    } catch (error) {
      kept.set = before;
      throw error;
    } finally {
      if (kept.adopting === mine) kept.adopting = undefined;
    }
    return true;
  }

  answer(
    cell: Cell,
    number: number,
    asked: QuorumQuestion | StepQuestion,
  ): Promise<QuorumAnswer | WantsWhole | OtherSet> {
    return this.#inTurn(cell, number, async (name, kept) => {
      const before = await this.#row(name);
      const question = asked.t === 'step' ? wholeOf(before, asked) : asked;
      if (question === undefined) return { t: 'whole', ballot: asked.ballot };
      const isNew = before === undefined && !cell.key.startsWith(HIDDEN);
      if (isNew) checkRoom(kept);
      const { row, answer } = answerQuestion(before, question, kept.floor);
      if (row !== undefined && row !== before) {
        await this.#keep(name, row);
        if (isNew) kept.keys += 1;
      }
      return answer;
    });
  }

  peek({ board, key }: Cell, number: number): Shown | undefined {
    const kept = this.#known.get(board);
    if (kept === undefined || kept.adopting !== undefined) return undefined;
    const name = rowName(board, key);
    if (number !== (kept.set?.number ?? 0) || kept.busy.has(name)) return undefined;
    const row = this.#rows.get(name);
    return row && { t: 'shown', ...row };
  }

  look(cell: Cell, number: number): Promise<Shown | OtherSet> {
    return this.#inTurn(cell, number, async (name) => {
      return { t: 'shown', ...(await this.#row(name)) };
    });
  }

  erase(cell: Cell, number: number, erasure: Erasure): Promise<boolean | OtherSet> {
    return this.#inTurn(cell, number, async (name, kept) => {
      const row = await this.#row(name);
      const floor = eraseRow(row, erasure, kept.floor);
      if (floor === undefined) return false;
      // The floor of the board is at least as high in memory as on disk, whatever comes between.
      kept.floor = higherOf(kept.floor, floor);
      const value = encodeJson(kept.floor);
      this.#rows.delete(name);
      await this.#table.batch([{ key: name }, { key: `${FLOORS}${cell.board}`, value }]);
      if (row !== undefined && !cell.key.startsWith(HIDDEN)) kept.keys -= 1;
      return true;
    });
  }

  async keys(board: string): Promise<{ readonly keys: readonly string[]; readonly count: number }> {
    const kept = await this.#keptOf(board);
    const keys: string[] = [];
    for (const prefix of [ROWS, OWN]) {
      const start = `${prefix}${board}/`;
      for await (const [name] of this.#table.entries(start)) {
        keys.push(`${prefix === OWN ? HIDDEN : ''}${name.slice(start.length)}`);
      }
    }
    return { keys, count: kept.floor.count };
  }

  boot(): Promise<number> {
    this.#boot ??= this.#nextBoot();
    return this.#boot;
  }

  async #nextBoot(): Promise<number> {
    try {
      const before = await this.#table.get(BOOT);
      const last =
        before === undefined
          ? firstBootOf(await this.disk())
          : Number(Buffer.from(before).toString());
      const boot = last + 1;
      await this.#table.put(BOOT, Buffer.from(String(boot)));
      return boot;
    } catch (error) {
      // Whoever asks next tries again: a number that may be on disk is only ever followed by a higher one.
      this.#boot = undefined;
      throw error;
    }
  }

  async #nameDisk(): Promise<string> {
    const known = await this.#table.get(DISK);
    if (known !== undefined) return Buffer.from(known).toString();
    const disk = randomBytes(DISK_BYTES).toString('base64url');
    await this.#table.put(DISK, Buffer.from(disk));
    return disk;
  }

  async #writeSet(
    board: string,
    kept: Kept,
    {
      before,
      set,
      isSelf,
    }: {
      readonly before: ReplicaSet | undefined;
      readonly set: ReplicaSet;
      readonly isSelf: (voter: Voter) => boolean;
    },
  ): Promise<void> {
    const own = [...set.voters, ...(set.before ?? [])].filter((voter) => isSelf(voter));
    const isNew = own.every(({ since }) => since > (before?.number ?? 0));
    const floor = { ...kept.floor, count: Math.max(kept.floor.count, set.count) };
    const writes: Write[] = [{ key: `${SETS}${board}`, value: encodeJson(set) }];
    if (floor.count > 0) writes.push({ key: `${FLOORS}${board}`, value: encodeJson(floor) });
    // What was kept before this node came into the set, or after it left, may be long over elsewhere.
    if (isNew) {
      for (const prefix of [ROWS, OWN]) {
        for await (const [key] of this.#table.entries(`${prefix}${board}/`)) writes.push({ key });
      }
    }
    this.#rows.clear();
    await this.#table.batch(writes);
    kept.floor = floor;
    if (isNew) kept.keys = 0;
  }

  /** @throws STARLING_STATE_UNUSABLE when the row is damaged: what it promised can't be kept then */
  async #row(name: string): Promise<AcceptorRow | undefined> {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const bytes = await this.#table.get(name);
    if (bytes === undefined) return undefined;
    const row = decodeRow(bytes);
    if (row === undefined) throw damaged(`the strong entry ${name}`);
    this.#rows.set(name, row, bytes.length);
    return row;
  }

  /** What is not on disk, or may not be, is not in memory either. */
  async #keep(name: string, row: AcceptorRow): Promise<void> {
    const bytes = encodeRow(row);
    this.#rows.delete(name);
    await this.#table.put(name, bytes);
    this.#rows.set(name, row, bytes.length);
  }

  /** What is kept of a board, once no set is on its way to the disk. */
  async #settled(board: string): Promise<Kept> {
    const kept = await this.#keptOf(board);
    while (kept.adopting !== undefined) await kept.adopting;
    return kept;
  }

  #keptOf(board: string): Promise<Kept> {
    const known = this.#boards.get(board);
    if (known !== undefined) return known;
    const read = this.#read(board).then((kept) => {
      this.#known.set(board, kept);
      return kept;
    });
    this.#boards.set(board, read);
    read.catch(() => this.#boards.delete(board));
    return read;
  }

  async #read(board: string): Promise<Kept> {
    const set = await this.#table.get(`${SETS}${board}`);
    const floor = await this.#table.get(`${FLOORS}${board}`);
    const kept: Kept = {
      set: set && decodeSet(set),
      floor: floor === undefined ? NO_FLOOR : (decodeFloor(floor) ?? NO_FLOOR),
      keys: 0,
      busy: new Map(),
      adopting: undefined,
    };
    if ((set && kept.set === undefined) || (floor && decodeFloor(floor) === undefined)) {
      throw damaged(`the replicas of board ${board}`);
    }
    for await (const [key] of this.#table.entries(`${ROWS}${board}/`)) {
      if (key !== '') kept.keys += 1;
    }
    return kept;
  }

  async #inTurn<T>(
    { board, key }: Cell,
    number: number,
    work: (name: string, kept: Kept) => Promise<T>,
  ): Promise<T | OtherSet> {
    const kept = await this.#settled(board);
    const now = kept.set?.number ?? 0;
    if (number < now && kept.set !== undefined) return { t: 'moved', set: kept.set };
    if (number !== now) return { t: 'behind', number: now };
    const name = rowName(board, key);
    const before = kept.busy.get(name);
    const running = (before ?? Promise.resolve()).then(
      () => work(name, kept),
      () => work(name, kept),
    );
    kept.busy.set(name, running);
    try {
      return await running;
    } finally {
      if (kept.busy.get(name) === running) kept.busy.delete(name);
    }
  }
}

/** Rows as they are on disk, of the keys that were used last. */
class RowCache {
  readonly #rows = new Map<string, { readonly row: AcceptorRow; readonly bytes: number }>();
  #bytes = 0;

  get(name: string): AcceptorRow | undefined {
    return this.#rows.get(name)?.row;
  }

  set(name: string, row: AcceptorRow, bytes: number): void {
    this.delete(name);
    this.#rows.set(name, { row, bytes });
    this.#bytes += bytes;
    for (const [oldest] of this.#rows) {
      if (this.#bytes <= CACHE_BYTES_MAX) return;
      this.delete(oldest);
    }
  }

  delete(name: string): void {
    this.#bytes -= this.#rows.get(name)?.bytes ?? 0;
    this.#rows.delete(name);
  }

  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
  }
}

function rowName(board: string, key: string): string {
  return key.startsWith(HIDDEN)
    ? `${OWN}${board}/${key.slice(HIDDEN.length)}`
    : `${ROWS}${board}/${key}`;
}

/** @throws STARLING_LIMIT_EXCEEDED */
function checkRoom({ keys }: Kept): void {
  if (keys < LIMITS.keys) return;
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the board holds ${LIMITS.keys} strong keys, which is the limit`,
    { hint: 'use keys again, or another board: deleted ones count for a while' },
  );
}

/** From where the starts with a disk are counted: a node that lost its disk must not have a number twice. */
function firstBootOf(disk: string): number {
  return Number.parseInt(hash('sha256', disk, 'hex').slice(0, BOOT_DIGITS), 16);
}

function higherOf(a: Floor, b: Floor): Floor {
  return {
    ballot: compareBallots(a.ballot, b.ballot) > 0 ? a.ballot : b.ballot,
    count: Math.max(a.count, b.count),
  };
}

function damaged(what: string): StarlingError {
  return new StarlingError('STARLING_STATE_UNUSABLE', `${what} are damaged here`, {
    hint: 'the other replicas go on without this one: begin with an empty state folder, and add this node again: starling board replicas <board> --add <peer>',
  });
}
