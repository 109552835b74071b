/**
 * A mix of requests whose answers by several models were recorded once: a file of JSON, a line each. The first line has the
 * models, the smallest first; each other line one request, what a right answer is, and what each model answered.
 */
import { z } from 'zod';
import { StarlingError, misfitText } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { ModelPrice } from '../../config/index.ts';

/** Requests of one mix. */
export const REQUESTS_MAX = 100_000;

/** By what a program tells whether an answer is right. */
export type Expectation =
  /** The text, but for case, spaces and a full stop. */
  | { readonly equals: string }
  /** Fields of the JSON that is answered; each of them counts alike. */
  | { readonly json: JsonObject }
  /** Words that the text must have; each of them counts alike. */
  | { readonly words: readonly string[] }
  /** The one call of a tool, with all its arguments. */
  | { readonly call: { readonly name: string; readonly arguments: JsonObject } };

/** One request. */
export interface MixQuestion {
  /** Requests of a class are alike: `classify`, `extract`. */
  readonly class: string;
  /** As the Chat Completions API has it, without the model. */
  readonly body: JsonObject;
  readonly expect: Expectation;
}

/** One request with what each model answered, as the Chat Completions API has it. */
export interface MixRequest extends MixQuestion {
  readonly answers: Readonly<Record<string, JsonObject>>;
}

/** A model, and what it costs: dollars for a million tokens. */
export interface MixTier {
  readonly model: string;
  readonly price: ModelPrice;
}

/** A whole mix. */
export interface ModelMix {
  /** A program has made it up: no model was asked. */
  readonly synthetic?: true | undefined;
  /** The smallest first; the last one is what all others are measured by. */
  readonly tiers: readonly MixTier[];
  readonly requests: readonly MixRequest[];
}

/** As help calls a file of questions. */
const QUESTIONS = 'questions.jsonl';
const object = z.record(z.string(), z.json());
const expectation = z.union([
  z.strictObject({ equals: z.string().min(1) }),
  z.strictObject({ json: object }),
  z.strictObject({ words: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ call: z.strictObject({ name: z.string().min(1), arguments: object }) }),
]);
const price = z.strictObject({
  input: z.number().min(0),
  output: z.number().min(0),
  cachedInput: z.number().min(0).optional(),
  cacheWrite: z.number().min(0).optional(),
  imageInput: z.number().min(0).optional(),
});
const head = z.strictObject({
  mix: z.literal(1),
  synthetic: z.literal(true).optional(),
  tiers: z.array(z.strictObject({ model: z.string().min(1), price })).min(2),
});
const CLASS = z.string().regex(/^[\w.-]{1,64}$/, 'use letters, digits, - and _');
const request = z.strictObject({
  class: CLASS,
  body: object,
  expect: expectation,
  answers: z.record(z.string(), object),
});
const question = z.union([
  z.strictObject({ class: CLASS, body: object, expect: expectation }),
  z.strictObject({ class: CLASS, prompt: z.string().min(1), expect: expectation }),
]);

/** The first line of a file, and the line of one request; without the end of the line. */
export function headLine(tiers: readonly MixTier[]): string {
  return JSON.stringify({ mix: 1, tiers });
}

/** Reads a recorded mix. @throws STARLING_USAGE, which names the line */
export function readMix(text: string, from: string): ModelMix {
  const [first = '', ...rest] = linesOf(text, from);
  if (!isHead(first)) {
    throw new StarlingError('STARLING_USAGE', `${from} is no file of recorded answers`, {
      hint: `record some: starling llm record ${QUESTIONS} --model <small> --model <best> --out mix.jsonl`,
    });
  }
  const { synthetic, tiers } = readLine(head, first, `line 1 of ${from}`);
  const requests = rest.map((line, at) => {
    const read = readLine(request, line, `line ${at + 2} of ${from}`);
    const missing = tiers.find(({ model }) => !Object.hasOwn(read.answers, model));
    if (missing === undefined) return read;
    throw wrong(`line ${at + 2} of ${from} has no answer of ${missing.model}`);
  });
  return { synthetic, tiers: tiers as readonly MixTier[], requests };
}

/** Reads questions that are to be recorded: a line each, with `prompt` or `body`. @throws STARLING_USAGE, which names the line */
export function readQuestions(text: string, from: string): readonly MixQuestion[] {
  return linesOf(text, from).map((line, at): MixQuestion => {
    const read = readLine(question, line, `line ${at + 1} of ${from}`);
    const { class: kind, expect } = read;
    if ('body' in read) {
      if (!Array.isArray(read.body['messages'])) {
        throw wrong(`line ${at + 1} of ${from}: its body has no messages`);
      }
      return { class: kind, body: read.body, expect: expect };
    }
    const body = { messages: [{ role: 'user', content: read.prompt }] };
    return { class: kind, body, expect: expect };
  });
}

/** Whether a line says of itself that it begins such a file, or is none of JSON. */
function isHead(line: string): boolean {
  try {
    return Object.hasOwn(Object(JSON.parse(line)) as object, 'mix');
  } catch {
    return true;
  }
}

function linesOf(text: string, from: string): readonly string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw wrong(`${from} is empty`);
  if (lines.length > REQUESTS_MAX) throw wrong(`${from} has over ${REQUESTS_MAX} lines`);
  return lines;
}

function readLine<Schema extends z.ZodType>(
  schema: Schema,
  line: string,
  where: string,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw wrong(`${where} is no JSON`);
  }
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw wrong(`${where}: ${issue === undefined ? "can't be used" : misfitText(issue, 'the line')}`);
}

function wrong(what: string): StarlingError {
  return new StarlingError('STARLING_USAGE', what, {
    hint: 'see which lines there are: docs/models.md, "What a route would save"',
  });
}
