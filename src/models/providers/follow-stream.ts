/**
 * Reads along with a provider's stream of events: whether each is one of its API, whether the stream has come to its own
 * end, and what it says of tokens. A stream that stops without its end was cut, whatever the connection says.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { createEventStreamDecoder } from '../../gateway/index.ts';
import { countIn, listIn, objectIn, parsedObject, textIn } from '../json-reading.ts';
import { chatUsage, messagesUsage } from '../translate/answers.ts';
import type { Usage } from '../types.ts';
import { createToolArguments } from './tool-arguments.ts';
import type { ToolArguments } from './tool-arguments.ts';
import { streamError } from './vendor-errors.ts';

const DONE = '[DONE]';
/** Where a chat's pieces have text that is paid for, and where those of messages have. */
const SAID: readonly string[] = ['content', 'reasoning_content', 'reasoning', 'refusal'];
const WRITTEN: readonly string[] = ['text', 'thinking', 'partial_json'];

/** What is known of a stream so far. */
export interface StreamFollower {
  /** The events that `chunk` completes. @throws STARLING_MODEL_INVALID, or what the provider says failed */
  push(chunk: Uint8Array): readonly JsonObject[];
  /** The stream is over. @throws STARLING_MODEL_CUT when it has not said so itself */
  end(): void;
  /** Tokens as told; undefined when they were not. */
  usage(): Usage | undefined;
  /** Whether the stream has come to its own end. */
  readonly isOver: boolean;
  /** Characters of text, thoughts and arguments of tools that came. */
  readonly textLength: number;
}

/**
 * Makes a follower of a stream of the API `api`; one event may have `eventBytes`. `withoutKeys` takes out of an error in the
 * stream what may not be shown.
 */
export function followStream(
  api: 'openai' | 'anthropic',
  provider: string,
  eventBytes: number,
  withoutKeys: (text: string) => string = (text) => text,
): StreamFollower {
  return new Follower(api, provider, eventBytes, withoutKeys);
}

class Follower implements StreamFollower {
  textLength = 0;
  readonly #api: 'openai' | 'anthropic';
  readonly #provider: string;
  readonly #decoder: ReturnType<typeof createEventStreamDecoder>;
  #events: JsonObject[] = [];
  #fault: StarlingError | undefined;
  #isOver = false;
  readonly #withoutKeys: (text: string) => string;
  #usage: JsonObject = {};
  readonly #arguments: ToolArguments;

  constructor(
    api: 'openai' | 'anthropic',
    provider: string,
    eventBytes: number,
    withoutKeys: (text: string) => string,
  ) {
    this.#api = api;
    this.#withoutKeys = withoutKeys;
    this.#provider = provider;
    this.#arguments = createToolArguments(provider);
    this.#decoder = createEventStreamDecoder(eventBytes, ({ data }) =>
      this.#take(data.toString('utf8')),
    );
  }

  push(chunk: Uint8Array): readonly JsonObject[] {
    this.#events = [];
    if (!this.#decoder.push(chunk)) this.#fault ??= this.#malformed('an event is too long');
    if (this.#fault !== undefined) throw this.#fault;
    return this.#events;
  }

  end(): void {
    if (this.#isOver) return;
    throw new StarlingError(
      'STARLING_MODEL_CUT',
      `provider ${this.#provider} ended its answer in the middle`,
      { hint: 'try again', data: { provider: this.#provider } },
    );
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  usage(): Usage | undefined {
    return this.#api === 'openai' ? chatUsage(this.#usage) : messagesUsage(this.#usage);
  }

  #take(data: string): void {
    if (this.#fault !== undefined) return;
    if (this.#api === 'openai' && data.trim() === DONE) {
      this.#isOver = true;
      return;
    }
    const event = parsedObject(data);
    if (event === undefined) {
      this.#fault = this.#malformed('an event holds no JSON object');
      return;
    }
    const { error } = event;
    if (error !== undefined && error !== null) {
      const said = typeof error === 'string' ? { message: error } : objectIn(error);
      this.#fault = streamError(this.#provider, said, this.#withoutKeys);
      return;
    }
    this.#events.push(event);
    try {
      if (this.#api === 'openai') this.#readChat(event);
      else this.#readMessages(event);
    } catch (error) {
      // A decoder that calls back must not be left in the middle.
      this.#fault = error instanceof StarlingError ? error : this.#malformed(messageOf(error));
    }
  }

  #readChat({ usage, choices }: JsonObject): void {
    if (usage !== undefined && usage !== null) this.#usage = objectIn(usage);
    for (const choice of listIn(choices)) {
      const { delta, finish_reason: finish, index } = objectIn(choice);
      // Some compatible servers leave [DONE] out.
      for (const call of listIn(objectIn(delta)['tool_calls'])) {
        const { index: at, function: called } = objectIn(call);
        const { name, arguments: piece } = objectIn(called);
        const key = `${countIn(index)} ${countIn(at)}`;
        this.#arguments.add(key, textIn(name), textIn(piece));
        this.textLength += textIn(piece).length;
      }
      if (typeof finish === 'string' && finish !== '') {
        this.#isOver = true;
        this.#arguments.end(finish);
      }
      for (const part of SAID) this.textLength += textIn(objectIn(delta)[part]).length;
    }
  }

  #readMessages({ type, message, usage, delta, index, content_block: block }: JsonObject): void {
    if (type === 'message_start') this.#usage = objectIn(objectIn(message)['usage']);
    if (type === 'message_delta') this.#usage = { ...this.#usage, ...objectIn(usage) };
    if (type === 'message_stop') this.#isOver = true;
    if (type === 'content_block_start' || type === 'content_block_delta') {
      const piece = textIn(objectIn(delta)['partial_json']);
      const name = textIn(objectIn(block)['name']);
      if (piece !== '' || name !== '') this.#arguments.add(`${countIn(index)}`, name, piece);
    }
    const reason = textIn(objectIn(delta)['stop_reason']);
    if (type === 'message_delta' && reason !== '') this.#arguments.end(reason);
    for (const part of WRITTEN) this.textLength += textIn(objectIn(delta)[part]).length;
  }

  #malformed(what: string): StarlingError {
    return new StarlingError(
      'STARLING_MODEL_INVALID',
      `the stream of provider ${this.#provider} is none of its API: ${what}`,
      {
        hint: `see that models.providers.${this.#provider}.endpoint is the base of its API`,
        data: { provider: this.#provider },
      },
    );
  }
}
