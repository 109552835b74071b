/**
 * One provider: the only place from which requests go to it. Each goes to the host of its endpoint and to no other, with the
 * key or the access token that the configuration names; no redirect is followed. What it answers is bounded in size and in silence.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { isOpenAiAt } from '../../config/index.ts';
import type { ModelProvider } from '../../config/index.ts';
import { createClientIdentity, readBody } from '../../gateway/index.ts';
import type { ClientIdentity, Exchange, Exchanger, Reply } from '../../gateway/index.ts';
import { listIn, objectIn, parsedObject } from '../json-reading.ts';
import { createAllowance } from './minute-limits.ts';
import type { Allowance } from './minute-limits.ts';
import { createClientToken } from './client-token.ts';
import type { ClientToken } from './client-token.ts';
import { isOllamas, readListed, readShown } from './listed-models.ts';
import type { ModelSize } from './listed-models.ts';
import { vendorError } from './vendor-errors.ts';

const REFUSAL_BYTES_MAX = 64 * 1024;
const LIST_BYTES_MAX = 8 * 1024 * 1024;
/** For how long what a provider lists is believed. */
const LIST_MS = 60_000;
const LIST_TIMEOUT_MS = 15_000;
/** Models of Ollama that are asked how large they are, and how many at a time. */
const SHOWN_MAX = 64;
const SHOWN_AT_ONCE = 8;
const OLLAMA_SHOW = '/api/show';
const ANTHROPIC_VERSION = '2023-06-01';

/** What a provider works with. */
export interface ProviderComponents {
  readonly exchanger: Exchanger;
  readonly clock: Clock;
}

/** A request in the provider's own API. */
export interface VendorRequest {
  /** Default `POST`. */
  readonly method?: 'GET' | 'POST';
  /** Below the endpoint: `/chat/completions`. */
  readonly path: string;
  /** By the provider's own name, for errors. */
  readonly model: string;
  readonly body?: Buffer;
  /** Besides the provider's own, which win. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** An answer that is none of a refusal, as it comes. */
export interface VendorAnswer {
  readonly reply: Reply;
  /** Ends by a StarlingError when the provider is silent or breaks off. Whoever stops reading ends the exchange. */
  readonly body: AsyncIterable<Buffer>;
}

/** A provider of models. */
export interface Provider {
  readonly name: string;
  readonly api: ModelProvider['api'];
  /** True for the one whose newest models want `max_completion_tokens`. */
  readonly isOpenAi: boolean;
  /** Requests in the Responses API pass as they came. */
  readonly hasResponses: boolean;
  readonly allowance: Allowance;
  /** False for a model that the configuration does not offer. */
  offers(model: string): boolean;
  /** Its models, by its own names. @throws what {@link Provider.send} does */
  models(signal: AbortSignal): Promise<readonly string[]>;
  /** The same, asked at its address now, whatever is known or configured. */
  probe(signal: AbortSignal): Promise<readonly string[]>;
  /** How large a model is, as far as the provider said so when it listed its models last. */
  sizeOf(model: string): ModelSize;
  /** What the provider says, without the keys that it was sent and may quote. */
  withoutKeys(text: string): string;
  /**
   * Sends a request; resolves when the headers of a good answer have come.
   * @throws STARLING_MODEL_…, STARLING_RATE_LIMITED, STARLING_TIMEOUT, STARLING_CONFIG_INVALID, STARLING_SECRET_MISSING
   */
  send(request: VendorRequest): Promise<VendorAnswer>;
}

/** Makes the provider `name`. */
export function createProvider(
  components: ProviderComponents,
  name: string,
  config: ModelProvider,
): Provider {
  return new HttpProvider(components, name, config);
}

class HttpProvider implements Provider {
  readonly name: string;
  readonly api: ModelProvider['api'];
  readonly isOpenAi: boolean;
  readonly hasResponses: boolean;
  readonly allowance: Allowance;
  readonly #components: ProviderComponents;
  readonly #config: ModelProvider;
  readonly #token: ClientToken | undefined;
  readonly #identity: ClientIdentity | undefined;
  #sizes: ReadonlyMap<string, ModelSize> = new Map();
  #listed: { readonly at: number; readonly models: Promise<readonly string[]> } | undefined;

