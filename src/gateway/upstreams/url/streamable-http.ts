/**
 * An upstream server at a URL: Streamable HTTP (MCP `transports`), 2025-03-26 to 2025-11-25, and the
 * stateless era of 2026-07-28. Every message is one POST; answers come as JSON or as an event stream,
 * which is resumed where the server lets us. A session that the server forgot ends the connection,
 * and the pool of instances makes a new one.
 */
import type { HttpServer } from '../../../config/index.ts';
import { StarlingError, backoffMs, createScope, messageOf, sleep } from '../../../core/index.ts';
import type { JsonObject, Random, Scope } from '../../../core/index.ts';
import { errorBytes, parseFrame } from '../../wire/frame.ts';
import type { Handshake } from '../../wire/client-handshake.ts';
import { createChannel } from '../../wire/channel.ts';
import { ownIdOf } from '../../wire/frame-id.ts';
import { mediaTypeOf } from '../../wire/media-type.ts';
import type { ChannelCore } from '../../wire/channel.ts';
import type { ResponseFrame } from '../../types.ts';
import type { UpstreamConnection } from '../connection-types.ts';
import { createEventStreamDecoder } from './event-stream.ts';
import type { EventStreamDecoder } from './event-stream.ts';
import { headerOf, isEventStream } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import { followNotifications } from './notification-stream.ts';
import { modernHeaders } from '../../wire/modern-headers.ts';
import { createUrlRequests, endsConnection, errorIn, noticeOf } from './url-requests.ts';
import type { Inbox, UrlRequests, UrlComponents, UrlInit } from './url-requests.ts';

const SESSION = 'mcp-session-id';
const VERSION = 'mcp-protocol-version';
/** Visible ASCII (MCP `transports`, session management). */
const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;
const CLOSE_TIMEOUT_MS = 2000;
/** Pauses between the attempts to resume an answer where the server names none. */
const RESUME_BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** How long calls wait for the headers of the notification stream. */
const STREAM_WAIT_MS = 500;
/** However soon a server wants us back. */
const RETRY_MIN_MS = 20;
/** Attempts in a row to resume an answer that bring nothing new. */
const RESUMES_MAX = 5;

/** Which protocol the server speaks: sessions and `initialize`, or neither (2026-07-28). */
export type UrlEra = 'legacy' | 'modern';

/** Bounds and names of an HTTP upstream. */
export interface HttpInit extends UrlInit {
  readonly server: HttpServer;
  /** Asked anew for each message; default `legacy`. */
  readonly era?: () => UrlEra;
  /** `Mcp-Param-*` headers of a request in the modern era; see `paramHeadersOf`. */
  readonly paramHeaders?: (method: string, params: JsonObject) => Readonly<Record<string, string>>;
}

/** Makes the connection. Nothing is sent before its first request. */
export function connectHttp(components: UrlComponents, init: HttpInit): UpstreamConnection {
  return new StreamableConnection(components, init);
}

/** A request of the channel that waits for its answer. */
interface Asked {
  readonly id: number;
  /** True when nobody waits for the answer any more. */
  over: boolean;
  /** Ends a pause at once. */
  wake?: () => void;
}

class StreamableConnection implements UpstreamConnection {
  readonly channel: ChannelCore;
  readonly ended: Promise<StarlingError>;
  readonly #components: UrlComponents;
  readonly #init: HttpInit;
  readonly #inbox: Inbox;
  readonly #requests: UrlRequests;
  readonly #random: Random;
  readonly #scope: Scope;
  readonly #asked = new Map<number, Asked>();
  #end: (error: StarlingError) => void = () => undefined;
  #session: string | undefined;
  #version: string | undefined;
  /** Resolves when the server has said whether it has a stream of its own, or takes long to. */
  #streamKnown: Promise<void> = Promise.resolve();
  /** What waits until the server has taken `notifications/initialized`, and the stream is known. */
  #queued: { readonly message: Buffer; readonly id: number | undefined }[] | undefined;

