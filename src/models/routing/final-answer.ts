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
  const api = streamApiOf(form);
  if (!isStream) {
    const whole = parsedObject(bytes.toString('utf8'));
    return whole === undefined ? undefined : WHOLE[api](whole);
  }
  const said = createSaid(form, Infinity);
  said.push(followStream(api, 'the model', bytes.length + 1).push(bytes));
  return said.answer();
}

/** In which API a request of that form is answered. */
export function streamApiOf(form: ModelForm): 'openai' | 'anthropic' | 'responses' {
  if (form === 'messages') return 'anthropic';
  return form === 'responses' ? 'responses' : 'openai';
}

/** Puts the pieces of a stream together as they come; of texts it keeps `textMax` characters and what came with the last of them. */
export function createSaid(
  form: ModelForm,
  textMax: number,
): { push(events: readonly JsonObject[]): void; answer(): SaidAnswer } {
  const api = streamApiOf(form);
  const gathered: Gathered = { text: '', finish: '', calls: new Map(), callsLength: 0 };
  let last: JsonObject | undefined;
  return {
    push(events) {
      last = events.at(-1) ?? last;
      for (const event of events) {
        const { callsLength, text } = gathered;
        if (text.length + callsLength <= textMax) GATHER[api](gathered, event);
      }
    },
    answer() {
      if (api !== 'responses') return saidOf(gathered);
      const whole = WHOLE.responses(objectIn(last?.['response']));
      return whole.finish === '' ? saidOf(gathered) : whole;
    },
  };
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

/** Pieces put together. */
interface Gathered {
  text: string;
  finish: string;
  readonly calls: Map<number, { name: string; args: string }>;
  /** Characters of all pieces of calls, and one for each piece. */
  callsLength: number;
}

const GATHER: Readonly<
  Record<'openai' | 'anthropic' | 'responses', (gathered: Gathered, event: JsonObject) => void>
> = {
  openai(gathered, event) {
    const { delta, finish_reason: finish } = objectIn(listIn(event['choices'])[0]);
    const { content, tool_calls: calls } = objectIn(delta);
    gathered.text += textIn(content);
    gathered.finish = textIn(finish) || gathered.finish;
    for (const call of listIn(calls)) {
      const { index, function: called } = objectIn(call);
      const { name, arguments: args } = objectIn(called);
      addCall(gathered, index, textIn(name), textIn(args));
    }
  },
  anthropic(gathered, { delta, content_block: block, index }) {
    const { text, partial_json: args, stop_reason: stop } = objectIn(delta);
    const { type, name } = objectIn(block);
    gathered.text += textIn(text);
    if (textIn(stop) !== '') gathered.finish = finishOf(textIn(stop));
    if (type === 'tool_use' || textIn(args) !== '')
      addCall(gathered, index, textIn(name), textIn(args));
  },
  /** The last event has the whole answer; these are for one that breaks off before. */
  responses(gathered, { delta, type }) {
    if (type === 'response.output_text.delta') gathered.text += textIn(delta);
  },
};

function addCall(gathered: Gathered, index: Json | undefined, name: string, args: string): void {
  const { calls } = gathered;
  const key = countIn(index);
  const call = calls.get(key) ?? { name: '', args: '' };
  calls.set(key, { name: call.name || name, args: call.args + args });
  gathered.callsLength += 1 + name.length + args.length;
}

function saidOf({ text, finish, calls }: Gathered): SaidAnswer {
  const made = [...calls.values()].map(({ name, args }) => ({ name, args: argsIn(args) }));
  return { text, finish, calls: made };
}

function argsIn(text: string): JsonObject | undefined {
  return text.trim() === '' ? {} : parsedObject(text);
}
