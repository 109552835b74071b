/** A stream of a chat, said event by event as a stream of the OpenAI Responses API. */
import { StarlingError } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { countIn, listIn, objectIn, textIn } from '../../json-reading.ts';
import type { StreamTranslator } from '../stream-translator.ts';
import { callItem, itemId, messageItem, reasoningItem, responseOf, textPart } from './answers.ts';
import type { ResponseInit } from './answers.ts';
import { freeInput, freeTools } from './free-tools.ts';

type TextKind = 'text' | 'refusal' | 'reasoning';

/** A text that goes on. */
interface OpenText {
  readonly kind: TextKind;
  readonly id: string;
  readonly at: number;
  text: string;
}

/** A call of a tool; calls may come in turns, so that each is open until the end. */
interface OpenCall {
  readonly id: string;
  readonly at: number;
  readonly callId: string;
  readonly name: string;
  readonly isFree: boolean;
  args: string;
}

/** Makes the translator of one stream, which may bring `answerBytes`: the last event has all of it once more. */
export function createResponsesStream(init: ResponseInit, answerBytes: number): StreamTranslator {
  return new ResponsesStream(init, answerBytes);
}

class ResponsesStream implements StreamTranslator {
  readonly #init: ResponseInit;
  readonly #answerBytes: number;
  readonly #free: ReadonlySet<string>;
  readonly #output: Json[] = [];
  readonly #calls = new Map<number, OpenCall>();
  #open: OpenText | undefined;
  #id: string | undefined;
  #sequence = 0;
  #finish = 'stop';
  #usage: Json | undefined;
  #length = 0;

  constructor(init: ResponseInit, answerBytes: number) {
    this.#init = init;
    this.#answerBytes = answerBytes;
    this.#free = freeTools(init.request);
  }

