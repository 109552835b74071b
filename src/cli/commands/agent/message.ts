/** `starling agent message` */
import type { AgentMessageResult } from '../../../agents/types.ts';
import type { Json } from '../../../core/json/json.ts';
import { withNode } from '../../node/locate-node.ts';
import { readValue, showValue } from '../../options/board-value.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine, tell } from '../../terminal/output.ts';

const QUERY_MS = 30_000;
/** Over the time that the query waits itself. */
const WAY_MS = 15_000;

/** Options of the command. */
interface MessageOptions extends CommonOptions {
  readonly type?: string;
  readonly from?: string;
  readonly data?: string;
  readonly priority?: string;
  readonly timeout?: number;
  readonly ttl?: number;
  readonly session?: string;
  readonly replyTo?: string;
  readonly sealed?: boolean;
}

/** Sends the message, and prints the answer of a query. */
export async function run(
  agentId: string,
  message: string,
  options: MessageOptions,
): Promise<void> {
  const { type, from, data, priority, timeout, ttl, session, replyTo, sealed } = options;
  const given: Readonly<Record<string, Json | undefined>> = {
    agentId,
    message: readValue(message),
    type: replyTo === undefined ? type : 'response',
    from,
    data: data === undefined ? undefined : readValue(data),
    priority,
    timeoutMs: timeout,
    ttlMs: ttl,
    metadata: session === undefined ? undefined : { session },
    inReplyTo: replyTo,
    sealed,
  };
  const args = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const timeoutMs = (timeout ?? QUERY_MS) + WAY_MS;
  const result = await withNode(options, (node) =>
    node.builtin<AgentMessageResult>('agent_message', args, { timeoutMs }),
  );
  printData(result, options.json === true, () => {
    // Whoever has one agent sends as that one, which is to be seen.
    const as = result.from === undefined ? '' : `, from ${result.from}`;
    if (result.status === 'answered') {
      if (as !== '') tell(safeLine(`asked${as}`));
      return showValue(result.response ?? null);
    }
    const where =
      result.status === 'queued'
        ? `waits here until the node of ${agentId} is back`
        : `is in the inbox of ${agentId}`;
    return safeLine(
      replyTo === undefined ? `${result.messageId} ${where}${as}` : `the answer is on its way${as}`,
    );
  });
}