  constructor(components: ProviderComponents, name: string, config: ModelProvider) {
    this.#components = components;
    this.#config = config;
    this.#token =
      config.oauth === undefined ? undefined : createClientToken(components, name, config.oauth);
    this.#identity =
      config.tls === undefined
        ? undefined
        : createClientIdentity(config.tls, `models.providers.${name}.tls`);
    this.name = name;
    this.api = config.api;
    this.isOpenAi = isOpenAiAt(config.endpoint);
    this.hasResponses = config.api === 'openai' && (config.responses ?? this.isOpenAi);
    this.allowance = createAllowance(
      components.clock,
      {
        who: `this node sends provider ${name}`,
        key: `models.providers.${name}.rate_limits`,
        provider: name,
      },
      config.limits,
    );
  }

  offers(model: string): boolean {
    return this.#config.models.length === 0 || this.#config.models.includes(model);
  }

  async models(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#config.models.length > 0) return this.#config.models;
    const now = this.#components.clock.now();
    const known = this.#listed;
    if (known !== undefined && Math.abs(now - known.at) < LIST_MS) return known.models;
    // Shared by whoever asks meanwhile, so that one of them who goes ends nothing.
    const models = this.#list();
    this.#listed = { at: now, models };
    models.catch(() => {
      if (this.#listed?.models === models) this.#listed = undefined;
    });
    signal.throwIfAborted();
    return models;
  }

  async probe(signal: AbortSignal): Promise<readonly string[]> {
    const models = await this.#list(signal);
    this.#listed = { at: this.#components.clock.now(), models: Promise.resolve(models) };
    return models;
  }

  async #list(signal?: AbortSignal): Promise<readonly string[]> {
    const more = { anthropic: '?limit=1000', google: '?pageSize=1000', openai: '' }[this.api];
    const timeoutMs = Math.min(LIST_TIMEOUT_MS, this.#config.timeoutMs);
    const { reply, exchange } = await this.#exchange('GET', `/models${more}`, '', {}, undefined, {
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    const body = await this.#wholeOf(reply, exchange, timeoutMs, signal);
    const { data, models } = objectIn(parsedObject(body.toString('utf8')));
    const listed = this.api === 'google' ? models : data;
    if (!Array.isArray(listed)) throw this.#invalid('its list of models is none');
    const sizes = readListed(listIn(listed));
    const names = [...sizes.keys()];
    const shown = isOllamas(listIn(listed)) ? await this.#shown(names, signal) : [];
    this.#sizes = new Map([...sizes, ...shown]);
    return names;
  }

  /** What Ollama says of its models, besides their names: it lists those alone in OpenAI's form. */
  async #shown(
    names: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly (readonly [string, ModelSize])[]> {
    const found: (readonly [string, ModelSize])[] = [];
    const asked = names.slice(0, SHOWN_MAX);
    for (let at = 0; at < asked.length; at += SHOWN_AT_ONCE) {
      const some = asked.slice(at, at + SHOWN_AT_ONCE);
      const shown = await Promise.allSettled(some.map((name) => this.#show(name, signal)));
      signal?.throwIfAborted();
      for (const [which, one] of shown.entries()) {
        // A server that lists as Ollama does, and does not show, says no sizes.
        if (one.status === 'fulfilled') found.push([some[which] ?? '', one.value]);
      }
      if (found.length === 0) return [];
    }
    return found;
  }

  async #show(model: string, signal: AbortSignal | undefined): Promise<ModelSize> {
    const timeoutMs = Math.min(LIST_TIMEOUT_MS, this.#config.timeoutMs);
    const asked = Buffer.from(JSON.stringify({ model }));
    const { reply, exchange } = await this.#exchange('POST', OLLAMA_SHOW, model, {}, asked, {
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    const body = await this.#wholeOf(reply, exchange, timeoutMs, signal);
    return readShown(objectIn(parsedObject(body.toString('utf8'))));
  }

  sizeOf(model: string): ModelSize {
    return this.#sizes.get(model) ?? {};
  }

  /** The body of a list: all of it within `timeoutMs`. @throws see {@link Provider.send} */
  async #wholeOf(
    reply: Reply,
    exchange: Exchange,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const cancel = (): void => exchange.abort(reasonOf(signal));
    signal?.addEventListener('abort', cancel, { once: true });
    const stopWaiting = this.#components.clock.schedule(timeoutMs, () =>
      exchange.abort(this.#late()),
    );
    try {
      signal?.throwIfAborted();
      return await readBody(reply, LIST_BYTES_MAX);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#broken(error);
    } finally {
      stopWaiting();
      signal?.removeEventListener('abort', cancel);
    }
  }

  async send(request: VendorRequest): Promise<VendorAnswer> {
    const { method = 'POST', path, model, body, headers, signal } = request;
    signal.throwIfAborted();
    const { reply, exchange } = await this.#exchange(method, path, model, headers, body, {
      timeoutMs: this.#config.timeoutMs,
      signal,
    });
    return { reply, body: this.#bodyOf(reply, exchange, signal) };
  }

  /** The one way out. @throws see {@link Provider.send} */
  async #exchange(
    method: 'GET' | 'POST',
    path: string,
    model: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer | undefined,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly reply: Reply; readonly exchange: Exchange }> {
    for (let isFirst = true; ; isFirst = false) {
      const url = this.#urlOf(path);
      const token = await this.#token?.get(signal);
      const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const exchange = this.#start(method, url, { ...headers, ...bearer }, body, timeoutMs);
      const cancel = (): void => exchange.abort(reasonOf(signal));
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        const reply = await exchange.reply;
        if (reply.status >= 200 && reply.status < 300) return { reply, exchange };
        if (isFirst && reply.status === 401 && this.#isReplaced(token)) {
          exchange.abort(new Error('the request is sent with another token'));
          continue;
        }
        throw await this.#refusalOf(reply, exchange, model);
      } catch (error) {
        signal?.throwIfAborted();
        throw this.#broken(error);
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    }
  }

