/** A request in Chat Completions, said in the Anthropic Messages API. Pure. */
import type { Json, JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn } from '../json-reading.ts';
import { choiceIn, conversationIn, refuseUnsayable, stopsIn, toolsIn } from './chat-reading.ts';
import type { ChatWords } from './chat-reading.ts';
import { Fields, Ignored, present, unsupported } from './fields.ts';

/** The Messages API wants a limit; a request that names none gets this one, and is told. */
export const MAX_TOKENS_DEFAULT = 4096;

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
  refuseUnsayable(fields);
  fields.refuse('response_format', (format) => objectIn(format)['type'] === 'text');
  const { system, turns } = conversationIn(listIn(fields.take('messages')), WORDS, ignored);
  const shortLimit = fields.take('max_tokens');
  const limit = countIn(fields.take('max_completion_tokens')) || countIn(shortLimit);
  const tools = toolsIn(fields.take('tools'), ignored, ({ name, description, parameters }) => {
    const schema = parameters ?? { type: 'object', properties: {} };
    return present({ name, description, input_schema: schema });
  });
  const isParallel = fields.take('parallel_tool_calls');
  const choice = toolChoice(fields.take('tool_choice'), isParallel === false, tools.length > 0);
  const user = fields.take('user');
  fields.take('stream_options');
  const temperature = fields.take('temperature');
  if (typeof temperature === 'number' && temperature > 1) throw unsupported('temperature over 1');
  const body = present({
    model,
    max_tokens: limit === 0 ? MAX_TOKENS_DEFAULT : limit,
    ...(system.length === 0 ? {} : { system }),
    messages: turns.map(({ role, parts }) => ({ role, content: parts })),
    stream: fields.take('stream') === true ? true : undefined,
    temperature,
    top_p: fields.take('top_p'),
    stop_sequences: stopsIn(fields.take('stop')),
    ...(tools.length === 0 ? {} : { tools }),
    tool_choice: choice,
    metadata: typeof user === 'string' ? { user_id: user } : undefined,
  });
  fields.leave(ignored);
  const added = limit === 0 ? [`max_tokens=${MAX_TOKENS_DEFAULT}`] : [];
  return { body, ignored: ignored.names(), added };
}

/** System texts come first in the Messages API, and results of tools are a user's blocks. */
const WORDS: ChatWords = {
  model: 'assistant',
  text: (text) => ({ type: 'text', text }),
  image: (image) => ({
    type: 'image',
    source:
      'url' in image
        ? { type: 'url', url: image.url }
        : { type: 'base64', media_type: image.mediaType, data: image.data },
  }),
  call: ({ id, name, args }) => ({ type: 'tool_use', id, name, input: args }),
  result: (id, parts) => ({ type: 'tool_result', tool_use_id: id, content: [...parts] }),
};

function toolChoice(
  written: Json | undefined,
  isSerial: boolean,
  hasTools: boolean,
): JsonObject | undefined {
  const serial = isSerial ? { disable_parallel_tool_use: true } : {};
  const choice = choiceIn(written);
  if (choice === undefined) return isSerial && hasTools ? { type: 'auto', ...serial } : undefined;
  if (choice === 'none') return { type: 'none' };
  if (choice === 'auto') return { type: 'auto', ...serial };
  if (choice === 'required') return { type: 'any', ...serial };
  return { type: 'tool', name: choice.name, ...serial };
}
