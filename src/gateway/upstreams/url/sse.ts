/**
 * An upstream server at a URL that speaks HTTP+SSE (MCP 2024-11-05 `transports`): one event stream
 * for everything that comes, whose first event says where our messages go. When the stream ends, so
 * does the connection; the pool of instances makes a new one.
 */
import type { SseServer } from '../../../config/index.ts';
import { StarlingError } from '../../../core/index.ts';
import { errorBytes } from '../../wire/frame.ts';
import type { Channel } from '../../types.ts';
import type { UpstreamConnection } from '../connection-types.ts';
import { createEventStreamDecoder } from './event-stream.ts';
import type { StreamEvent } from './event-stream.ts';
import { isEventStream } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import { createUrlConnection } from './url-connection.ts';
import type { UrlConnection } from './url-connection.ts';
import { errorIn, noticeOf } from './url-requests.ts';
import type { UrlComponents, UrlInit, UrlRequests } from './url-requests.ts';

/** How long the stream may take to open and to name the address for messages. */
const CONNECT_TIMEOUT_MS = 10_000;
const ADDRESS_LENGTH_MAX = 8192;

/** Bounds and names of an SSE upstream. */
export interface SseInit extends UrlInit {
  readonly server: SseServer;
  /** Default 10000. */
  readonly connectTimeoutMs?: number;
}

/** Opens the stream. What is sent before the server names its address waits for it. */
export function connectSse(components: UrlComponents, init: SseInit): UpstreamConnection {
  return new SseConnection(components, init);
}

class SseConnection implements UpstreamConnection {
  readonly channel: Channel;
  readonly ended: Promise<StarlingError>;
  readonly #init: SseInit;
  readonly #connection: UrlConnection;
  readonly #requests: UrlRequests;
  /** Where messages go; undefined until the server has said so. */
  #address: URL | undefined;

  constructor(components: UrlComponents, init: SseInit) {
    this.#init = init;
    this.#connection = createUrlConnection(components, init, (message, id) =>
      this.#send(message, id),
    );
    // What is sent waits for the address.
    this.#connection.hold();
    ({ channel: this.channel, ended: this.ended, requests: this.#requests } = this.#connection);
    void this.#listen();
  }

  negotiated(): void {
    // The version is in no header here.
  }

  oddity(): string | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#connection.finish(this.#requests.unavailable('was stopped'));
  }

  async #listen(): Promise<void> {
    const timeoutMs = this.#init.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const cancelTimer = this.#connection.scope.after(timeoutMs, () =>
      this.#connection.finish(
        this.#requests.unavailable(`did not open its stream within ${timeoutMs / 1000} s`),
      ),
    );
    try {
      const reply = await this.#requests.send({
        method: 'GET',
        headers: { accept: 'text/event-stream' },
      });
      if (!isEventStream(reply)) {
        reply.body.resume();
        throw reply.status === 200 ? this.#noStream() : this.#requests.refused(reply);
      }
      await this.#read(reply, cancelTimer);
      throw this.#requests.unavailable('has ended its stream');
    } catch (error) {
      this.#connection.finish(this.#requests.failure(error));
    }
  }

  async #read(reply: Reply, opened: () => void): Promise<void> {
    const decoder = createEventStreamDecoder(this.#init.messageBytes, (event) => {
      if (event.type === 'message') this.#connection.channel.receive(event.data);
      else if (event.type === 'endpoint' && this.#address === undefined) {
        this.#address = this.#addressIn(event);
        opened();
        this.#connection.release();
      }
    });
    await this.#requests.readEvents(reply, decoder);
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
    if (notice?.method === 'notifications/initialized') void this.#initialized(message);
    else void this.#post(message, id);
  }

  /** Servers refuse what overtakes this notification, so that the rest waits for its receipt. */
  async #initialized(message: Buffer): Promise<void> {
    this.#connection.hold();
    await this.#post(message, undefined);
    this.#connection.release();
  }

  async #post(message: Buffer, id: number | undefined): Promise<void> {
    try {
      const reply = await this.#requests.send({
        method: 'POST',
        ...(this.#address === undefined ? {} : { url: this.#address }),
        headers: { 'content-type': 'application/json' },
        body: message,
        timeoutMs: this.#init.server.timeoutMs,
      });
      // The answer comes on the stream; the body only says that the message was taken.
      if (reply.status >= 200 && reply.status <= 299) reply.body.resume();
      else await this.#refusal(reply, id);
    } catch (error) {
      this.#connection.failed(this.#requests.failure(error), id);
    }
  }

  async #refusal(reply: Reply, id: number | undefined): Promise<void> {
    const { status } = reply;
    const error = errorIn(await this.#requests.refusalBody(reply))?.error;
    if (status === 404 || (status === 400 && /session/i.test(error?.message ?? ''))) {
      this.#connection.finish(
        this.#requests.unavailable(
          `has forgotten our session (HTTP ${status}); it is initialised anew`,
          'try again',
          { status, reason: 'session' },
        ),
      );
    } else if (error !== undefined && id !== undefined && status !== 401) {
      this.#connection.channel.receive(errorBytes(id, error), id);
    } else this.#connection.failed(this.#requests.refused(reply), id);
  }

  #noStream(): StarlingError {
    return this.#requests.unavailable(
      'answered without an event stream',
      `if it speaks Streamable HTTP, set mcpServers.${this.#init.name}.type to "http"`,
    );
  }
}
