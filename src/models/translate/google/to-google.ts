/** A chat, or a request for embeddings, said in Google's Gemini API. Pure. */
import type { Json, JsonObject } from '../../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn } from '../../json-reading.ts';
import { Fields, Ignored, present, unsupported } from '../fields.ts';
import type { Translated } from '../to-messages.ts';

const DATA_URI = /^data:([\w.+-]+\/[\w.+-]+);base64,(.*)$/s;
/**
 * Newer models refuse a call of theirs that comes back without the signature that they gave with it; most clients keep none, and
 * this word stands for one (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
const NO_SIGNATURE = 'skip_thought_signature_validator';
const WANTS_SIGNATURE = /^gemini-(?:[3-9]|\d\d)/;
/** Texts in one request for embeddings. */
const TEXTS_MAX = 2048;

/** Says a chat request for Gemini; the model stands in the address there. @throws STARLING_MODEL_UNSUPPORTED */
export function toGoogle(request: JsonObject, model: string): Translated {
  const ignored = new Ignored();
  const fields = new Fields(request);
  for (const name of ['model', 'stream', 'stream_options']) fields.take(name);
  for (const name of ['audio', 'functions', 'function_call', 'web_search_options']) {
    fields.refuse(name);
  }
  fields.refuse('n', (n) => n === 1);
  fields.refuse('logprobs', (value) => value === false);
  fields.refuse('top_logprobs', (value) => value === 0);
  fields.refuse('modalities', (value) => listIn(value).every((one) => one === 'text'));
  const { system, contents } = conversation(listIn(fields.take('messages')), model, ignored);
  const tools = listIn(fields.take('tools')).map((tool) => toolOf(tool, ignored));
  const choice = choiceOf(fields.take('tool_choice'));
  const config = configOf(fields);
  fields.leave(ignored);
  const body = present({
    contents,
    systemInstruction: system.length === 0 ? undefined : { parts: system },
    tools: tools.length === 0 ? undefined : [{ functionDeclarations: tools }],
    toolConfig: choice === undefined ? undefined : { functionCallingConfig: choice },
    generationConfig: Object.keys(config).length === 0 ? undefined : config,
  });
  return { body, ignored: ignored.names(), added: [] };
}

/** The texts that a request for embeddings has, each a request for Gemini. @throws STARLING_MODEL_UNSUPPORTED */
export function toGoogleEmbeddings(request: JsonObject, model: string): Translated {
  const ignored = new Ignored();
  const fields = new Fields(request);
  fields.take('model');
  const input = fields.take('input');
  const format = fields.take('encoding_format') ?? 'float';
  if (format !== 'float' && format !== 'base64') throw unsupported('encoding_format');
  const texts = typeof input === 'string' ? [input] : listIn(input);
  if (texts.length > TEXTS_MAX) throw unsupported(`input of more than ${TEXTS_MAX} texts`);
  const dimensions = fields.take('dimensions');
  const requests = texts.map((text) => {
    if (typeof text !== 'string') throw unsupported('input of tokens');
    return present({
      model: `models/${model}`,
      content: { parts: [{ text }] },
      outputDimensionality: dimensions,
    });
  });
  fields.leave(ignored);
  return { body: { requests }, ignored: ignored.names(), added: [] };
}

interface Content {
  readonly role: string;
  readonly parts: JsonObject[];
}

interface Conversation {
  readonly system: readonly Json[] & Json;
  readonly contents: readonly Json[] & Json;
}

/** Roles take turns; results of tools are parts of the user's, and are named by the tool and not by the call. */
function conversation(written: readonly Json[], model: string, ignored: Ignored): Conversation {
  const system: JsonObject[] = [];
  const contents: Content[] = [];
  const names = new Map<string, string>();
  const add = (role: string, parts: readonly JsonObject[]): void => {
    if (parts.length === 0) return;
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else contents.push({ role, parts: [...parts] });
  };
  for (const one of written) {
    const fields = new Fields(objectIn(one), 'messages');
    const role = textIn(fields.take('role'));
    const parts = partsOf(fields.take('content'), ignored);
    if (role === 'system' || role === 'developer') system.push(...parts);
    else if (role === 'user') add('user', parts);
    else if (role === 'tool')
      add('user', [resultOf(textIn(fields.take('tool_call_id')), parts, names)]);
    else if (role === 'assistant') {
      fields.take('refusal');
      add('model', [...parts, ...callsOf(listIn(fields.take('tool_calls')), model, names)]);
    } else throw unsupported(`messages.role ${role}`);
    fields.leave(ignored);
  }
  return { system, contents: contents.map((content) => ({ ...content })) };
}

