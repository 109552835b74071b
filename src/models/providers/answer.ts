/**
 * Has one provider of this node answer a request: as the request came where both speak the same API, else said in the
 * provider's API and its answer said back.
 */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import { isEventStream, mediaTypeOf } from '../../gateway/index.ts';
import type { Reply } from '../../gateway/index.ts';
import { parsedObject } from '../json-reading.ts';
import { CHAT_END, eventText } from '../translate/stream-translator.ts';
import type { StreamTranslator } from '../translate/stream-translator.ts';
import type { ModelAnswer, ReadCall, Usage } from '../types.ts';
import { followStream } from './follow-stream.ts';
import type { StreamFollower } from './follow-stream.ts';
import { isNative, noSuch, planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import { splitEvents } from './split-events.ts';
import type { Provider, VendorAnswer } from './provider.ts';
import { limitIn, mayThinkUnseen, reckonTokens, textLengthOf } from './token-estimate.ts';
import { usageOfAnswer } from './dialects.ts';
import { checkToolCalls } from './tool-arguments.ts';

const NOTHING = Buffer.alloc(0);
/** Headers of an answer that people ask providers about. */
const KEPT: readonly string[] = ['request-id', 'x-request-id'];

/** Bounds of one answer, and who hears of it. */
export interface AnswerInit {
  /** By the provider's own name. */
  readonly model: string;
  readonly signal: AbortSignal;
  /** Largest answer that is not streamed, and largest event of one that is. */
  readonly messageBytes: number;
  readonly clock: Clock;
  /** Hears what it took, once. */
  readonly used: (usage: Usage) => void;
}

/**
 * Answers `call`. @throws STARLING_MODEL_UNSUPPORTED and what the provider throws; once the answer has begun, so does its body
 */
export async function answerBy(
  provider: Provider,
  call: ReadCall,
  init: AnswerInit,
): Promise<ModelAnswer> {
  if (call.form === 'count_tokens' && provider.api !== 'anthropic') return reckoned(call, init);
  const plan = planOf(provider, call, init);
  const guess = reckonTokens(call.body.length) + limitIn(call);
  const settle = provider.allowance.take(guess);
  const used = (usage: Usage): void => {
    settle(usage.input + usage.output);
    init.used(usage);
  };
  let answer: VendorAnswer;
  try {
    answer = await provider.send({
      path: plan.path,
      model: init.model,
      body: plan.body,
      headers: isNative(provider, call) ? call.headers : {},
      signal: init.signal,
    });
  } catch (error) {
    settle(0);
    throw call.form === 'moderations' && isUnknown(error) ? noSuch(provider, call.form) : error;
  }
  const headers = { ...keptHeaders(answer.reply), ...plan.headers };
  const made = { ...init, used };
  if (!call.isStream) {
    return { isStream: false, headers, body: one(await whole(provider, call, plan, answer, made)) };
  }
  if (!isEventStream(answer.reply)) throw wrongType(provider, answer.reply, 'a stream of events');
  return { isStream: true, headers, body: streamed(provider, call, plan, answer, made) };
}

/** The whole answer, in the form of the request. */
async function whole(
  provider: Provider,
  call: ReadCall,
  plan: Plan,
  { reply, body }: VendorAnswer,
  init: AnswerInit,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > init.messageBytes) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `provider ${provider.name} answered with more than ${init.messageBytes} bytes (limits.messageBytes)`,
        {
          hint: 'ask for less, or have the answer streamed',
          data: { limit: 'limits.messageBytes' },
        },
      );
    }
    chunks.push(chunk);
  }
  if (!mediaTypeOf(reply).endsWith('json')) throw wrongType(provider, reply, 'JSON');
  const bytes = Buffer.concat(chunks, sizeBytes);
  const answer = parsedObject(bytes.toString('utf8'));
  if (answer !== undefined && call.form !== 'count_tokens') {
    init.used(usageOfAnswer(plan.api, answer) ?? reckonedUsage(call, init.model, sizeBytes));
    checkToolCalls(plan.api, provider.name, answer);
  }
  const said = answer === undefined || plan.whole === undefined ? answer : plan.whole(answer);
  if (answer === undefined || said === undefined) {
    throw new StarlingError(
      'STARLING_MODEL_INVALID',
      `the answer of provider ${provider.name} is none of its API`,
      { hint: `see that models.providers.${provider.name}.endpoint is the base of its API` },
    );
  }
  return said === answer ? bytes : Buffer.from(JSON.stringify(said));
}

