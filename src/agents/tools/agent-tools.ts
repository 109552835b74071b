/** The tools by which programs are agents and see others: the AI Flock guide's words, and VisionFlow's. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Agents } from '../agents.ts';
import { CAPABILITIES_MAX, DESCRIPTION_MAX } from '../limits.ts';
import { agentId, own, swarmId, text } from './fields.ts';
import type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInfoResult,
  AgentListResult,
  Announcement,
} from '../types.ts';

/** What the tools of agents need. */
export interface AgentToolComponents {
  readonly agents: Agents;
  /** Ends an agent; default as {@link Agents} do. */
  readonly end?: Agents['end'];
}

/** `agent_announce`, `agent_list`, `agent_info`, `agent_status`, `agent_stop`, `agent_retire`. */
export function announcedTools({ agents, ...rest }: AgentToolComponents): readonly BuiltinTool[] {
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
    endTool(end, 'agent_stop', 'stop'),
    endTool(end, 'agent_retire', 'retire'),
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
      deliver: z
        .enum(['inbox', 'sampling'])
        .optional()
        .describe(
          'sampling: messages go to the model of this session, one at a time. Default inbox: read agent_inbox.',
        ),
      timestamp: z.string().max(64).optional().describe('Taken and not used.'),
    }),
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'yes',
    peers: 'granted',
    onTop: true,
    run: (input, { principal, sampling }): Promise<AgentAnnounceResult> => {
      const { id, kind, capabilities, deliver, maxConcurrentTasks, zone, tags, listed } = input;
      const said = present({ id, kind, deliver, maxConcurrentTasks, zone, tags, listed });
      const able = capabilitiesOf(capabilities);
      const init = { ...said, ...able, name: input.name ?? id ?? '' };
      return agents.announce(principal, init, sampling);
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
