/**
 * An upstream server at a URL: Streamable HTTP (MCP `transports`), 2025-03-26 to 2025-11-25, and the
 * stateless era of 2026-07-28. Every message is one POST; answers come as JSON or as an event stream,
 * which is resumed where the server lets us. A session that the server forgot is initialised anew, and
 * what the server refused for that is sent once more, so that callers notice nothing.
 */
import type { HttpServer } from '../../../config/index.ts';
import { StarlingError, createScope, messageOf, sleep } from '../../../core/index.ts';
import type { JsonObject, Random, Scope } from '../../../core/index.ts';
import { parseIncoming } from '../../wire/batch.ts';
import { ownIdOf } from '../../wire/frame-id.ts';
import { errorBytes, parseFrame } from '../../wire/frame.ts';
import type { Handshake } from '../../wire/client-handshake.ts';
import type { Channel } from '../../channel-types.ts';
import type { UpstreamConnection } from '../connection-types.ts';
import { followAnswer } from './answer-stream.ts';
import type { Asked } from './answer-stream.ts';
import { headerOf, mediaTypeOf } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import { createSessionLosses, sessionOf } from './http-session.ts';
import { traceHeadersOf } from './request-headers.ts';
import type { HttpSession, SessionRefusal } from './http-session.ts';
import { followNotifications } from './notification-stream.ts';
import { modernHeaders } from '../../wire/modern-headers.ts';
import { createUrlConnection, isOpening } from './url-connection.ts';
import type { UrlConnection } from './url-connection.ts';
import { errorIn, isChallenge, noticeOf } from './url-requests.ts';
import type { UrlComponents, UrlInit, UrlRequests } from './url-requests.ts';

const SESSION = 'mcp-session-id';
const VERSION = 'mcp-protocol-version';
const CLOSE_TIMEOUT_MS = 1000;
/** How long calls wait for the headers of the notification stream. */
const STREAM_WAIT_MS = 500;
/** By this the notification stream is ended; ids of requests are above 0. */
const STREAM_ID = -1;

/** Which protocol the server speaks: sessions and `initialize`, or neither (2026-07-28). */
export type UrlEra = 'legacy' | 'modern';

/** Bounds and names of an HTTP upstream. */
export interface HttpInit extends UrlInit {
  readonly server: HttpServer;
  /** Asked anew for each message; default `legacy`. */
  readonly era?: () => UrlEra;
  /** `Mcp-Param-*` headers of a request in the modern era; see `paramHeadersOf`. */
  readonly paramHeaders?: (method: string, params: JsonObject) => Readonly<Record<string, string>>;
  /**
   * Initialises the session of the channel anew. Without it, a session that is lost ends the connection.
   * @throws as the server refuses
   */
  readonly renew?: () => Promise<Handshake>;
}

/** A session that is lost, with how the loss was told. */
interface Loss {
  readonly session: HttpSession;
  readonly refusal: SessionRefusal;
}

/** Makes the connection. Nothing is sent before its first request. */
export function connectHttp(components: UrlComponents, init: HttpInit): UpstreamConnection {
  return new StreamableConnection(components, init);
}

class StreamableConnection implements UpstreamConnection {
  readonly channel: Channel;
  readonly ended: Promise<StarlingError>;
  readonly #components: UrlComponents;
  readonly #init: HttpInit;
  readonly #connection: UrlConnection;
  readonly #requests: UrlRequests;
  readonly #random: Random;
  readonly #asked = new Map<number, Asked>();
  readonly #losses = createSessionLosses();
  #session: HttpSession | undefined;
  #version: string | undefined;
  /** Settles when the session is initialised anew, or can't be. */
  #renewing: Promise<void> | undefined;
  /** The life of the session's notification stream. */
  #streamScope: Scope | undefined;
  /** Resolves when the server has said whether it has a stream of its own, or takes long to. */
  #streamKnown: Promise<void> = Promise.resolve();

