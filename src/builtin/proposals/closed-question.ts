/**
 * A question to a model whose answer must be of a closed form. What a model says is hostile until it is read: it is never a
 * right, never shown as it is, and of no effect but what a person agrees to.
 */
import type { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { askQuery, firstOwnModel } from '../../models/index.ts';
import type { Models } from '../../models/index.ts';

const ANSWER_BYTES_MAX = 256 * 1024;
const TOKENS_MAX = 2000;
/** A model may put its answer into a block of code. */
const FENCED = /^```(?:json)?\s*\n(.*)\n```$/s;

/** What asking works with. */
export interface AskingComponents {
  readonly models: Pick<Models, 'ask' | 'list'>;
  readonly clock: Clock;
}

/** A question, and who asks. */
export interface ClosedQuestion<Answer> {
  /** What the model is told of its task. */
  readonly system: string;
  readonly question: string;
  /** What the model may know, as data. */
  readonly data: JsonObject;
  readonly form: z.ZodType<Answer>;
  /** Default: the first of this node's own that the caller may use. A peer's is told of the node only where somebody names it. */
  readonly model: string | undefined;
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

/** An answer, and which model gave it. */
export interface ClosedAnswer<Answer> {
  readonly answer: Answer;
  readonly model: string;
}

/**
 * Asks. @throws STARLING_MODEL_UNKNOWN where there is no model, STARLING_MODEL_INVALID where the answer is of another form, and what
 * asking a model does
 */
export async function askClosed<Answer>(
  { models, clock }: AskingComponents,
  { system, question, data, form, model: named, principal, signal }: ClosedQuestion<Answer>,
): Promise<ClosedAnswer<Answer>> {
  const model = named ?? (await firstOwnModel(models, principal, signal));
  const { response } = await askQuery(
    { query: question, model, system, context: data, temperature: 0, maxTokens: TOKENS_MAX },
    { models, principal, signal, clock, messageBytes: ANSWER_BYTES_MAX },
  );
  const read = form.safeParse(jsonIn(response));
  if (read.success) return { answer: read.data, model };
  const [issue] = read.error.issues;
  const where =
    issue === undefined ? '' : `: ${issue.path.join('.') || 'the answer'} has another form`;
  throw unusable(model, `is none${where}`);
}

/** The error for a proposal that is of no use; `why` is a clause in our words. */
export function unusable(model: string, why: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_INVALID',
    `what ${model} proposes ${why}; nothing was changed`,
    { hint: 'say it in other words, or ask another model with --model', data: { model } },
  );
}

/** What is no JSON is undefined, which no form takes. */
function jsonIn(text: string): unknown {
  const [, inner = text.trim()] = FENCED.exec(text.trim()) ?? [];
  try {
    return JSON.parse(inner);
  } catch {
    // The form refuses it, and says so.
    return undefined;
  }
}
