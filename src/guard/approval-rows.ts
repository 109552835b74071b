/** Approvals as the database keeps them: one JSON row each. */
import { createHash } from 'node:crypto';
import { messageOf } from '../core/index.ts';
import type { JsonObject, Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import type { Approval } from './approval-types.ts';

/** Characters of the arguments that are kept for a person to read. */
const ARGS_SHOWN_MAX = 4096;

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

/** Arguments as a person reads them, cut where they are long. */
export function shownArgs(args: JsonObject): string {
  const text = JSON.stringify(args);
  return text.length > ARGS_SHOWN_MAX ? `${text.slice(0, ARGS_SHOWN_MAX)}…` : text;
}

/** Tells the arguments of one call from those of any other; none are the same as `{}`. */
export function hashArgs(args: JsonObject | undefined): string {
  return createHash('sha256')
    .update(JSON.stringify(args ?? {}))
    .digest('base64url');
}
