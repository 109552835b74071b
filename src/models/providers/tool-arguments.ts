/**
 * Arguments of the tools that a model calls, as they come in pieces: whether they are JSON in the end. A client that is
 * handed half an object would guess, or call with what the model did not mean.
 */
import { StarlingError, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { listIn, objectIn, parsedObject, textIn } from '../json-reading.ts';
import type { StreamApi } from '../translate/stream-translator.ts';

/** Calls in one answer, and bytes of the arguments of all. */
const CALLS_MAX = 256;
const ARGUMENTS_MAX = 4 * 1024 * 1024;
/** Ends by which a call may be cut in the middle: the client sees that by the end itself. */
const CUT_SHORT: readonly string[] = ['length', 'max_tokens', 'content_filter', 'refusal'];

/** The calls of one stream. */
export interface ToolArguments {
  /** A piece of the call with that key. */
  add(key: string, name: string, piece: string): void;
  /** The answer is over, for that reason. @throws STARLING_MODEL_INVALID where a call has arguments that are no JSON object */
  end(reason: string): void;
}

/** Makes it for one stream of `provider`. */
export function createToolArguments(provider: string): ToolArguments {
  const calls = new Map<string, { name: string; text: string }>();
  let sizeBytes = 0;
  return {
    add(key, name, piece) {
      sizeBytes += piece.length;
      if (sizeBytes > ARGUMENTS_MAX || (calls.size >= CALLS_MAX && !calls.has(key))) {
        throw broken(provider, 'calls tools with more than can be checked');
      }
      const call = calls.get(key) ?? { name: '', text: '' };
      calls.set(key, { name: call.name === '' ? name : call.name, text: call.text + piece });
    },
    end(reason) {
      if (CUT_SHORT.includes(reason)) return;
      for (const { name, text } of calls.values()) requireObject(provider, name, text);
    },
  };
}

/** The same for the calls of a whole answer. @throws STARLING_MODEL_INVALID */
export function checkToolCalls(api: StreamApi, provider: string, answer: JsonObject): void {
  // Elsewhere arguments are objects as they come.
  if (api === 'openai') checkChat(provider, answer);
  if (api === 'responses') checkResponse(provider, answer);
}

function checkChat(provider: string, answer: JsonObject): void {
  for (const choice of listIn(answer['choices'])) {
    const { message, finish_reason: finish } = objectIn(choice);
    if (CUT_SHORT.includes(textIn(finish))) continue;
    for (const call of listIn(objectIn(message)['tool_calls']).slice(0, CALLS_MAX)) {
      const { name, arguments: args } = objectIn(objectIn(call)['function']);
      requireObject(provider, textIn(name), textIn(args));
    }
  }
}

function checkResponse(provider: string, answer: JsonObject): void {
  if (answer['status'] === 'incomplete') return;
  for (const item of listIn(answer['output']).slice(0, CALLS_MAX)) {
    const { type, name, arguments: args } = objectIn(item);
    if (type === 'function_call') requireObject(provider, textIn(name), textIn(args));
  }
}

function requireObject(provider: string, name: string, text: string): void {
  if (text.trim() === '' || parsedObject(text) !== undefined) return;
  throw broken(
    provider,
    `calls tool '${printable(name, 80)}' with arguments that are no JSON object`,
  );
}

function broken(provider: string, what: string): StarlingError {
  return new StarlingError('STARLING_MODEL_INVALID', `a model of provider ${provider} ${what}`, {
    hint: 'ask again, or choose a model that is better at calling tools',
    data: { provider, reason: 'tool_arguments' },
  });
}
