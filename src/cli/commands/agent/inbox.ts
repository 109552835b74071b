/** `starling agent inbox` */
import type { AgentInboxResult, AgentMessage } from '../../../agents/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { showValue } from '../../options/board-value.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine } from '../../terminal/output.ts';

/** Over the time that the node waits. */
const WAY_MS = 10_000;

/** Options of the command. */
interface InboxOptions extends CommonOptions {
  readonly wait?: number;
  readonly limit: number;
  readonly history?: boolean;
}

/** Prints messages; those that were printed have been read. */
export async function run(name: string, options: InboxOptions): Promise<void> {
  const { wait = 0, limit, history } = options;
  const result = await withNode(options, async (node) => {
    const args = { name, limit, timeout_s: wait / 1000, ...(history === true ? { history } : {}) };
    const page = await node.builtin<AgentInboxResult>('agent_inbox', args, {
      timeoutMs: wait + WAY_MS,
    });
    if (history !== true && page.messages.length > 0) {
      await node.builtin('agent_inbox', { name, cursor: page.cursor, limit: 1, timeout_s: 0 });
    }
    return page;
  });
  printData(result, options.json === true, () => {
    // Nobody waits any more for the answer to a query of the history.
    const lines = result.messages.map((message) => line(message, history !== true));
    const more = result.waiting === 0 ? [] : [`${result.waiting} more wait`];
    return lines.length === 0
      ? `no messages for ${safeLine(result.agent)}`
      : [...lines, ...more].join('\n');
  });
}

function line({ from, id, message, timestamp, type }: AgentMessage, mayAnswer: boolean): string {
  const answer =
    mayAnswer && type === 'query'
      ? ` (to answer: starling agent message ${from} <text> --reply-to ${id})`
      : '';
  return safeLine(`${timestamp}  ${type} from ${from}: ${showValue(message)}${answer}`);
}
