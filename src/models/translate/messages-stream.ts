/** A stream of a chat, said event by event as a stream of the Messages API. */
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, textIn } from '../json-reading.ts';
import type { Usage } from '../types.ts';
import { asMessagesUsage, chatUsage, stopOf } from './answers.ts';
import type { StreamTranslator } from './stream-translator.ts';

type Kind = 'text' | 'thinking' | `call ${number}`;

/** Makes the translator of one stream; `model` as the caller named it. */
export function createMessagesStream(model: string): StreamTranslator {
  return new MessagesStream(model);
}

class MessagesStream implements StreamTranslator {
  readonly #model: string;
  #hasStarted = false;
  #open: Kind | undefined;
  /** Index of the block that is open, or of the next one. */
  #index = 0;
  readonly #begun = new Set<Kind>();
  #finish = '';
  #usage: Usage = { input: 0, output: 0 };

  constructor(model: string) {
    this.#model = model;
  }

  push(chunk: JsonObject): readonly JsonObject[] {
    this.#usage = chatUsage(chunk['usage']) ?? this.#usage;
    const started = this.#start(textIn(chunk['id']));
    const [choice] = listIn(chunk['choices']);
    if (choice === undefined) return started;
    const { delta, finish_reason: finish } = objectIn(choice);
    if (typeof finish === 'string') this.#finish = finish;
    const { content, reasoning_content: thinking, tool_calls: calls } = objectIn(delta);
    return [
      ...started,
      ...this.#text('thinking', textIn(thinking)),
      ...this.#text('text', textIn(content)),
      ...listIn(calls).flatMap((call) => this.#call(objectIn(call))),
    ];
  }

  end(): readonly JsonObject[] {
    return [
      ...this.#start(''),
      ...this.#close(),
      {
        type: 'message_delta',
        delta: { stop_reason: stopOf(this.#finish), stop_sequence: null },
        usage: asMessagesUsage(this.#usage),
      },
      { type: 'message_stop' },
    ];
  }

  #start(id: string): readonly JsonObject[] {
    if (this.#hasStarted) return [];
    this.#hasStarted = true;
    const message: JsonObject = {
      id,
      type: 'message',
      role: 'assistant',
      model: this.#model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 0, output_tokens: 0 },
    };
    return [{ type: 'message_start', message }];
  }

  #text(kind: 'text' | 'thinking', text: string): readonly JsonObject[] {
    if (text === '') return [];
    const block: JsonObject =
      kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' };
    const delta: JsonObject =
      kind === 'text' ? { type: 'text_delta', text } : { type: 'thinking_delta', thinking: text };
    return [...this.#begin(kind, block), this.#delta(delta)];
  }

  #call({ index, id, function: called }: JsonObject): readonly JsonObject[] {
    const { name, arguments: args } = objectIn(called);
    const kind: Kind = `call ${countIn(index)}`;
    const block = { type: 'tool_use', id: textIn(id), name: textIn(name), input: {} };
    const begun = this.#begin(kind, block);
    const part = textIn(args);
    return part === ''
      ? begun
      : [...begun, this.#delta({ type: 'input_json_delta', partial_json: part })];
  }

  /** Texts may come in turns, each a block; a call that was closed can't be gone on with. */
  #begin(kind: Kind, block: JsonObject): readonly JsonObject[] {
    if (this.#open === kind) return [];
    if (kind.startsWith('call') && this.#begun.has(kind)) {
      throw new StarlingError(
        'STARLING_MODEL_INVALID',
        'the provider mixes two calls of tools in one stream, which the Messages API can not say',
      );
    }
    const closed = this.#close();
    this.#open = kind;
    this.#begun.add(kind);
    return [...closed, { type: 'content_block_start', index: this.#index, content_block: block }];
  }

  #close(): readonly JsonObject[] {
    if (this.#open === undefined) return [];
    this.#open = undefined;
    const index = this.#index;
    this.#index += 1;
    return [{ type: 'content_block_stop', index }];
  }

  #delta(delta: Json): JsonObject {
    return { type: 'content_block_delta', index: this.#index, delta };
  }
}
