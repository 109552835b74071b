/**
 * This node as a replica of strong boards: what it has promised and accepted of each key, on disk before the answer
 * leaves. One question of a key at a time, many keys at once: the store writes what comes together in one sync.
 */
import { StarlingError } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import { LIMITS } from '../limits.ts';
import { answerQuestion } from './acceptor.ts';
import type { AcceptorRow, QuorumAnswer, QuorumQuestion } from './acceptor.ts';
import { decodeRow, encodeRow } from './format.ts';
import type { Cell } from './format.ts';

/** What this node keeps as a replica. */
export interface Replica {
  /** The answer to a question, once what it promises is durable. @throws why the disk refuses, STARLING_LIMIT_EXCEEDED */
  answer(cell: Cell, question: QuorumQuestion): Promise<QuorumAnswer>;
  /** What is accepted of a key. */
  look(cell: Cell): Promise<AcceptorRow['accepted']>;
  /** The number of this start of the node, durable: no start before had it. */
  boot(): Promise<number>;
}

const ROWS = 'row/';
const BOOT = 'boot';

/** Makes the replica, whose rows are in `table`. */
export function createReplica(table: Table): Replica {
  return new TableReplica(table);
}

class TableReplica implements Replica {
  readonly #table: Table;
  /** The last work on each key that is worked on. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Keys of each board that was asked for. */
  readonly #counts = new Map<string, Promise<{ keys: number }>>();
  #boot: Promise<number> | undefined;

  constructor(table: Table) {
    this.#table = table;
  }

  answer(cell: Cell, question: QuorumQuestion): Promise<QuorumAnswer> {
    return this.#inTurn(cell, async (name) => {
      const before = await this.#row(name);
      if (before === undefined) await this.#checkRoom(cell);
      const { row, answer } = answerQuestion(before, question);
      if (row !== undefined && row !== before) {
        await this.#table.put(name, encodeRow(row));
        if (before === undefined) (await this.#countOf(cell.board)).keys += 1;
      }
      return answer;
    });
  }

  look(cell: Cell): Promise<AcceptorRow['accepted']> {
    return this.#inTurn(cell, async (name) => (await this.#row(name))?.accepted);
  }

  boot(): Promise<number> {
    this.#boot ??= this.#nextBoot();
    return this.#boot;
  }

  async #nextBoot(): Promise<number> {
    try {
      const before = await this.#table.get(BOOT);
      const boot = Number(Buffer.from(before ?? []).toString()) + 1;
      await this.#table.put(BOOT, Buffer.from(String(boot)));
      return boot;
    } catch (error) {
      // Whoever asks next tries again: a number that may be on disk is only ever followed by a higher one.
      this.#boot = undefined;
      throw error;
    }
  }

  /** @throws STARLING_STATE_UNUSABLE when the row is damaged: what it promised can't be kept then */
  async #row(name: string): Promise<AcceptorRow | undefined> {
    const bytes = await this.#table.get(name);
    if (bytes === undefined) return undefined;
    const row = decodeRow(bytes);
    if (row !== undefined) return row;
    throw new StarlingError('STARLING_STATE_UNUSABLE', `the strong entry ${name} is damaged here`, {
      hint: 'the other replicas go on without this one: restore the state folder from a backup of the disk',
    });
  }

  async #checkRoom({ board }: Cell): Promise<void> {
    if ((await this.#countOf(board)).keys < LIMITS.keys) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `the board holds ${LIMITS.keys} strong keys, which is the limit`,
      { hint: 'use keys again, or another board: deleted ones count' },
    );
  }

  #countOf(board: string): Promise<{ keys: number }> {
    const known = this.#counts.get(board);
    if (known !== undefined) return known;
    const counted = this.#count(board);
    this.#counts.set(board, counted);
    counted.catch(() => this.#counts.delete(board));
    return counted;
  }

  async #count(board: string): Promise<{ keys: number }> {
    const count = { keys: 0 };
    for await (const [key] of this.#table.entries(`${ROWS}${board}/`)) {
      if (key !== '') count.keys += 1;
    }
    return count;
  }

  async #inTurn<T>({ board, key }: Cell, work: (name: string) => Promise<T>): Promise<T> {
    const name = `${ROWS}${board}/${key}`;
    const before = this.#busy.get(name);
    const running = (before ?? Promise.resolve()).then(
      () => work(name),
      () => work(name),
    );
    this.#busy.set(name, running);
    try {
      return await running;
    } finally {
      if (this.#busy.get(name) === running) this.#busy.delete(name);
    }
  }
}
