/** The tool by which the node of a submitter has agents of this node do tasks: `task_attempt`. */
import { z } from 'zod';
import { BUILTIN_SERVER, StarlingError, messageOf } from '../../core/index.ts';
import { anyJson, defineTool } from '../../gateway/index.ts';
import type { BuiltinContext, BuiltinTool, ToolSubject } from '../../gateway/index.ts';
import { toolResource } from '../../grants/index.ts';
import {
  ATTEMPT_MAX_MS,
  FOLLOW_MS,
  GROUP_BYTES_MAX,
  GROUP_MAX,
  RELEASED_AT_ONCE,
  WORDS_MAX,
} from '../limits.ts';
import type { Outcome } from '../types.ts';
import type { Tasks } from '../tasks.ts';

const text = z.string().min(1).max(128);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const REASON_MAX = 64;

const ONE = z.object({
  taskId: text.describe('As agent_task gave it.'),
  token: count.describe('Higher with each attempt of the task.'),
  input: anyJson.optional(),
  timeoutMs: z.number().positive().max(ATTEMPT_MAX_MS).optional(),
  metadata: z.record(z.string().max(128), anyJson).optional(),
  seen: count.optional().describe('`news` of the answer before.'),
  taint: z
    .enum(['trusted', 'external'])
    .optional()
    .catch(undefined)
    .describe('The least trusted zone that the input may be made of.'),
});

const ATTEMPT = ONE.extend({
  op: z.enum(['begin', 'follow', 'answer', 'end']),
  agentId: text.describe('An agent of this node.'),
  waitMs: z.number().min(0).max(FOLLOW_MS).optional(),
  more: z
    .array(ONE)
    .max(GROUP_MAX)
    .optional()
    .describe(
      'Further attempts that are begun or followed: the answer has `group`, of each by its place what came of it, or `error`; who has nothing new is left out.',
    ),
  others: z
    .array(z.object({ taskId: text, token: count }))
    .max(RELEASED_AT_ONCE)
    .optional()
    .describe('Attempts that are ended as well.'),
  key: text.optional().describe('Of the question that is answered.'),
  answer: anyJson.optional(),
});

type One = z.infer<typeof ONE>;

/** One attempt of many: its place in the question, and what came of it, or why that is not told. */
interface Placed {
  readonly at: number;
  readonly outcome?: Outcome;
  readonly error?: { readonly code: string; readonly message: string; readonly reason?: string };
}

/** What is answered about one attempt; about many, with `group`. */
type Answer = Outcome & { readonly group?: readonly Placed[] };

/** To begin is cleared by the work, so that it may wait for a person; the rest changes nothing of anybody else's. */
const LOOK: ToolSubject = {
  ability: 'tool/call',
  resource: toolResource(BUILTIN_SERVER, 'task_attempt'),
  look: true,
};

/** `task_attempt`. */
export function attemptTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_attempt',
    title: 'Do a task for another node',
    description:
      'What the node of a submitter asks of the node of a worker: to begin with tasks, how they go, and to end them. Needs the right to write to the agent.',
    input: ATTEMPT,
    hints: { destructiveHint: false },
    // It is open, and gives a client no more than agent_message does.
    clients: 'yes',
    peers: 'granted',
    forNodes: true,
    waits: true,
    // One attempt is one use of a grant, and two entries of the audit log, however often it is asked for.
    subject: () => LOOK,
    async run(input, { principal, signal }): Promise<Answer> {
      const { agentId: agent, more, op, token } = input;
      const { work } = tasks;
      const name = { taskId: input.taskId, token };
      if (op === 'end') {
        for (const one of [name, ...(input.others ?? [])]) work.end(principal, one);
        return { state: 'unknown' };
      }
      if (op === 'answer') {
        const { answer = null, key = '' } = input;
        work.answer(principal, { ...name, key, answer });
        return { state: 'unknown' };
      }
      const context = { principal, signal };
      const { waitMs = 0 } = input;
      if (more !== undefined) {
        const all = [input, ...more];
        const group =
          op === 'begin'
            ? await beginAll(tasks, agent, all, context)
            : await followAll(tasks, all, waitMs, context);
        return { state: 'unknown', group };
      }
      if (op === 'begin') return work.begin(principal, beginOf(agent, input));
      return work.follow(principal, { ...name, seen: input.seen ?? 0, waitMs }, signal);
    },
  });
}

function beginOf(
  agent: string,
  { input = null, metadata = {}, taint, taskId, timeoutMs = ATTEMPT_MAX_MS, token }: One,
): Parameters<Tasks['work']['begin']>[1] {
  return { agent, taskId, token, input, timeoutMs, metadata, taint };
}

/** Each begins for itself: what is said against one says nothing of the others. */
function beginAll(
  { work }: Tasks,
  agent: string,
  all: readonly One[],
  { principal }: Pick<BuiltinContext, 'principal'>,
): Promise<readonly Placed[]> {
  return Promise.all(
    all.map((one, at) =>
      work.begin(principal, beginOf(agent, one)).then(
        (outcome): Placed => ({ at, outcome }),
        (error: unknown): Placed => ({ at, error: saidOf(error) }),
      ),
    ),
  );
}

async function followAll(
  { work }: Tasks,
  all: readonly One[],
  waitMs: number,
  { principal, signal }: Pick<BuiltinContext, 'principal' | 'signal'>,
): Promise<readonly Placed[]> {
  const asked = all.map(({ seen = 0, taskId, token }) => ({ taskId, token, seen }));
  const found = await work.followAll(principal, asked, { waitMs, signal });
  const told: Placed[] = [];
  let bytes = 0;
  for (const [at, one] of found.entries()) {
    if (one === undefined) continue;
    const placed = one instanceof Error ? { at, error: saidOf(one) } : { at, outcome: one };
    bytes += Buffer.byteLength(JSON.stringify(placed));
    // The next answer begins with what does not fit.
    if (told.length > 0 && bytes > GROUP_BYTES_MAX) break;
    told.push(placed);
  }
  return told;
}

function saidOf(error: unknown): NonNullable<Placed['error']> {
  const message = messageOf(error).slice(0, WORDS_MAX);
  if (!(error instanceof StarlingError)) return { code: 'STARLING_AGENT_FAILED', message };
  const { reason } = error.data;
  const said = typeof reason === 'string' && reason.length <= REASON_MAX ? { reason } : {};
  return { code: error.code, message, ...said };
}
