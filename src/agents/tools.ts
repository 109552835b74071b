/** The tools by which programs are agents: the AI Flock guide's words, and VisionFlow's. */
import { z } from 'zod';
import type { JsonObject } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { toolResource } from '../grants/index.ts';
import { BUILTIN_SERVER } from '../core/index.ts';
import type { Agents } from './agents.ts';
import {
  CAPABILITIES_MAX,
  DESCRIPTION_MAX,
  INBOX_WAIT_MAX_S,
  PAGE_MAX,
  QUERY_MAX_MS,
  QUERY_MS,
  AWAY_WAIT_MAX_MS,
} from './limits.ts';
import { MESSAGE_TYPES, PRIORITIES } from './types.ts';
import type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessageResult,
  Announcement,
  CapabilityListResult,
  CapabilityResult,
  MessageInit,
} from './types.ts';

/** What these tools need. */
export interface AgentToolComponents {
  readonly agents: Agents;
  /** Ends an agent; default as {@link Agents} do. */
  readonly end?: Agents['end'];
}

/** What whoever has proven who it is may call: the tools decide by the agent that a call is about. */
export const OPEN_AGENT_TOOLS: readonly string[] = ['agent_list', 'agent_message'].map((tool) =>
  toolResource(BUILTIN_SERVER, tool),
);

/** Characters of a sealed message: base64 of what one may have. */
const SEALED_MAX = 512 * 1024;
const WAIT_DEFAULT_S = 30;
const PAGE_DEFAULT = 20;
const label = (description: string): z.ZodString =>
  z.string().min(1).max(128).describe(description);
const agentId = label('The agent: <name>, <name>@<node>, or its id.');
const own = label('The name of the agent, which the caller has announced.');
const swarmId = z
  .string()
  .max(128)
  .optional()
  .describe('Taken and not used: agents have one name space.');
const text = z.string().max(256);

/** `agent_announce`, `agent_list`, `agent_info`, `agent_status`, `agent_message`, `agent_inbox`, `agent_stop`, `agent_retire`. */
export function agentTools({ agents, ...rest }: AgentToolComponents): readonly BuiltinTool[] {
  const end: Agents['end'] = rest.end ?? ((...how) => agents.end(...how));
  return [
    announceTool(agents),
    listTool(agents),
    seeTool(
      agents,
      'agent_info',
      'Show an agent',
      'All that is known of one agent: who it is, what it can do, where it is, and how it does.',
    ),
    seeTool(
      agents,
      'agent_status',
      'How an agent does',
      'Whether an agent is there, how much it has to do, and how many messages it sent, received and answered.',
    ),
    messageTool(agents),
    inboxTool(agents),
    endTool(end, 'agent_stop', 'stop'),
    endTool(end, 'agent_retire', 'retire'),
    capabilityTool(agents),
    capabilitiesTool(agents),
  ];
}

const schema = z.record(z.string(), z.json());
const CAPABILITY = z.strictObject({
  name: z.string().min(1).max(96),
  version: z.string().min(1).max(31).optional(),
  description: z.string().max(DESCRIPTION_MAX).optional(),
  input: schema.optional().describe('JSON Schema of the parameters.'),
  output: schema.optional().describe('JSON Schema of the result.'),
  readOnly: z.boolean().optional().describe('A request changes nothing: two agents may be asked.'),
});

/** Capabilities by name, and what is said of those that are described. */
function capabilitiesOf(
  said: readonly (string | z.infer<typeof CAPABILITY>)[] | undefined,
): Pick<Announcement, 'definitions'> & { readonly capabilities?: readonly string[] } {
  if (said === undefined) return {};
  const nameOf = (one: (typeof said)[number]): string => {
    if (typeof one === 'string') return one;
    return one.version === undefined ? one.name : `${one.name}@${one.version}`;
  };
  const definitions = Object.fromEntries(
    said.flatMap((one) => {
      if (typeof one === 'string') return [];
      const { name: _, version: __, ...definition } = one;
      return [[nameOf(one), present(definition)]];
    }),
  );
  return { capabilities: said.map(nameOf), definitions };
}

function announceTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'agent_announce',
    title: 'Be an agent',
    description:
      'Makes the calling program an agent of this node, or changes what it says of itself. Messages to it then come by agent_inbox. The name belongs to the caller until it is retired.',
    input: z.object({
      name: z
        .string()
        .max(128)
        .optional()
        .describe('1 to 64 of A-Z a-z 0-9 . _ -; default: the id.'),
      id: z
        .string()
        .max(128)
        .optional()
        .describe('A label of its own, in place of agent_<ms>_<random>.'),
      kind: text.optional(),
      capabilities: z
        .array(z.union([z.string().min(1).max(128), CAPABILITY]))
        .max(CAPABILITIES_MAX)
        .optional()
        .describe(
          'What it can do: `summarise` or `summarise@1.2.0`, or an object that also says what it takes and gives.',
        ),
      maxConcurrentTasks: z.number().int().min(1).max(10_000).optional(),
      zone: text.optional(),
      tags: z.array(z.string().min(1).max(64)).max(CAPABILITIES_MAX).optional(),
      listed: z
        .boolean()
        .optional()
        .describe('Every member may see it without a grant. Default false.'),
      timestamp: z.string().max(64).optional().describe('Taken and not used.'),
    }),
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    run: (input, { principal }): Promise<AgentAnnounceResult> => {
      const { id, kind, capabilities, maxConcurrentTasks, zone, tags, listed } = input;
      const said = present({ id, kind, maxConcurrentTasks, zone, tags, listed });
      const able = capabilitiesOf(capabilities);
      return agents.announce(principal, { ...said, ...able, name: input.name ?? id ?? '' });
    },
  });
}

function listTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'agent_list',
    title: 'List agents',
    description:
      'The agents of this node and of its peers that the caller may write to, or that are listed.',
    input: z.object({
      status: z.enum(['online', 'all']).optional().describe('Default all.'),
      capability: text.optional().describe('Only those that have it.'),
      agentId: agentId.optional(),
      here: z.boolean().optional().describe('Only those of this node.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    run: (input, { principal }): Promise<AgentListResult> => agents.list(principal, input),
  });
}

function seeTool(agents: Agents, name: string, title: string, description: string): BuiltinTool {
  return defineTool({
    name,
    title,
    description,
    input: z.object({ agentId, swarmId }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    run: (input, { principal }): Promise<AgentInfoResult> => agents.info(principal, input.agentId),
  });
}

const MESSAGE = z.object({
  agentId: agentId.optional(),
  to: agentId.optional().describe('The same as agentId.'),
  from: own
    .optional()
    .describe('Which agent of the caller sends; default: the only one that it has.'),
  swarmId,
  type: z.enum(MESSAGE_TYPES).optional().describe('Default: `type` in the message, else command.'),
  message: z.json().describe('Text, or any JSON; all of the message up to 256 KiB.'),
  data: z.json().optional(),
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
  metadata: z.record(z.string().max(128), z.json()).optional(),
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
    run: (input, { principal, signal }): Promise<AgentMessageResult> =>
      agents.message(principal, initOf(input), signal),
  });
}

/** Whoever answers needs no right to write: a query was asked of it. What is sealed says its type outside. */
function isResponse({ type, message, sealed }: JsonObject): boolean {
  if (typeof sealed === 'string') return type === 'response';
  const inside =
    typeof message === 'object' && message !== null ? (message as JsonObject)['type'] : undefined;
  return (type ?? inside) === 'response';
}

function initOf(input: z.infer<typeof MESSAGE>): MessageInit {
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
  return {
    ...rest,
    to: id ?? to,
    message,
    data,
    metadata,
    timeoutMs: timeoutMs ?? timeout,
  };
}

function inboxTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'agent_inbox',
    title: 'Read an inbox',
    description:
      'Messages for an agent that the caller has announced, waiting for one. The cursor of an answer, given with the next call, says that its messages have been dealt with; without a cursor it goes on behind those.',
    input: z.object({
      name: own,
      cursor: z.string().max(64).optional(),
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
      { name, cursor, limit, timeout_s, history },
      { principal, signal },
    ): Promise<AgentInboxResult> =>
      agents.inbox(
        principal,
        {
          agent: name,
          cursor,
          history,
          limit: limit ?? PAGE_DEFAULT,
          waitMs: (timeout_s ?? WAIT_DEFAULT_S) * 1000,
        },
        signal,
      ),
  });
}

function capabilityTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'capability_request',
    title: 'Have something done by an agent',
    description:
      'Asks an agent that has the capability, here or at a peer, and gives its answer. Of two agents the freer one is asked; where one can not, another is. Parameters and answer are held against the schemas of the capability.',
    input: z.object({
      capability: z
        .string()
        .min(1)
        .max(128)
        .optional()
        .describe('A name, or a name with a version or a range of versions.'),
      like: z
        .string()
        .min(1)
        .max(1000)
        .optional()
        .describe('In place of the name: words that say what is wanted; the nearest is taken.'),
      affinity: z
        .string()
        .min(1)
        .max(256)
        .optional()
        .describe('Requests with the same key go to the same agent while that one lives.'),
      parameters: z.json().optional().describe('What the agent gets as message.'),
      params: z.json().optional().describe('The same as parameters.'),
      tags: z
        .array(z.string().min(1).max(64))
        .max(16)
        .optional()
        .describe(
          '`+gpu` prefers agents with that tag, `-slow` avoids them, `eu` takes no others.',
        ),
      prefer: z.string().max(128).optional().describe('An agent or a node that is tried first.'),
      timeout: z
        .number()
        .positive()
        .max(QUERY_MAX_MS)
        .optional()
        .describe('The same as timeoutMs.'),
      timeoutMs: z.number().positive().max(QUERY_MAX_MS).optional(),
      correlationId: z.string().min(1).max(128).optional(),
      requester: z
        .string()
        .max(128)
        .optional()
        .describe('Taken and not used: the node knows who asks.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    waits: true,
    run: (input, { principal, signal }): Promise<CapabilityResult> =>
      agents.request(
        principal,
        {
          capability: input.capability,
          like: input.like,
          affinity: input.affinity,
          parameters: input.parameters ?? input.params ?? null,
          timeoutMs: input.timeoutMs ?? input.timeout,
          tags: input.tags,
          prefer: input.prefer,
          correlationId: input.correlationId,
        },
        signal,
      ),
  });
}

function capabilitiesTool(agents: Agents): BuiltinTool {
  return defineTool({
    name: 'capability_list',
    title: 'List capabilities',
    description: 'What the agents that the caller may write to, or that are listed, can do.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    run: (_, { principal }): Promise<CapabilityListResult> => agents.capabilities(principal),
  });
}

function endTool(end: Agents['end'], name: string, how: 'stop' | 'retire'): BuiltinTool {
  const isStop = how === 'stop';
  return defineTool({
    name,
    title: isStop ? 'Stop an agent' : 'Retire an agent',
    description: isStop
      ? 'An agent of the caller takes no messages until it is announced again; its inbox stays. One that the node runs ends.'
      : 'Forgets an agent of the caller, and the messages that nobody has read: its name is free again.',
    input: z.object({ agentId: own }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    run: (input, { principal }): Promise<AgentEndResult> => end(principal, input.agentId, how),
  });
}

/** Without the members that are undefined. */
function present<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof T]: Exclude<T[Key], undefined> };
}
