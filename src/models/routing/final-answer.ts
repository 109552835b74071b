/** What an answer says in the end, whichever API it is in, whole or streamed: its text, its calls of tools, and why it ended. */
import type { Json, JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, parsedObject, textIn } from '../json-reading.ts';
import { followStream } from '../providers/follow-stream.ts';
import { finishOf } from '../translate/answers.ts';
import type { ModelForm } from '../types.ts';

/** An answer, read. */
export interface SaidAnswer {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly args: JsonObject | undefined }[];
  /** As a chat says it: `stop`, `length`, `tool_calls`, `content_filter`. */
  readonly finish: string;
}

/** Reads the bytes of an answer; undefined for what is none. @throws what the stream says failed */
export function readSaid(
  form: ModelForm,
  isStream: boolean,
  bytes: Buffer,
): SaidAnswer | undefined {
  const api = form === 'messages' ? 'anthropic' : form === 'responses' ? 'responses' : 'openai';
  if (!isStream) {
    const whole = parsedObject(bytes.toString('utf8'));
    return whole === undefined ? undefined : WHOLE[api](whole);
  }
  const events = followStream(api, 'the model', bytes.length + 1).push(bytes);
  if (api === 'responses') return WHOLE[api](lastResponse(events));
  return api === 'anthropic' ? messageEvents(events) : chatEvents(events);
}

const WHOLE: Readonly<
  Record<'openai' | 'anthropic' | 'responses', (answer: JsonObject) => SaidAnswer>
> = { openai: chat, anthropic: message, responses: response };

function chat(answer: JsonObject): SaidAnswer {
  const { message: said, finish_reason: finish } = objectIn(listIn(answer['choices'])[0]);
  const { content, tool_calls: calls } = objectIn(said);
  return {
    text: textIn(content),
    calls: listIn(calls).map((call) => {
      const { name, arguments: args } = objectIn(objectIn(call)['function']);
      return { name: textIn(name), args: argsIn(textIn(args)) };
    }),
    finish: textIn(finish),
  };
}

function message(answer: JsonObject): SaidAnswer {
  const blocks = listIn(answer['content']).map(objectIn);
  const texts = blocks.filter(({ type }) => type === 'text');
  const uses = blocks.filter(({ type }) => type === 'tool_use');
  return {
    text: texts.map(({ text }) => textIn(text)).join(''),
    calls: uses.map(({ name, input }) => ({ name: textIn(name), args: objectIn(input) })),
    finish: finishOf(textIn(answer['stop_reason'])),
  };
}

function response(answer: JsonObject): SaidAnswer {
  const items = listIn(answer['output']).map(objectIn);
  const parts = items
    .filter(({ type }) => type === 'message')
    .flatMap(({ content }) => listIn(content));
  const reason = textIn(objectIn(answer['incomplete_details'])['reason']);
  const ended = reason === 'max_output_tokens' ? 'length' : reason;
  return {
    text: parts.map((part) => textIn(objectIn(part)['text'])).join(''),
    calls: items
      .filter(({ type }) => type === 'function_call')
      .map(({ name, arguments: args }) => ({ name: textIn(name), args: argsIn(textIn(args)) })),
    finish: answer['status'] === 'completed' ? 'stop' : ended,
  };
}

function lastResponse(events: readonly JsonObject[]): JsonObject {
  return objectIn(events.at(-1)?.['response']);
}

/** Pieces put together. */
interface Gathered {
  text: string;
  finish: string;
  readonly calls: Map<number, { name: string; args: string }>;
}

function chatEvents(events: readonly JsonObject[]): SaidAnswer {
  const gathered: Gathered = { text: '', finish: '', calls: new Map() };
  for (const event of events) {
    const { delta, finish_reason: finish } = objectIn(listIn(event['choices'])[0]);
    const { content, tool_calls: calls } = objectIn(delta);
    gathered.text += textIn(content);
    gathered.finish = textIn(finish) || gathered.finish;
    for (const call of listIn(calls)) {
      const { index, function: called } = objectIn(call);
      const { name, arguments: args } = objectIn(called);
      addCall(gathered, index, textIn(name), textIn(args));
    }
  }
  return saidOf(gathered);
}

function messageEvents(events: readonly JsonObject[]): SaidAnswer {
  const gathered: Gathered = { text: '', finish: '', calls: new Map() };
  for (const { delta, content_block: block, index } of events) {
    const { text, partial_json: args, stop_reason: stop } = objectIn(delta);
    const { type, name } = objectIn(block);
    gathered.text += textIn(text);
    if (textIn(stop) !== '') gathered.finish = finishOf(textIn(stop));
    if (type === 'tool_use' || textIn(args) !== '')
      addCall(gathered, index, textIn(name), textIn(args));
  }
  return saidOf(gathered);
}

function addCall({ calls }: Gathered, index: Json | undefined, name: string, args: string): void {
  const key = countIn(index);
  const call = calls.get(key) ?? { name: '', args: '' };
  calls.set(key, { name: call.name || name, args: call.args + args });
}

function saidOf({ text, finish, calls }: Gathered): SaidAnswer {
  const made = [...calls.values()].map(({ name, args }) => ({ name, args: argsIn(args) }));
  return { text, finish, calls: made };
}

function argsIn(text: string): JsonObject | undefined {
  return text.trim() === '' ? {} : parsedObject(text);
}
