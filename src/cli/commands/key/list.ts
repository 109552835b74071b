/** `starling key list` */
import type { KeyListResult } from '../../../builtin/results.ts';
import { ago, duration, printData, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the names, ids and scopes of the keys, newest first; the keys themselves are nowhere kept. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) => node.builtin<KeyListResult>('key_list'));
  printData(result, options.json === true, () => {
    if (result.keys.length === 0) return 'no keys yet; make one with: starling key create <name>';
    const rows = result.keys.map((key) => [
      key.name,
      key.id,
      key.state,
      key.state === 'expired' || key.expiresAt === undefined
        ? '–'
        : `in ${duration(key.expiresAt - Date.now())}`,
      ago(key.lastUsedAt ?? 0),
      key.scopes.join(', '),
    ]);
    return table(['NAME', 'ID', 'STATE', 'EXPIRES', 'USED', 'SCOPES'], rows, {
      flexible: 5,
      wrap: true,
    });
  });
}
