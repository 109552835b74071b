/**
 * An upstream server at a URL that speaks HTTP+SSE (MCP 2024-11-05 `transports`): one event stream
 * for everything that comes, whose first event says where our messages go. That address is the session.
 * A session that the server forgot while the stream is open is initialised anew over a new stream, and
 * the request that was refused for that is sent once more, so that callers notice nothing. When the
 * stream ends, so does the connection; the pool of instances makes a new one.
 */
import type { SseServer } from '../../../config/index.ts';
import { StarlingError } from '../../../core/index.ts';
import { errorBytes } from '../../wire/frame.ts';
import type { Handshake } from '../../wire/client-handshake.ts';
import type { Channel } from '../../channel-types.ts';
import type { UpstreamConnection } from '../connection-types.ts';
import { createEventStreamDecoder } from './event-stream.ts';
import type { StreamEvent } from './event-stream.ts';
import { isEventStream } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import { createSessionLosses } from './http-session.ts';
import { traceHeadersOf } from './request-headers.ts';
import type { HttpSession } from './http-session.ts';
import { createUrlConnection, isOpening } from './url-connection.ts';
import type { UrlConnection } from './url-connection.ts';
import { errorIn, isChallenge, noticeOf } from './url-requests.ts';
import type { UrlComponents, UrlInit, UrlRequests } from './url-requests.ts';

/** How long the stream may take to open and to name the address for messages. */
const CONNECT_TIMEOUT_MS = 10_000;
const ADDRESS_LENGTH_MAX = 8192;

/** Bounds and names of an SSE upstream. */
export interface SseInit extends UrlInit {
  readonly server: SseServer;
  /** Default 10000. */
  readonly connectTimeoutMs?: number;
  /**
   * Initialises the session of the channel anew. Without it, a session that is lost ends the connection.
   * @throws as the server refuses
   */
  readonly renew?: () => Promise<Handshake>;
}

/** Opens the stream. What is sent before the server names its address waits for it. */
export function connectSse(components: UrlComponents, init: SseInit): UpstreamConnection {
  return new SseConnection(components, init);
}

/** One stream, and the session that belongs to it. */
interface StreamSession extends HttpSession {
  /** By this the stream is ended; ids of requests are above 0. */
  readonly streamId: number;
  /** Where messages go. */
  readonly address: URL;
  /** Requests that the server took in this session: their answers come on its stream. */
  readonly taken: Set<number>;
}

class SseConnection implements UpstreamConnection {
  readonly channel: Channel;
  readonly ended: Promise<StarlingError>;
  readonly #components: UrlComponents;
  readonly #init: SseInit;
  readonly #connection: UrlConnection;
  readonly #requests: UrlRequests;
  readonly #losses = createSessionLosses();
  /** Undefined until the server has said where messages go. */
  #session: StreamSession | undefined;
  /** The session before, whose stream is open for the answers that may still come. */
  #before: StreamSession | undefined;
  /** Settles when the session is initialised anew, or can't be. */
  #renewing: Promise<void> | undefined;
  /** How often requests were sent anew that are not taken yet. */
  readonly #resends = new Map<number, number>();
  #streams = 0;