/** Event by event, so that a fault comes after all that was good, and between two events. */
async function* streamed(
  provider: Provider,
  call: ReadCall,
  { api, hidesUsage, stream }: Plan,
  { body }: VendorAnswer,
  { messageBytes, model, used }: AnswerInit,
): AsyncGenerator<Uint8Array> {
  const follower = followStream(api, provider.name, messageBytes, (text) =>
    provider.withoutKeys(text),
  );
  const events = splitEvents(messageBytes);
  const say = (event: Buffer): Uint8Array => {
    const read = follower.push(event);
    if (stream !== undefined) return sayAll(stream, read);
    return hidesUsage === true && read.some(isUsage) ? NOTHING : event;
  };
  try {
    for await (const chunk of body) {
      const said: Uint8Array[] = [];
      let fault: unknown;
      try {
        for (const event of events.push(chunk)) said.push(say(event));
      } catch (error) {
        fault = error;
      }
      const bytes = Buffer.concat(said);
      if (bytes.length > 0) yield bytes;
      if (fault !== undefined) throw fault;
    }
    const rest = say(events.rest());
    follower.end();
    const last = Buffer.concat([rest, Buffer.from(lastOf(call, stream))]);
    if (last.length > 0) yield last;
  } finally {
    // One that broke off, or that nobody wanted to its end, was paid for by what came.
    used(usageOf(follower, reckonedUsage(call, model, follower.textLength)));
  }
}

/** What a provider tells at the beginning knows nothing of what comes after: of a stream that was left, what came counts. */
function usageOf(follower: StreamFollower, reckoned: Usage): Usage {
  const told = follower.usage();
  if (told === undefined) return reckoned;
  if (follower.isOver || told.output >= reckoned.output) return told;
  return { ...told, output: reckoned.output, isEstimated: true };
}

function sayAll(stream: StreamTranslator, events: readonly JsonObject[]): Buffer {
  return Buffer.from(
    events
      .flatMap((event) => stream.push(event))
      .map(eventText)
      .join(''),
  );
}

/** What is said at the end of a stream that is said in another API; one that passes as it came has its own end. */
function lastOf({ form }: ReadCall, stream: StreamTranslator | undefined): string {
  if (stream === undefined) return '';
  const events = (stream.end?.() ?? []).map(eventText).join('');
  return form === 'chat' ? `${events}${CHAT_END}` : events;
}

/** Most compatible providers have no moderations, and say so like of a model that they have not. */
function isUnknown(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_MODEL_UNKNOWN';
}

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function keptHeaders(reply: Reply): Readonly<Record<string, string>> {
  return Object.fromEntries(
    KEPT.flatMap((name): [string, string][] => {
      const value = reply.headers[name];
      return typeof value === 'string' && /^[\w.:-]{1,200}$/.test(value) ? [[name, value]] : [];
    }),
  );
}

function wrongType(provider: Provider, reply: Reply, wanted: string): StarlingError {
  reply.body.destroy();
  const got = mediaTypeOf(reply);
  return new StarlingError(
    'STARLING_MODEL_INVALID',
    `provider ${provider.name} answered with ${got === '' ? 'no content type' : got}, and not with ${wanted}`,
    {
      hint: `see that models.providers.${provider.name}.endpoint is the base of its API`,
      data: { provider: provider.name },
    },
  );
}

/** No compatible provider counts tokens before a call. */
function reckoned(call: ReadCall, { used }: AnswerInit): ModelAnswer {
  const tokens = reckonTokens(textLengthOf(call.fields));
  used({ input: 0, output: 0 });
  return {
    isStream: false,
    headers: { 'starling-estimated': 'input_tokens' },
    body: one(Buffer.from(JSON.stringify({ input_tokens: tokens }))),
  };
}

function reckonedUsage(call: ReadCall, model: string, outputLength: number): Usage {
  const input = reckonTokens(textLengthOf(call.fields));
  if (call.form === 'embeddings' || call.form === 'moderations') {
    return { input, output: 0, isEstimated: true };
  }
  const said = reckonTokens(outputLength);
  const output = mayThinkUnseen(call, model) ? Math.max(said, limitIn(call)) : said;
  return { input, output, isEstimated: true };
}

/** The piece of a chat's stream that tells tokens, and nothing else. */
function isUsage({ choices, usage }: JsonObject): boolean {
  return Array.isArray(choices) && choices.length === 0 && isObject(usage);
}
