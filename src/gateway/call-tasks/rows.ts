/** Calls that are tasks on the disk: the row of each, and what came of it beside it. */
import { messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import type { CallTaskRow } from './types.ts';

const ROW = 'task/';
const END = 'end/';

/** Where they are kept. What resolves is on the disk. */
export interface CallTaskRows {
  put(row: CallTaskRow): Promise<void>;
  /** Writes the row, and what came of the call as JSON text. */
  putEnd(row: CallTaskRow, end: string): Promise<void>;
  end(id: string): Promise<string | undefined>;
  drop(id: string): Promise<void>;
  /** All that can be read, the oldest first. */
  load(): Promise<readonly CallTaskRow[]>;
}

/** Makes the rows over a table. */
export function createCallTaskRows(table: Table, logger: Logger): CallTaskRows {
  const written = (row: CallTaskRow): { key: string; value: Uint8Array } => ({
    key: ROW + row.id,
    value: Buffer.from(JSON.stringify(row)),
  });
  return {
    put: (row) => table.batch([written(row)]),
    putEnd: (row, end) =>
      table.batch([written(row), { key: END + row.id, value: Buffer.from(end) }]),
    async end(id) {
      const bytes = await table.get(END + id);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8');
    },
    drop: (id) => table.batch([{ key: ROW + id }, { key: END + id }]),
    async load() {
      const rows: CallTaskRow[] = [];
      for await (const [key, bytes] of table.entries(ROW)) {
        try {
          const row = JSON.parse(Buffer.from(bytes).toString('utf8')) as CallTaskRow;
          if (key !== ROW + row.id || typeof row.owner !== 'string') throw new TypeError('no task');
          rows.push(row);
        } catch (error) {
          logger.warn({ key, error: messageOf(error) }, 'a stored call is damaged, left out');
        }
      }
      return rows.toSorted((one, other) => one.createdAt - other.createdAt);
    },
  };
}
