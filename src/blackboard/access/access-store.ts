/**
 * The records of boards that are not open on disk, in the table of boards: rows `!access/<board>/<hash>`, a name that
 * no board has. On disk first: what a node has judged by once, the node judges by after a crash.
 */
import { hash } from 'node:crypto';
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

/** Resolves once the records are durable, all or none. */
export function writeAccess(
  table: Table,
  board: string,
  records: readonly string[],
): Promise<void> {
  return table.batch(
    records.map((jws) => {
      return { key: `${PREFIX}${board}/${hash('sha256', jws)}`, value: Buffer.from(jws) };
    }),
  );
}
