/** A request in Chat Completions, said in the Anthropic Messages API. Pure. */
import type { Json, JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, parsedObject, textIn } from '../json-reading.ts';
import { Fields, Ignored, present, unsupported } from './fields.ts';

/** The Messages API wants a limit; a request that names none gets this one, and is told. */
export const MAX_TOKENS_DEFAULT = 4096;
const DATA_URI = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;

/** A request in another API, and what was left out or added. */
export interface Translated {
  readonly body: JsonObject;
  readonly ignored: readonly string[];
  readonly added: readonly string[];
}

/** Says a chat request as messages. @throws STARLING_MODEL_UNSUPPORTED */
export function toMessages(request: JsonObject, model: string): Translated {
  const ignored = new Ignored();
  const fields = new Fields(request);
  fields.take('model');
  fields.refuse('n', (n) => n === 1);
  fields.refuse('logprobs', (value) => value === false);
  fields.refuse('top_logprobs', (value) => value === 0);
  fields.refuse('audio');
  fields.refuse('functions');
  fields.refuse('function_call');
  fields.refuse('web_search_options');
  fields.refuse('response_format', (format) => objectIn(format)['type'] === 'text');
  fields.refuse('modalities', (value) => listIn(value).every((one) => one === 'text'));
  const { system, messages } = conversation(listIn(fields.take('messages')), ignored);
  const shortLimit = fields.take('max_tokens');
  const limit = countIn(fields.take('max_completion_tokens')) || countIn(shortLimit);
  const tools = listIn(fields.take('tools')).map((tool) => toolOf(tool, ignored));
  const isParallel = fields.take('parallel_tool_calls');
  const choice = toolChoice(fields.take('tool_choice'), isParallel === false, tools.length > 0);
  const stop = fields.take('stop');
  const user = fields.take('user');
  fields.take('stream_options');
  const temperature = fields.take('temperature');
  if (typeof temperature === 'number' && temperature > 1) throw unsupported('temperature over 1');
  const body = present({
    model,
    max_tokens: limit === 0 ? MAX_TOKENS_DEFAULT : limit,
    ...(system.length === 0 ? {} : { system }),
    messages,
    stream: fields.take('stream') === true ? true : undefined,
    temperature,
    top_p: fields.take('top_p'),
    stop_sequences: stop === undefined ? undefined : typeof stop === 'string' ? [stop] : stop,
    ...(tools.length === 0 ? {} : { tools }),
    tool_choice: choice,
    metadata: typeof user === 'string' ? { user_id: user } : undefined,
  });
  fields.leave(ignored);
  const added = limit === 0 ? [`max_tokens=${MAX_TOKENS_DEFAULT}`] : [];
  return { body, ignored: ignored.names(), added };
}

interface Conversation {
  readonly system: readonly Json[] & Json;
  readonly messages: readonly Json[] & Json;
}

/** System texts come first in the Messages API, and results of tools are a user's blocks. */
function conversation(written: readonly Json[], ignored: Ignored): Conversation {
  const system: Json[] = [];
  const messages: { role: string; content: Json[] }[] = [];
  const add = (role: string, blocks: readonly Json[]): void => {
    if (blocks.length === 0) return;
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else messages.push({ role, content: [...blocks] });
  };
  for (const one of written) {
    const fields = new Fields(objectIn(one), 'messages');
    const role = textIn(fields.take('role'));
    const content = blocksOf(fields.take('content'), ignored);
    if (role === 'system' || role === 'developer') system.push(...content);
    else if (role === 'user') add('user', content);
    else if (role === 'tool') add('user', [resultOf(fields, content)]);
    else if (role === 'assistant') add('assistant', [...content, ...callsOf(fields)]);
    else throw unsupported(`messages.role ${role}`);
    fields.leave(ignored);
  }
  return { system, messages };
}

function resultOf(fields: Fields, content: readonly Json[]): JsonObject {
  const id = textIn(fields.take('tool_call_id'));
  return { type: 'tool_result', tool_use_id: id, content: [...content] };
}

function callsOf(fields: Fields): readonly Json[] {
  return listIn(fields.take('tool_calls')).map((call) => {
    const { id, function: called, type } = objectIn(call);
    if (type !== undefined && type !== 'function')
      throw unsupported(`tool_calls of type ${textIn(type)}`);
    const { name, arguments: args } = objectIn(called);
    const input = parsedObject(textIn(args) === '' ? '{}' : textIn(args));
    if (input === undefined) throw unsupported('tool_calls whose arguments are no JSON object');
    return { type: 'tool_use', id: textIn(id), name: textIn(name), input };
  });
}

function blocksOf(content: Json | undefined, ignored: Ignored): readonly Json[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return listIn(content).map((part) => {
    const fields = new Fields(objectIn(part), 'messages.content');
    const type = textIn(fields.take('type'));
    const block = blockOf(type, fields, ignored);
    fields.leave(ignored);
    return block;
  });
}

function blockOf(type: string, fields: Fields, ignored: Ignored): JsonObject {
  if (type === 'text') return { type: 'text', text: textIn(fields.take('text')) };
  if (type === 'refusal') return { type: 'text', text: textIn(fields.take('refusal')) };
  if (type !== 'image_url') throw unsupported(`messages.content of type ${type}`);
  const { url, detail } = objectIn(fields.take('image_url'));
  if (detail !== undefined && detail !== 'auto') ignored.add('messages.content.image_url.detail');
  const [, media = '', data = ''] = DATA_URI.exec(textIn(url)) ?? [];
  const source: JsonObject =
    media === '' ? { type: 'url', url: textIn(url) } : { type: 'base64', media_type: media, data };
  return { type: 'image', source };
}

function toolOf(tool: Json, ignored: Ignored): JsonObject {
  const { type, function: written } = objectIn(tool);
  if (type !== 'function') throw unsupported(`tools of type ${textIn(type)}`);
  const fields = new Fields(objectIn(written), 'tools.function');
  const made = present({
    name: fields.take('name'),
    description: fields.take('description'),
    input_schema: fields.take('parameters') ?? { type: 'object', properties: {} },
  });
  fields.leave(ignored);
  return made;
}

function toolChoice(
  written: Json | undefined,
  isSerial: boolean,
  hasTools: boolean,
): JsonObject | undefined {
  const serial = isSerial ? { disable_parallel_tool_use: true } : {};
  if (written === undefined) return isSerial && hasTools ? { type: 'auto', ...serial } : undefined;
  if (written === 'none') return { type: 'none' };
  if (written === 'auto') return { type: 'auto', ...serial };
  if (written === 'required') return { type: 'any', ...serial };
  const { type, function: named } = objectIn(written);
  if (type !== 'function') throw unsupported('tool_choice');
  return { type: 'tool', name: textIn(objectIn(named)['name']), ...serial };
}
