/** Tasks on the disk: the row of each, with its input and its result in it where these are small, else beside it. */
import { messageOf } from '../core/index.ts';
import type { Json, Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import { LATELY_BYTES_MAX } from './limits.ts';
import type { TaskRow } from './types.ts';

const ROW = 'task/';
const INPUT = 'input/';
const RESULT = 'result/';
/** Characters of an input, or a result, as JSON, that lies in the row. More = more memory, which keeps those of all tasks. */
const INSIDE_MAX = 256;

/** A task that is kept from now on. */
export interface AddedTask {
  readonly row: TaskRow;
  readonly input: Json;
}

/** Where tasks are kept. What resolves is on the disk. */
export interface TaskRows {
  /** @throws STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE as the store does; so do the others */
  add(row: TaskRow, input: Json): Promise<void>;
  /** All of them or none. */
  addAll(all: readonly AddedTask[]): Promise<void>;
  put(row: TaskRow): Promise<void>;
  putResult(row: TaskRow, result: Json): Promise<void>;
  /** Writes that a task that had ended waits again. */
  reopen(row: TaskRow): Promise<void>;
  /** Forgets a task. */
  drop(id: string): Promise<void>;
  input(id: string): Promise<Json>;
  result(id: string): Promise<Json | undefined>;
  /** All that can be read, in the order of their submission. */
  load(): Promise<readonly TaskRow[]>;
}

/** What is small of a task lies in its row, as JSON: each change of the task is one write then. */
interface Inside {
  /** Until the task is done, after which nobody does it again. */
  readonly input?: string;
  readonly result?: string;
  /** Nothing lies beside the row. */
  readonly isAll: boolean;
}

/** Makes the rows over a table. */
export function createTaskRows(table: Table, logger: Logger): TaskRows {
  return new TableRows(table, logger);
}

class TableRows implements TaskRows {
  readonly #table: Table;
  readonly #logger: Logger;
  readonly #lately = createLately();
  /** By id. */
  readonly #inside = new Map<string, Inside>();

  constructor(table: Table, logger: Logger) {
    this.#table = table;
    this.#logger = logger;
  }

  add(row: TaskRow, input: Json): Promise<void> {
    return this.addAll([{ row, input }]);
  }

  async addAll(all: readonly AddedTask[]): Promise<void> {
    const writes: Required<Write>[] = [];
    const inside: (readonly [string, Inside])[] = [];
    const beside: Required<Write>[] = [];
    for (const { row, input } of all) {
      const { id } = row.order;
      const text = JSON.stringify(input);
      const isAll = text.length <= INSIDE_MAX;
      const own: Inside = isAll ? { input: text, isAll } : { isAll };
      inside.push([id, own]);
      writes.push(written(row, own));
      if (!isAll) beside.push({ key: INPUT + id, value: Buffer.from(text) });
    }
    await this.#table.batch([...writes, ...beside]);
    for (const [id, own] of inside) this.#inside.set(id, own);
    for (const input of beside) this.#lately.keep(input);
  }

  put(row: TaskRow): Promise<void> {
    return this.#table.batch([written(row, this.#inside.get(row.order.id))]);
  }

  reopen(row: TaskRow): Promise<void> {
    return this.put(row);
  }

  async putResult(row: TaskRow, result: Json): Promise<void> {
    const { id } = row.order;
    const text = JSON.stringify(result);
    const before = this.#inside.get(id) ?? { isAll: false };
    if (text.length <= INSIDE_MAX) {
      const own: Inside = { result: text, isAll: before.isAll };
      await this.#table.batch([written(row, own)]);
      this.#inside.set(id, own);
      return;
    }
    const own: Inside = { isAll: false };
    const beside = { key: RESULT + id, value: Buffer.from(text) };
    await this.#table.batch([written(row, own), beside]);
    this.#inside.set(id, own);
    this.#lately.keep(beside);
  }

  drop(id: string): Promise<void> {
    const isAll = this.#inside.get(id)?.isAll === true;
    const keys = (isAll ? [ROW] : [ROW, INPUT, RESULT]).map((kind) => kind + id);
    for (const key of keys) this.#lately.forget(key);
    this.#inside.delete(id);
    return this.#table.batch(keys.map((key) => ({ key })));
  }

  async input(id: string): Promise<Json> {
    const text = this.#inside.get(id)?.input;
    return text === undefined ? ((await this.#read(INPUT + id)) ?? null) : parsedText(text);
  }

  async result(id: string): Promise<Json | undefined> {
    const text = this.#inside.get(id)?.result;
    return text === undefined ? this.#read(RESULT + id) : parsedText(text);
  }

  async load(): Promise<readonly TaskRow[]> {
    const rows: TaskRow[] = [];
    for await (const [key, bytes] of this.#table.entries(ROW)) {
      try {
        const { inside, ...row } = parsed(bytes) as unknown as StoredRow;
        if (typeof row.order.id !== 'string') throw new TypeError('it has no id');
        if (inside !== undefined) this.#inside.set(row.order.id, insideOf(inside));
        rows.push(row);
      } catch (error) {
        this.#logger.warn({ key, error: messageOf(error) }, 'a stored task is damaged, left out');
      }
    }
    return rows.toSorted((one, other) => one.order.seq - other.order.seq);
  }

  async #read(key: string): Promise<Json | undefined> {
    const bytes = this.#lately.get(key) ?? (await this.#table.get(key));
    return bytes === undefined ? undefined : parsed(bytes);
  }
}

/** A row as it lies on the disk. Those of an earlier version have nothing inside. */
interface StoredRow extends TaskRow {
  readonly inside?: { readonly input?: Json; readonly result?: Json; readonly isAll: boolean };
}

function insideOf({ input, isAll, result }: NonNullable<StoredRow['inside']>): Inside {
  return {
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
    ...(result === undefined ? {} : { result: JSON.stringify(result) }),
    isAll,
  };
}

/** Rows of which those of durable tasks are registers, and all others lie on the disk of this node. */
export function routedRows(local: TaskRows, durable: DurableRows): TaskRows {
  const of = ({ order }: TaskRow): Omit<TaskRows, 'load'> =>
    order.durable === undefined ? local : durable;
  const byId = (id: string): Omit<TaskRows, 'load'> =>
    durable.copies(id) === undefined ? local : durable;
  return {
    add: (row, input) => of(row).add(row, input),
    async addAll(all) {
      const isDurable = ({ row }: AddedTask): boolean => row.order.durable !== undefined;
      const shared = all.filter(isDurable);
      const own = all.filter((one) => !isDurable(one));
      if (shared.length > 0) await durable.addAll(shared);
      if (own.length > 0) await local.addAll(own);
    },
    put: (row) => of(row).put(row),
    putResult: (row, result) => of(row).putResult(row, result),
    reopen: (row) => of(row).reopen(row),
    drop: (id) => byId(id).drop(id),
    input: (id) => byId(id).input(id),
    result: (id) => byId(id).result(id),
    load: () => local.load(),
  };
}

/** Where rows of durable tasks are kept. */
export interface DurableRows extends Omit<TaskRows, 'load'> {
  /** Undefined of a task that is not durable. */
  copies(id: string): number | undefined;
}

function written(row: TaskRow, inside: Inside | undefined): Required<Write> {
  const key = ROW + row.order.id;
  const text = JSON.stringify(row);
  if (inside === undefined) return { key, value: Buffer.from(text) };
  const { input, isAll, result } = inside;
  const members = [
    ...(input === undefined ? [] : [`"input":${input}`]),
    ...(result === undefined ? [] : [`"result":${result}`]),
    `"isAll":${isAll}`,
  ];
  return { key, value: Buffer.from(`${text.slice(0, -1)},"inside":{${members.join(',')}}}`) };
}

/** What was written last, as most inputs and results are read once, a moment after they were written. */
interface Lately {
  keep(write: Required<Write>): void;
  get(key: string): Uint8Array | undefined;
  forget(key: string): void;
}

/** Keeps {@link LATELY_BYTES_MAX} bytes; what was written first goes first. */
function createLately(): Lately {
  const values = new Map<string, Uint8Array>();
  let bytes = 0;
  const forget = (key: string): void => {
    bytes -= values.get(key)?.length ?? 0;
    values.delete(key);
  };
  return {
    keep({ key, value }) {
      forget(key);
      values.set(key, value);
      bytes += value.length;
      for (const first of values.keys()) {
        if (bytes <= LATELY_BYTES_MAX) return;
        forget(first);
      }
    },
    get: (key) => values.get(key),
    forget,
  };
}

function parsed(bytes: Uint8Array): Json {
  return parsedText(Buffer.from(bytes).toString('utf8'));
}

function parsedText(text: string): Json {
  return JSON.parse(text) as Json;
}
