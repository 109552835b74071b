/** Entries of the audit log that fit, newest first, by as many questions as that takes: one looks back only so far. */
import type { AuditEntry, AuditFilter } from '../../../audit/types.ts';
import type { AuditQueryResult } from '../../../builtin/results.ts';
import type { NodeClient } from '../../node/client.ts';

/** What the node gives at once, at the most. */
const PAGE_MAX = 1000;

/** What is looked for, and how far. */
export interface LookBackInit {
  readonly limit: number;
  /** Only entries before this one. */
  readonly before?: number;
  /** Questions at the most. Default: until the log ends. */
  readonly questionsMax?: number;
}

/** Asks `node`, page by page. */
export async function lookBack(
  node: NodeClient,
  filter: AuditFilter,
  { limit, before: from, questionsMax = Infinity }: LookBackInit,
): Promise<Required<Pick<AuditQueryResult, 'entries' | 'names'>>> {
  const entries: AuditEntry[] = [];
  const names: Record<string, string> = {};
  let before = from;
  for (let asked = 0; asked < questionsMax && entries.length < limit; asked += 1) {
    const page: AuditQueryResult = await node.builtin<AuditQueryResult>('audit_query', {
      ...filter,
      limit: Math.min(PAGE_MAX, limit - entries.length),
      ...(before === undefined ? {} : { before }),
    });
    entries.push(...page.entries);
    Object.assign(names, page.names);
    before = page.next;
    if (before === undefined) break;
  }
  return { entries, names };
}
