/** A stream of the Messages API, said event by event as a stream of a chat. */
import type { JsonObject } from '../../core/index.ts';
import { countIn, objectIn, textIn } from '../json-reading.ts';
import { asChatUsage, finishOf, messagesUsage } from './answers.ts';
import type { StreamTranslator } from './stream-translator.ts';

/** Makes the translator of one stream; `model` as the caller named it, `createdS` in seconds since the epoch. */
export function createChatStream(
  model: string,
  createdS: number,
  withUsage: boolean,
): StreamTranslator {
  return new ChatStream(model, createdS, withUsage);
}

class ChatStream implements StreamTranslator {
  readonly #model: string;
  readonly #createdS: number;
  readonly #withUsage: boolean;
  #id = '';
  #usage: JsonObject = {};
  /** Which of a chat's calls a block is, by the block's index. */
  readonly #calls = new Map<number, number>();

  constructor(model: string, createdS: number, withUsage: boolean) {
    this.#model = model;
    this.#createdS = createdS;
    this.#withUsage = withUsage;
  }

  push(event: JsonObject): readonly JsonObject[] {
    switch (event['type']) {
      case 'message_start':
        return this.#start(objectIn(event['message']));
      case 'content_block_start':
        return this.#block(countIn(event['index']), objectIn(event['content_block']));
      case 'content_block_delta':
        return this.#delta(countIn(event['index']), objectIn(event['delta']));
      case 'message_delta':
        return this.#finish(event);
      case 'message_stop':
        return this.#end();
      default:
        return [];
    }
  }

  #start(message: JsonObject): readonly JsonObject[] {
    this.#id = textIn(message['id']);
    this.#usage = objectIn(message['usage']);
    return this.#chunk({ role: 'assistant', content: '' });
  }

  #block(at: number, block: JsonObject): readonly JsonObject[] {
    if (block['type'] === 'text' && textIn(block['text']) !== '') {
      return this.#chunk({ content: textIn(block['text']) });
    }
    if (block['type'] !== 'tool_use') return [];
    const index = this.#calls.size;
    this.#calls.set(at, index);
    const called = { name: textIn(block['name']), arguments: '' };
    return this.#chunk({
      tool_calls: [{ index, id: textIn(block['id']), type: 'function', function: called }],
    });
  }

  #delta(at: number, delta: JsonObject): readonly JsonObject[] {
    const { type } = delta;
    if (type === 'text_delta') return this.#chunk({ content: textIn(delta['text']) });
    if (type === 'thinking_delta') {
      return this.#chunk({ reasoning_content: textIn(delta['thinking']) });
    }
    const index = this.#calls.get(at);
    if (type !== 'input_json_delta' || index === undefined) return [];
    const called = { arguments: textIn(delta['partial_json']) };
    return this.#chunk({ tool_calls: [{ index, function: called }] });
  }

  #finish(event: JsonObject): readonly JsonObject[] {
    this.#usage = { ...this.#usage, ...objectIn(event['usage']) };
    const stop = textIn(objectIn(event['delta'])['stop_reason']);
    return stop === '' ? [] : this.#chunk({}, finishOf(stop));
  }

  #end(): readonly JsonObject[] {
    const usage = this.#withUsage ? messagesUsage(this.#usage) : undefined;
    return usage === undefined ? [] : [this.#whole({ choices: [], usage: asChatUsage(usage) })];
  }

  #chunk(delta: JsonObject, finish: string | null = null): readonly JsonObject[] {
    return [this.#whole({ choices: [{ index: 0, delta, finish_reason: finish }] })];
  }

  #whole(fields: JsonObject): JsonObject {
    return {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#createdS,
      model: this.#model,
      ...fields,
    };
  }
}
