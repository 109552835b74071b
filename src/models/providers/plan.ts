/**
 * What a provider is sent for a request, and how its answer is said back: as it came where both speak the same API, else by
 * way of a chat, which every API can be said in.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import { objectIn } from '../json-reading.ts';
import { unknownModel } from '../names.ts';
import { withField, withModel } from '../read-call.ts';
import { chatAsMessage, messageAsChat } from '../translate/answers.ts';
import { createChatStream } from '../translate/chat-stream.ts';
import { createMessagesStream } from '../translate/messages-stream.ts';
import { googleAsChat, googleAsEmbeddings } from '../translate/google/answers.ts';
import { createGoogleStream } from '../translate/google/stream.ts';
import { toGoogle, toGoogleEmbeddings } from '../translate/google/to-google.ts';
import { chatAsResponse } from '../translate/responses/answers.ts';
import { createResponsesStream } from '../translate/responses/stream.ts';
import { responsesToChat } from '../translate/responses/to-chat.ts';
import { chained } from '../translate/stream-translator.ts';
import type { StreamApi, StreamTranslator } from '../translate/stream-translator.ts';
import { toChat } from '../translate/to-chat.ts';
import { toMessages } from '../translate/to-messages.ts';
import type { ModelForm, ReadCall } from '../types.ts';
import type { Provider } from './provider.ts';
import { reckonTokens, textLengthOf } from './token-estimate.ts';

const PATHS: Readonly<Record<ModelForm, string>> = {
  chat: '/chat/completions',
  embeddings: '/embeddings',
  messages: '/messages',
  count_tokens: '/messages/count_tokens',
  responses: '/responses',
  moderations: '/moderations',
};

/** What is sent, and how the answer is said back. */
export interface Plan {
  readonly body: Buffer;
  readonly path: string;
  /** What the caller is told: what was left out, and what was added. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the provider answers in. */
  readonly api: StreamApi;
  readonly stream?: StreamTranslator;
  /** The tokens that the stream tells were asked for by this node, and are not for the caller. */
  readonly hidesUsage?: true;
  /** Undefined for what is no answer of that API. */
  whole?(answer: JsonObject): JsonObject | undefined;
}

/** What planning hangs on. */
export interface PlanInit {
  /** By the provider's own name. */
  readonly model: string;
  /** Largest answer of a stream that is said in an API whose last event has all of it. */
  readonly messageBytes: number;
  readonly clock: Clock;
}

/** A request as a chat, and how a chat's answer is said in the request's own API. */
interface AsChat {
  readonly body: JsonObject;
  readonly ignored: readonly string[];
  readonly stream?: StreamTranslator;
  whole?(chat: JsonObject): JsonObject | undefined;
}

/** Whether the provider speaks the API of the request, so that both pass as they came. */
export function isNative({ api, hasResponses }: Provider, { form }: ReadCall): boolean {
  switch (form) {
    case 'chat':
    case 'embeddings':
    case 'moderations':
      return api === 'openai';
    case 'responses':
      return hasResponses;
    default:
      return api === 'anthropic';
  }
}

/** Plans one request. @throws STARLING_MODEL_UNSUPPORTED */
export function planOf(provider: Provider, call: ReadCall, init: PlanInit): Plan {
  if (isNative(provider, call)) return nativePlan(provider, call, init.model);
  const { form } = call;
  if (form === 'embeddings' && provider.api === 'google') return googleEmbeddings(call, init);
  if (form === 'embeddings' || form === 'moderations') throw noSuch(provider, form);
  const asked = asChat(provider, call, init);
  const { model, clock } = init;
  const { model: name, fields } = call;
  if (provider.api === 'openai') {
    return {
      body: bodyOf(asked.body),
      path: PATHS.chat,
      headers: said(asked.ignored, []),
      api: 'openai',
      ...answering(asked),
    };
  }
  const createdS = Math.floor(clock.now() / 1000);
  const withUsage = form !== 'chat' || objectIn(fields['stream_options'])['include_usage'] === true;
  if (provider.api === 'google') {
    const { body, ignored } = toGoogle(asked.body, model);
    return {
      body: bodyOf(body),
      path: googlePath(model, call.isStream ? 'streamGenerateContent?alt=sse' : 'generateContent'),
      headers: said([...asked.ignored, ...ignored], []),
      api: 'google',
      ...answering(asked, {
        stream: createGoogleStream(name, createdS, withUsage),
        whole: (answer) => googleAsChat(answer, name, createdS),
      }),
    };
  }
  const { body, ignored, added } = toMessages(asked.body, model);
  return {
    body: bodyOf(body),
    path: PATHS.messages,
    headers: said([...asked.ignored, ...ignored], added),
    api: 'anthropic',
    ...answering(asked, {
      stream: createChatStream(name, createdS, withUsage),
      whole: (answer) => messageAsChat(answer, name, createdS),
    }),
  };
}

