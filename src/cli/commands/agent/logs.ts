/** `starling agent logs` */
import type { AgentLogLine, AgentLogsResult } from '../../../agents/types.ts';
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import { watchNode, withNode } from '../../node/locate-node.ts';
import type { NodeClient } from '../../node/client.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** How long one call waits for lines. */
const WAIT_S = 60;
const WAY_MS = 10_000;

/** Options of the command. */
interface LogsOptions extends CommonOptions {
  readonly lines: number;
  readonly follow?: boolean;
}

/** Prints the last lines, and with `--follow` those that come. */
export function run(name: string, options: LogsOptions): Promise<ExitCode> {
  const tail = async (node: NodeClient): Promise<ExitCode> => {
    let page = await node.builtin<AgentLogsResult>('agent_logs', {
      agentId: name,
      limit: options.lines,
    });
    print(page, options);
    while (options.follow === true) {
      page = await next(node, name, page.cursor);
      if (page.lines.length > 0) print(page, options);
    }
    return EXIT.done;
  };
  const attached = options.follow === true ? watchNode : withNode;
  return untilInterrupted((signal) => attached(options, tail, signal));
}

function next(node: NodeClient, agentId: string, cursor: number): Promise<AgentLogsResult> {
  const args = { agentId, cursor, timeout_s: WAIT_S };
  return node.builtin<AgentLogsResult>('agent_logs', args, { timeoutMs: WAIT_S * 1000 + WAY_MS });
}

function print(page: AgentLogsResult, { json }: LogsOptions): void {
  printData(page, json === true, () =>
    page.lines.length === 0
      ? `${safeLine(page.agent)} has written nothing yet`
      : page.lines.map(line).join('\n'),
  );
}

function line({ at, replica, text }: AgentLogLine): string {
  return safeLine(`${at}  ${replica === 0 ? '-' : replica}  ${text}`);
}
