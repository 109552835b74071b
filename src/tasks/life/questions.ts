/** What the agent of a task may ask, as it comes from others: bounded, and without what it has too much of. Pure. */
import { z } from 'zod';
import { anyJson } from '../../gateway/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { ANSWER_BYTES_MAX, WORDS_MAX } from '../limits.ts';
import type { TaskQuestion, TaskRow } from '../types.ts';

/** A question as another node says it; its schema is bounded by {@link questionOf}. */
export const QUESTION = z.object({
  kind: z.enum(['approval', 'input']),
  key: z.string().min(1).max(128),
  message: z.string().min(1).max(WORDS_MAX),
  schema: z.record(z.string(), anyJson).optional(),
});

/** A question as somebody asks it. */
export interface AskedQuestion extends Pick<TaskQuestion, 'kind' | 'key' | 'message'> {
  readonly schema?: object | undefined;
}

/** A question without what it has too much of. */
export function questionOf({ kind, key, message, schema }: AskedQuestion): TaskQuestion {
  const isSmall = Buffer.byteLength(JSON.stringify(schema ?? {})) <= ANSWER_BYTES_MAX;
  return {
    kind,
    key,
    message,
    ...(schema !== undefined && isSmall ? { schema: schema as JsonObject } : {}),
  };
}

/** What its submitter is asked and has not answered. */
export function openQuestion({
  answers = {},
  question,
}: Pick<TaskRow, 'answers' | 'question'>): TaskQuestion | undefined {
  if (question?.kind !== 'input' || Object.hasOwn(answers, question.key)) return undefined;
  return question;
}