function googleEmbeddings({ fields, model: name }: ReadCall, { model }: PlanInit): Plan {
  const { body, ignored } = toGoogleEmbeddings(fields, model);
  const tokens = reckonTokens(textLengthOf(fields['input']));
  return {
    body: bodyOf(body),
    path: googlePath(model, 'batchEmbedContents'),
    headers: { ...said(ignored, []), 'starling-estimated': 'usage' },
    api: 'google',
    whole: (answer) => googleAsEmbeddings(answer, name, fields, tokens),
  };
}

/** There the model stands in the address, of which it must be a part and no other place. @throws STARLING_MODEL_UNKNOWN */
function googlePath(model: string, verb: string): string {
  const parts = model.includes('/') ? model.split('/') : ['models', model];
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw unknownModel(model, 'no model of Google is called so');
  }
  return `/${parts.map(encodeURIComponent).join('/')}:${verb}`;
}

function nativePlan({ api, isOpenAi }: Provider, call: ReadCall, model: string): Plan {
  const { form, fields } = call;
  const path = PATHS[form];
  const options = objectIn(fields['stream_options']);
  // OpenAI's models think unseen: what that took, nobody but the vendor can tell.
  if (form === 'chat' && call.isStream && isOpenAi && options['include_usage'] !== true) {
    const asking = withField(call, 'stream_options', { ...options, include_usage: true });
    return { body: withModel(asking.body, model), path, headers: {}, api, hidesUsage: true };
  }
  if (form !== 'responses') return { body: withModel(call.body, model), path, headers: {}, api };
  // The vendor stores what nobody forbids.
  const sent = fields['store'] === false ? call : withField(call, 'store', false);
  const added = sent === call ? [] : ['store=false'];
  return {
    body: withModel(sent.body, model),
    path,
    headers: said([], added),
    api: 'responses',
  };
}

function asChat(provider: Provider, call: ReadCall, init: PlanInit): AsChat {
  const { fields, form, model: name } = call;
  const { model, clock, messageBytes } = init;
  if (form === 'chat') return { body: fields, ignored: [] };
  if (form === 'responses') {
    const { body, ignored } = responsesToChat(fields, model);
    const createdS = Math.floor(clock.now() / 1000);
    const about = { request: fields, model: name, createdS };
    return {
      body,
      ignored,
      stream: createResponsesStream(about, messageBytes),
      whole: (chat) => chatAsResponse(chat, about),
    };
  }
  const { body, ignored } = toChat(fields, model, provider);
  return {
    body,
    ignored,
    stream: createMessagesStream(name),
    whole: (chat) => chatAsMessage(chat, name),
  };
}

/** The way back: from the provider's API to a chat by `first`, and from there to the request's. */
function answering(
  asked: AsChat,
  first: Partial<Pick<Plan, 'stream' | 'whole'>> = {},
): Pick<Plan, 'stream' | 'whole'> {
  const streams = [first.stream, asked.stream].filter((one) => one !== undefined);
  const [one, other] = streams;
  const stream = one !== undefined && other !== undefined ? chained(one, other) : one;
  return {
    ...(stream === undefined ? {} : { stream }),
    whole(answer) {
      const chat = first.whole === undefined ? answer : first.whole(answer);
      return chat === undefined || asked.whole === undefined ? chat : asked.whole(chat);
    },
  };
}

function bodyOf(body: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(body));
}

function said(ignored: readonly string[], added: readonly string[]): Plan['headers'] {
  return {
    ...(ignored.length === 0 ? {} : { 'starling-ignored': ignored.join(', ') }),
    ...(added.length === 0 ? {} : { 'starling-added': added.join(', ') }),
  };
}

/** The error for what a provider does not do. */
export function noSuch({ name }: Provider, form: ModelForm): StarlingError {
  const text = `provider ${name} has no ${form}`;
  return new StarlingError('STARLING_MODEL_UNSUPPORTED', text, {
    hint: 'choose a model of another provider',
    data: { provider: name },
  });
}
