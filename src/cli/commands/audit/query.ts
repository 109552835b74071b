/** `starling audit query` */
import type { AuditEntry } from '../../../audit/types.ts';
import type { AuditQueryResult } from '../../../builtin/results.ts';
import { filterOf } from '../../options/audit-filter.ts';
import { showEntry } from '../../terminal/lines/audit-entries.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';

const PAGE_MAX = 1000;

/** Prints the entries that fit, newest first. */
export async function run(options: FilterOptions & { readonly limit: number }): Promise<void> {
  const names: Record<string, string> = {};
  const entries = await withNode(options, async (node) => {
    const found: AuditEntry[] = [];
    let before: number | undefined;
    do {
      const page: AuditQueryResult = await node.builtin<AuditQueryResult>('audit_query', {
        ...filterOf(options),
        limit: Math.min(PAGE_MAX, options.limit - found.length),
        ...(before === undefined ? {} : { before }),
      });
      found.push(...page.entries);
      Object.assign(names, page.names);
      before = page.next;
    } while (before !== undefined && found.length < options.limit);
    return found;
  });
  printData({ entries }, options.json === true, () =>
    entries.length === 0
      ? 'no such entries'
      : entries.map((entry) => showEntry(entry, names)).join('\n'),
  );
}
