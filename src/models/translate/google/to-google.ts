/** A chat, or a request for embeddings, said in Google's Gemini API. Pure. */
import type { Json, JsonObject } from '../../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn } from '../../json-reading.ts';
import { choiceIn, conversationIn, refuseUnsayable, stopsIn, toolsIn } from '../chat-reading.ts';
import type { ChatWords } from '../chat-reading.ts';
import { Fields, Ignored, present, unsupported } from '../fields.ts';
import type { Translated } from '../to-messages.ts';

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
  refuseUnsayable(fields);
  const messages = listIn(fields.take('messages'));
  const { system, turns } = conversationIn(messages, wordsFor(model), ignored);
  const tools = toolsIn(fields.take('tools'), ignored, ({ name, description, parameters }) =>
    // What `parameters` takes there is only a part of JSON Schema.
    present({ name, description, parametersJsonSchema: parameters }),
  );
  const choice = choiceOf(fields.take('tool_choice'));
  const config = configOf(fields);
  fields.leave(ignored);
  const body = present({
    contents: turns.map(({ role, parts }) => ({ role, parts })),
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

/** Results of tools are named by the tool and not by the call. */
function wordsFor(model: string): ChatWords {
  const names = new Map<string, string>();
  return {
    model: 'model',
    text: (text) => ({ text }),
    image(image) {
      // Gemini fetches no pictures from elsewhere.
      if ('url' in image) throw unsupported('messages.content.image_url that is no data: URL');
      return { inlineData: { mimeType: image.mediaType, data: image.data } };
    },
    call({ id, name, args, extra }) {
      names.set(id, name);
      const kept = textIn(objectIn(extra['google'])['thought_signature']);
      const standIn = WANTS_SIGNATURE.test(model) ? NO_SIGNATURE : undefined;
      const thoughtSignature = kept === '' ? standIn : kept;
      return present({ functionCall: { name, args }, thoughtSignature });
    },
    result: (id, parts) => resultOf(id, parts, names),
  };
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

function choiceOf(written: Json | undefined): JsonObject | undefined {
  const choice = choiceIn(written);
  if (choice === undefined) return undefined;
  if (choice === 'auto') return { mode: 'AUTO' };
  if (choice === 'none') return { mode: 'NONE' };
  if (choice === 'required') return { mode: 'ANY' };
  return { mode: 'ANY', allowedFunctionNames: [choice.name] };
}

function configOf(fields: Fields): JsonObject {
  const [short, long] = [fields.take('max_tokens'), fields.take('max_completion_tokens')];
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
    stopSequences: stopsIn(fields.take('stop')),
    responseMimeType: isJson ? 'application/json' : undefined,
    responseJsonSchema: type === 'json_schema' ? objectIn(schema)['schema'] : undefined,
  });
}
