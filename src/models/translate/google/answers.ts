/** What Gemini answers, said as a chat's answer. */
import { StarlingError, printable } from '../../../core/index.ts';
import type { Json, JsonObject } from '../../../core/index.ts';
import { countIn, listIn, objectIn, textIn, tokensIn } from '../../json-reading.ts';
import type { Usage } from '../../types.ts';
import { asChatUsage } from '../answers.ts';
import { present } from '../fields.ts';

const FINISHES: Readonly<Record<string, string>> = { STOP: 'stop', MAX_TOKENS: 'length' };
const FILTERS: readonly string[] = [
  'BLOCKLIST',
  'IMAGE_SAFETY',
  'LANGUAGE',
  'PROHIBITED_CONTENT',
  'RECITATION',
  'SAFETY',
  'SPII',
];
const BROKEN_CALLS: readonly string[] = ['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL'];

/** What one piece of an answer, or all of it, says. */
export interface Said {
  readonly text: string;
  readonly thoughts: string;
  readonly calls: readonly {
    readonly name: string;
    readonly args: string;
    readonly signature: string;
  }[];
  /** As a chat says it; empty while the answer goes on. */
  readonly finish: string;
}

/** Tokens as Gemini tells them: thoughts are told apart from the answer, and paid for like it. */
export function googleUsage(usage: Json | undefined): Usage | undefined {
  const told = objectIn(usage);
  if (typeof told['promptTokenCount'] !== 'number') return undefined;
  const parts = [
    'promptTokenCount',
    'toolUsePromptTokenCount',
    'candidatesTokenCount',
    'thoughtsTokenCount',
  ];
  const counts = parts.map((name) => tokensIn(told[name]));
  const [prompt, results, answer, thoughts] = counts;
  if (prompt === undefined || results === undefined) return undefined;
  if (answer === undefined || thoughts === undefined) return undefined;
  const cached = countIn(told['cachedContentTokenCount']);
  const details = listIn(told['promptTokensDetails']).map(objectIn);
  const image = details.find(({ modality }) => modality === 'IMAGE');
  const pictures = countIn(image?.['tokenCount']);
  return {
    input: prompt + results,
    output: answer + thoughts,
    ...(cached === 0 ? {} : { cachedInput: cached }),
    ...(pictures === 0 ? {} : { imageInput: pictures }),
  };
}

/**
 * Reads an answer, or a piece of one. @throws STARLING_MODEL_REJECTED where the request was blocked, STARLING_MODEL_INVALID for a
 * broken call of a tool, and for parts that a chat can't say
 */
export function saidIn(answer: JsonObject): Said {
  const [first] = listIn(answer['candidates']);
  const block = textIn(objectIn(answer['promptFeedback'])['blockReason']);
  if (first === undefined && block !== '') throw blocked(block);
  const { content, finishReason, finishMessage } = objectIn(first);
  const reason = textIn(finishReason);
  if (BROKEN_CALLS.includes(reason)) throw invalid(`calls a tool in a broken way (${reason})`);
  const said = { text: '', thoughts: '', calls: [] as Said['calls'][number][] };
  for (const one of listIn(objectIn(content)['parts'])) {
    const part = objectIn(one);
    const { text, thought, functionCall, thoughtSignature } = part;
    if (functionCall !== undefined) {
      const { name, args } = objectIn(functionCall);
      const signature = textIn(thoughtSignature);
      said.calls.push({ name: textIn(name), args: JSON.stringify(objectIn(args)), signature });
    } else if (typeof text === 'string') {
      if (thought === true) said.thoughts += text;
      else said.text += text;
    } else if (thoughtSignature === undefined || Object.keys(part).length > 1) {
      throw invalid(`answers with what a chat can't say (${Object.keys(part).join(', ')})`);
    }
  }
  if (reason !== '' && finishOf(reason) === undefined) {
    throw invalid(`ended its answer (${reason}) ${textIn(finishMessage)}`.trim());
  }
  return { ...said, finish: reason === '' ? '' : (finishOf(reason) ?? '') };
}

/** A call of a chat; Gemini names no calls, so they are counted. Its signature goes where Google's own chats have it. */
export function chatCall(
  id: string,
  at: number,
  { name, args, signature }: Said['calls'][number],
): JsonObject {
  return present({
    id: `call_${id}_${at}`,
    type: 'function',
    function: { name, arguments: args },
    extra_content: signature === '' ? undefined : { google: { thought_signature: signature } },
  });
}

/** The id of an answer; older models give none. */
export function answerId(answer: JsonObject): string {
  return (
    textIn(answer['responseId'])
      .replaceAll(/[^\w-]/g, '_')
      .slice(0, 64) || 'gemini'
  );
}

/** Gemini's answer as a chat's; undefined where it is none. @throws see {@link saidIn} */
export function googleAsChat(
  answer: JsonObject,
  model: string,
  createdS: number,
): JsonObject | undefined {
  const { text, thoughts, calls, finish } = saidIn(answer);
  if (listIn(answer['candidates']).length === 0) return undefined;
  const id = answerId(answer);
  const usage = googleUsage(answer['usageMetadata']);
  const message = present({
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    reasoning_content: thoughts === '' ? undefined : thoughts,
    tool_calls: calls.length === 0 ? undefined : calls.map((call, at) => chatCall(id, at, call)),
  });
  const finished = finish === 'stop' && calls.length > 0 ? 'tool_calls' : finish || 'stop';
  return present({
    id,
    object: 'chat.completion',
    created: createdS,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finished }],
    usage: usage === undefined ? undefined : asChatUsage(usage),
  });
}

/** Gemini's embeddings as those of the OpenAI API, in the form that was asked for; undefined where they are none. */
export function googleAsEmbeddings(
  answer: JsonObject,
  model: string,
  request: JsonObject,
  tokens: number,
): JsonObject | undefined {
  const rows = answer['embeddings'];
  if (!Array.isArray(rows)) return undefined;
  const isPacked = request['encoding_format'] === 'base64';
  const data = listIn(rows).map((row, index) => {
    const values = listIn(objectIn(row)['values']).map(Number);
    return { object: 'embedding', index, embedding: isPacked ? packed(values) : values };
  });
  return {
    object: 'list',
    model,
    data,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

/** Numbers of four bytes, the lowest byte first, in base64. */
function packed(values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeFloatLE(value, at * 4);
  return bytes.toString('base64');
}

function finishOf(reason: string): string | undefined {
  return FILTERS.includes(reason) ? 'content_filter' : FINISHES[reason];
}

function blocked(reason: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_REJECTED',
    `the content filter of the provider refuses the request: ${printable(reason, 80)}`,
    {
      hint: 'say it in other words, or choose another model',
      data: { reason: 'content_filter' },
    },
  );
}

function invalid(what: string): StarlingError {
  return new StarlingError('STARLING_MODEL_INVALID', `the model ${printable(what, 200)}`, {
    hint: 'ask again, or choose another model',
    data: { reason: 'tool_arguments' },
  });
}
