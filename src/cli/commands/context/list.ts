/** `starling context list` */
import type { PeersResult } from '../../../builtin/results.ts';
import type { ContextInfo, ContextListResult } from '../../../contexts/types.ts';
import { shortId } from '../../../identity/short-id.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ago, printData, table } from '../../terminal/output.ts';
import { viewText } from './views.ts';

const NONE_YET =
  "no conversations yet: one begins with starling agent message <agent> 'hello' --type query --session <name>";

/** Prints the conversations. */
export async function run(options: CommonOptions): Promise<void> {
  const { result, peers } = await withNode(options, async (node) => {
    const result = await node.builtin<ContextListResult>('context_list', {});
    const isShown = options.json !== true && result.contexts.some(concernsPeers);
    const peers = isShown ? (await node.builtin<PeersResult>('peers', {})).peers : [];
    return { result, peers };
  });
  const called = new Map<string, string>(peers.map(({ alias, did }) => [did, alias]));
  const nameOf = (to: string): string =>
    to.startsWith('client:') ? to : (called.get(to) ?? shortId(to));
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
        ? one.shares.map(({ to, view }) => `${viewText(view)} to ${nameOf(to)}`).join(', ')
        : `${viewText(one.view ?? 'full')} by ${nameOf(one.by)}`,
    ]);
    return table(['ID', 'AGENT', 'WITH', 'SESSION', 'LINES', 'USED', 'SHOWN'], rows, {
      flexible: 3,
    });
  });
}

function concernsPeers({ by, shares }: ContextInfo): boolean {
  return by !== undefined || shares.some(({ to }) => !to.startsWith('client:'));
}
