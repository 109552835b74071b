/**
 * What a request in Chat Completions says, part by part, for the APIs that have other words for the same. Whatever no such
 * API can say is refused here, so that all of them refuse the same. Pure.
 */
import type { Json, JsonObject } from '../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn } from '../json-reading.ts';
import { Fields, unsupported } from './fields.ts';
import type { Ignored } from './fields.ts';

const DATA_URI = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;

/** A picture: its bytes in base64 and their media type, or where it is. */
export type ChatImage =
  | { readonly mediaType: string; readonly data: string }
  | { readonly url: string };

/** A call of a tool. */
export interface ChatCall {
  readonly id: string;
  readonly name: string;
  readonly args: JsonObject;
  /** What vendors put beside the call. */
  readonly extra: JsonObject;
}

/** The words of one API for what messages are made of. */
export interface ChatWords {
  /** The role of the model. */
  readonly model: string;
  text(this: void, text: string): JsonObject;
  image(this: void, image: ChatImage): JsonObject;
  call(this: void, call: ChatCall): JsonObject;
  /** What came of the call `id`. */
  result(this: void, id: string, parts: readonly JsonObject[]): JsonObject;
}

/** What somebody has said, until somebody else speaks. */
export interface ChatTurn {
  readonly role: string;
  readonly parts: readonly JsonObject[] & Json;
}

/** A conversation whose system texts stand apart from it. */
export interface ChatConversation {
  readonly system: readonly JsonObject[] & Json;
  readonly turns: readonly ChatTurn[];
}

/** Refuses what both APIs have no word for. @throws STARLING_MODEL_UNSUPPORTED */
export function refuseUnsayable(fields: Fields): void {
  fields.refuse('n', (n) => n === 1);
  fields.refuse('logprobs', (value) => value === false);
  fields.refuse('top_logprobs', (value) => value === 0);
  fields.refuse('modalities', (value) => listIn(value).every((one) => one === 'text'));
  for (const name of ['audio', 'functions', 'function_call', 'web_search_options']) {
    fields.refuse(name);
  }
}

/** Says messages: roles take turns, and results of tools are parts of the user's. @throws STARLING_MODEL_UNSUPPORTED */
export function conversationIn(
  written: readonly Json[],
  words: ChatWords,
  ignored: Ignored,
): ChatConversation {
  const system: JsonObject[] = [];
  const turns: { role: string; parts: JsonObject[] }[] = [];
  const add = (role: string, parts: readonly JsonObject[]): void => {
    if (parts.length === 0) return;
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts: [...parts] });
  };
  for (const one of written) {
    const fields = new Fields(objectIn(one), 'messages');
    const role = textIn(fields.take('role'));
    const parts = partsIn(fields.take('content'), words, ignored);
    if (role === 'system' || role === 'developer') system.push(...parts);
    else if (role === 'user') add('user', parts);
    else if (role === 'tool')
      add('user', [words.result(textIn(fields.take('tool_call_id')), parts)]);
    else if (role === 'assistant') {
      const calls = listIn(fields.take('tool_calls')).map((call) => words.call(callIn(call)));
      add(words.model, [...parts, ...calls]);
    } else throw unsupported(`messages.role ${role}`);
    fields.leave(ignored);
  }
  return { system, turns };
}

function partsIn(
  content: Json | undefined,
  words: ChatWords,
  ignored: Ignored,
): readonly JsonObject[] {
  if (typeof content === 'string') return content === '' ? [] : [words.text(content)];
  return listIn(content).map((written) => {
    const fields = new Fields(objectIn(written), 'messages.content');
    const type = textIn(fields.take('type'));
    let part: JsonObject;
    if (type === 'text' || type === 'refusal') part = words.text(textIn(fields.take(type)));
    else if (type === 'image_url') {
      part = words.image(imageIn(objectIn(fields.take('image_url')), ignored));
    } else throw unsupported(`messages.content of type ${type}`);
    fields.leave(ignored);
    return part;
  });
}

function imageIn({ url, detail }: JsonObject, ignored: Ignored): ChatImage {
  if (detail !== undefined && detail !== 'auto') ignored.add('messages.content.image_url.detail');
  const [, mediaType = '', data = ''] = DATA_URI.exec(textIn(url)) ?? [];
  return mediaType === '' ? { url: textIn(url) } : { mediaType, data };
}

function callIn(call: Json): ChatCall {
  const { id, type, function: called, extra_content: extra } = objectIn(call);
  if (type !== undefined && type !== 'function') {
    throw unsupported(`tool_calls of type ${textIn(type)}`);
  }
  const { name, arguments: written } = objectIn(called);
  const args = parsedObject(textIn(written) === '' ? '{}' : textIn(written));
  if (args === undefined) throw unsupported('tool_calls whose arguments are no JSON object');
  return { id: textIn(id), name: textIn(name), args, extra: objectIn(extra) };
}

/** The tools of a request, each said by `say`. @throws STARLING_MODEL_UNSUPPORTED */
export function toolsIn(
  written: Json | undefined,
  ignored: Ignored,
  say: (tool: {
    readonly name: Json | undefined;
    readonly description: Json | undefined;
    readonly parameters: Json | undefined;
  }) => JsonObject,
): readonly JsonObject[] & Json {
  return listIn(written).map((tool) => {
    const { type, function: described } = objectIn(tool);
    if (type !== 'function') throw unsupported(`tools of type ${textIn(type)}`);
    const fields = new Fields(objectIn(described), 'tools.function');
    const [name, description] = [fields.take('name'), fields.take('description')];
    const parameters = fields.take('parameters');
    fields.leave(ignored);
    return say({ name, description, parameters });
  });
}

/** Which tool is to be called: a word, or the name of one; undefined where nothing is said. @throws STARLING_MODEL_UNSUPPORTED */
export function choiceIn(
  written: Json | undefined,
): 'auto' | 'none' | 'required' | { readonly name: string } | undefined {
  if (written === undefined) return undefined;
  if (written === 'auto' || written === 'none' || written === 'required') return written;
  const { type, function: named } = objectIn(written);
  if (type !== 'function') throw unsupported('tool_choice');
  return { name: textIn(objectIn(named)['name']) };
}

/** The texts at which an answer ends; undefined where none is said. */
export function stopsIn(stop: Json | undefined): Json | undefined {
  return typeof stop === 'string' ? [stop] : stop;
}
