/** The tools of what agents learn: `ai_learn` with the fields of PacketFlow's `ai:learn`, `learn_stats` and `learn_forget`. */
import { z } from 'zod';
import { StarlingError, isObject, printable } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { FEEDBACK_MAX } from './limits.ts';
import type { Learning } from './learning.ts';
import { UPDATES } from './types.ts';
import type {
  AiLearnResult,
  LearnForgetResult,
  LearnStatsResult,
  Learner,
  Update,
} from './types.ts';

/** What these tools need. */
export interface LearnToolComponents {
  readonly learning: Pick<Learning, 'forget' | 'grade' | 'stats' | 'tell'>;
  /** Agents of this node that learn. */
  readonly learners: { all(): readonly Pick<Learner, 'agent'>[] };
}

/** What somebody calls what was done: by the words of messages, tasks, and of `learn_stats`. */
const REFERENCES = ['experience_id', 'task_id', 'taskId', 'message_id', 'messageId'];
const OWN_ID = /^exp_[0-9a-f]{16}$/;
const AGENTS = ['agent_id', 'agentId', 'agent'];
const SITUATIONS = ['situation', 'query', 'task', 'question', 'message'];
const ACTIONS = ['action', 'response', 'answer', 'result'];
const EXPERIENCE_BYTES_MAX = 64 * 1024;

const name = z.string().min(1).max(128);

/** `ai_learn` for whoever gave an agent work; `learn_stats` and `learn_forget` for the operator alone. */
export function learnTools(components: LearnToolComponents): readonly BuiltinTool[] {
  return [aiLearnTool(components), statsTool(components), forgetTool(components)];
}

function aiLearnTool({ learners, learning }: LearnToolComponents): BuiltinTool {
  return defineTool({
    name: 'ai_learn',
    title: 'Say how something went',
    description:
      'Tells an agent with a model how what it did went: whoever gave it the work says so, once. The operator and its spawner may tell it of something else, too. Nothing that an agent learns is a right.',
    input: z.object({
      experience: z
        .record(z.string(), z.json())
        .describe(
          'What it is about: `task_id`, `message_id` or `id` of what the agent did; or `situation` and `action` of something else. `agent` names the agent.',
        ),
      outcome: z.enum(['success', 'failure']),
      feedback: z.string().max(FEEDBACK_MAX).optional().describe('What a person says of it.'),
      update_strategy: z
        .string()
        .max(64)
        .optional()
        .describe(
          '`strategy`: which way is taken; `experience`: what is remembered; `both` (default); `none`.',
        ),
      agent_id: name.optional().describe('The agent, where `experience` does not name it.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    peers: 'granted',
    async run(input, { principal }): Promise<AiLearnResult> {
      const { experience, feedback, outcome } = input;
      requireSmall(experience);
      const agent = input.agent_id ?? textIn(experience, AGENTS) ?? soleOf(learners.all());
      const update = updateOf(input.update_strategy);
      const reference = referenceIn(experience);
      const said = { agent, outcome, feedback, update };
      if (reference !== undefined) return learning.grade(principal, { ...said, reference });
      return learning.tell(principal, {
        ...said,
        situation: textIn(experience, SITUATIONS) ?? JSON.stringify(experience),
        action: textIn(experience, ACTIONS) ?? '',
      });
    },
  });
}

function statsTool({ learning }: LearnToolComponents): BuiltinTool {
  return defineTool({
    name: 'learn_stats',
    title: 'What agents have learned',
    description:
      'Of each agent that learns: how often each way was taken for which work, what is believed of it, what it cost and how long it took, and the newest experiences.',
    input: z.object({ agent: name.optional().describe('Only of this one.') }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: ({ agent }): Promise<LearnStatsResult> => learning.stats(agent),
  });
}

function forgetTool({ learning }: LearnToolComponents): BuiltinTool {
  return defineTool({
    name: 'learn_forget',
    title: 'Have an agent forget',
    description:
      'Forgets what an agent has learned: all of it, what is of one work, or one experience. It leaves the disk.',
    input: z.object({
      agent: name,
      experience: z.string().min(1).max(64).optional().describe('Id of the one to forget.'),
      work: name.optional().describe('A work, as learn_stats names it.'),
    }),
    hints: { destructiveHint: true },
    clients: 'no',
    run: (input): Promise<LearnForgetResult> => learning.forget(input),
  });
}

/** An `id` of somebody else's making is data. */
function referenceIn(experience: JsonObject): string | undefined {
  const { id } = experience;
  return typeof id === 'string' && OWN_ID.test(id) ? id : textIn(experience, REFERENCES);
}

/** The first of some members that is a text. */
function textIn(value: JsonObject, keys: readonly string[]): string | undefined {
  for (const key of keys) {
    const found: Json | undefined = value[key];
    if (typeof found === 'string' && found !== '') return found;
    // A message may be any JSON; an agent may be named by an object with its id.
    if (isObject(found) && SITUATIONS.includes(key)) return JSON.stringify(found);
  }
  return undefined;
}

/** @throws STARLING_USAGE, which names the words that there are */
function updateOf(text: string | undefined): Update {
  if (text === undefined) return 'both';
  const found = UPDATES.find((one) => one === text);
  if (found !== undefined) return found;
  throw new StarlingError(
    'STARLING_USAGE',
    `no update_strategy is called '${printable(text, 64)}'`,
    { hint: `there are ${UPDATES.join(', ')}` },
  );
}

/** @throws STARLING_USAGE where it has to be said which one */
function soleOf(learners: readonly Pick<Learner, 'agent'>[]): string {
  const [only, ...others] = learners;
  if (only !== undefined && others.length === 0) return only.agent;
  throw new StarlingError('STARLING_USAGE', 'it is not said which agent is to learn that', {
    hint: 'name it: experience.agent, or agent_id; see: starling learn stats',
  });
}

/** @throws STARLING_LIMIT_EXCEEDED */
function requireSmall(experience: JsonObject): void {
  const bytes = Buffer.byteLength(JSON.stringify(experience));
  if (bytes <= EXPERIENCE_BYTES_MAX) return;
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `an experience has ${EXPERIENCE_BYTES_MAX} bytes at the most, and this one ${bytes}`,
    { hint: 'say in a few words what it was' },
  );
}