  push(chunk: JsonObject): readonly JsonObject[] {
    const begun = this.#begin(textIn(chunk['id']));
    if (chunk['usage'] !== undefined && chunk['usage'] !== null) this.#usage = chunk['usage'];
    const { delta, finish_reason: finish } = objectIn(listIn(chunk['choices'])[0]);
    if (textIn(finish) !== '') this.#finish = textIn(finish);
    const { content, refusal, reasoning_content: thought, tool_calls: calls } = objectIn(delta);
    return [
      ...begun,
      ...this.#say('reasoning', textIn(thought)),
      ...this.#say('text', textIn(content)),
      ...this.#say('refusal', textIn(refusal)),
      ...listIn(calls).flatMap((call) => this.#call(objectIn(call))),
    ];
  }

  end(): readonly JsonObject[] {
    const begun = this.#begin('');
    const closed = this.#close();
    const calls = [...this.#calls.values()].flatMap((call) => this.#closeCall(call));
    const response = responseOf(this.#init, {
      id: this.#id ?? '',
      output: this.#output,
      finish: this.#finish,
      usage: this.#usage,
    });
    const type = `response.${response['status'] === 'completed' ? 'completed' : 'incomplete'}`;
    return [...begun, ...closed, ...calls, this.#event(type, { response })];
  }

  #begin(id: string): readonly JsonObject[] {
    if (this.#id !== undefined) return [];
    this.#id = id;
    const response = responseOf(this.#init, { id, output: [] });
    return ['response.created', 'response.in_progress'].map((type) =>
      this.#event(type, { response }),
    );
  }

  #say(kind: TextKind, delta: string): readonly JsonObject[] {
    if (delta === '') return [];
    this.#count(delta);
    const before = this.#open?.kind === kind ? [] : [...this.#close(), ...this.#openText(kind)];
    const open = this.#open;
    if (open === undefined) return before;
    open.text += delta;
    const more = kind === 'text' ? { logprobs: [] } : {};
    return [...before, this.#event(`${eventOf(kind)}.delta`, { ...placeOf(open), delta, ...more })];
  }

  #openText(kind: TextKind): readonly JsonObject[] {
    const at = this.#output.length;
    const id = itemId(kind === 'reasoning' ? 'rs' : 'msg', this.#id ?? '', at);
    this.#open = { kind, id, at, text: '' };
    const item = kind === 'reasoning' ? reasoningItem(id, '') : messageItem(id, [], 'in_progress');
    this.#output.push(item);
    const added = this.#event('response.output_item.added', { output_index: at, item });
    if (kind === 'reasoning') return [added];
    const place = { ...placeOf(this.#open), part: textPart(kind, '') };
    return [added, this.#event('response.content_part.added', place)];
  }

  #close(): readonly JsonObject[] {
    const open = this.#open;
    if (open === undefined) return [];
    this.#open = undefined;
    const { kind, id, at, text } = open;
    const place = placeOf(open);
    const said = kind === 'refusal' ? { refusal: text } : { text };
    const more = kind === 'text' ? { logprobs: [] } : {};
    const done = [this.#event(`${eventOf(kind)}.done`, { ...place, ...said, ...more })];
    const part = kind === 'reasoning' ? undefined : textPart(kind, text);
    if (part !== undefined)
      done.push(this.#event('response.content_part.done', { ...place, part }));
    const item = part === undefined ? reasoningItem(id, text) : messageItem(id, [part]);
    return [...done, this.#itemDone(at, item)];
  }

  #call({ index, id: callId, function: called }: JsonObject): readonly JsonObject[] {
    const { name, arguments: args } = objectIn(called);
    const key = countIn(index);
    const known = this.#calls.get(key);
    const call = known ?? this.#openCall(key, textIn(callId), textIn(name));
    const begun =
      known === undefined
        ? [...this.#close(), this.#event('response.output_item.added', this.#shown(call))]
        : [];
    const delta = textIn(args);
    if (delta === '') return begun;
    this.#count(delta);
    call.args += delta;
    // What a free tool is given stands within JSON, which must be whole to be read.
    if (call.isFree) return begun;
    const { id, at } = call;
    const place = { item_id: id, output_index: at, delta };
    return [...begun, this.#event('response.function_call_arguments.delta', place)];
  }

  #openCall(key: number, callId: string, name: string): OpenCall {
    // The text that is open stands before.
    const at = this.#output.length;
    const isFree = this.#free.has(name);
    const id = itemId(isFree ? 'ctc' : 'fc', this.#id ?? '', at);
    const call: OpenCall = { id, at, callId, name, isFree, args: '' };
    this.#calls.set(key, call);
    this.#output.push(callItem(id, call, isFree, 'in_progress'));
    return call;
  }

  #shown(call: OpenCall): JsonObject {
    return { output_index: call.at, item: callItem(call.id, call, call.isFree, 'in_progress') };
  }

  #closeCall(call: OpenCall): readonly JsonObject[] {
    const { id, at, args, name, isFree } = call;
    const place = { item_id: id, output_index: at };
    const item = callItem(id, call, isFree);
    if (!isFree) {
      const said = { ...place, name, arguments: args };
      const done = this.#event('response.function_call_arguments.done', said);
      return [done, this.#itemDone(at, item)];
    }
    const input = args === '' ? '' : freeInput(args);
    return [
      this.#event('response.custom_tool_call_input.delta', { ...place, delta: input }),
      this.#event('response.custom_tool_call_input.done', { ...place, input }),
      this.#itemDone(at, item),
    ];
  }

  #itemDone(at: number, item: JsonObject): JsonObject {
    this.#output[at] = item;
    return this.#event('response.output_item.done', { output_index: at, item });
  }

  #event(type: string, fields: JsonObject): JsonObject {
    const event = { type, sequence_number: this.#sequence, ...fields };
    this.#sequence += 1;
    return event;
  }

  /** @throws STARLING_LIMIT_EXCEEDED */
  #count({ length }: string): void {
    this.#length += length;
    if (this.#length <= this.#answerBytes) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `model ${this.#init.model} answered with more than ${this.#answerBytes} bytes (limits.messageBytes)`,
      { hint: 'ask for less, with max_output_tokens', data: { limit: 'limits.messageBytes' } },
    );
  }
}

function placeOf({ id, at }: OpenText): JsonObject {
  return { item_id: id, output_index: at, content_index: 0 };
}

function eventOf(kind: TextKind): string {
  const name = { text: 'output_text', refusal: 'refusal', reasoning: 'reasoning_text' }[kind];
  return `response.${name}`;
}
