/** `starling mcp restart` */
import type { ServerRestartResult } from '../../../builtin/results.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** How long a server may take to be ready, and the way there and back. */
const WAIT_MS = 60_000;

/** Restarts the server and says how it does then; exit code 1 where it has failed. */
export async function run(server: string, options: CommonOptions): Promise<ExitCode> {
  const result = await withNode(options, (node) =>
    node.builtin<ServerRestartResult>('server_restart', { server }, { timeoutMs: WAIT_MS }),
  );
  printData(result, options.json === true, () => {
    const { error, pid, state, tools } = result;
    const isThere = state === 'ready' || state === 'idle';
    const how = isThere
      ? `${tools} ${tools === 1 ? 'tool' : 'tools'}${pid === undefined ? '' : `, pid ${pid}`}`
      : (error ?? 'it is still starting');
    return safeLine(`${result.server} is ${state}: ${how}`);
  });
  return result.state === 'failed' ? EXIT.failed : EXIT.done;
}
