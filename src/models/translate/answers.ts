/** Whole answers, said in the other API; and the usage that each tells. Pure. */
import type { Json, JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, parsedObject, textIn, tokensIn } from '../json-reading.ts';
import type { Usage } from '../types.ts';
import { present } from './fields.ts';

const FINISHES: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};
const STOPS: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
};

/** `finish_reason` for a `stop_reason`. */
export function finishOf(stop: string): string {
  return FINISHES[stop] ?? 'stop';
}

/** `stop_reason` for a `finish_reason`. */
export function stopOf(finish: string): string {
  return STOPS[finish] ?? 'end_turn';
}

/** Tokens as a chat or embeddings tell them; undefined when they don't, or tell what can't be. */
export function chatUsage(usage: Json | undefined): Usage | undefined {
  const told = objectIn(usage);
  if (typeof told['prompt_tokens'] !== 'number') return undefined;
  const input = tokensIn(told['prompt_tokens']);
  const output = tokensIn(told['completion_tokens']);
  if (input === undefined || output === undefined) return undefined;
  return {
    input,
    output: withThoughts(output, told['total_tokens'], input),
    ...partsOfInput(objectIn(told['prompt_tokens_details'])),
  };
}

/**
 * Tokens of the answer with those of thoughts, which all vendors have paid like it: some (xAI, Google where it speaks OpenAI's API)
 * leave them out of the answer's, and have them in the total alone.
 */
export function withThoughts(output: number, total: Json | undefined, input: number): number {
  return Math.max(output, (tokensIn(total) ?? 0) - input);
}

/** Of the input, what was read from the cache, and what is pictures, as OpenAI's APIs tell them apart. */
export function partsOfInput(details: JsonObject): Pick<Usage, 'cachedInput' | 'imageInput'> {
  const [cached, image] = [countIn(details['cached_tokens']), countIn(details['image_tokens'])];
  return {
    ...(cached === 0 ? {} : { cachedInput: cached }),
    ...(image === 0 ? {} : { imageInput: image }),
  };
}

/** Tokens as messages tell them: what was read from or written to the cache is told apart there. */
export function messagesUsage(usage: Json | undefined): Usage | undefined {
  const told = objectIn(usage);
  if (typeof told['input_tokens'] !== 'number') return undefined;
  const input = tokensIn(told['input_tokens']);
  const output = tokensIn(told['output_tokens']);
  const cached = tokensIn(told['cache_read_input_tokens']);
  const written = tokensIn(told['cache_creation_input_tokens']);
  if (input === undefined || output === undefined) return undefined;
  if (cached === undefined || written === undefined) return undefined;
  return {
    input: input + cached + written,
    output,
    ...(cached === 0 ? {} : { cachedInput: cached }),
    ...(written === 0 ? {} : { cacheWrite: written }),
  };
}

/** Tokens as clients of the OpenAI API read them. */
export function asChatUsage({ input, output, cachedInput }: Usage): JsonObject {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    ...(cachedInput === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedInput } }),
  };
}

/** Tokens as clients of the Anthropic API read them. */
export function asMessagesUsage({ input, output, cachedInput = 0 }: Usage): JsonObject {
  return {
    input_tokens: Math.max(0, input - cachedInput),
    output_tokens: output,
    ...(cachedInput === 0 ? {} : { cache_read_input_tokens: cachedInput }),
  };
}

/** An answer of the Messages API as a chat's. `createdS` in seconds since the epoch. */
export function messageAsChat(answer: JsonObject, model: string, createdS: number): JsonObject {
  const blocks = listIn(answer['content']).map(objectIn);
  const textOf = (type: string, key: string): string =>
    blocks
      .filter((block) => block['type'] === type)
      .map((block) => textIn(block[key]))
      .join('');
  const calls = blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => ({
      id: textIn(id),
      type: 'function',
      function: { name: textIn(name), arguments: JSON.stringify(input ?? {}) },
    }));
  const text = textOf('text', 'text');
  const thinking = textOf('thinking', 'thinking');
  const usage = messagesUsage(answer['usage']);
  const message = present({
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    reasoning_content: thinking === '' ? undefined : thinking,
    tool_calls: calls.length === 0 ? undefined : calls,
  });
  return present({
    id: textIn(answer['id']),
    object: 'chat.completion',
    created: createdS,
    model,
    choices: [
      { index: 0, message, logprobs: null, finish_reason: finishOf(textIn(answer['stop_reason'])) },
    ],
    usage: usage === undefined ? undefined : asChatUsage(usage),
  });
}

/** A chat's answer as one of the Messages API; undefined where it is none. */
export function chatAsMessage(answer: JsonObject, model: string): JsonObject | undefined {
  const [first] = listIn(answer['choices']);
  if (first === undefined) return undefined;
  const { message, finish_reason: finish } = objectIn(first);
  const { content, tool_calls: calls, reasoning_content: thinking } = objectIn(message);
  const uses = listIn(calls).map((call) => {
    const { id, function: called } = objectIn(call);
    const { name, arguments: args } = objectIn(called);
    const input = parsedObject(textIn(args) === '' ? '{}' : textIn(args));
    return input === undefined
      ? undefined
      : { type: 'tool_use', id: textIn(id), name: textIn(name), input };
  });
  if (uses.includes(undefined)) return undefined;
  const blocks: Json[] = [];
  if (textIn(thinking) !== '')
    blocks.push({ type: 'thinking', thinking: textIn(thinking), signature: '' });
  if (textIn(content) !== '') blocks.push({ type: 'text', text: textIn(content) });
  blocks.push(...uses.filter((use) => use !== undefined));
  return {
    id: textIn(answer['id']),
    type: 'message',
    role: 'assistant',
    model,
    content: blocks,
    stop_reason: stopOf(textIn(finish)),
    stop_sequence: null,
    usage: asMessagesUsage(chatUsage(answer['usage']) ?? { input: 0, output: 0 }),
  };
}