  constructor(components: UrlComponents, init: HttpInit) {
    this.#components = components;
    this.#init = init;
    this.#random = components.random ?? Math.random;
    this.#connection = createUrlConnection(components, init, (message, id) =>
      this.#send(message, id),
    );
    ({ channel: this.channel, ended: this.ended, requests: this.#requests } = this.#connection);
    this.#connection.scope.add(() => this.#streamScope?.close());
  }

  oddity(): string | undefined {
    return this.#connection.oddity();
  }

  negotiated(handshake: Handshake): void {
    if (this.#isModern()) return;
    this.#version = handshake.protocolVersion;
    const { scope } = this.#connection;
    let known: () => void = () => undefined;
    this.#streamKnown = new Promise((resolve) => {
      known = resolve;
      sleep(scope, STREAM_WAIT_MS).then(() => resolve(), resolve);
    });
    if (scope.closed) return;
    const { clock } = this.#components;
    this.#streamScope = createScope(clock);
    const following = followNotifications(
      {
        clock,
        random: this.#random,
        scope: this.#streamScope,
        requests: this.#requests,
        open: (lastEventId) => this.#openStream(lastEventId, STREAM_ID),
        receive: (message) => this.#connection.channel.receive(message),
        refused: (reply) => this.#noStream(reply),
        failed: (error) => this.#connection.failed(error, undefined),
      },
      { messageBytes: this.#init.messageBytes, known },
    );
    following.catch((error: unknown) =>
      this.#connection.failed(this.#requests.failure(error), undefined),
    );
  }

  close(): Promise<void> {
    return this.#connection.stop(() => this.#leave());
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
    const notice = id === undefined ? noticeOf(message) : undefined;
    if (notice?.method === 'notifications/cancelled') {
      this.#forget(notice.requestId);
      // A server of the modern era takes the end of the stream for the cancellation.
      if (this.#isModern()) return;
    }
    const sent =
      notice?.method === 'notifications/initialized'
        ? this.#initialized(message)
        : this.#post(message, id);
    sent.catch((error: unknown) => this.#connection.failed(this.#requests.failure(error), id));
  }

  /**
   * Servers refuse what overtakes this notification, so that the rest waits for its receipt; and what
   * they ask during a call is lost where they ask it on a stream that is not open yet.
   */
  async #initialized(message: Buffer): Promise<void> {
    this.#connection.hold();
    await this.#post(message, undefined);
    await this.#streamKnown;
    this.#connection.release();
  }

  #forget(id: unknown): void {
    const asked = typeof id === 'number' ? this.#asked.get(id) : undefined;
    if (asked === undefined) return;
    asked.over = true;
    asked.wake?.();
    this.#requests.abort(asked.id);
  }

  async #post(message: Buffer, id: number | undefined): Promise<void> {
    const asked = id === undefined ? undefined : this.#askedOf(id);
    const session = this.#session;
    try {
      const reply = await this.#requests.send({
        method: 'POST',
        headers: this.#headers({
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...this.#modern(message),
          ...traceHeadersOf(message),
        }),
        body: message,
        ...(id === undefined ? { timeoutMs: this.#init.server.timeoutMs } : { id }),
      });
      if (reply.status >= 200 && reply.status <= 299) {
        if (session === undefined) this.#begin(reply, message);
        else if (asked !== undefined) session.isProven = true;
        await this.#answer(reply, asked);
      } else {
        const loss = await this.#refusal(reply, id, session);
        if (loss !== undefined && asked !== undefined)
          return await this.#again(message, asked, loss);
      }
    } catch (error) {
      if (asked?.over !== true) this.#connection.failed(this.#requests.failure(error), id);
    }
    if (id !== undefined) this.#asked.delete(id);
  }

  #askedOf(id: number): Asked {
    const known = this.#asked.get(id);
    if (known !== undefined) return known;
    const asked: Asked = { id, resends: 0, over: false };
    this.#asked.set(id, asked);
    return asked;
  }

  /** The session begins with the answer to `initialize`. */
  #begin(reply: Reply, message: Buffer): void {
    if (!this.#isModern() && isOpening(message)) {
      this.#session ??= sessionOf(headerOf(reply, SESSION));
    }
  }

  /** Sends a request once more that was refused because its session is gone. */
  async #again(message: Buffer, asked: Asked, { session, refusal }: Loss): Promise<void> {
    asked.resends += 1;
    const { status } = refusal;
    this.#components.logger.debug(
      { status },
      'session of upstream is lost; it is initialised anew',
    );
    try {
      await this.#renewed(session);
      if (!asked.over) this.#connection.deliver(message, asked.id);
      else this.#asked.delete(asked.id);
    } catch (error) {
      this.#asked.delete(asked.id);
      this.#connection.finish(this.#requests.failure(error));
    }
  }

  /** Initialises the session anew, however many requests have lost it. @throws as the server refuses */
  #renewed(lost: HttpSession): Promise<void> {
    if (this.#session === lost) {
      this.#session = undefined;
      this.#version = undefined;
      this.#streamScope?.close();
      this.#requests.abort(STREAM_ID);
      this.#connection.hold({ opening: true });
      this.#renewing = this.#init.renew?.().then((handshake) => this.negotiated(handshake));
    }
    return this.#renewing ?? Promise.resolve();
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
      ...(this.#session === undefined ? {} : { [SESSION]: this.#session.id }),
      ...(this.#version === undefined ? {} : { [VERSION]: this.#version }),
    };
  }

  async #answer(reply: Reply, asked: Asked | undefined): Promise<void> {
    const lacking = await this.#read(reply, asked);
    // What ends without the answer would leave the call to its timeout.
    if (asked !== undefined) {
      this.#connection.channel.fail(asked.id, this.#requests.unavailable(lacking));
    }
  }

  /** Reads the answer to its end. Gives what is wrong where it held none. */
  async #read(reply: Reply, asked: Asked | undefined): Promise<string> {
    const { channel, scope } = this.#connection;
    const { status } = reply;
    const type = mediaTypeOf(reply);
    if (status === 202 || status === 204) {
      reply.body.resume();
      return `took the request and gave no answer (HTTP ${status})`;
    }
    if (type === 'text/event-stream') {
      await followAnswer(
        {
          requests: this.#requests,
          random: this.#random,
          logger: this.#components.logger,
          scope,
          open: (lastEventId, id) => this.#openStream(lastEventId, id),
          receive: (message, id) => channel.receive(message, id),
          waits: (id) => channel.waits(id),
        },
        { first: reply, asked, messageBytes: this.#init.messageBytes },
      );
      return 'ended its event stream before the answer';
    }
    const body = await this.#requests.body(reply);
    if (body.length === 0) return `answered with an empty body (HTTP ${status})`;
    // A message is one under any name, or none; what is none is told by its name.
    if (type !== 'application/json' && !isMessage(body)) {
      const shown = /^[\w.+-]+\/[\w.+-]+/.exec(type.slice(0, 100))?.[0] ?? 'something unnamed';
      throw this.#requests.unavailable(`answered with ${shown}, which is no message`);
    }
    channel.receive(body, asked?.id);
    return whyNoAnswer(body);
  }

  #openStream(lastEventId: string | undefined, id: number): Promise<Reply> {
    return this.#requests.send({
      method: 'GET',
      headers: this.#headers({
        accept: 'text/event-stream',
        // Header values are bytes: this gives those of the UTF-8 that came.
        ...(lastEventId === undefined
          ? {}
          : { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
      }),
      id,
    });
  }

  /** A server without a notification stream says so by many statuses; a login is asked for by a challenge. */
  async #noStream(reply: Reply): Promise<void> {
    reply.body.resume();
    if (isChallenge(reply)) this.#connection.failed(this.#requests.refused(reply), undefined);
    else
      this.#components.logger.debug({ status: reply.status }, 'upstream has no stream of its own');
  }

  /**
   * What a status that is no success means for the request, and for the session: a loss when the request is
   * to be sent anew.
   */
  async #refusal(
    reply: Reply,
    id: number | undefined,
    session: HttpSession | undefined,
  ): Promise<Loss | undefined> {
    const { status } = reply;
    const body = await this.#requests.refusalBody(reply);
    const frame = errorIn(body);
    const ours = frame !== undefined && id !== undefined && ownIdOf(frame.id) === id;
    const message = frame?.error?.message;
    const refusal: SessionRefusal = { status, message, isChallenge: isChallenge(reply) };
    const resends = id === undefined ? 0 : this.#askedOf(id).resends;
    // A notification or an answer that comes too late is nothing to be sent anew: the next request is.
    const isLost =
      session !== undefined &&
      id !== undefined &&
      !ours &&
      this.#losses.isLost(refusal, session, resends);
    if (isLost && this.#init.renew !== undefined && this.#losses.mayResend(session, resends)) {
      return { session, refusal };
    }
    if (isLost) {
      this.#connection.finish(this.#forgotten(status));
      return undefined;
    }
    if (frame?.error !== undefined && id !== undefined && status !== 401) {
      this.#connection.channel.receive(ours ? body : errorBytes(id, frame.error), id);
    } else this.#connection.failed(this.#requests.refused(reply), id);
    return undefined;
  }

  #forgotten(status: number): StarlingError {
    return this.#requests.unavailable(
      `has forgotten our session (HTTP ${status}); it is initialised anew`,
      'try again',
      { status, reason: 'session' },
    );
  }
}

function isMessage(body: Buffer): boolean {
  try {
    parseIncoming(body);
    return true;
  } catch (error) {
    if (error instanceof StarlingError) return false;
    throw error;
  }
}

/** Why a whole body holds no answer to the request that it came for. */
function whyNoAnswer(body: Buffer): string {
  try {
    parseIncoming(body);
    return 'answered, but not this request: the id in its answer is another one';
  } catch (error) {
    return `answered with what can't be read: ${messageOf(error)}`;
  }
}
