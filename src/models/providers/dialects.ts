/**
 * What each API of a provider says in the events of a stream, and in a whole answer: how many tokens it took, which tools it
 * calls with what, how long its texts are, and whether the stream has come to its own end.
 */
import type { JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, textIn } from '../json-reading.ts';
import { chatUsage, messagesUsage } from '../translate/answers.ts';
import { googleUsage } from '../translate/google/answers.ts';
import { responsesUsage } from '../translate/responses/answers.ts';
import type { StreamApi } from '../translate/stream-translator.ts';
import type { Usage } from '../types.ts';
import type { ToolArguments } from './tool-arguments.ts';

/** What is known of a stream so far. */
export interface Heard {
  /** Whether it has come to its own end. */
  isOver: boolean;
  /** Characters of text, thoughts and arguments of tools that came. */
  textLength: number;
  /** Tokens, as the API tells them. */
  usage: JsonObject;
  readonly calls: ToolArguments;
}

/** An error that a provider tells within a stream: `type` and `message`. */
export type ToldError = JsonObject;

/** Reads one event; gives the error that it tells, where it tells one. @throws STARLING_MODEL_INVALID */
export type EventReader = (event: JsonObject, heard: Heard) => ToldError | undefined;

/** Where a chat's pieces have text that is paid for, and where those of messages have. */
const SAID: readonly string[] = ['content', 'reasoning_content', 'reasoning', 'refusal'];
const WRITTEN: readonly string[] = ['text', 'thinking', 'partial_json'];

/** The reader of each API. */
export const READERS: Readonly<Record<StreamApi, EventReader>> = {
  openai: readChat,
  anthropic: readMessages,
  google: readContent,
  responses: readResponses,
};

const USAGES: Readonly<Record<StreamApi, (answer: JsonObject) => Usage | undefined>> = {
  openai: ({ usage }) => chatUsage(usage),
  anthropic: ({ usage }) => messagesUsage(usage),
  google: ({ usageMetadata }) => googleUsage(usageMetadata),
  responses: ({ usage }) => responsesUsage(usage),
};

/** Tokens that a whole answer tells; undefined where it does not, or tells what can't be. */
export function usageOfAnswer(api: StreamApi, answer: JsonObject): Usage | undefined {
  return USAGES[api](answer);
}

/** Tokens that a stream has told. */
export function usageOfStream(api: StreamApi, { usage }: Heard): Usage | undefined {
  return USAGES[api]({ usage, usageMetadata: usage });
}

function readChat({ error, usage, choices }: JsonObject, heard: Heard): ToldError | undefined {
  const told = toldError(error);
  if (told !== undefined) return told;
  if (usage !== undefined && usage !== null) heard.usage = objectIn(usage);
  for (const choice of listIn(choices)) {
    const { delta, finish_reason: finish, index } = objectIn(choice);
    for (const call of listIn(objectIn(delta)['tool_calls'])) {
      const { index: at, function: called } = objectIn(call);
      const { name, arguments: piece } = objectIn(called);
      const key = `${countIn(index)} ${countIn(at)}`;
      heard.calls.add(key, textIn(name), textIn(piece));
      heard.textLength += textIn(piece).length;
    }
    // Some compatible servers leave [DONE] out.
    if (typeof finish === 'string' && finish !== '') {
      heard.isOver = true;
      heard.calls.end(finish);
    }
    for (const part of SAID) heard.textLength += textIn(objectIn(delta)[part]).length;
  }
  return undefined;
}

function readMessages(event: JsonObject, heard: Heard): ToldError | undefined {
  const told = toldError(event['error']);
  if (told !== undefined) return told;
  const { type, message, usage, delta, index, content_block: block } = event;
  if (type === 'message_start') heard.usage = objectIn(objectIn(message)['usage']);
  if (type === 'message_delta') heard.usage = { ...heard.usage, ...objectIn(usage) };
  if (type === 'message_stop') heard.isOver = true;
  if (type === 'content_block_start' || type === 'content_block_delta') {
    const piece = textIn(objectIn(delta)['partial_json']);
    const name = textIn(objectIn(block)['name']);
    if (piece !== '' || name !== '') heard.calls.add(`${countIn(index)}`, name, piece);
  }
  const reason = textIn(objectIn(delta)['stop_reason']);
  if (type === 'message_delta' && reason !== '') heard.calls.end(reason);
  for (const part of WRITTEN) heard.textLength += textIn(objectIn(delta)[part]).length;
  return undefined;
}

/** Calls come whole there, with objects for arguments. */
function readContent(piece: JsonObject, heard: Heard): ToldError | undefined {
  const told = toldError(piece['error']);
  if (told !== undefined) return told;
  if (piece['usageMetadata'] !== undefined) heard.usage = objectIn(piece['usageMetadata']);
  const { content, finishReason } = objectIn(listIn(piece['candidates'])[0]);
  if (textIn(finishReason) !== '') heard.isOver = true;
  for (const part of listIn(objectIn(content)['parts'])) {
    const { text, functionCall } = objectIn(part);
    heard.textLength += textIn(text).length;
    if (functionCall !== undefined) heard.textLength += JSON.stringify(functionCall).length;
  }
  return undefined;
}

function readResponses(event: JsonObject, heard: Heard): ToldError | undefined {
  const type = textIn(event['type']);
  const { status, usage, error } = objectIn(event['response']);
  if (type === 'error') return toldError(event['error']) ?? event;
  if (type === 'response.failed' || type === 'response.cancelled') {
    return toldError(error) ?? { message: `the response has ${textIn(status)}` };
  }
  if (type === 'response.output_item.added' || type === 'response.function_call_arguments.delta') {
    const item = objectIn(event['item']);
    const piece = textIn(event['delta']);
    const isCall = type.endsWith('delta') || item['type'] === 'function_call';
    if (isCall) heard.calls.add(`${countIn(event['output_index'])}`, textIn(item['name']), piece);
  }
  if (type === 'response.completed' || type === 'response.incomplete') {
    heard.isOver = true;
    heard.usage = objectIn(usage);
    heard.calls.end(type === 'response.completed' ? 'stop' : 'length');
  }
  heard.textLength += textIn(event['delta']).length;
  return undefined;
}

function toldError(error: JsonObject[string] | undefined): ToldError | undefined {
  if (error === undefined || error === null) return undefined;
  return typeof error === 'string' ? { message: error } : objectIn(error);
}
