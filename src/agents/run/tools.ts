/** The tools by which agents are run: VisionFlow's `agent_spawn`, and what they write. */
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Principal } from '../../guard/index.ts';
import { LOG_LINES_MAX, LOG_WAIT_MAX_S, SPAWN_WAIT_MAX_S, SPREAD_NODES_MAX } from '../limits.ts';
import type { AgentLogsResult, AgentSpawnResult, AgentSpreadResult } from '../types.ts';
import type { Runs, SpawnInit } from './types.ts';

const LINES_DEFAULT = 100;
const amount = z.union([z.string().max(32), z.number().positive()]);
/** `3`, or `1..5`. */
const REPLICAS = /^([1-9]|[1-5]\d|6[0-4])(?:\.\.([1-9]|[1-5]\d|6[0-4]))?$/;
const scopes = z.array(z.string().min(1).max(512)).max(64);

/** What runs agents: on this node, and in parts on several. */
export interface RunToolComponents {
  readonly runs: Runs;
  /** Absent: agents run on this node alone. */
  readonly spread?: Spread;
}

/** Spreads an agent over nodes. @throws as `Spreads.spread` */
export type Spread = (
  principal: Principal,
  init: SpawnInit & { readonly on: readonly string[] },
  signal: AbortSignal,
) => Promise<AgentSpreadResult>;

/** `agent_spawn`, `agent_logs`. */
export function runTools({ runs, spread }: RunToolComponents): readonly BuiltinTool[] {
  return [spawnTool(runs, spread), logsTool(runs)];
}

const SPAWN = z.object({
  agentType: z.string().min(1).max(128).describe('A kind of the node: agents.kinds.<name>.'),
  name: z.string().max(128).optional().describe('Default: the kind, with a number where needed.'),
  replicas: z
    .union([z.number().int().min(1).max(64), z.string().regex(REPLICAS)])
    .optional()
    .describe('Processes, default 1; or like 1..5: as many as the queue needs.'),
  on: z
    .array(z.string().min(1).max(256))
    .min(1)
    .max(SPREAD_NODES_MAX)
    .optional()
    .describe(
      'Nodes that each have a part of it, under its one name: aliases of peers, or of this node. Each must let this one spawn the kind.',
    ),
  tools: scopes
    .optional()
    .describe('What it may use, of what its kind may: tool:files/*. Default all of that.'),
  config: z
    .record(z.string().max(128), z.json())
    .optional()
    .describe('What the program is told, as AGENT_CONFIG; `capabilities` is what it can do.'),
  model: z
    .string()
    .min(1)
    .max(300)
    .optional()
    .describe('The language model, or route, that it thinks with: as model_list names it.'),
  prompt: z
    .string()
    .regex(/^[^/\s]{1,128}\/\S{1,256}$/)
    .optional()
    .describe('With a model: the prompt that says how it works, `<server>/<prompt>`.'),
  resources: z
    .looseObject({
      cpuLimit: amount.optional().describe('Cores, like 2000m.'),
      memoryLimit: amount.optional().describe('Bytes, like 512Mi.'),
      gpuAccess: z.boolean().optional(),
    })
    .optional()
    .describe('Bounds of each process: enforced, or refused with what can be.'),
  budget: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe(
      'What its calls count against: a budget, or so much of one: research, research:0.50usd.',
    ),
  swarmId: z
    .string()
    .max(128)
    .optional()
    .describe('A swarm that this node names members of: the agent is one.'),
  wait_s: z
    .number()
    .min(0)
    .max(SPAWN_WAIT_MAX_S)
    .optional()
    .describe('How long to wait for it to be ready; default not at all.'),
});

function replicasIn(said: string | number | undefined): SpawnInit['replicas'] {
  if (said === undefined || typeof said === 'number') return said;
  const [, least, most = least] = REPLICAS.exec(said) ?? [];
  return { least: Number(least), most: Number(most) };
}

function spawnTool(runs: Runs, spread: Spread | undefined): BuiltinTool {
  return defineTool({
    name: 'agent_spawn',
    title: 'Run an agent',
    description:
      'Starts an agent of a kind that the configuration of this node names. It has fewer rights than its kind and than the caller, and answers messages under its name. It is started again when it ends.',
    input: SPAWN,
    hints: { destructiveHint: false },
    clients: 'ask',
    onTop: true,
    waits: true,
    run: (input, { principal, signal }): Promise<AgentSpawnResult | AgentSpreadResult> => {
      const init = initOf(input);
      const { on } = input;
      if (on === undefined) return runs.spawn(principal, init, signal);
      requireSpreadable(init);
      if (spread !== undefined) return spread(principal, { ...init, on }, signal);
      throw new StarlingError('STARLING_USAGE', 'this node spreads no agents');
    },
  });
}

function initOf(input: z.infer<typeof SPAWN>): SpawnInit {
  const { agentType, budget, config, model, prompt, resources, name, replicas, tools } = input;
  return {
    kind: agentType,
    name,
    replicas: replicasIn(replicas),
    tools,
    resources,
    config,
    model,
    prompt,
    budget,
    capabilities: capabilitiesIn(config),
    waitMs: (input.wait_s ?? 0) * 1000,
  };
}

/** @throws STARLING_USAGE for what a node does not take from another one */
function requireSpreadable({ budget, model, prompt }: SpawnInit): void {
  const own = Object.entries({ budget, model, prompt }).find(([, value]) => value !== undefined);
  if (own === undefined) return;
  throw new StarlingError('STARLING_USAGE', `an agent on several nodes takes no ${own[0]}`, {
    hint: 'what its parts think with is in the kind of each node: agents.kinds.<name>',
  });
}

/** VisionFlow says in `config` what the agent can do. */
function capabilitiesIn(
  config: Readonly<Record<string, unknown>> | undefined,
): readonly string[] | undefined {
  return z.array(z.string().min(1).max(128)).max(64).safeParse(config?.['capabilities']).data;
}

function logsTool(runs: Runs): BuiltinTool {
  return defineTool({
    name: 'agent_logs',
    title: 'What an agent writes',
    description:
      'The last lines that an agent of this node has written, for the operator and whoever spawned it. The cursor of an answer, given with the next call, gives what comes after, waiting for that.',
    input: z.object({
      agentId: z.string().min(1).max(128).describe('The name of the agent.'),
      cursor: z.number().int().min(0).optional(),
      limit: z
        .number()
        .int()
        .min(1)
        .max(LOG_LINES_MAX)
        .optional()
        .describe(`Default ${LINES_DEFAULT}.`),
      timeout_s: z
        .number()
        .min(0)
        .max(LOG_WAIT_MAX_S)
        .optional()
        .describe('How long to wait for a line; default not at all.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    onTop: true,
    waits: true,
    run: async (input, { principal, signal }): Promise<AgentLogsResult> => {
      const { agentId, cursor, limit = LINES_DEFAULT, timeout_s = 0 } = input;
      const page = await runs.logs(
        principal,
        { agent: agentId, cursor, limit, waitMs: timeout_s * 1000 },
        signal,
      );
      return { agent: agentId, ...page };
    },
  });
}
