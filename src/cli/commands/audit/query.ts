/** `starling audit query` */
import { filterOf } from '../../options/audit-filter.ts';
import { showEntry } from '../../terminal/lines/audit-entries.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import { lookBack } from './look-back.ts';

/** Prints the entries that fit, newest first. */
export async function run(options: FilterOptions & { readonly limit: number }): Promise<void> {
  const { limit } = options;
  const { entries, names } = await withNode(options, (node) =>
    lookBack(node, filterOf(options), { limit }),
  );
  printData({ entries }, options.json === true, () =>
    entries.length === 0
      ? 'no such entries'
      : entries.map((entry) => showEntry(entry, names)).join('\n'),
  );
}
