/** The schema of `agents` in the configuration: which programs this node may run as agents, and how many. */
import { z } from 'zod';
import { SCOPE, count, text } from './forms.ts';
import { mcpServerSchema } from './server-schema.ts';

/** What an agent, and a kind of agents, may be called. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Cores: `2`, or `2000m`. */
export const CPU_FORM = /^([1-9]\d{0,5}m|[1-9]\d{0,3})$/;
/** Bytes: `512Mi`. */
export const MEMORY_FORM = /^[1-9]\d{0,8}(Ki|Mi|Gi|Ti|k|M|G|T)?$/;
/** A prompt as grants name it. */
const PROMPT = /^[^/\s]{1,128}\/\S{1,256}$/;
const REPLICAS_MAX = 64;
const CAPABILITIES_MAX = 64;

const WAYS_MAX = 8;
const EXPERIENCES_MAX = 3;

const { command, args, env, envFile, cwd, sandbox } = mcpServerSchema.shape;

const model = z.string().min(1).max(300);
const instructions = z.string().max(32_768);
const prompt = text(PROMPT, 'a prompt as <server>/<prompt>');
const steps = count.max(200);
/** From nothing to all. */
const share = z.number().min(0).max(1);

const waySchema = z
  .strictObject({
    model: model.optional().describe('Another model, or route.'),
    instructions: instructions.optional().describe('Other instructions.'),
    prompt: prompt.optional().describe('Another prompt of a server, `<server>/<prompt>`.'),
    steps: steps.optional().describe('Another bound of how often the model is asked.'),
  })
  .describe('One way to deal with a message; what it does not name is as the kind says.');

const learningSchema = z
  .strictObject({
    ways: z
      .record(
        text(NAME, '1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit'),
        waySchema,
      )
      .refine((ways) => Object.keys(ways).length <= WAYS_MAX, {
        error: `at most ${WAYS_MAX} ways`,
      })
      .default({})
      .describe(
        'Ways to deal with a message, by name: which is taken is learned, by what was measured.',
      ),
    cost: share
      .default(0.1)
      .describe('How much the cost of a way counts against its success, 0 to 1.'),
    time: share
      .default(0.1)
      .describe('How much the time that a way takes counts against its success, 0 to 1.'),
    answers: z
      .record(z.string().min(1).max(128), z.record(z.string(), z.unknown()))
      .default({})
      .describe(
        'JSON Schemas that answers have to fit, by capability, or `message` for messages that name none: what does not fit is a failure of its way.',
      ),
    experiences: z
      .int()
      .min(0)
      .max(EXPERIENCES_MAX)
      .default(EXPERIENCES_MAX)
      .describe('How many experiences like a message the model is reminded of, at the most.'),
  })
  .describe(
    'With `model`: its agents learn by what came of their work (docs/learning.md). Absent: they learn nothing.',
  );