function partsOf(content: Json | undefined, ignored: Ignored): readonly JsonObject[] {
  if (typeof content === 'string') return content === '' ? [] : [{ text: content }];
  return listIn(content).map((written) => {
    const fields = new Fields(objectIn(written), 'messages.content');
    const type = textIn(fields.take('type'));
    let part: JsonObject;
    if (type === 'text' || type === 'refusal') part = { text: textIn(fields.take(type)) };
    else if (type === 'image_url') part = imageOf(objectIn(fields.take('image_url')), ignored);
    else throw unsupported(`messages.content of type ${type}`);
    fields.leave(ignored);
    return part;
  });
}

/** Gemini fetches no pictures from elsewhere. */
function imageOf({ url, detail }: JsonObject, ignored: Ignored): JsonObject {
  if (detail !== undefined && detail !== 'auto') ignored.add('messages.content.image_url.detail');
  const [, mimeType = '', data = ''] = DATA_URI.exec(textIn(url)) ?? [];
  if (mimeType === '') throw unsupported('messages.content.image_url that is no data: URL');
  return { inlineData: { mimeType, data } };
}

function callsOf(
  calls: readonly Json[],
  model: string,
  names: Map<string, string>,
): readonly JsonObject[] {
  return calls.map((call) => {
    const { id, type, function: called, extra_content: extra } = objectIn(call);
    if (type !== undefined && type !== 'function')
      throw unsupported(`tool_calls of type ${textIn(type)}`);
    const { name, arguments: written } = objectIn(called);
    const args = parsedObject(textIn(written) === '' ? '{}' : textIn(written));
    if (args === undefined) throw unsupported('tool_calls whose arguments are no JSON object');
    names.set(textIn(id), textIn(name));
    const kept = textIn(objectIn(objectIn(extra)['google'])['thought_signature']);
    const standIn = WANTS_SIGNATURE.test(model) ? NO_SIGNATURE : undefined;
    return present({
      functionCall: { name: textIn(name), args },
      thoughtSignature: kept === '' ? standIn : kept,
    });
  });
}

function resultOf(
  id: string,
  parts: readonly JsonObject[],
  names: ReadonlyMap<string, string>,
): JsonObject {
  const name = names.get(id);
  if (name === undefined) throw unsupported('messages of role tool without the call before');
  if (parts.some(({ text }) => text === undefined))
    throw unsupported('results of tools with pictures');
  const output = parts.map(({ text }) => textIn(text)).join('\n');
  return { functionResponse: { name, response: parsedObject(output) ?? { output } } };
}

function toolOf(tool: Json, ignored: Ignored): JsonObject {
  const { type, function: written } = objectIn(tool);
  if (type !== 'function') throw unsupported(`tools of type ${textIn(type)}`);
  const fields = new Fields(objectIn(written), 'tools.function');
  const made = present({
    name: fields.take('name'),
    description: fields.take('description'),
    // What `parameters` takes there is only a part of JSON Schema.
    parametersJsonSchema: fields.take('parameters'),
  });
  fields.leave(ignored);
  return made;
}

function choiceOf(written: Json | undefined): JsonObject | undefined {
  if (written === undefined) return undefined;
  if (written === 'auto') return { mode: 'AUTO' };
  if (written === 'none') return { mode: 'NONE' };
  if (written === 'required') return { mode: 'ANY' };
  const { type, function: named } = objectIn(written);
  if (type !== 'function') throw unsupported('tool_choice');
  return { mode: 'ANY', allowedFunctionNames: [textIn(objectIn(named)['name'])] };
}

function configOf(fields: Fields): JsonObject {
  const [short, long] = [fields.take('max_tokens'), fields.take('max_completion_tokens')];
  const stop = fields.take('stop');
  const { type, json_schema: schema } = objectIn(fields.take('response_format'));
  if (type !== undefined && !['text', 'json_object', 'json_schema'].includes(textIn(type)))
    throw unsupported(`response_format of type ${textIn(type)}`);
  const isJson = type === 'json_object' || type === 'json_schema';
  return present({
    maxOutputTokens: long ?? short,
    temperature: fields.take('temperature'),
    topP: fields.take('top_p'),
    topK: fields.take('top_k'),
    seed: fields.take('seed'),
    presencePenalty: fields.take('presence_penalty'),
    frequencyPenalty: fields.take('frequency_penalty'),
    stopSequences: stop === undefined ? undefined : typeof stop === 'string' ? [stop] : stop,
    responseMimeType: isJson ? 'application/json' : undefined,
    responseJsonSchema: type === 'json_schema' ? objectIn(schema)['schema'] : undefined,
  });
}
