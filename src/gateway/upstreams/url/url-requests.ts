/**
 * What the two kinds of server at a URL share: requests with the headers of `request-headers.ts`, sent
 * once more when the token was renewed, ended one by one or all at once; and the words for what goes
 * wrong.
 */
import { StarlingError } from '../../../core/index.ts';
import type { Clock, Logger, Random, Secret } from '../../../core/index.ts';
import type { ClientTls } from '../../../config/index.ts';
import { parseFrame } from '../../wire/frame.ts';
import type { ChannelListener } from '../../channel-types.ts';
import type { ResponseFrame } from '../../frame-types.ts';
import type { Credentials } from '../connection-types.ts';
import type { EventStreamDecoder } from './event-stream.ts';
import { failureText } from '../../wire/failure-words.ts';
import { createClientIdentity } from './client-identity.ts';
import type { ClientIdentity } from './client-identity.ts';
import { createExchanger, headerOf, readBody } from './http-exchange.ts';
import type { Exchange, Exchanger, Reply } from './http-exchange.ts';
import { requestHeaders } from './request-headers.ts';

/** How often a request is sent: as it is, with a renewed token, and with a wider one. */
const ATTEMPTS_MAX = 3;
/** Redirects of one request, within the server's own origin. */
const REDIRECTS_MAX = 5;
const LOCATION_LENGTH_MAX = 8192;
const LOCATION_SHOWN = 200;
const REFUSAL_BYTES_MAX = 64 * 1024;

/** What a connection to a URL works with. */
export interface UrlComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listener: ChannelListener;
  /** Default `Math.random`. */
  readonly random?: Random;
  /** Without them, only the configured headers say who we are. */
  readonly credentials?: Credentials | undefined;
}

/** Bounds and names of a connection to a URL. */
export interface UrlInit {
  readonly name: string;
  readonly server: {
    readonly url: string;
    readonly headers: Readonly<Record<string, Secret>>;
    readonly tls?: ClientTls;
    readonly timeoutMs: number;
  };
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** What is sent to a server's URL, and how long its answer may take. */
export interface UrlRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url?: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs?: number;
  /** The channel's id of the request in the body, by which the exchange can be ended; others are below 0. */
  readonly id?: number;
}

/** Sends requests to one server. */
export interface UrlRequests {
  /** Resolves whatever the status. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_TIMEOUT */
  send(request: UrlRequest): Promise<Reply>;
  /** Ends the exchange of a request of the channel; a no-op when there is none. */
  abort(id: number): void;
  /** Ends all that run; more may be sent. */
  abortAll(): void;
  /** Ends all that run; nothing more is sent. */
  close(): void;
  unavailable(what: string, hint?: string, data?: Readonly<Record<string, unknown>>): StarlingError;
  /** An error for a message that is over the limit. */
  oversize(): StarlingError;
  /** What a refusal means. */
  refused(reply: Reply): StarlingError;
  /** The body of an answer with one message. @throws STARLING_LIMIT_EXCEEDED */
  body(reply: Reply): Promise<Buffer>;
  /** Reads a stream of events to its end. @throws STARLING_LIMIT_EXCEEDED for an event over the limit */
  readEvents(reply: Reply, decoder: EventStreamDecoder): Promise<void>;
  /** The first bytes of a refusal's body; empty when it is longer than any error need be. */
  refusalBody(reply: Reply): Promise<Buffer>;
  /** Anything thrown by an exchange, in our words. */
  failure(error: unknown): StarlingError;
}

/** A request from when it is asked for to the end of its answer's body. */
interface Sending {
  readonly id: number | undefined;
  /** Absent while the token is fetched. */
  exchange: Exchange | undefined;
  abortedBy: StarlingError | undefined;
}

/** Makes the sender of requests to one server. */
export function createUrlRequests(components: UrlComponents, init: UrlInit): UrlRequests {
  return new Requests(components, init);
}

class Requests implements UrlRequests {
  readonly #credentials: Credentials | undefined;
  readonly #init: UrlInit;
  readonly #url: URL;
  readonly #exchanger: Exchanger;
  readonly #identity: ClientIdentity | undefined;
  readonly #running = new Set<Sending>();
  #closed = false;

  constructor(components: UrlComponents, init: UrlInit) {
    this.#credentials = components.credentials;
    this.#init = init;
    this.#url = new URL(init.server.url);
    this.#exchanger = createExchanger({ clock: components.clock });
    const { name, server } = init;
    this.#identity =
      server.tls === undefined
        ? undefined
        : createClientIdentity(server.tls, `mcpServers.${name}.tls`);
  }

