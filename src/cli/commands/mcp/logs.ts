/** `starling mcp logs` */
import type { ServerLogsResult } from '../../../builtin/results.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Prints the last lines that the server wrote, and what became of its processes. */
export async function run(
  server: string,
  options: CommonOptions & { readonly lines: number },
): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<ServerLogsResult>('server_logs', { server, lines: options.lines }),
  );
  printData(result, options.json === true, () =>
    result.lines.length === 0
      ? `${safeLine(result.server)} has written nothing since the node started`
      : result.lines
          .map(({ at, text }) => safeLine(`${new Date(at).toISOString()}  ${text}`))
          .join('\n'),
  );
}