const agentKindSchema = z
  .strictObject({
    command: command.describe('Program to run; found on PATH, never by a shell.'),
    model: model
      .optional()
      .describe('The language model, or route, that its agents think with; then no `command`.'),
    instructions: instructions
      .optional()
      .describe('With `model`: what its agents are for, and how they work.'),
    prompt: prompt
      .optional()
      .describe('With `model`: a prompt of a server that says the same, `<server>/<prompt>`.'),
    steps: steps
      .default(20)
      .describe('With `model`: how often the model is asked for one message, at the most.'),
    learning: learningSchema.optional(),
    args,
    env,
    envFile,
    cwd,
    sandbox,
    protocol: z
      .enum(['mcp', 'lines'], { error: 'mcp or lines' })
      .default('mcp')
      .describe(
        '`mcp`: an MCP server with a tool `message`. `lines`: lines of JSON (docs/agents.md).',
      ),
    tools: z
      .array(text(SCOPE, 'a pattern like tool:files/*, agent:reviewer, or *'))
      .max(64)
      .default([])
      .describe(
        'What its agents may use, as scopes of a key: `tool:files/*`, `agent:reviewer`. Default nothing.',
      ),
    capabilities: z
      .array(z.string().min(1).max(128))
      .max(CAPABILITIES_MAX)
      .default([])
      .describe('What its agents can do, for requests by capability.'),
    tags: z
      .array(z.string().min(1).max(64))
      .max(CAPABILITIES_MAX)
      .default([])
      .describe('Tags of its agents.'),
    maxConcurrentTasks: count
      .max(1000)
      .default(1)
      .describe('Messages that one process is given at a time.'),
    maxReplicas: count.max(REPLICAS_MAX).default(1).describe('Processes that one agent may have.'),
    strategy: z
      .enum(['one_for_one', 'one_for_all', 'rest_for_one'], {
        error: 'one_for_one, one_for_all or rest_for_one',
      })
      .default('one_for_one')
      .describe(
        'Which processes of an agent are started again when one ends: that one, all, or that one and those that were started after it.',
      ),
    restarts: z
      .int()
      .min(0)
      .max(1000)
      .default(5)
      .describe('How often a process is started again within a minute, before it is given up.'),
    cpu: text(CPU_FORM, 'cores like 2 or 2000m')
      .optional()
      .describe('Cores that one process may use, like `2` or `2000m`.'),
    memory: text(MEMORY_FORM, 'bytes like 512Mi or 4Gi')
      .optional()
      .describe('Memory that one process may use, like `512Mi`.'),
    processes: count
      .max(100_000)
      .default(512)
      .describe(
        'Processes and threads that one process may have with all that it starts, where the system has control groups.',
      ),
    listed: z
      .boolean()
      .default(false)
      .describe('Every member may see its agents, without a grant.'),
    ownRights: z
      .boolean()
      .default(false)
      .describe(
        'True: its agents use their own rights whoever they work for. False: whoever they work for must have the right, too.',
      ),
  })
  .refine(({ command: program, model: mind }) => (program === undefined) !== (mind === undefined), {
    error: 'either `command`, a program, or `model`, a language model',
  })
  .refine(({ learning, model: mind }) => learning === undefined || mind !== undefined, {
    error: '`learning` is of kinds with a `model`: a program learns by itself',
  })
  .describe(
    'A program, or a language model, that this node may run as an agent; the command line is yours alone.',
  );

/** The part of the file. */
export const agentsSchema = z
  .strictObject({
    kinds: z
      .record(
        text(NAME, '1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit'),
        agentKindSchema,
      )
      .default({})
      .describe('Kinds of agents that this node runs: `starling agent spawn <kind>`.'),
    max: z.int().min(0).max(256).default(20).describe('Processes of agents that run at a time.'),
    timeoutMs: z
      .int()
      .min(1000)
      .max(86_400_000)
      .default(300_000)
      .describe('How long an agent that this node runs may take for one message.'),
    a2a: z
      .enum(['private', 'public'], { error: 'private or public' })
      .default('private')
      .describe(
        'Who sees the A2A cards of listed agents at the HTTP endpoint. private: callers that may write to them; public: anybody. Messages need a key either way.',
      ),
    events: z
      .strictObject({
        board: z.string().min(1).max(64).describe('Name of the board.'),
        keepMs: z
          .int()
          .min(60_000)
          .max(31_536_000_000)
          .default(604_800_000)
          .describe('How long an event stays on it.'),
      })
      .optional()
      .describe(
        'A board on which this node keeps the events that it tells, for those who come later.',
      ),
    spread: z
      .strictObject({
        board: z.string().min(1).max(64).describe('Name of a strong board.'),
      })
      .optional()
      .describe(
        'A strong board by which this node spreads agents over several nodes, and looks after those that were spread over it.',
      ),
    unconfined: z
      .boolean()
      .default(false)
      .describe('True: agents run without a sandbox where there is none, and `status` says so.'),
  })
  .prefault({})
  .describe('Agents that this node runs.');

/** A kind after its schema. */
export type WrittenKind = z.output<typeof agentKindSchema>;
