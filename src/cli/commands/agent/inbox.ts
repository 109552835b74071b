/** `starling agent inbox` */
import type { AgentInboxResult, AgentMessage } from '../../../agents/types.ts';
import type { NodeClient } from '../../node/client.ts';
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
  const { result, hasRead } = await withNode(options, async (node) => {
    const args = { name, limit, timeout_s: wait / 1000, ...(history === true ? { history } : {}) };
    const page = await node.builtin<AgentInboxResult>('agent_inbox', args, {
      timeoutMs: wait + WAY_MS,
    });
    if (history !== true && page.messages.length > 0) {
      await node.builtin('agent_inbox', { name, cursor: page.cursor, limit: 1, timeout_s: 0 });
    }
    const isEmpty = history !== true && page.messages.length === 0;
    // Whoever looks a second time wants what was printed the first time.
    const hasRead = isEmpty && options.json !== true && (await hasHistory(node, name));
    return { result: page, hasRead };
  });
  printData(result, options.json === true, () => {
    // Nobody waits any more for the answer to a query of the history.
    const lines = result.messages.map((message) => line(message, history !== true));
    const more = result.waiting === 0 ? [] : [`${result.waiting} more wait`];
    if (lines.length > 0) return [...lines, ...more].join('\n');
    const agent = safeLine(result.agent);
    return hasRead
      ? `no new messages for ${agent}; those that were read: starling agent inbox ${agent} --history`
      : `no messages for ${agent}`;
  });
}

/** Whether messages for the agent were dealt with lately. */
async function hasHistory(node: NodeClient, name: string): Promise<boolean> {
  const args = { name, history: true, limit: 1, timeout_s: 0 };
  const { messages } = await node.builtin<AgentInboxResult>('agent_inbox', args);
  return messages.length > 0;
}

function line({ from, id, message, timestamp, type }: AgentMessage, mayAnswer: boolean): string {
  const answer =
    mayAnswer && type === 'query'
      ? ` (to answer: starling agent message ${from} <text> --reply-to ${id})`
      : '';
  return safeLine(`${timestamp}  ${type} from ${from}: ${showValue(message)}${answer}`);
}