  constructor(components: UrlComponents, init: SseInit) {
    this.#components = components;
    this.#init = init;
    this.#connection = createUrlConnection(components, init, (message, id) =>
      this.#send(message, id),
    );
    // What is sent waits for the address.
    this.#connection.hold();
    ({ channel: this.channel, ended: this.ended, requests: this.#requests } = this.#connection);
    this.#open()
      .then(() => this.#connection.release())
      .catch((error: unknown) => this.#connection.finish(this.#requests.failure(error)));
  }

  negotiated(): void {
    // The version is in no header here.
  }

  oddity(): string | undefined {
    return this.#connection.oddity();
  }

  async close(): Promise<void> {
    this.#connection.finish(this.#requests.unavailable('was stopped'));
  }

  /** Opens a stream; resolves when the server has named its address, which is the session from then on. */
  async #open(): Promise<void> {
    this.#streams += 1;
    const streamId = -this.#streams;
    const timeoutMs = this.#init.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const cancelTimer = this.#connection.scope.after(timeoutMs, () =>
      this.#connection.finish(
        this.#requests.unavailable(`did not open its stream within ${timeoutMs / 1000} s`),
      ),
    );
    const reply = await this.#requests.send({
      method: 'GET',
      headers: { accept: 'text/event-stream' },
      id: streamId,
    });
    if (!isEventStream(reply)) {
      reply.body.resume();
      throw reply.status === 200 ? this.#noStream() : this.#requests.refused(reply);
    }
    await new Promise<void>((resolve, reject) => {
      this.#read(reply, streamId, () => {
        cancelTimer();
        resolve();
      }).then(reject, reject);
    });
  }

  /** Reads a stream to its end; `opened` is called once the address is known. Gives why it ended. */
  async #read(reply: Reply, streamId: number, opened: () => void): Promise<StarlingError> {
    const own: { session?: StreamSession } = {};
    const decoder = createEventStreamDecoder(this.#init.messageBytes, (event) => {
      if (event.type === 'message') this.#connection.channel.receive(event.data);
      else if (event.type === 'endpoint' && own.session === undefined) {
        const address = this.#addressIn(event);
        own.session = { id: address.href, isProven: false, streamId, address, taken: new Set() };
        this.#session = own.session;
        opened();
      }
    });
    const why = await this.#requests.readEvents(reply, decoder).then(
      () => this.#requests.unavailable('has ended its stream'),
      (error: unknown) => this.#requests.failure(error),
    );
    const { session } = own;
    if (session !== undefined && session !== this.#session) this.#failTaken(session, why);
    else this.#connection.finish(why);
    return why;
  }

  /** @throws STARLING_UPSTREAM_INVALID when the address leads to another origin: our secrets stay at ours */
  #addressIn(event: StreamEvent): URL {
    const base = new URL(this.#init.server.url);
    const text = event.data.toString('utf8');
    if (text.length <= ADDRESS_LENGTH_MAX && URL.canParse(text, base.href)) {
      const address = new URL(text, base);
      address.hash = '';
      const bare = address.username === '' && address.password === '';
      if (address.origin === base.origin && bare) return address;
    }
    throw new StarlingError(
      'STARLING_UPSTREAM_INVALID',
      `server '${this.#init.name}' wants its messages at another place than ${base.origin}`,
      { hint: `check mcpServers.${this.#init.name}.url`, data: { server: this.#init.name } },
    );
  }

  #send(message: Buffer, id: number | undefined): void {
    const notice = id === undefined ? noticeOf(message) : undefined;
    const sent =
      notice?.method === 'notifications/initialized'
        ? this.#initialized(message)
        : this.#post(message, id);
    sent.catch((error: unknown) => this.#connection.failed(this.#requests.failure(error), id));
  }

  /** Servers refuse what overtakes this notification, so that the rest waits for its receipt. */
  async #initialized(message: Buffer): Promise<void> {
    this.#connection.hold();
    await this.#post(message, undefined);
    this.#connection.release();
  }

  async #post(message: Buffer, id: number | undefined): Promise<void> {
    const session = this.#session;
    try {
      const reply = await this.#requests.send({
        method: 'POST',
        ...(session === undefined ? {} : { url: session.address }),
        headers: { 'content-type': 'application/json', ...traceHeadersOf(message) },
        body: message,
        timeoutMs: this.#init.server.timeoutMs,
      });
      // The answer comes on the stream; the body only says that the message was taken.
      if (reply.status >= 200 && reply.status <= 299) {
        reply.body.resume();
        if (id !== undefined && session !== undefined) this.#took(session, id, message);
      } else if (await this.#isLost(reply, { message, id, session })) {
        if (id !== undefined && session !== undefined) await this.#again(message, id, session);
        return;
      }
    } catch (error) {
      this.#connection.failed(this.#requests.failure(error), id);
    }
    if (id !== undefined) this.#resends.delete(id);
  }

  #took(session: StreamSession, id: number, message: Buffer): void {
    if (!isOpening(message)) session.isProven = true;
    const { taken } = session;
    if (taken.size >= 2 * this.#init.callsMax) {
      for (const one of taken) if (!this.#connection.channel.waits(one)) taken.delete(one);
    }
    taken.add(id);
  }

  /**
   * Deals with a status that is no success. True when the request is to be sent anew in another session,
   * because this one is gone.
   */
  async #isLost(
    reply: Reply,
    {
      message,
      id,
      session,
    }: {
      readonly message: Buffer;
      readonly id: number | undefined;
      readonly session: StreamSession | undefined;
    },
  ): Promise<boolean> {
    const { status } = reply;
    const error = errorIn(await this.#requests.refusalBody(reply))?.error;
    const resends = id === undefined ? 0 : (this.#resends.get(id) ?? 0);
    const refusal = { status, message: error?.message, isChallenge: isChallenge(reply) };
    // A notification or an answer that comes too late is nothing to be sent anew: the next request is.
    const isLost =
      session !== undefined && id !== undefined && this.#losses.isLost(refusal, session, resends);
    const mayResend = isLost && !isOpening(message) && this.#losses.mayResend(session, resends);
    if (mayResend && this.#init.renew !== undefined) return true;
    if (isLost) this.#connection.finish(this.#forgotten(status));
    else if (error !== undefined && id !== undefined && status !== 401) {
      this.#connection.channel.receive(errorBytes(id, error), id);
    } else this.#connection.failed(this.#requests.refused(reply), id);
    return false;
  }

  /** Sends a request once more that was refused because its session is gone. */
  async #again(message: Buffer, id: number, lost: StreamSession): Promise<void> {
    this.#resends.set(id, (this.#resends.get(id) ?? 0) + 1);
    try {
      await this.#renewed(lost);
      if (this.#connection.channel.waits(id)) this.#connection.deliver(message, id);
      else this.#resends.delete(id);
    } catch (error) {
      this.#resends.delete(id);
      this.#connection.finish(this.#requests.failure(error));
    }
  }

  /** Initialises the session anew, however many requests have lost it. @throws as the server refuses */
  #renewed(lost: StreamSession): Promise<void> {
    if (this.#session === lost) {
      this.#components.logger.debug({}, 'session of upstream is lost; it is initialised anew');
      this.#connection.hold({ opening: true });
      const before = this.#before;
      this.#before = lost;
      this.#session = undefined;
      if (before !== undefined) this.#requests.abort(before.streamId);
      this.#renewing = this.#open().then(() => this.#initialiseAnew());
    }
    return this.#renewing ?? Promise.resolve();
  }

  async #initialiseAnew(): Promise<void> {
    await this.#init.renew?.();
    this.negotiated();
  }

  /** What was taken in a session is not answered once its stream is over. */
  #failTaken({ taken }: StreamSession, why: StarlingError): void {
    for (const id of taken) {
      if (this.#connection.channel.waits(id)) this.#connection.channel.fail(id, why);
    }
    taken.clear();
  }

  #forgotten(status: number): StarlingError {
    return this.#requests.unavailable(
      `has forgotten our session (HTTP ${status}); it is initialised anew`,
      'try again',
      { status, reason: 'session' },
    );
  }

  #noStream(): StarlingError {
    return this.#requests.unavailable(
      'answered without an event stream',
      `if it speaks Streamable HTTP, set mcpServers.${this.#init.name}.type to "http"`,
    );
  }
}
