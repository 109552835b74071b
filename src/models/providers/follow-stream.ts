/**
 * Reads along with a provider's stream of events: whether each is one of its API, whether the stream has come to its own
 * end, and what it says of tokens. A stream that stops without its end was cut, whatever the connection says.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { createEventStreamDecoder } from '../../gateway/index.ts';
import { parsedObject } from '../json-reading.ts';
import type { StreamApi } from '../translate/stream-translator.ts';
import type { Usage } from '../types.ts';
import { READERS, usageOfStream } from './dialects.ts';
import type { Heard } from './dialects.ts';
import { createToolArguments } from './tool-arguments.ts';
import { streamError } from './vendor-errors.ts';

const DONE = '[DONE]';
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
  api: StreamApi,
  provider: string,
  eventBytes: number,
  withoutKeys: (text: string) => string = (text) => text,
): StreamFollower {
  return new Follower(api, provider, eventBytes, withoutKeys);
}

class Follower implements StreamFollower {
  readonly #api: StreamApi;
  readonly #provider: string;
  readonly #decoder: ReturnType<typeof createEventStreamDecoder>;
  #events: JsonObject[] = [];
  #fault: StarlingError | undefined;
  readonly #withoutKeys: (text: string) => string;
  readonly #heard: Heard;

  constructor(
    api: StreamApi,
    provider: string,
    eventBytes: number,
    withoutKeys: (text: string) => string,
  ) {
    this.#api = api;
    this.#withoutKeys = withoutKeys;
    this.#provider = provider;
    this.#heard = {
      isOver: false,
      textLength: 0,
      usage: {},
      calls: createToolArguments(provider),
    };
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
    if (this.#heard.isOver) return;
    throw new StarlingError(
      'STARLING_MODEL_CUT',
      `provider ${this.#provider} ended its answer in the middle`,
      { hint: 'try again', data: { provider: this.#provider } },
    );
  }

  get isOver(): boolean {
    return this.#heard.isOver;
  }

  get textLength(): number {
    return this.#heard.textLength;
  }

  usage(): Usage | undefined {
    return usageOfStream(this.#api, this.#heard);
  }

  #take(data: string): void {
    if (this.#fault !== undefined) return;
    if (this.#api === 'openai' && data.trim() === DONE) {
      this.#heard.isOver = true;
      return;
    }
    const event = parsedObject(data);
    if (event === undefined) {
      this.#fault = this.#malformed('an event holds no JSON object');
      return;
    }
    try {
      const told = READERS[this.#api](event, this.#heard);
      if (told === undefined) this.#events.push(event);
      else this.#fault = streamError(this.#provider, told, this.#withoutKeys);
    } catch (error) {
      // A decoder that calls back must not be left in the middle.
      this.#fault = error instanceof StarlingError ? error : this.#malformed(messageOf(error));
    }
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
