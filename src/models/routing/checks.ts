/**
 * Whether an answer is good enough, as far as a program can tell: it is whole, it fits the schema that the request asks for,
 * its calls of tools fit the schemas of those, and where there is a vote, most of the answers say the same. Pure.
 */
import { isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { readJsonSchema } from '../../gateway/index.ts';
import { listIn, objectIn, textIn } from '../json-reading.ts';
import type { ReadCall } from '../types.ts';
import type { SaidAnswer } from './final-answer.ts';

/** Why an answer is not good enough. */
export type Doubt = 'cut' | 'empty' | 'schema' | 'vote';

/** What is wrong with an answer to `call`; undefined where nothing is. */
export function doubtOf(
  call: Pick<ReadCall, 'fields'>,
  said: SaidAnswer | undefined,
): Doubt | undefined {
  if (said === undefined) return 'empty';
  const { text, calls, finish } = said;
  if (finish === 'length' || finish === 'content_filter') return 'cut';
  if (text.trim() === '' && calls.length === 0) return 'empty';
  const tools = toolsIn(call.fields);
  const isWrong = calls.some(({ name, args }) => {
    const schema = tools.get(name);
    return args === undefined || schema === undefined || !fits(schema, args);
  });
  if (isWrong) return 'schema';
  const wanted = formatIn(call.fields);
  if (wanted === undefined || calls.length > 0) return undefined;
  const value = valueIn(text);
  return value !== undefined && fits(wanted, value) ? undefined : 'schema';
}

/** Which of the answers say what most of `asked` say; none where there is no such majority. */
export function majorityOf(answers: readonly SaidAnswer[], asked: number): readonly number[] {
  const keys = answers.map(meaningOf);
  const most = keys.find((key) => keys.filter((other) => other === key).length * 2 > asked);
  return keys.flatMap((key, at) => (key === most ? [at] : []));
}

/** What two answers that say the same have in common: JSON in one order, and texts without what does not matter. */
function meaningOf({ text, calls }: SaidAnswer): string {
  const value = valueIn(text);
  const words = text.trim().toLowerCase().replaceAll(/\s+/g, ' ').replace(/[.!]$/, '');
  return JSON.stringify([
    value === undefined ? words : ordered(value),
    ...calls.map(({ name, args }) => [name, ordered(args ?? null)]),
  ]);
}

function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, ordered(one ?? null)]));
}

/** Schemas of the tools that a request offers, in any of the APIs. */
function toolsIn({ tools }: JsonObject): ReadonlyMap<string, JsonObject> {
  return new Map(
    listIn(tools).map((tool) => {
      const one = objectIn(tool);
      const { name, parameters } = isObject(one['function']) ? objectIn(one['function']) : one;
      return [textIn(name), objectIn(parameters ?? one['input_schema'])];
    }),
  );
}

/** The schema of the answer that a request asks for, in any of the APIs; undefined for a text. */
function formatIn(fields: JsonObject): JsonObject | undefined {
  const written = [
    fields['response_format'],
    objectIn(fields['text'])['format'],
    fields['output_format'],
    objectIn(fields['output_config'])['format'],
  ].find((one) => one !== undefined);
  const { type, schema, json_schema: inner } = objectIn(written);
  if (type === 'json_object') return { type: 'object' };
  if (type !== 'json_schema') return undefined;
  return objectIn(schema ?? objectIn(inner)['schema']);
}

function valueIn(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // It is no JSON.
    return undefined;
  }
}

/** A schema that can't be read decides nothing. */
function fits(schema: JsonObject, value: Json): boolean {
  try {
    return readJsonSchema(withoutPatterns(schema)).safeParse(value).success;
  } catch {
    return true;
  }
}

/** A regular expression of a caller would run here for as long as it likes. */
function withoutPatterns(schema: JsonObject): JsonObject {
  const cleaned = Object.entries(schema).flatMap(([key, value]): [string, Json][] => {
    if (value === undefined) return [];
    if (key === 'pattern' && typeof value === 'string') return [];
    if (key === 'patternProperties') return [];
    return [[key, cleanedIn(value)]];
  });
  return Object.fromEntries(cleaned);
}

function cleanedIn(value: Json): Json {
  if (Array.isArray(value)) return value.map(cleanedIn);
  return isObject(value) ? withoutPatterns(value) : value;
}
