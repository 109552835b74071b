/** What a response of the OpenAI Responses API is made of, and a whole chat's answer as one. Pure. */
import type { Json, JsonObject } from '../../../core/index.ts';
import { countIn, listIn, objectIn, textIn, tokensIn } from '../../json-reading.ts';
import type { Usage } from '../../types.ts';
import { partsOfInput, withThoughts } from '../answers.ts';
import { present } from '../fields.ts';
import { freeInput, freeTools } from './free-tools.ts';

/** What of a request stands in its response again. */
const ECHOED: readonly string[] = [
  'instructions',
  'max_output_tokens',
  'metadata',
  'parallel_tool_calls',
  'temperature',
  'tool_choice',
  'tools',
  'top_p',
];

/** Which request a response answers, and how. */
export interface ResponseInit {
  readonly request: JsonObject;
  /** As the caller named it. */
  readonly model: string;
  /** Seconds since the epoch. */
  readonly createdS: number;
}

/** How a response stands. */
export interface ResponseState {
  /** Of the chat that it stands for. */
  readonly id: string;
  readonly output: readonly Json[];
  /** `finish_reason` of the chat; undefined while it goes on. */
  readonly finish?: string;
  /** As the chat tells it. */
  readonly usage?: Json | undefined;
}

/** A response, whole or begun; nothing of it is stored. */
export function responseOf(
  init: ResponseInit,
  { id, output, finish, usage }: ResponseState,
): JsonObject {
  const { request, model, createdS } = init;
  const reason = reasonOf(finish);
  const done = reason === undefined ? 'completed' : 'incomplete';
  const echoed = ECHOED.map((name) => [name, request[name] ?? null] as const);
  return {
    ...Object.fromEntries(echoed),
    parallel_tool_calls: request['parallel_tool_calls'] ?? true,
    tool_choice: request['tool_choice'] ?? 'auto',
    tools: request['tools'] ?? [],
    id: itemId('resp', id),
    object: 'response',
    created_at: createdS,
    status: finish === undefined ? 'in_progress' : done,
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    model,
    output: [...output],
    previous_response_id: null,
    store: false,
    usage: asResponsesUsage(usage) ?? null,
  };
}

/** The id of a response, or of one of its items, made of the chat's. */
export function itemId(kind: string, id: string, at?: number): string {
  const own = id.replaceAll(/[^\w-]/g, '_').slice(0, 100);
  return `${kind}_${own}${at === undefined ? '' : `_${at}`}`;
}

/** A message of the model. */
export function messageItem(id: string, parts: readonly Json[], status = 'completed'): JsonObject {
  return { type: 'message', id, status, role: 'assistant', content: [...parts] };
}

/** What the model has said, or why it would not. */
export function textPart(kind: 'text' | 'refusal', text: string): JsonObject {
  if (kind === 'refusal') return { type: 'refusal', refusal: text };
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

/** What the model has thought. */
export function reasoningItem(id: string, text: string): JsonObject {
  const content = text === '' ? [] : [{ type: 'reasoning_text', text }];
  return { type: 'reasoning', id, summary: [], content };
}

/** A call of a tool: with JSON, or with a text where the tool is a free one. */
export function callItem(
  id: string,
  call: { readonly callId: string; readonly name: string; readonly args: string },
  isFree: boolean,
  status = 'completed',
): JsonObject {
  const { callId, name, args } = call;
  const given = isFree ? { input: args === '' ? '' : freeInput(args) } : { arguments: args };
  const type = isFree ? 'custom_tool_call' : 'function_call';
  return { type, id, call_id: callId, name, ...given, status };
}

/** A chat's answer as a response; undefined where it is none. */
export function chatAsResponse(answer: JsonObject, init: ResponseInit): JsonObject | undefined {
  const [first] = listIn(answer['choices']);
  if (first === undefined) return undefined;
  const { message, finish_reason: finish } = objectIn(first);
  const { content, refusal, reasoning_content: thinking, tool_calls: calls } = objectIn(message);
  const id = textIn(answer['id']);
  const free = freeTools(init.request);
  const output: Json[] = [];
  const next = (kind: string): string => itemId(kind, id, output.length);
  if (textIn(thinking) !== '') output.push(reasoningItem(next('rs'), textIn(thinking)));
  const parts: Json[] = [];
  if (textIn(content) !== '') parts.push(textPart('text', textIn(content)));
  if (textIn(refusal) !== '') parts.push(textPart('refusal', textIn(refusal)));
  if (parts.length > 0) output.push(messageItem(next('msg'), parts));
  for (const call of listIn(calls)) {
    const { id: callId, function: called } = objectIn(call);
    const { name, arguments: args } = objectIn(called);
    const said = { callId: textIn(callId), name: textIn(name), args: textIn(args) };
    output.push(callItem(next('fc'), said, free.has(said.name)));
  }
  const ended = textIn(finish) || 'stop';
  return responseOf(init, { id, output, finish: ended, usage: answer['usage'] });
}

/** Tokens as a response tells them; undefined when it doesn't, or tells what can't be. */
export function responsesUsage(usage: Json | undefined): Usage | undefined {
  const told = objectIn(usage);
  if (typeof told['input_tokens'] !== 'number') return undefined;
  const input = tokensIn(told['input_tokens']);
  const output = tokensIn(told['output_tokens']);
  if (input === undefined || output === undefined) return undefined;
  return {
    input,
    output: withThoughts(output, told['total_tokens'], input),
    ...partsOfInput(objectIn(told['input_tokens_details'])),
  };
}

/** A chat's tokens as clients of the Responses API read them. */
function asResponsesUsage(usage: Json | undefined): JsonObject | undefined {
  const told = objectIn(usage);
  if (typeof told['prompt_tokens'] !== 'number') return undefined;
  const { prompt_tokens_details: read, completion_tokens_details: written } = told;
  const [input, output] = [countIn(told['prompt_tokens']), countIn(told['completion_tokens'])];
  return present({
    input_tokens: input,
    input_tokens_details: { cached_tokens: countIn(objectIn(read)['cached_tokens']) },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: countIn(objectIn(written)['reasoning_tokens']) },
    total_tokens: input + output,
  });
}

function reasonOf(finish: string | undefined): string | undefined {
  if (finish === 'length') return 'max_output_tokens';
  return finish === 'content_filter' ? 'content_filter' : undefined;
}