  constructor(components: UrlComponents, init: HttpInit) {
    this.#components = components;
    this.#init = init;
    this.#random = components.random ?? Math.random;
    this.#scope = createScope(components.clock);
    this.#requests = createUrlRequests(components, init);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.channel = createChannel(
      {
        send: (message, id) => this.#send(message, id),
        listener: components.listener,
        clock: components.clock,
        logger: components.logger,
      },
      {
        title: `server '${init.name}'`,
        callTimeoutMs: init.server.timeoutMs,
        callTotalMs: init.callTotalMs,
        callsMax: init.callsMax,
      },
    );
    this.#inbox = this.channel;
  }

  oddity(): string | undefined {
    return undefined;
  }

  negotiated(handshake: Handshake): void {
    if (this.#isModern()) return;
    this.#version = handshake.protocolVersion;
    let known: () => void = () => undefined;
    this.#streamKnown = new Promise((resolve) => {
      known = resolve;
      void sleep(this.#scope, STREAM_WAIT_MS).then(() => resolve());
    });
    void followNotifications(
      {
        clock: this.#components.clock,
        random: this.#random,
        scope: this.#scope,
        requests: this.#requests,
        open: (lastEventId) => this.#openStream(lastEventId),
        receive: (message) => this.#inbox.receive(message),
        refused: (reply) => this.#refusal(reply, undefined),
        failed: (error) => this.#failed(error, undefined),
      },
      { messageBytes: this.#init.messageBytes, known },
    );
  }

  async close(): Promise<void> {
    if (this.#scope.closed) return;
    const error = this.#requests.unavailable('was stopped');
    this.#scope.close();
    this.#requests.abortAll();
    this.#inbox.end(error);
    await this.#leave();
    this.#requests.close();
    this.#end(error);
  }

  /** Ends our session at the server, where there is one. */
  async #leave(): Promise<void> {
    if (this.#session === undefined) return;
    try {
      const reply = await this.#requests.send({
        method: 'DELETE',
        headers: this.#headers({}),
        timeoutMs: CLOSE_TIMEOUT_MS,
      });
      reply.body.resume();
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'session of upstream not deleted');
    }
  }

  #isModern(): boolean {
    return this.#init.era?.() === 'modern';
  }

  #send(message: Buffer, id: number | undefined): void {
    if (this.#queued !== undefined) {
      if (this.#queued.length >= this.#init.callsMax) {
        throw this.#requests.unavailable('does not take our messages');
      }
      this.#queued.push({ message, id });
      return;
    }
    const notice = id === undefined ? noticeOf(message) : undefined;
    if (notice?.method === 'notifications/cancelled') {
      this.#forget(notice.requestId);
      // A server of the modern era takes the end of the stream for the cancellation.
      if (this.#isModern()) return;
    }
    if (notice?.method === 'notifications/initialized') void this.#initialized(message);
    else void this.#post(message, id);
  }

  /**
   * Servers refuse what overtakes this notification, so that the rest waits for its receipt; and what
   * they ask during a call is lost where they ask it on a stream that is not open yet.
   */
  async #initialized(message: Buffer): Promise<void> {
    this.#queued = [];
    await this.#post(message, undefined);
    await this.#streamKnown;
    const queued = this.#queued;
    this.#queued = undefined;
    for (const { message: later, id } of queued) this.#send(later, id);
  }

  #forget(id: unknown): void {
    const asked = typeof id === 'number' ? this.#asked.get(id) : undefined;
    if (asked === undefined) return;
    asked.over = true;
    asked.wake?.();
    this.#requests.abort(asked.id);
  }

  async #post(message: Buffer, id: number | undefined): Promise<void> {
    const asked: Asked | undefined = id === undefined ? undefined : { id, over: false };
    if (asked !== undefined) this.#asked.set(asked.id, asked);
    try {
      const reply = await this.#requests.send({
        method: 'POST',
        headers: this.#headers({
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...this.#modern(message),
        }),
        body: message,
        ...(id === undefined ? { timeoutMs: this.#init.server.timeoutMs } : { id }),
      });
      if (reply.status < 200 || reply.status > 299) await this.#refusal(reply, id);
      else await this.#answer(reply, asked);
    } catch (error) {
      if (asked?.over !== true) this.#failed(this.#requests.failure(error), id);
    } finally {
      if (id !== undefined) this.#asked.delete(id);
    }
  }

  #modern(message: Buffer): Record<string, string> {
    if (!this.#isModern()) return {};
    const frame = parseFrame(message);
    if (frame.kind === 'response') return {};
    const { method, params } = frame;
    const paramHeaders = this.#init.paramHeaders?.(method, params) ?? {};
    return modernHeaders({ method, params, paramHeaders });
  }

  #headers(own: Readonly<Record<string, string>>): Record<string, string> {
    if (this.#isModern()) return { ...own };
    return {
      ...own,
      ...(this.#session === undefined ? {} : { [SESSION]: this.#session }),
      ...(this.#version === undefined ? {} : { [VERSION]: this.#version }),
    };
  }

  async #answer(reply: Reply, asked: Asked | undefined): Promise<void> {
    const session = headerOf(reply, SESSION);
    if (session !== undefined && SESSION_ID.test(session) && !this.#isModern()) {
      this.#session ??= session;
    }
    const lacking = await this.#read(reply, asked);
    // What ends without the answer would leave the call to its timeout.
    if (asked !== undefined) this.#inbox.fail(asked.id, this.#requests.unavailable(lacking));
  }

  /** Reads the answer to its end. Gives what is wrong where it held none. */
  async #read(reply: Reply, asked: Asked | undefined): Promise<string> {
    const { status } = reply;
    const type = mediaTypeOf(headerOf(reply, 'content-type'));
    if (status === 202 || status === 204) {
      reply.body.resume();
      return `took the request and gave no answer (HTTP ${status})`;
    }
    if (type === 'text/event-stream') {
      await this.#follow(reply, asked);
      return 'ended its event stream before the answer';
    }
    const body = await this.#requests.body(reply);
    if (body.length === 0) return `answered with an empty body (HTTP ${status})`;
    if (type !== 'application/json') {
      const shown = /^[\w.+-]+\/[\w.+-]+/.exec(type.slice(0, 100))?.[0] ?? 'something unnamed';
      throw this.#requests.unavailable(`answered with ${shown}, which is no message`);
    }
    this.#inbox.receive(body, asked?.id);
    return 'answered, but not this request: the id in its answer is another one';
  }

  /**
   * Reads the answer's stream to its end, and where it ended without the answer goes on where it
   * stopped (MCP 2025-11-25 `transports`, "Resumability and Redelivery").
   */
  async #follow(first: Reply, asked: Asked | undefined): Promise<void> {
    let reply: Reply | undefined = first;
    let lastEventId: string | undefined;
    let retryMs: number | undefined;
    for (let vain = 0; ; vain += 1) {
      if (reply !== undefined) {
        const read = await this.#readAnswer(reply, asked, lastEventId);
        if (read.answered || asked === undefined || asked.over || this.#scope.closed) return;
        if (read.decoder.lastEventId !== lastEventId) vain = 0;
        ({ lastEventId } = read.decoder);
        retryMs = read.decoder.retryMs ?? retryMs;
      }
      if (asked === undefined || lastEventId === undefined || vain >= RESUMES_MAX) return;
      await this.#pause(retryMs ?? backoffMs(vain, RESUME_BACKOFF, this.#random), asked);
      if (asked.over || this.#scope.closed) return;
      reply = await this.#resume(lastEventId, asked);
    }
  }

  async #readAnswer(
    reply: Reply,
    asked: Asked | undefined,
    lastEventId: string | undefined,
  ): Promise<{ readonly answered: boolean; readonly decoder: EventStreamDecoder }> {
    let answered = false;
    const decoder = createEventStreamDecoder(
      this.#init.messageBytes,
      ({ type, data }) => {
        if (type !== 'message') return;
        this.#inbox.receive(data, asked?.id);
        answered ||= asked !== undefined && !this.#inbox.waits(asked.id);
      },
      lastEventId,
    );
    try {
      await this.#requests.readEvents(reply, decoder);
    } catch (error) {
      const over = error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED';
      if (over || decoder.lastEventId === undefined) throw error;
      this.#components.logger.debug({ error: messageOf(error) }, 'stream of an answer broke');
    }
    return { answered, decoder };
  }

  /** Undefined when the server could not be asked now, but may be later. */
  async #resume(lastEventId: string, asked: Asked): Promise<Reply | undefined> {
    let reply: Reply;
    try {
      reply = await this.#openStream(lastEventId, asked.id);
    } catch (error) {
      const failed = this.#requests.failure(error);
      if (endsConnection(failed) || asked.over) throw failed;
      return undefined;
    }
    if (isEventStream(reply)) return reply;
    if (reply.status >= 500) {
      reply.body.resume();
      return undefined;
    }
    await this.#refusal(reply, asked.id);
    throw this.#requests.unavailable(`did not go on with its answer (HTTP ${reply.status})`);
  }

  #openStream(lastEventId: string | undefined, id?: number): Promise<Reply> {
    return this.#requests.send({
      method: 'GET',
      headers: this.#headers({
        accept: 'text/event-stream',
        // Header values are bytes: this gives those of the UTF-8 that came.
        ...(lastEventId === undefined
          ? {}
          : { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
      }),
      ...(id === undefined ? {} : { id }),
    });
  }

  /** What a status that is no success means for the request, and for the session. */
  async #refusal(reply: Reply, id: number | undefined): Promise<void> {
    const { status } = reply;
    const body = await this.#requests.refusalBody(reply);
    const frame = errorIn(body);
    const ours = frame !== undefined && id !== undefined && ownIdOf(frame.id) === id;
    if (this.#session !== undefined && !ours && isLost(status, frame)) {
      const lost = this.#requests.unavailable(
        `has forgotten our session (HTTP ${status}); it is initialised anew`,
        'try again',
        { status, reason: 'session' },
      );
      this.#finish(lost);
    } else if (frame?.error !== undefined && id !== undefined && status !== 401) {
      this.#inbox.receive(ours ? body : errorBytes(id, frame.error), id);
    } else this.#failed(this.#requests.refused(status), id);
  }

  #failed(error: StarlingError, id: number | undefined): void {
    if (this.#scope.closed) return;
    if (endsConnection(error)) this.#finish(error);
    else if (id !== undefined) this.#inbox.fail(id, error);
    else this.#components.logger.debug({ error: error.message }, 'message not delivered');
  }

  #finish(error: StarlingError): void {
    if (this.#scope.closed) return;
    this.#scope.close();
    this.#requests.close();
    this.#inbox.end(error);
    this.#end(error);
  }

  #pause(delayMs: number, asked: Asked): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#scope.signal.removeEventListener('abort', done);
        cancel();
        resolve();
      };
      const cancel = this.#scope.after(Math.max(delayMs, RETRY_MIN_MS), done);
      this.#scope.signal.addEventListener('abort', done);
      if (this.#scope.closed) done();
      asked.wake = done;
    });
  }
}

/** The session is gone by 404; some servers say 400, and name it. */
function isLost(status: number, frame: ResponseFrame | undefined): boolean {
  if (status === 404) return true;
  return status === 400 && /session/i.test(frame?.error?.message ?? '');
}
