/**
 * The records of boards that are not open on disk, in the table of boards: rows `!access/<board>/<hash>`, a name that
 * no board has. On disk first: what a node has judged by once, the node judges by after a crash.
 */
import { hash } from 'node:crypto';
import { backoffMs } from '../../core/index.ts';
import type { Clock, Random } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';

const PREFIX = '!access/';

/** Reads the records of all boards, by board. */
export async function readAccess(table: Table): Promise<ReadonlyMap<string, readonly string[]>> {
  const boards = new Map<string, string[]>();
  for await (const [key, value] of table.entries(PREFIX)) {
    const board = key.slice(PREFIX.length, key.lastIndexOf('/'));
    const texts = boards.get(board) ?? [];
    texts.push(Buffer.from(value).toString());
    boards.set(board, texts);
  }
  return boards;
}

/** How long after a write that failed its rows are taken off the disk, which may have them. */
const RETRY = { baseMs: 1000, capMs: 30_000 } as const;

/** Writes records, one write at a time: what the disk refused must not count after the next start. */
export class AccessWriter {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #random: Random;
  /** Rows of writes that failed, which the disk may have all the same, until the next write takes them out. */
  readonly #doubtful = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #cancelRetry: () => void = () => undefined;

  constructor({ table, clock, random }: { table: Table; clock: Clock; random: Random }) {
    this.#table = table;
    this.#clock = clock;
    this.#random = random;
  }

  /** Resolves once the records are durable, all or none. @throws what the disk says */
  write(board: string, records: readonly string[]): Promise<void> {
    const rows = records.map((jws) => ({ key: rowOf(board, jws), value: Buffer.from(jws) }));
    return this.#inTurn(() => this.#batch(rows));
  }

  /** Takes records off the disk that were written and don't count; resolves once that is tried, and is tried again where it fails. */
  takeBack(board: string, records: readonly string[]): Promise<void> {
    for (const jws of records) this.#doubtful.add(rowOf(board, jws));
    return this.#inTurn(() => this.#takeOff());
  }

  /** Resolves once nothing is written any more, and what the disk may have of what failed was taken off, if it can be. */
  flushed(): Promise<void> {
    return this.#inTurn(() => this.#takeOff());
  }

  /** Tries nothing again. */
  stop(): void {
    this.#cancelRetry();
    this.#doubtful.clear();
    this.#failures = 0;
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const running = this.#last.then(work);
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #batch(
    rows: readonly { readonly key: string; readonly value: Uint8Array }[],
  ): Promise<void> {
    const keys = new Set(rows.map(({ key }) => key));
    const gone = [...this.#doubtful].filter((key) => !keys.has(key));
    if (rows.length === 0) return;
    try {
      await this.#table.batch([...rows, ...gone.map((key) => ({ key }))]);
    } catch (error) {
      for (const key of keys) this.#doubtful.add(key);
      await this.#takeOff();
      throw error;
    }
    for (const key of [...gone, ...keys]) this.#doubtful.delete(key);
    this.#failures = 0;
    this.#cancelRetry();
  }

  /** Takes off what the disk may have of what failed; where that fails as well, there is another try. */
  async #takeOff(): Promise<void> {
    const gone = [...this.#doubtful];
    if (gone.length === 0) return;
    try {
      await this.#table.batch(gone.map((key) => ({ key })));
    } catch {
      this.#retryLater();
      return;
    }
    for (const key of gone) this.#doubtful.delete(key);
    this.#failures = 0;
    this.#cancelRetry();
  }

  #retryLater(): void {
    this.#cancelRetry();
    const delayMs = backoffMs(this.#failures, RETRY, this.#random);
    this.#failures += 1;
    this.#cancelRetry = this.#clock.schedule(delayMs, () => {
      // Where the disk refuses again there is another try.
      this.#inTurn(() => this.#takeOff()).catch(() => undefined);
    });
  }
}

function rowOf(board: string, jws: string): string {
  return `${PREFIX}${board}/${hash('sha256', jws)}`;
}
