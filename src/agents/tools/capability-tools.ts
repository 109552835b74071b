/** The tools by which work is given to whoever has a capability. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Agents } from '../agents.ts';
import { QUERY_MAX_MS } from '../limits.ts';
import type { CapabilityListResult, CapabilityResult } from '../types.ts';

/** `capability_request`, `capability_list`. */
export function capabilityTools(agents: Agents): readonly BuiltinTool[] {
  return [capabilityTool(agents), capabilitiesTool(agents)];
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
