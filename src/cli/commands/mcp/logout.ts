/** `starling mcp logout` */
import type { McpLogoutResult } from '../../../builtin/results.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Forgets the tokens, and says whether there were any. */
export async function run(server: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<McpLogoutResult>('mcp_logout', { server }),
  );
  printData(result, options.json === true, () =>
    result.loggedOut
      ? `logged out of ${safeLine(result.server)}`
      : `there was no login at ${safeLine(result.server)}`,
  );
}
