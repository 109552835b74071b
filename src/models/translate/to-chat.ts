/** A request in the Anthropic Messages API, said in Chat Completions. Pure. */
import type { Json, JsonObject } from '../../core/index.ts';
import { listIn, objectIn, textIn } from '../json-reading.ts';
import { Fields, Ignored, present, unsupported } from './fields.ts';
import type { Translated } from './to-messages.ts';

/** What the provider's own dialect asks for. */
export interface ChatDialect {
  /** `max_completion_tokens` in place of `max_tokens`. */
  readonly isOpenAi: boolean;
}

/** Says a request for messages as a chat. @throws STARLING_MODEL_UNSUPPORTED */
export function toChat(request: JsonObject, model: string, dialect: ChatDialect): Translated {
  const ignored = new Ignored();
  const fields = new Fields(request);
  fields.take('model');
  fields.refuse('mcp_servers', (value) => listIn(value).length === 0);
  fields.refuse('container');
  // How hard the model is to try leaves the answer of the same kind; a form of the answer does not.
  const output = new Fields(objectIn(fields.take('output_config')), 'output_config');
  output.refuse('format');
  fields.refuse('output_format');
  const system = systemOf(fields.take('system'), ignored);
  const messages = listIn(fields.take('messages')).flatMap((one) => messagesOf(one, ignored));
  const tools = listIn(fields.take('tools')).map((tool) => toolOf(tool, ignored));
  const choice = new Fields(objectIn(fields.take('tool_choice')), 'tool_choice');
  const isSerial = choice.take('disable_parallel_tool_use') === true;
  const isStream = fields.take('stream') === true;
  const metadata = new Fields(objectIn(fields.take('metadata')), 'metadata');
  const limit = fields.take('max_tokens');
  const body = present({
    model,
    messages: [...system, ...messages],
    ...(dialect.isOpenAi ? { max_completion_tokens: limit } : { max_tokens: limit }),
    temperature: fields.take('temperature'),
    top_p: fields.take('top_p'),
    stop: fields.take('stop_sequences'),
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(tools.length === 0 ? {} : { tools }),
    tool_choice: choiceOf(choice),
    parallel_tool_calls: isSerial ? false : undefined,
    user: metadata.take('user_id'),
  });
  for (const some of [output, metadata, fields]) some.leave(ignored);
  return { body, ignored: ignored.names(), added: [] };
}

function systemOf(written: Json | undefined, ignored: Ignored): readonly Json[] {
  if (typeof written === 'string')
    return written === '' ? [] : [{ role: 'system', content: written }];
  const texts = listIn(written).map((block) => textBlock(block, 'system', ignored));
  return texts.length === 0 ? [] : [{ role: 'system', content: texts.join('\n\n') }];
}

function textBlock(block: Json, where: string, ignored: Ignored): string {
  const fields = new Fields(objectIn(block), where);
  const type = textIn(fields.take('type'));
  if (type !== 'text') throw unsupported(`${where} of type ${type}`);
  const text = textIn(fields.take('text'));
  fields.leave(ignored);
  return text;
}

/** One message may hold results of tools, which are messages of their own in a chat, and come first. */
function messagesOf(one: Json, ignored: Ignored): readonly Json[] {
  const { role, content } = objectIn(one);
  if (role !== 'user' && role !== 'assistant') throw unsupported(`messages.role ${textIn(role)}`);
  if (typeof content === 'string') return [{ role, content }];
  const results: Json[] = [];
  const parts: JsonObject[] = [];
  const calls: Json[] = [];
  for (const block of listIn(content)) {
    const fields = new Fields(objectIn(block), 'messages.content');
    const type = textIn(fields.take('type'));
    if (type === 'text') parts.push({ type: 'text', text: textIn(fields.take('text')) });
    else if (type === 'image') parts.push(imageOf(fields));
    else if (type === 'tool_use') calls.push(callOf(fields));
    else if (type === 'tool_result') results.push(resultOf(fields, ignored));
    else if (type === 'thinking' || type === 'redacted_thinking') {
      ignored.add(`messages.content.${type}`);
      continue;
    } else throw unsupported(`messages.content of type ${type}`);
    fields.leave(ignored);
  }
  if (parts.length === 0 && calls.length === 0) return results;
  return [...results, messageOf(role, parts, calls)];
}

function messageOf(role: string, parts: readonly JsonObject[], calls: readonly Json[]): JsonObject {
  // Many compatible servers take a text alone where there are no images.
  const isText = parts.every(({ type }) => type === 'text');
  const content = isText ? parts.map(({ text }) => textIn(text)).join('') : [...parts];
  return {
    role,
    content: parts.length === 0 ? null : content,
    ...(calls.length === 0 ? {} : { tool_calls: [...calls] }),
  };
}

function imageOf(fields: Fields): JsonObject {
  const { type, media_type: media, data, url } = objectIn(fields.take('source'));
  if (type !== 'base64' && type !== 'url')
    throw unsupported(`image source of type ${textIn(type)}`);
  const at = type === 'url' ? textIn(url) : `data:${textIn(media)};base64,${textIn(data)}`;
  return { type: 'image_url', image_url: { url: at } };
}

function callOf(fields: Fields): JsonObject {
  const input = JSON.stringify(fields.take('input') ?? {});
  const name = textIn(fields.take('name'));
  return {
    id: textIn(fields.take('id')),
    type: 'function',
    function: { name, arguments: input },
  };
}

function resultOf(fields: Fields, ignored: Ignored): JsonObject {
  const id = textIn(fields.take('tool_use_id'));
  const content = fields.take('content');
  const isError = fields.take('is_error') === true;
  const text =
    typeof content === 'string'
      ? content
      : listIn(content)
          .map((block) => textBlock(block, 'tool_result.content', ignored))
          .join('\n');
  return { role: 'tool', tool_call_id: id, content: isError ? `Error: ${text}` : text };
}

function toolOf(tool: Json, ignored: Ignored): JsonObject {
  const fields = new Fields(objectIn(tool), 'tools');
  const type = fields.take('type');
  if (type !== undefined && type !== 'custom') throw unsupported(`tools of type ${textIn(type)}`);
  const made = present({
    name: fields.take('name'),
    description: fields.take('description'),
    parameters: fields.take('input_schema'),
  });
  fields.leave(ignored);
  return { type: 'function', function: made };
}

function choiceOf(choice: Fields): Json | undefined {
  const type = choice.take('type');
  if (type === undefined) return undefined;
  if (type === 'auto' || type === 'none') return type;
  if (type === 'any') return 'required';
  if (type !== 'tool') throw unsupported('tool_choice');
  return { type: 'function', function: { name: textIn(choice.take('name')) } };
}