  async send(request: UrlRequest): Promise<Reply> {
    const sending: Sending = { id: request.id, exchange: undefined, abortedBy: undefined };
    this.#running.add(sending);
    try {
      const reply = await this.#sendWithToken(request, sending);
      if (reply.body.closed) this.#running.delete(sending);
      else reply.body.once('close', () => this.#running.delete(sending));
      return reply;
    } catch (error) {
      this.#running.delete(sending);
      throw error;
    }
  }

  abort(id: number): void {
    const why = this.unavailable('was asked no longer');
    for (const sending of this.#running) if (sending.id === id) end(sending, why);
  }

  abortAll(): void {
    const why = this.unavailable('was stopped');
    for (const sending of this.#running) end(sending, why);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.abortAll();
    this.#exchanger.close();
  }

  unavailable(
    what: string,
    hint = `check mcpServers.${this.#init.name}.url`,
    data: Readonly<Record<string, unknown>> = {},
  ): StarlingError {
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${this.#init.name}' ${what}`,
      { hint, data: { server: this.#init.name, ...data } },
    );
  }

  oversize(): StarlingError {
    const { name, messageBytes } = this.#init;
    return new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `server '${name}' sent a message of over ${messageBytes} bytes (limits.messageBytes)`,
      {
        hint: 'ask for less at once, or raise limits.messageBytes on the node that owns the server',
        data: { limit: 'limits.messageBytes', server: name },
      },
    );
  }

  refused(reply: Reply): StarlingError {
    const { status } = reply;
    const { name } = this.#init;
    if (status === 401 || status === 403) {
      // Without a challenge nobody asks for a login (RFC 9110 §15.5.2); the server may mean many things.
      const isLogin = status === 401 && isChallenge(reply);
      const header = `set mcpServers.${name}.headers, e.g. {"Authorization": "Bearer \${TOKEN}"}`;
      const login = `starling mcp login ${name}`;
      return this.unavailable(
        `refuses us (HTTP ${status})`,
        this.#credentials === undefined
          ? header
          : isLogin
            ? `log in anew with: ${login}`
            : `${header}, or log in with: ${login}`,
        { status, ...(isLogin ? { reason: 'login' } : {}) },
      );
    }
    if (status === 404) {
      return this.unavailable('knows no such URL or session (HTTP 404)', undefined, { status });
    }
    if (status >= 300 && status < 400) return this.#redirected(reply);
    return this.unavailable(`answered with HTTP ${status}`, undefined, { status });
  }

  async body(reply: Reply): Promise<Buffer> {
    try {
      return await readBody(reply, this.#init.messageBytes);
    } catch (error) {
      const over = error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED';
      throw over ? this.oversize() : this.#cutShort(error);
    }
  }

  async readEvents(reply: Reply, decoder: EventStreamDecoder): Promise<void> {
    try {
      for await (const chunk of reply.body as AsyncIterable<Buffer>) {
        if (!decoder.push(chunk)) {
          reply.body.destroy();
          throw this.oversize();
        }
      }
    } catch (error) {
      throw this.#cutShort(error);
    }
  }

  async refusalBody(reply: Reply): Promise<Buffer> {
    try {
      return await readBody(reply, REFUSAL_BYTES_MAX);
    } catch (error) {
      if (error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED') {
        return Buffer.alloc(0);
      }
      throw this.#cutShort(error);
    }
  }

  failure(error: unknown): StarlingError {
    if (error instanceof StarlingError) return error;
    return this.unavailable(`can't be reached: ${failureText(error)}`);
  }

  /** The server was reached, so that nothing is wrong with its URL. */
  #cutShort(error: unknown): StarlingError {
    if (error instanceof StarlingError) return error;
    return this.unavailable(
      `cut its answer short: ${failureText(error)}`,
      'ask again; where that does not help, its owner sees why in its log',
    );
  }

  async #sendWithToken(request: UrlRequest, sending: Sending): Promise<Reply> {
    for (let attempt = 1; ; attempt += 1) {
      const token = await this.#credentials?.token();
      const reply = await this.#start(request, token, sending);
      const { status } = reply;
      if (this.#credentials === undefined || (status !== 401 && status !== 403)) return reply;
      // To a request without a token, a refusal without a challenge says nothing about tokens.
      if (token === undefined && !isChallenge(reply)) return reply;
      if (attempt === ATTEMPTS_MAX) return reply;
      const challenge = headerOf(reply, 'www-authenticate');
      if (!(await this.#retry({ status, challenge, token }, reply))) return reply;
      reply.body.resume();
    }
  }

  /** Follows what stays at the origin, with method, body and credentials (RFC 9110 §15.4.8, §15.4.9). */
  async #start(request: UrlRequest, token: Secret | undefined, sending: Sending): Promise<Reply> {
    let url = request.url ?? this.#url;
    for (let hops = 0; ; hops += 1) {
      const reply = await this.#exchange({ ...request, url }, token, sending);
      const next = redirectOf(reply, url);
      if (next === undefined || next.origin !== url.origin || hops === REDIRECTS_MAX) return reply;
      reply.body.resume();
      url = next;
    }
  }

  async #exchange(
    request: UrlRequest & { readonly url: URL },
    token: Secret | undefined,
    sending: Sending,
  ): Promise<Reply> {
    if (this.#closed) throw this.unavailable('was stopped');
    // A request may be ended while its token is renewed.
    if (sending.abortedBy !== undefined) throw sending.abortedBy;
    const exchange = this.#exchanger.start({
      method: request.method,
      url: request.url,
      headers: requestHeaders(this.#init.server.headers, request.headers, token),
      identity: this.#identity,
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    });
    sending.exchange = exchange;
    try {
      return await exchange.reply;
    } catch (error) {
      throw this.failure(error);
    }
  }

  #redirected(reply: Reply): StarlingError {
    const { status } = reply;
    const next = redirectOf(reply, this.#url);
    if (next?.origin === this.#url.origin) {
      return this.unavailable(
        `sends us on and on (HTTP ${status}, more than ${REDIRECTS_MAX} times)`,
        undefined,
        { status },
      );
    }
    const where =
      next === undefined ? '' : ` to ${(next.origin + next.pathname).slice(0, LOCATION_SHOWN)}`;
    return this.unavailable(
      `sends us elsewhere (HTTP ${status}${where}), where we do not go by ourselves`,
      `if you trust its new address, put it into mcpServers.${this.#init.name}.url`,
      { status },
    );
  }

  async #retry(refusal: Parameters<Credentials['refused']>[0], reply: Reply): Promise<boolean> {
    try {
      return (await this.#credentials?.refused(refusal)) ?? false;
    } catch (error) {
      reply.body.resume();
      throw error;
    }
  }
}

function end(sending: Sending, why: StarlingError): void {
  sending.abortedBy = why;
  sending.exchange?.abort(why);
}

/** True when the refusal asks for a login, or for more rights. */
export function isChallenge(reply: Reply): boolean {
  return headerOf(reply, 'www-authenticate') !== undefined;
}

/** Where a redirect that keeps method and body leads; undefined for every other answer. */
function redirectOf(reply: Reply, from: URL): URL | undefined {
  const location = headerOf(reply, 'location');
  if (reply.status !== 307 && reply.status !== 308) return undefined;
  if (location === undefined || location.length > LOCATION_LENGTH_MAX) return undefined;
  if (!URL.canParse(location, from.href)) return undefined;
  const next = new URL(location, from);
  if (!/^https?:$/.test(next.protocol) || next.username !== '' || next.password !== '') {
    return undefined;
  }
  next.hash = '';
  return next;
}

/** True for an error by which the connection is over: the server wants a new login. */
export function endsConnection(error: StarlingError): boolean {
  return error.data['reason'] === 'login';
}

/** What a notification of the channel's own is, as far as it concerns a transport. */
export interface Notice {
  readonly method: string;
  /** The channel's id of the request that is cancelled. */
  readonly requestId: unknown;
}

const NOTICE = Buffer.from('"notifications/');
const NOTICE_BYTES_MAX = 64 * 1024;

/** Reads a message without id that the channel sends; undefined when it is no notification. */
export function noticeOf(message: Buffer): Notice | undefined {
  if (message.length > NOTICE_BYTES_MAX || !message.includes(NOTICE)) return undefined;
  const { method, params } = JSON.parse(message.toString('utf8')) as {
    readonly method?: string;
    readonly params?: { readonly requestId?: unknown };
  };
  return method === undefined ? undefined : { method, requestId: params?.requestId };
}

/** The JSON-RPC error in the body of a refusal. */
export function errorIn(body: Buffer): ResponseFrame | undefined {
  try {
    const frame = parseFrame(body);
    return frame.kind === 'response' && frame.error !== undefined ? frame : undefined;
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}
