/** The tools of what agents ask of submitters: `task_ask`, `task_answer`, and forms for the person before a client that waits. */
import { z } from 'zod';
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { ANSWER_BYTES_MAX, WORDS_MAX } from '../limits.ts';
import { hasEnded } from '../life/machine.ts';
import { questionOf } from '../life/questions.ts';
import type { Tasks } from '../tasks.ts';
import type { TaskQuestion, TaskResult, TaskView } from '../types.ts';

const text = z.string().min(1).max(128);
const taskId = text.describe('As agent_task gave it.');
const small = z
  .json()
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= ANSWER_BYTES_MAX, {
    message: `it may have ${ANSWER_BYTES_MAX} bytes`,
  });

function answerTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_answer',
    title: 'Answer what a task asks',
    description:
      'Answers what the agent of a task needs to know, where task_status says input_required with a question of the kind `input`. The answer is kept: an agent that gets the task later is not told to ask again. An `approval` is given at the node of the agent, by its operator.',
    input: z.object({
      taskId,
      key: text.optional().describe('That of the question; default: of the one that is asked now.'),
      answer: small.describe('As the schema of the question says, where it has one.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    run: (input, { principal }): Promise<TaskView> =>
      tasks.answer(principal, input.taskId, { key: input.key, answer: input.answer }),
  });
}

function askTool(tasks: Tasks): BuiltinTool {
  return defineTool({
    name: 'task_ask',
    title: 'Ask the submitter of a task',
    description:
      'An agent of the caller needs to know something of whoever has submitted the task that it does; this answers when that one has, and the time of the task stands still meanwhile. An answer that was given to an earlier attempt is in `answers` of the metadata of the message.',
    input: z.object({
      taskId,
      token: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
      key: text.describe(
        'Names the question: the same one is asked once, however often the task is begun.',
      ),
      message: z.string().min(1).max(WORDS_MAX),
      schema: small.optional().describe('JSON Schema of the answer.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    waits: true,
    async run({ token, key, message, schema, ...input }, { principal, signal }) {
      const question = questionOf({
        kind: 'input',
        key,
        message,
        ...(isObject(schema) ? { schema } : {}),
      });
      const asked = { taskId: input.taskId, token, question };
      return { key, answer: await tasks.work.ask(principal, asked, signal) };
    },
  });
}

/** `task_answer` and `task_ask`. */
export function questionTools(tasks: Tasks): readonly BuiltinTool[] {
  return [answerTool(tasks), askTool(tasks)];
}

/** Waits for the end of a task; the person before the client is shown what its agent asks, where the client shows forms. */
export async function resultWithForms(
  tasks: Tasks,
  id: string,
  waitMs: number,
  context: BuiltinContext,
): Promise<TaskResult> {
  const { principal, signal } = context;
  if (waitMs === 0) return tasks.result(principal, id);
  const asked = new Set<string>();
  const forms = { isOff: context.elicit === undefined };
  const left = tasks.countdown(waitMs);
  const wait = { waitMs, signal: AbortSignal.any([signal, left.signal]) };
  try {
    let view = await tasks.status(principal, id);
    while (!hasEnded({ state: view.status }) && !forms.isOff && !wait.signal.aborted) {
      const { question, version } = view;
      if (question?.kind === 'input' && !asked.has(question.key)) {
        asked.add(question.key);
        forms.isOff = !(await showForm(tasks, { id, question, context }));
      }
      view = await tasks.status(principal, id, { seen: version, ...wait });
    }
    return await tasks.result(principal, id, wait);
  } finally {
    left.stop();
  }
}

/** False where the client shows no forms. */
async function showForm(
  tasks: Tasks,
  {
    id,
    question,
    context,
  }: { readonly id: string; readonly question: TaskQuestion; readonly context: BuiltinContext },
): Promise<boolean> {
  const { principal, signal } = context;
  // A form is taken back when the task goes on without it.
  const taken = new AbortController();
  const unwatch = tasks.watch(id, () => {
    tasks.status(principal, id).then(
      (now) => now.question?.key !== question.key && taken.abort(),
      () => taken.abort(),
    );
  });
  try {
    const params = { mode: 'form', message: question.message, requestedSchema: formOf(question) };
    const over = AbortSignal.any([signal, taken.signal]);
    const said = await context.elicit?.(question.key, params, over);
    const content = said?.['content'];
    if (said?.['action'] !== 'accept' || !isObject(content)) return true;
    const answer: Json = answerIn(question, content);
    await tasks.answer(principal, id, { key: question.key, answer });
    return true;
  } catch (error) {
    // Without forms there is nobody to ask; what somebody else has answered meanwhile stays.
    if (error instanceof StarlingError && error.code === 'STARLING_TASK_ENDED') return true;
    if (error instanceof StarlingError && error.code === 'STARLING_USAGE') return false;
    throw error;
  } finally {
    unwatch();
  }
}

const FLAT: readonly unknown[] = ['string', 'number', 'integer', 'boolean'];

/** The form of a question. Forms are flat objects (MCP `elicitation`): another answer than an object of plain values stands in `answer`. */
export function formOf({ schema }: TaskQuestion): JsonObject {
  if (schema !== undefined && isFlat(schema)) return schema;
  const isPlain = schema !== undefined && FLAT.includes(schema['type']);
  const answer = isPlain ? schema : { type: 'string', title: 'Answer' };
  return { type: 'object', properties: { answer }, required: ['answer'] };
}

/** The answer in what a form came back with. */
export function answerIn({ schema }: TaskQuestion, content: JsonObject): Json {
  if (schema !== undefined && isFlat(schema)) return content;
  return content['answer'] ?? null;
}

function isFlat({ type, properties }: JsonObject): boolean {
  if (type !== 'object' || !isObject(properties)) return false;
  return Object.values(properties).every((one) => isObject(one) && FLAT.includes(one['type']));
}
