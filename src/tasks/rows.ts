/** Tasks on the disk: the row of each, its input and its result beside it. */
import { messageOf } from '../core/index.ts';
import type { Json, Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import { LATELY_BYTES_MAX } from './limits.ts';
import type { TaskRow } from './types.ts';

const ROW = 'task/';
const INPUT = 'input/';
const RESULT = 'result/';

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

/** Makes the rows over a table. */
export function createTaskRows(table: Table, logger: Logger): TaskRows {
  const lately = createLately();
  const put = (row: TaskRow): Promise<void> => table.batch([rowOf(row)]);
  const read = async (key: string): Promise<Json | undefined> => {
    const bytes = lately.get(key) ?? (await table.get(key));
    return bytes === undefined ? undefined : parsed(bytes);
  };
  const putWith = async (row: TaskRow, beside: Required<Write>): Promise<void> => {
    await table.batch([rowOf(row), beside]);
    lately.keep(beside);
  };
  return {
    add: (row, input) => putWith(row, written(INPUT + row.order.id, input)),
    async addAll(all) {
      const inputs = all.map(({ row, input }) => written(INPUT + row.order.id, input));
      await table.batch([...all.map(({ row }) => rowOf(row)), ...inputs]);
      for (const input of inputs) lately.keep(input);
    },
    put,
    reopen: put,
    putResult: (row, result) => putWith(row, written(RESULT + row.order.id, result)),
    drop(id) {
      const keys = [ROW, INPUT, RESULT].map((kind) => kind + id);
      for (const key of keys) lately.forget(key);
      return table.batch(keys.map((key) => ({ key })));
    },
    input: async (id) => (await read(INPUT + id)) ?? null,
    result: (id) => read(RESULT + id),
    async load() {
      const rows: TaskRow[] = [];
      for await (const [key, bytes] of table.entries(ROW)) {
        try {
          const row = parsed(bytes) as unknown as TaskRow;
          if (typeof row.order.id !== 'string') throw new TypeError('it has no id');
          rows.push(row);
        } catch (error) {
          logger.warn({ key, error: messageOf(error) }, 'a stored task is damaged, left out');
        }
      }
      return rows.toSorted((one, other) => one.order.seq - other.order.seq);
    },
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

function rowOf(row: TaskRow): Write {
  return { key: ROW + row.order.id, value: Buffer.from(JSON.stringify(row)) };
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

function written(key: string, value: Json): Required<Write> {
  return { key, value: Buffer.from(JSON.stringify(value)) };
}

function parsed(bytes: Uint8Array): Json {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Json;
}
