/** Proposals on the disk: one JSON row each. */
import { isObject, messageOf } from '../core/index.ts';
import type { Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import { digestOf } from './digest.ts';
import type { Proposal } from './types.ts';

/** The row of one proposal. */
export function rowOf(proposal: Proposal): Required<Write> {
  return { key: proposal.id, value: Buffer.from(JSON.stringify(proposal)) };
}

/** All proposals, the oldest first; a row that is damaged, or whose program is not that of its digest, is left out and told. */
export async function readProposals(table: Table, logger: Logger): Promise<readonly Proposal[]> {
  const found: Proposal[] = [];
  for await (const [key, bytes] of table.entries()) {
    try {
      const row: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (!isObject(row) || row['id'] !== key) throw new Error('it is none of ours');
      const proposal = row as unknown as Proposal;
      const { digest, program } = proposal;
      if (program !== undefined && digestOf(program) !== digest) {
        throw new Error('its program is not the one that was proposed');
      }
      found.push(proposal);
    } catch (error) {
      logger.warn({ id: key, error: messageOf(error) }, 'a stored proposal is damaged');
    }
  }
  return found.toSorted((one, other) => one.madeAt - other.madeAt);
}
