/** The tools of swarms: VisionFlow's `swarm_init` and `swarm_status`, and `swarm_list`, `swarm_join`, `swarm_leave`, `swarm_dissolve`. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { SWARM_AGENTS, SWARM_AGENTS_MAX, THRESHOLD } from './limits.ts';
import type { MemberInit } from './members.ts';
import type { Swarms } from './swarms.ts';
import { ROLES, TOPOLOGIES } from './types.ts';
import type { SwarmInitResult, SwarmListResult, SwarmStatusResult } from './types.ts';

/** The longest wait of one call for a change. */
const WAIT_MAX_S = 300;
const text = z.string().min(1).max(128);
const swarmId = text.describe('Its id or its name, as swarm_list shows it.');
const agent = text.describe('An agent: <name> of this node, or <name>@<node>.');
const role = z
  .enum(ROLES)
  .optional()
  .describe(
    'What it does in plans; a coordinator is also the hub of a star and the root of a tree. Default: coordinator for that type, else worker.',
  );

/** `swarm_init`, `swarm_status`, `swarm_list`, `swarm_join`, `swarm_leave`, `swarm_dissolve`. */
export function swarmTools({ swarms }: { readonly swarms: Swarms }): readonly BuiltinTool[] {
  return [
    initTool(swarms),
    statusTool(swarms),
    listTool(swarms),
    joinTool(swarms),
    leaveTool(swarms),
    dissolveTool(swarms),
  ];
}

/** The tools that run agents, of which `agent_spawn` with a `swarmId` also names the agent as a member. */
export function withSwarms(
  tools: readonly BuiltinTool[],
  { swarms }: { readonly swarms: Swarms },
): readonly BuiltinTool[] {
  return tools.map((tool) => {
    if (tool.definition.name !== 'agent_spawn') return tool;
    return {
      ...tool,
      async call(args, context) {
        const { swarmId: id } = args;
        if (typeof id !== 'string') return tool.call(args, context);
        await swarms.checkPlace(context.principal, id);
        const answer = await tool.call(args, context);
        await swarms.join(context.principal, id, { agent: String(answer['name']) });
        return { ...answer, swarmId: id };
      },
    };
  });
}

function initTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_init',
    title: 'Make a swarm',
    description:
      'Puts agents of this node and of peers together: by the topology each gets the grants to write to others of the swarm, and no more. Agents of peers are in it when their operators agree.',
    input: z.object({
      topology: z.enum(TOPOLOGIES),
      name: text.optional().describe('What people call it; default its id.'),
      budget: text
        .optional()
        .describe(
          "What its members' work counts against: a budget, or so much of one: research, research:0.50usd.",
        ),
      initialAgents: z
        .array(
          z.object({
            type: text
              .optional()
              .describe('A kind that this node runs, where there is no agent of the name.'),
            name: text.optional().describe('The agent, or the name of the one to be run.'),
            agentId: agent.optional(),
            role,
          }),
        )
        .max(SWARM_AGENTS_MAX)
        .optional(),
      config: z
        .object({
          maxAgents: z
            .number()
            .int()
            .min(1)
            .max(SWARM_AGENTS_MAX)
            .optional()
            .describe(`Default ${SWARM_AGENTS}.`),
          consensusThreshold: z
            .number()
            .gt(0.5)
            .max(1)
            .optional()
            .describe(
              `The share of the weight of all who are asked that a choice needs; default ${THRESHOLD}.`,
            ),
        })
        .optional(),
    }),
    hints: { destructiveHint: false },
    clients: 'ask',
    onTop: true,
    run: (input, { principal, signal }): Promise<SwarmInitResult> => {
      const { budget, config = {}, initialAgents = [], name, topology } = input;
      const members = initialAgents.map(
        ({ agentId, name: called, role: does, type }): MemberInit => ({
          type,
          agent: agentId ?? called,
          role: does,
        }),
      );
      const { maxAgents, consensusThreshold: threshold } = config;
      const wanted = { name, topology, members, maxAgents, threshold, budget };
      return swarms.init(principal, wanted, signal);
    },
  });
}

function statusTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_status',
    title: 'How a swarm does',
    description:
      'Its agents with their health and current task, who may write to whom by which grant, and how its tasks went. With the version of the answer before it waits for a change.',
    input: z.object({
      swarmId,
      version: z.string().max(256).optional().describe('That of the answer before.'),
      timeout_s: z
        .number()
        .min(0)
        .max(WAIT_MAX_S)
        .optional()
        .describe('How long to wait for a change; default not at all.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    waits: true,
    run: (input, { principal, signal }): Promise<SwarmStatusResult> => {
      const { version, timeout_s: wait = 0 } = input;
      const look = { seen: version ?? '', waitMs: wait * 1000, signal };
      return swarms.status(principal, input.swarmId, version === undefined ? undefined : look);
    },
  });
}

function listTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_list',
    title: 'List swarms',
    description: 'The swarms that the caller has made or has agents in, and all for the operator.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    run: (_, { principal }): Promise<SwarmListResult> => swarms.list(principal),
  });
}

function joinTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_join',
    title: 'Add an agent to a swarm',
    description:
      'Where the swarm was made: names an agent of this node or a peer. At the node of an agent that was named: agrees, so that the others of the swarm may write to it.',
    input: z.object({ swarmId, agentId: agent, role }),
    hints: { destructiveHint: false },
    clients: 'ask',
    onTop: true,
    run: ({ agentId, role: does, swarmId: id }, { principal }): Promise<SwarmStatusResult> =>
      swarms.join(principal, id, { agent: agentId, role: does }),
  });
}

function leaveTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_leave',
    title: 'Take an agent out of a swarm',
    description:
      'Ends the grants of the swarm that the agent has, and those on it: where the swarm was made, of any member; elsewhere of the own agents.',
    input: z.object({ swarmId, agentId: agent }),
    hints: { destructiveHint: true },
    clients: 'yes',
    onTop: true,
    run: ({ agentId, swarmId: id }, { principal }): Promise<SwarmStatusResult> =>
      swarms.leave(principal, id, agentId),
  });
}

function dissolveTool(swarms: Swarms): BuiltinTool {
  return defineTool({
    name: 'swarm_dissolve',
    title: 'End a swarm',
    description:
      'Ends a swarm that was made at this node: its grants end at all nodes. Its agents go on by themselves.',
    input: z.object({ swarmId }),
    hints: { destructiveHint: true },
    clients: 'yes',
    onTop: true,
    run: (input, { principal }): Promise<SwarmStatusResult> =>
      swarms.dissolve(principal, input.swarmId),
  });
}
