/**
 * One open board: its document, its log, its bounds. An own change is on disk first, and in the document
 * then; a peer's is in the document first. Knows no network.
 */
import type { Clock, Did, Logger } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { createBoardWriter } from './board-writer.ts';
import type { BoardWriter } from './board-writer.ts';
import { createDocument } from './document.ts';
import type { ApplyResult, BoardDocument } from './document.ts';
import { PEER_SLACK, checkKey, checkedValue, invalid } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { createBoardLog } from './persistence.ts';
import type { BoardLog, BoardRow } from './persistence.ts';
import type { BoardChange, BoardEntry } from './types.ts';

/** A board that is open. Reading goes by its document. */
export interface OpenBoard {
  readonly name: string;
  readonly document: BoardDocument;
  /** False while changes wait for the disk. */
  readonly isIdle: boolean;
  /**
   * Resolves once the entry is durable, and only then can be read.
   * @throws STARLING_BOARD_INVALID, STARLING_STATE_UNUSABLE, STARLING_LIMIT_EXCEEDED: nothing has changed
   */
  set(key: string, value: unknown): Promise<BoardEntry>;
  /** Resolves to false when there was nothing to delete. */
  delete(key: string): Promise<boolean>;
  /** Applies an update from a peer, and has it written. Never throws. */
  take(update: Uint8Array): ApplyResult;
  /** Resolves once everything so far is durable; rejects when that could not be written. */
  flushed(): Promise<void>;
  close(): void;
}

/** What a board works with. */
export interface OpenBoardComponents {
  readonly table: Table;
  /** Who writes here. */
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears our own updates once they are durable: the others are to be told. */
  publish(update: Uint8Array): void;
  /** Hears what changed, at once. */
  changed(changes: readonly BoardChange[]): void;
}

/** Which board, and what of it is on disk. */
export interface OpenBoardInit {
  readonly name: string;
  readonly rows: readonly BoardRow[];
  readonly limits: BoardLimits;
}

/** Below this much news, and without a deletion, to encode a board anew for its size does not pay. */
const FOLD_TO_FIT_BYTES = 256 * 1024;
/** Of the bound of structs: from here on the log warns. */
const WORN = 0.5;

/** Opens a board from its rows. */
export function createOpenBoard(components: OpenBoardComponents, init: OpenBoardInit): OpenBoard {
  return new DurableBoard(components, init);
}

class DurableBoard implements OpenBoard {
  readonly name: string;
  readonly document: BoardDocument;
  readonly #components: OpenBoardComponents;
  readonly #limits: BoardLimits;
  readonly #log: BoardLog;
  readonly #writer: BoardWriter;
  #hasWarned = false;
  /** Something was deleted since a fold showed the true size. */
  #mayHaveShrunk = false;

  constructor(components: OpenBoardComponents, init: OpenBoardInit) {
    const { clock, logger, table } = components;
    this.name = init.name;
    this.#limits = init.limits;
    this.#components = components;
    this.document = createDocument(
      { limits: init.limits },
      init.rows.map((row) => row.value),
    );
    if (this.document.unreadable > 0) {
      const fields = { board: init.name, rows: this.document.unreadable };
      logger.error(fields, 'rows of a board are damaged; peers will send what they held');
    }
    // Rows that refer to a damaged one can't be read either, and never will be.
    this.document.dropWaiting();
    this.#log = createBoardLog(table, { board: init.name, rows: init.rows });
    this.#writer = createBoardWriter(
      {
        document: this.document,
        log: this.#log,
        clock,
        logger,
        written: (update) => components.publish(update),
      },
      { board: init.name },
    );
    this.document.onUpdate((update, origin, changes) => this.#updated(update, origin, changes));
  }

  get isIdle(): boolean {
    return this.#writer.waiting.length === 0;
  }

  async set(key: string, value: unknown): Promise<BoardEntry> {
    checkKey(key, this.#limits);
    const { value: checked, sizeBytes } = checkedValue(value, this.#limits);
    this.#checkRoom(key, sizeBytes);
    const { self, clock } = this.#components;
    const entry = { key, value: checked, by: self, at: clock.now() };
    await this.#writer.change({ key, entry, sizeBytes });
    return entry;
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key, this.#limits);
    return this.#writer.change({ key, sizeBytes: 0 });
  }

  take(update: Uint8Array): ApplyResult {
    const bytesMax = this.#limits.boardBytes * PEER_SLACK;
    return this.#fits(update.length, bytesMax) ? this.document.apply(update) : 'full';
  }

  flushed(): Promise<void> {
    return this.#writer.flushed();
  }

  close(): void {
    this.#writer.close();
    this.document.destroy();
  }

  #updated(update: Uint8Array, origin: 'local' | 'remote', changes: readonly BoardChange[]): void {
    if (origin === 'remote') this.#writer.merged(update);
    if (changes.some((change) => change.entry === undefined)) this.#mayHaveShrunk = true;
    if (changes.length > 0) this.#components.changed(changes);
  }

  #checkRoom(key: string, sizeBytes: number): void {
    const { keys, structs, boardBytes } = this.#limits;
    const board = `board '${this.name}'`;
    const { waiting } = this.#writer;
    if (this.document.size + waiting.length >= keys && this.#keysWith(key) > keys) {
      throw invalid(`${board} holds ${keys} keys, which is the limit`, 'delete some first');
    }
    const used = this.document.structs + waiting.length;
    if (used >= structs) {
      throw invalid(
        `${board} has been written ${structs} times, which is the limit`,
        'go on with a board of another name',
      );
    }
    if (used > structs * WORN && !this.#hasWarned) {
      this.#hasWarned = true;
      this.#components.logger.warn(
        { board: this.name, writes: used, limit: structs },
        'a board nears the number of writes that it can hold',
      );
    }
    if (!this.#fits(sizeBytes, boardBytes)) {
      throw invalid(`${board} holds ${boardBytes} bytes, which is the limit`, 'delete some first');
    }
  }

  /** How many keys there would be with `key`, and with those that are on their way to the disk. */
  #keysWith(key: string): number {
    const added = new Set([key]);
    for (const { key: other, entry } of this.#writer.waiting) {
      if (entry !== undefined) added.add(other);
    }
    return [...added].filter((one) => !this.document.has(one)).length + this.document.size;
  }

  #fits(sizeBytes: number, bytesMax: number): boolean {
    const waitingBytes = this.#writer.waitingBytes + sizeBytes;
    if (this.#log.sizeBytes + waitingBytes <= bytesMax) return true;
    if (this.#log.unfoldedBytes < FOLD_TO_FIT_BYTES && !this.#mayHaveShrunk) return false;
    this.#mayHaveShrunk = false;
    return this.#writer.fold() + waitingBytes <= bytesMax;
  }
}
