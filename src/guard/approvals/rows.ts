/** Approvals as the database keeps them: one JSON row each. */
import { messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import type { Approval } from './types.ts';

/** The row of one approval. */
export function rowOf(approval: Approval): Required<Write> {
  return { key: approval.id, value: Buffer.from(JSON.stringify(approval), 'utf8') };
}

/** Every approval of the table; a row that can't be read is skipped and told. */
export async function readApprovals(table: Table, logger: Logger): Promise<readonly Approval[]> {
  const approvals: Approval[] = [];
  for await (const [key, value] of table.entries()) {
    try {
      const row = JSON.parse(Buffer.from(value).toString('utf8')) as Approval;
      if (row.id !== key || !Number.isFinite(row.askedAt)) throw new Error('it is not one of ours');
      approvals.push(row);
    } catch (error) {
      logger.warn({ id: key, error: messageOf(error) }, 'skipped an approval that is unreadable');
    }
  }
  return approvals;
}
