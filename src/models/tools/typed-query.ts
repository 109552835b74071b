/**
 * Questions by their type, as the document of the Anonymous Identity framework has them: a text, a call of one of the caller's
 * functions, an embedding, or a moderation.
 */
import { StarlingError, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { listIn, objectIn, parsedObject } from '../json-reading.ts';
import { readCall } from '../read-call.ts';
import { doubtOf } from '../routing/checks.ts';
import type { AiQueryResult, ModelAnswer, ModelForm, ReadCall } from '../types.ts';
import { askChat, askQuery, chatOf, toldOf } from './query.ts';
import type { Query, QueryInit } from './query.ts';

/** What can be asked for. */
export const QUERY_TYPES = ['completion', 'function_call', 'embedding', 'moderation'] as const;

/** See {@link QUERY_TYPES}. */
export type QueryType = (typeof QUERY_TYPES)[number];

/** A function of the caller, which the model may call and nobody here runs. */
export interface QueryFunction {
  readonly name: string;
  readonly description?: string | undefined;
  /** JSON Schema of its arguments. */
  readonly parameters?: JsonObject | undefined;
}

/** A question of one of the types. */
export interface TypedQuery extends Query {
  readonly type?: QueryType | undefined;
  /** For `function_call`, and for nothing else. */
  readonly functions?: readonly QueryFunction[] | undefined;
}

/** What of a question only a text is asked with. */
const OF_TEXTS = {
  context: 'context',
  maxTokens: 'max_tokens',
  system: 'system',
  temperature: 'temperature',
} as const;

/** Asks; resolves when the answer is whole. @throws STARLING_USAGE, STARLING_MODEL_INVALID, and what {@link askChat} does */
export async function askTyped(query: TypedQuery, init: QueryInit): Promise<AiQueryResult> {
  const { functions = [], type = 'completion' } = query;
  if (type === 'function_call' && functions.length === 0) {
    throw wrong('`function_call` needs `functions`, of which the model calls one');
  }
  if (type !== 'function_call' && functions.length > 0) {
    throw wrong('`functions` go with the type `function_call` alone');
  }
  if (type === 'completion') return askQuery(query, init);
  if (type === 'function_call') return askCall(query, functions, init);
  for (const [key, word] of Object.entries(OF_TEXTS)) {
    if (query[key as keyof typeof OF_TEXTS] !== undefined) {
      throw wrong(`\`${word}\` does not go with the type \`${type}\``);
    }
  }
  return type === 'embedding' ? askEmbedding(query, init) : askModeration(query, init);
}

async function askCall(
  query: Query,
  functions: readonly QueryFunction[],
  init: QueryInit,
): Promise<AiQueryResult> {
  const tools = functions.map(({ name, description, parameters }) => ({
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
    },
  }));
  const request = { ...chatOf(query), tools, tool_choice: 'required' };
  const answer = await askChat(request, init, countedOf(query));
  const calls = answer.function_calls ?? [];
  const said = {
    text: answer.response,
    finish: answer.finish_reason ?? '',
    calls: calls.map(({ name, arguments: args }) => ({ name, args })),
  };
  // What nobody has asked for is no call: whoever runs the function must be able to rely on its schema.
  if (calls.length > 0 && doubtOf({ fields: request }, said) === 'schema') {
    const names = calls.map(({ name }) => `'${printable(name, 64)}'`).join(', ');
    throw invalid(`calls ${names} in a way that does not fit \`functions\``);
  }
  return answer;
}

async function askEmbedding(query: Query, init: QueryInit): Promise<AiQueryResult> {
  const { body, told } = await askWhole('embeddings', query, init);
  const [first] = listIn(body['data']);
  const embedding = listIn(objectIn(first)['embedding']);
  const isVector = embedding.length > 0 && embedding.every((one) => Number.isFinite(one));
  if (!isVector) throw invalid('gave no vector');
  return { ...told, embedding: embedding as readonly number[] };
}

async function askModeration(query: Query, init: QueryInit): Promise<AiQueryResult> {
  const { body, told } = await askWhole('moderations', query, init);
  const { flagged, categories } = objectIn(listIn(body['results'])[0]);
  if (typeof flagged !== 'boolean') throw invalid('did not say whether the text is flagged');
  const named = Object.entries(objectIn(categories)).filter(
    (entry): entry is [string, boolean] => typeof entry[1] === 'boolean',
  );
  return { ...told, flagged, categories: Object.fromEntries(named) };
}

/** An answer that comes in one piece. */
async function askWhole(
  form: ModelForm,
  query: Query,
  init: QueryInit,
): Promise<{ readonly body: JsonObject; readonly told: AiQueryResult }> {
  const { clock, messageBytes, models, principal, signal } = init;
  const { model, query: input } = query;
  const begunAt = clock.now();
  const read = readCall(form, Buffer.from(JSON.stringify({ model, input })), {});
  const answer = await models.ask({ ...read, ...countedOf(query) }, principal, signal);
  const body = parsedObject((await bytesOf(answer, messageBytes)).toString('utf8'));
  if (body === undefined) throw invalid('answered with what is none');
  return { body, told: toldOf({ model, response: '', begunAt }, answer, answer.usage?.(), init) };
}

async function bytesOf({ body }: ModelAnswer, messageBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of body) {
    sizeBytes += part.length;
    if (sizeBytes > messageBytes) throw invalid(`answered with more than ${messageBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, sizeBytes);
}

function countedOf({ budgets, task }: Query): Pick<ReadCall, 'budgets' | 'task'> {
  return {
    ...(task === undefined ? {} : { task }),
    ...(budgets === undefined ? {} : { budgets }),
  };
}

function invalid(what: string): StarlingError {
  return new StarlingError('STARLING_MODEL_INVALID', `the model ${what}`, {
    hint: 'ask again, or choose another model',
  });
}

function wrong(what: string): StarlingError {
  return new StarlingError('STARLING_USAGE', what);
}
