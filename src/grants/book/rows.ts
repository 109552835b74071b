/** How grants and revocations lie in the database, and how they are read back without trust. */
import { messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import type { Table, Write } from '../../store/types.ts';
import type { Grant, Revocation } from '../types.ts';

/** Kinds of grant rows: issued by us, addressed to us, and parents of those addressed to us. */
export type GrantRow = 'issued' | 'received' | 'parent';

const RENEWALS = 'renew/';

/** The key of a grant's row. */
export function grantKey(kind: GrantRow, grant: Grant): string {
  return `${kind}/${grant.hash}`;
}

/** The key of the row that says for how long a grant of ours is renewed each time. */
export function renewalKey(jti: string): string {
  return `${RENEWALS}${jti}`;
}

/** Reads what {@link renewalKey} names: lifetimes in ms by `jti`. */
export async function readRenewals(table: Table, logger: Logger): Promise<Map<string, number>> {
  const lifetimes = new Map<string, number>();
  for await (const [key, value] of table.entries(RENEWALS)) {
    const lifetimeMs = Number(Buffer.from(value).toString('utf8'));
    if (lifetimeMs > 0) lifetimes.set(key.slice(RENEWALS.length), lifetimeMs);
    else logger.warn({ key }, 'skipped a damaged row');
  }
  return lifetimes;
}

/** The key of a revocation's row. */
export function revocationKey(revocation: Revocation): string {
  return `${revocation.claims.iss}/${revocation.claims.jti}`;
}

/** A row to write. */
export function rowOf(key: string, jws: string): Write {
  return { key, value: Buffer.from(jws, 'utf8') };
}

/**
 * Reads rows back through `read`, which verifies. A damaged row is logged and left where it is:
 * it must not keep the node from starting.
 */
export async function readRows<Item>(
  table: Table,
  prefix: string,
  read: (jws: string) => Item,
  logger: Logger,
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for await (const [key, value] of table.entries(prefix)) {
    try {
      items.push(read(Buffer.from(value).toString('utf8')));
    } catch (error) {
      logger.warn({ key, error: messageOf(error) }, 'skipped a damaged row');
    }
  }
  return items;
}
