/** Batches on the disk: a row each, a row a request until there is its answer, and a row an answer. */
import { isObject, messageOf } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table, Write } from '../../store/index.ts';
import type { KeptClearance } from '../clearance.ts';
import type { KnownPrice } from '../prices/price-table.ts';
import type { BatchAnswer, ModelForm } from '../types.ts';
import { ROWS_AT_ONCE } from './limits.ts';

/** One batch as it is kept. */
export interface BatchRow {
  readonly id: string;
  /** By the provider's own name. */
  readonly model: string;
  readonly provider: string;
  readonly form: ModelForm;
  readonly by: Principal;
  /** Whoever submitted it has given up that name: its answers are for the operator. */
  readonly isLeft?: true;
  readonly task?: string;
  readonly requests: number;
  readonly createdAt: number;
  /** What such requests cost in a batch, when it was submitted. */
  readonly price: KnownPrice;
  readonly added?: string;
  /**
   * `held`: nothing has left. `sent`: the vendor was asked to take it, and may have. `running`: it has. `over`: nothing is to
   * be done any more.
   */
  readonly step: 'held' | 'sent' | 'running' | 'over';
  /** By which the vendor knows it. */
  readonly vendorId?: string;
  /** Somebody wants it to end; the vendor is told until it is over. */
  readonly isUnwanted?: true;
  /** What is held for it, and its place in the audit log; gone once that is settled. */
  readonly kept?: KeptClearance;
  readonly over?: BatchEnd;
}

/** What became of a batch that is over, in sums over its requests. */
export interface BatchEnd {
  readonly at: number;
  readonly outcome: 'completed' | 'expired' | 'cancelled' | 'failed';
  readonly reason?: string;
  readonly answered: number;
  readonly failed: number;
  readonly tokens: number;
  readonly costMicroUsd: number;
  /** What of the budgets is spent; absent where nobody knows, since then all that is held is. */
  readonly cost?: Cost;
}

/** One request as it is kept. */
export interface RequestRow {
  readonly customId: string;
  /** In the caller's API. */
  readonly body: JsonObject;
  readonly worst: Cost;
}

const BATCH = 'batch/';
const REQUEST = 'request/';
const ANSWER = 'answer/';
const NUMBER_DIGITS = 6;

/** See the file. */
export class BatchRows {
  readonly #table: Table;
  readonly #logger: Logger;

  constructor(table: Table, logger: Logger) {
    this.#table = table;
    this.#logger = logger;
  }

  /** All batches; what is damaged is told of, and what belongs to no batch is erased. */
  async load(): Promise<readonly BatchRow[]> {
    const rows: BatchRow[] = [];
    for await (const [key, bytes] of this.#table.entries(BATCH)) {
      const row = read(bytes);
      if (isBatch(row) && key === BATCH + row.id) rows.push(row);
      else this.#logger.warn({ key }, 'a batch is damaged, left out');
    }
    const known = new Set(rows.map(({ id }) => id));
    for (const kind of [REQUEST, ANSWER]) {
      await this.#erase(kind, (key) => !known.has(key.split('/')[1] ?? ''));
    }
    return rows;
  }

  /** A new batch: its requests first, so that the batch is there once all of it is. @throws STARLING_STATE_UNUSABLE */
  async add(row: BatchRow, requests: readonly RequestRow[]): Promise<void> {
    try {
      await this.#writeAll(rowsOf(REQUEST, row.id, requests.entries()));
      await this.put(row);
    } catch (error) {
      await this.#erase(`${REQUEST}${row.id}/`, () => true).catch((failed: unknown) =>
        this.#logger.warn({ error: messageOf(failed) }, 'requests of no batch stay for now'),
      );
      throw error;
    }
  }

  /** @throws STARLING_STATE_UNUSABLE */
  put(row: BatchRow): Promise<void> {
    return this.#table.put(BATCH + row.id, bytesOf(row));
  }

  /** By their numbers. @throws STARLING_STATE_UNUSABLE */
  async requests(id: string): Promise<ReadonlyMap<number, RequestRow>> {
    const found = new Map<number, RequestRow>();
    for await (const [key, bytes] of this.#table.entries(`${REQUEST}${id}/`)) {
      const row = read(bytes);
      if (isRequest(row)) found.set(Number(key.split('/')[2]), row);
    }
    return found;
  }

  /** @throws STARLING_STATE_UNUSABLE */
  addAnswers(id: string, answers: ReadonlyMap<number, BatchAnswer>): Promise<void> {
    return this.#writeAll(rowsOf(ANSWER, id, answers));
  }

  /** Bytes of one answer; undefined where there is none. */
  answer(id: string, at: number): Promise<Uint8Array | undefined> {
    return this.#table.get(keyOf(ANSWER, id, at));
  }

  /** Requests are of no use once there are answers. @throws STARLING_STATE_UNUSABLE */
  async end(row: BatchRow): Promise<void> {
    await this.put(row);
    await this.#erase(`${REQUEST}${row.id}/`, () => true);
  }

  /** All that there is of a batch. @throws STARLING_STATE_UNUSABLE */
  async forget(id: string): Promise<void> {
    await this.#table.delete(BATCH + id);
    for (const kind of [REQUEST, ANSWER]) await this.#erase(`${kind}${id}/`, () => true);
  }

  async #erase(prefix: string, isWanted: (key: string) => boolean): Promise<void> {
    const writes: Write[] = [];
    for await (const [key] of this.#table.entries(prefix)) {
      if (isWanted(key)) writes.push({ key });
    }
    await this.#writeAll(writes);
  }

  /** Some at a time, each made when it is written: nothing else of the node waits for all of them. */
  async #writeAll(writes: Iterable<Write>): Promise<void> {
    let some: Write[] = [];
    for (const write of writes) {
      some.push(write);
      if (some.length < ROWS_AT_ONCE) continue;
      await this.#table.batch(some);
      some = [];
    }
    if (some.length > 0) await this.#table.batch(some);
  }
}

function* rowsOf(
  kind: string,
  id: string,
  rows: Iterable<readonly [at: number, row: object]>,
): Generator<Write> {
  for (const [at, row] of rows) yield { key: keyOf(kind, id, at), value: bytesOf(row) };
}

function keyOf(kind: string, id: string, at: number): string {
  return `${kind}${id}/${String(at).padStart(NUMBER_DIGITS, '0')}`;
}

function bytesOf(row: object): Uint8Array {
  return Buffer.from(JSON.stringify(row));
}

/** An answer as it was kept. */
export function readAnswer(bytes: Uint8Array): BatchAnswer | undefined {
  const row = read(bytes);
  return isObject(row) && typeof row['custom_id'] === 'string'
    ? (row as unknown as BatchAnswer)
    : undefined;
}

function read(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    // What is no JSON is no row.
    return undefined;
  }
}

function isBatch(row: unknown): row is BatchRow {
  return (
    isObject(row) &&
    ['id', 'model', 'provider', 'form', 'step'].every((key) => typeof row[key] === 'string') &&
    isObject(row['by']) &&
    isObject(row['price'])
  );
}

function isRequest(row: unknown): row is RequestRow {
  return isObject(row) && typeof row['customId'] === 'string' && isObject(row['body']);
}