  /** True where the provider refused a token, and another one can be had. */
  #isReplaced(token: string | undefined): boolean {
    return token !== undefined && this.#token?.refused(token) === true;
  }

  /** @throws STARLING_SECRET_INVALID where what a header is to hold can't stand in one */
  #start(
    method: 'GET' | 'POST',
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Buffer | undefined,
    timeoutMs: number,
  ): Exchange {
    const all = { ...this.#defaults(body), ...headers, ...this.#ownHeaders() };
    try {
      return this.#components.exchanger.start({
        method,
        url,
        headers: all,
        ...(body === undefined ? {} : { body }),
        identity: this.#identity,
        timeoutMs,
      });
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      // Its message is left out: what can't be sent may be the key.
      throw new StarlingError(
        'STARLING_SECRET_INVALID',
        `a header for provider ${this.name} can't be sent: it has line breaks or characters beyond ASCII`,
        { hint: 'set its secret anew: starling secret set NAME', data: { provider: this.name } },
      );
    }
  }

  /** Where requests may go: below the endpoint, at its host. @throws STARLING_CONFIG_INVALID */
  #urlOf(path: string): URL {
    const { endpoint, problems } = this.#config;
    if (endpoint === undefined || problems.length > 0) {
      throw new StarlingError(
        'STARLING_CONFIG_INVALID',
        `provider ${this.name} can't be used: ${problems.join('; ')}`,
        { hint: `set models.providers.${this.name} anew in the config file` },
      );
    }
    const base = new URL(endpoint);
    // Ollama's own API stands beside the one that is compatible with OpenAI's.
    const below = path === OLLAMA_SHOW ? base.pathname.replace(/\/v1$/, '') : base.pathname;
    const url = new URL(`${base.origin}${below}${path}`);
    if (url.origin === base.origin) return url;
    throw new StarlingError(
      'STARLING_MODEL_INVALID',
      `nothing is sent to ${url.host}: provider ${this.name} is at ${base.host}`,
    );
  }

  #defaults(body: Buffer | undefined): Readonly<Record<string, string>> {
    return {
      accept: 'application/json, text/event-stream',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(this.api === 'anthropic' ? { 'anthropic-version': ANTHROPIC_VERSION } : {}),
    };
  }

  /** @throws STARLING_SECRET_MISSING */
  #ownHeaders(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.#config.headers).map(([name, secret]) => [
        name.toLowerCase(),
        secret.reveal(),
      ]),
    );
  }

  async #refusalOf(reply: Reply, exchange: Exchange, model: string): Promise<StarlingError> {
    const { clock } = this.#components;
    const cancel = clock.schedule(this.#config.timeoutMs, () => exchange.abort(this.#late()));
    const body = await readBody(reply, REFUSAL_BYTES_MAX).catch(() => Buffer.alloc(0));
    cancel();
    return vendorError({
      provider: this.name,
      model,
      status: reply.status,
      headers: reply.headers,
      keyAt: this.#token === undefined ? 'keyFrom' : 'oauth',
      body: this.withoutKeys(body.toString('utf8')),
      now: clock.now(),
    });
  }

  withoutKeys(text: string): string {
    let shown = text;
    const values = [...Object.values(this.#ownHeaders()), ...(this.#token?.secrets() ?? [])];
    for (const value of values) {
      const secret = value.replace(/^(?:Bearer|Basic) /i, '');
      if (secret.length >= 4) shown = shown.replaceAll(secret, '***');
    }
    return shown;
  }

  async *#bodyOf(reply: Reply, exchange: Exchange, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { clock } = this.#components;
    const chunks = reply.body[Symbol.asyncIterator]();
    const cancel = (): void => exchange.abort(reasonOf(signal));
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        const stopWaiting = clock.schedule(this.#config.timeoutMs, () =>
          exchange.abort(this.#late()),
        );
        const next = await chunks.next().finally(stopWaiting);
        if (next.done === true) return;
        yield next.value as Buffer;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw this.#cut(error);
    } finally {
      signal.removeEventListener('abort', cancel);
      exchange.abort(new Error('over'));
    }
  }

  #late(): StarlingError {
    const seconds = this.#config.timeoutMs / 1000;
    return new StarlingError(
      'STARLING_TIMEOUT',
      `provider ${this.name} said nothing for ${seconds} s`,
      {
        hint: `try again, or raise models.providers.${this.name}.timeout`,
        data: { provider: this.name },
      },
    );
  }

  #invalid(what: string): StarlingError {
    return new StarlingError('STARLING_MODEL_INVALID', `provider ${this.name}: ${what}`, {
      hint: `see that models.providers.${this.name}.endpoint is the base of its API`,
      data: { provider: this.name },
    });
  }

  #broken(error: unknown): StarlingError {
    if (error instanceof StarlingError) {
      return error.code === 'STARLING_TIMEOUT' ? this.#late() : error;
    }
    const text = `provider ${this.name} gave no answer: ${messageOf(error)}`;
    return new StarlingError('STARLING_MODEL_FAILED', text, {
      hint: 'see that it runs, and that this machine reaches it',
      data: { provider: this.name },
    });
  }

  #cut(error: unknown): StarlingError {
    if (error instanceof StarlingError) return error;
    return new StarlingError(
      'STARLING_MODEL_CUT',
      `provider ${this.name} broke its answer off: ${messageOf(error)}`,
      { hint: 'try again', data: { provider: this.name } },
    );
  }
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error('the caller went');
}
