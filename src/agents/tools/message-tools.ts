/** The tools by which agents write to one another and read what came. */
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { anyJson, defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Agents } from '../agents.ts';
import { AWAY_WAIT_MAX_MS, INBOX_WAIT_MAX_S, PAGE_MAX, QUERY_MAX_MS, QUERY_MS } from '../limits.ts';
import { readPlainQuery } from '../messages/plain-query.ts';
import { MESSAGE_TYPES, PRIORITIES } from '../types.ts';
import type {
  AgentInboxResult,
  AgentMessageResult,
  AgentResponsesResult,
  MessageInit,
} from '../types.ts';
import { agentId, label, own, swarmId } from './fields.ts';

/** Characters of a sealed message: base64 of what one may have. */
const SEALED_MAX = 512 * 1024;
const WAIT_DEFAULT_S = 30;
const PAGE_DEFAULT = 20;

const inboxCursor = z.string().max(64);

/** `agent_message`, `agent_inbox`. */
export function messageTools(agents: Agents): readonly BuiltinTool[] {
  return [messageTool(agents), inboxTool(agents)];
}

/** Arguments of `agent_message`. */
export const MESSAGE = z.object({
  agentId: agentId.optional(),
  to: agentId.optional().describe('The same as agentId.'),
  from: own
    .optional()
    .describe('Which agent of the caller sends; default: the only one that it has.'),
  swarmId,
  type: z.enum(MESSAGE_TYPES).optional().describe('Default: `type` in the message, else command.'),
  message: anyJson.optional().describe('Text, or any JSON; all of the message up to 256 KiB.'),
  responses: z
    .array(
      z.object({
        inReplyTo: label('Id of the message that it answers.'),
        message: anyJson.optional(),
        error: z.string().max(2000).optional().describe('Why it could not be done.'),
      }),
    )
    .min(1)
    .max(PAGE_MAX)
    .optional()
    .describe('In place of all else but `from`: responses to several queries, in one call.'),
  data: anyJson.optional(),
  priority: z.enum(PRIORITIES).optional(),
  timeout: z.number().positive().max(QUERY_MAX_MS).optional().describe('The same as timeoutMs.'),
  timeoutMs: z
    .number()
    .positive()
    .max(QUERY_MAX_MS)
    .optional()
    .describe(`How long a query waits for its answer; default ${QUERY_MS}.`),
  ttlMs: z
    .number()
    .positive()
    .max(AWAY_WAIT_MAX_MS)
    .optional()
    .describe(
      'How long a message waits for a node that is away; default a day. A query does not wait.',
    ),
  correlationId: label('Ties messages together; an answer has that of its query.').optional(),
  inReplyTo: label('Of a response: id of the message that it answers.').optional(),
  error: z.string().max(2000).optional().describe('Of a response: why it could not be done.'),
  metadata: z.record(z.string().max(128), anyJson).optional(),
  sealed: z
    .union([z.boolean(), z.string().max(SEALED_MAX)])
    .optional()
    .describe(
      "Closes what is said, and the answer, for the key of the agent's node and of this one: whoever carries it can't read it. A text comes from the node of the sender.",
    ),
  messageId: label('Given by the node of the sender.').optional(),
});

function messageTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'agent_message',
    title: 'Send a message to an agent',
    description:
      'Sends a message to an agent of this node or of a peer. A query waits for the answer; a response answers one. To a node that is away commands and events wait here, in order.',
    input: MESSAGE,
    hints: { destructiveHint: false },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    waits: true,
    subject: (args) =>
      isResponse(args) ? undefined : agents.subjectOf(args['agentId'] ?? args['to']),
    onward: (call) => agents.handOn(call),
    begin: (args, principal, settled) => {
      const query = readPlainQuery(args);
      return query === undefined ? undefined : agents.begin(principal, query, settled);
    },
    plain: readPlainQuery,
    run: async (
      { responses, message, ...input },
      { principal, signal },
    ): Promise<AgentMessageResult | AgentResponsesResult> => {
      if (responses !== undefined) return agents.respondAll(principal, input.from, responses);
      if (message === undefined && input.sealed === undefined) {
        throw new StarlingError('STARLING_USAGE', 'say what the message is: message');
      }
      return agents.message(principal, initOf({ ...input, message: message ?? null }), signal);
    },
  });
}

/** Whoever answers needs no right to write: a query was asked of it. What is sealed says its type outside. */
function isResponse({ type, message, responses, sealed }: JsonObject): boolean {
  // With these nothing else is sent.
  if (responses !== undefined) return true;
  if (typeof sealed === 'string') return type === 'response';
  const inside =
    typeof message === 'object' && message !== null ? (message as JsonObject)['type'] : undefined;
  return (type ?? inside) === 'response';
}

type MessageInput = Omit<z.infer<typeof MESSAGE>, 'message' | 'responses'> & {
  readonly message: Json;
};

function initOf(input: MessageInput): MessageInit {
  const {
    agentId: id,
    to,
    timeout,
    timeoutMs,
    swarmId: _,
    message,
    data,
    metadata,
    ...rest
  } = input;
  return Object.assign(rest, {
    to: id ?? to,
    message,
    data,
    metadata,
    timeoutMs: timeoutMs ?? timeout,
  });
}

function inboxTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'agent_inbox',
    title: 'Read an inbox',
    description:
      'Messages for an agent that the caller has announced, waiting for one. The cursor of an answer, given with the next call, says that its messages have been dealt with; without a cursor it goes on behind those.',
    input: z.object({
      name: own,
      cursor: inboxCursor.optional(),
      seen: inboxCursor
        .optional()
        .describe('What comes up to here is being dealt with, and is not given again.'),
      done: z
        .array(inboxCursor)
        .max(PAGE_MAX)
        .optional()
        .describe('Of messages behind `cursor` that have been dealt with, too: from `cursors`.'),
      limit: z.number().int().min(1).max(PAGE_MAX).optional().describe(`Default ${PAGE_DEFAULT}.`),
      timeout_s: z
        .number()
        .min(0)
        .max(INBOX_WAIT_MAX_S)
        .optional()
        .describe(`How long to wait, in seconds; default ${WAIT_DEFAULT_S}.`),
      history: z.boolean().optional().describe('What was dealt with lately, instead.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    waits: true,
    run: (
      { name, cursor, seen, done, limit, timeout_s, history },
      { principal, signal },
    ): Promise<AgentInboxResult> =>
      agents.inbox(
        principal,
        {
          agent: name,
          cursor,
          seen,
          done,
          history,
          limit: limit ?? PAGE_DEFAULT,
          waitMs: (timeout_s ?? WAIT_DEFAULT_S) * 1000,
        },
        signal,
      ),
  });
}
