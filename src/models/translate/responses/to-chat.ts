/** A request in the OpenAI Responses API, said in Chat Completions. Pure. */
import type { Json, JsonObject } from '../../../core/index.ts';
import { listIn, objectIn, textIn } from '../../json-reading.ts';
import { Fields, Ignored, present, unsupported } from '../fields.ts';
import type { Translated } from '../to-messages.ts';
import { freeTool } from './free-tools.ts';

/** Says a request for a response as a chat. @throws STARLING_MODEL_UNSUPPORTED */
export function responsesToChat(request: JsonObject, model: string): Translated {
  const ignored = new Ignored();
  const fields = new Fields(request);
  for (const name of ['model', 'store', 'stream_options']) fields.take(name);
  fields.refuse('prompt');
  fields.refuse('top_logprobs', (value) => value === 0);
  const instructions = textIn(fields.take('instructions'));
  const system: Json[] = instructions === '' ? [] : [{ role: 'system', content: instructions }];
  const messages = conversation(fields.take('input'), ignored);
  const tools = listIn(fields.take('tools')).flatMap((tool) => toolOf(objectIn(tool), ignored));
  const reasoning = new Fields(objectIn(fields.take('reasoning')), 'reasoning');
  const text = new Fields(objectIn(fields.take('text')), 'text');
  const isStream = fields.take('stream') === true;
  const choice = choiceOf(fields.take('tool_choice'));
  const isParallel = fields.take('parallel_tool_calls');
  const body = present({
    model,
    messages: [...system, ...messages],
    max_tokens: fields.take('max_output_tokens'),
    temperature: fields.take('temperature'),
    top_p: fields.take('top_p'),
    ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
    // Many servers refuse what is said of tools where there are none.
    ...(tools.length === 0 ? {} : { tools, parallel_tool_calls: isParallel, tool_choice: choice }),
    reasoning_effort: reasoning.take('effort'),
    response_format: formatOf(objectIn(text.take('format'))),
    user: fields.take('user'),
  });
  reasoning.leave(ignored);
  text.leave(ignored);
  fields.leave(ignored);
  return { body: present(body), ignored: ignored.names(), added: [] };
}

/** A message as it is put together. */
interface Message {
  role: string;
  content: Json;
  tool_calls?: Json[];
}

/** Calls of tools are items of their own in a response, and parts of the message before them in a chat. */
function conversation(input: Json | undefined, ignored: Ignored): readonly Json[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages: Message[] = [];
  for (const item of listIn(input)) {
    const fields = new Fields(objectIn(item), 'input');
    const type = textIn(fields.take('type')) || 'message';
    for (const name of ['id', 'status', 'phase']) fields.take(name);
    if (type === 'message') messages.push(messageOf(fields, ignored));
    else if (type === 'function_call' || type === 'custom_tool_call') addCall(messages, fields);
    else if (type === 'function_call_output' || type === 'custom_tool_call_output') {
      messages.push(outputOf(fields, ignored) as Message & JsonObject);
    } else if (type === 'reasoning') {
      ignored.add('input.reasoning');
      continue;
    } else throw unsupported(`input of type ${type}`);
    fields.leave(ignored);
  }
  return messages.map((message) => ({ ...message }));
}

function messageOf(fields: Fields, ignored: Ignored): Message {
  const role = textIn(fields.take('role'));
  if (!['user', 'assistant', 'system', 'developer'].includes(role)) {
    throw unsupported(`input.role ${role}`);
  }
  const content = contentOf(fields.take('content'), ignored);
  // Many compatible servers know no developer.
  return { role: role === 'developer' ? 'system' : role, content };
}

/** A text alone where there are no pictures: many compatible servers take nothing else. */
function contentOf(written: Json | undefined, ignored: Ignored): Json {
  if (typeof written === 'string') return written;
  const parts = listIn(written).map((part) =>
    partOf(new Fields(objectIn(part), 'input.content'), ignored),
  );
  const isText = parts.every(({ type }) => type === 'text');
  return isText ? parts.map(({ text }) => textIn(text)).join('') : parts;
}

function partOf(fields: Fields, ignored: Ignored): JsonObject {
  const type = textIn(fields.take('type'));
  let part: JsonObject;
  if (['input_text', 'output_text', 'text'].includes(type)) {
    // What an answer was given with means nothing to the model.
    for (const name of ['annotations', 'logprobs']) fields.take(name);
    part = { type: 'text', text: textIn(fields.take('text')) };
  } else if (type === 'refusal') part = { type: 'text', text: textIn(fields.take('refusal')) };
  else if (type === 'input_image') part = imageOf(fields);
  else throw unsupported(`input.content of type ${type}`);
  fields.leave(ignored);
  return part;
}

/** A picture that was left with the vendor before is not here. */
function imageOf(fields: Fields): JsonObject {
  fields.refuse('file_id');
  const url = textIn(fields.take('image_url'));
  const detail = fields.take('detail');
  return { type: 'image_url', image_url: present({ url, detail }) };
}

function addCall(messages: Message[], fields: Fields): void {
  const id = textIn(fields.take('call_id'));
  const name = textIn(fields.take('name'));
  const free = fields.take('input');
  const args = textIn(fields.take('arguments'));
  const written = free === undefined ? args : JSON.stringify({ input: free });
  const call = { id, type: 'function', function: { name, arguments: written } };
  const last = messages.at(-1);
  if (last?.role === 'assistant') (last.tool_calls ??= []).push(call);
  else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
}

function outputOf(fields: Fields, ignored: Ignored): JsonObject {
  const id = textIn(fields.take('call_id'));
  const content = contentOf(fields.take('output'), ignored);
  if (typeof content !== 'string') throw unsupported('input.output with pictures');
  return { role: 'tool', tool_call_id: id, content };
}

/** Tools that the vendor itself would run are left out: the model answers without them. */
function toolOf(tool: JsonObject, ignored: Ignored): readonly Json[] {
  const fields = new Fields(tool, 'tools');
  const type = textIn(fields.take('type'));
  if (type !== 'function' && type !== 'custom') {
    ignored.add(`tools.${type}`);
    return [];
  }
  const name = fields.take('name');
  const description = fields.take('description');
  const made =
    type === 'custom'
      ? freeTool(name, description)
      : present({
          name,
          description,
          parameters: fields.take('parameters'),
          strict: fields.take('strict'),
        });
  fields.leave(ignored);
  return [{ type: 'function', function: made }];
}

function choiceOf(written: Json | undefined): Json | undefined {
  if (written === undefined || typeof written === 'string') return written;
  const { type, name } = objectIn(written);
  if (type !== 'function' && type !== 'custom')
    throw unsupported(`tool_choice of type ${textIn(type)}`);
  return { type: 'function', function: { name: textIn(name) } };
}

function formatOf(format: JsonObject): JsonObject | undefined {
  const { type, ...schema } = format;
  if (type === undefined || type === 'text') return undefined;
  if (type === 'json_object') return { type };
  if (type !== 'json_schema') throw unsupported(`text.format of type ${textIn(type)}`);
  return { type, json_schema: present(schema) };
}
