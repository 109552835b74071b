/** `starling context list` */
import type { ContextListResult } from '../../../contexts/types.ts';
import { shortId } from '../../../identity/short-id.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, printData, table } from '../../terminal/output.ts';
import { viewText } from './views.ts';

const NONE_YET =
  "no conversations yet: one begins with starling agent message <agent> 'hello' --type query --session <name>";

/** Prints the conversations. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<ContextListResult>('context_list', {}),
  );
  printData(result, options.json === true, () => {
    if (result.contexts.length === 0) return NONE_YET;
    const rows = result.contexts.map((one) => [
      one.id,
      one.agent,
      one.from,
      one.session,
      String(one.lines),
      ago(one.usedAt),
      one.by === undefined
        ? one.shares.map(({ to, view }) => `${viewText(view)} to ${shortId(to)}`).join(', ')
        : `${viewText(one.view ?? 'full')} of ${shortId(one.by)}`,
    ]);
    return table(['ID', 'AGENT', 'WITH', 'SESSION', 'LINES', 'USED', 'SHOWN'], rows, {
      flexible: 3,
    });
  });
}
