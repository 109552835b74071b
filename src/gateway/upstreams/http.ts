/**
 * An upstream server at a URL: Streamable HTTP, 2025-03-26 to 2025-11-25 (MCP `transports`). Every
 * message is one POST; answers come as JSON or as an event stream. A session that the server forgot
 * ends the connection, and whoever keeps it running makes a new one.
 */
import type { HttpServer } from '../../config/index.ts';
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { createLink } from '../link.ts';
import type { LinkCore } from '../link.ts';
import type { Handshake } from '../handshake.ts';
import type { LinkEars } from '../types.ts';
import type { UpstreamConnection } from './connection.ts';
import { createEventStreamDecoder } from './event-stream.ts';

const SESSION = 'mcp-session-id';
const VERSION = 'mcp-protocol-version';
/** How long the headers of an answer may take beyond the call's own timeout. */
const CLOSE_TIMEOUT_MS = 2000;
/** Pause before the notification stream is opened again. */
const STREAM_RETRY_MS = 5000;

/** What an HTTP upstream works with. */
export interface HttpComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ears: LinkEars;
}

/** Bounds and names of an HTTP upstream. */
export interface HttpInit {
  readonly name: string;
  readonly server: HttpServer;
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** Makes the connection. Nothing is sent before its first request. */
export function connectHttp(components: HttpComponents, init: HttpInit): UpstreamConnection {
  return new FetchConnection(components, init);
}

class FetchConnection implements UpstreamConnection {
  readonly link: LinkCore;
  readonly ended: Promise<StarlingError>;
  readonly #components: HttpComponents;
  readonly #init: HttpInit;
  readonly #scope: Scope;
  #end: (error: StarlingError) => void = () => undefined;
  #session: string | undefined;
  #version: string | undefined;

  constructor(components: HttpComponents, init: HttpInit) {
    this.#components = components;
    this.#init = init;
    this.#scope = createScope(components.clock);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.link = createLink(
      {
        send: (message, id) => void this.#post(message, id),
        ears: components.ears,
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
  }

  oddity(): string | undefined {
    return undefined;
  }

  negotiated(handshake: Handshake): void {
    this.#version = handshake.protocolVersion;
    void this.#listen();
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#finish(this.#unavailable('was stopped'));
    if (session === undefined) return;
    try {
      await fetch(this.#init.server.url, {
        method: 'DELETE',
        headers: this.#headers({ [SESSION]: session }),
        signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS),
      });
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'session of upstream not deleted');
    }
  }

  async #post(message: Buffer, id: number | undefined): Promise<void> {
    try {
      const response = await fetch(this.#init.server.url, {
        method: 'POST',
        headers: this.#headers({
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        }),
        body: new Uint8Array(message),
        redirect: 'error',
        signal: this.#scope.signal,
      });
      this.#session = response.headers.get(SESSION) ?? this.#session;
      if (!response.ok) {
        const error = this.#refused(response.status);
        await response.body?.cancel();
        if (response.status === 404 && this.#session !== undefined) this.#finish(error);
        if (id !== undefined) this.link.fail(id, error);
        return;
      }
      await this.#readAnswer(response);
      // A stream that ends without the answer would leave the call to its timeout.
      if (id !== undefined) this.link.fail(id, this.#unavailable('ended its answer early'));
    } catch (error) {
      if (this.#scope.closed) return;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const failed =
        error instanceof StarlingError
          ? error
          : this.#unavailable(`can't be reached: ${messageOf(cause)}`);
      if (id !== undefined) this.link.fail(id, failed);
      else this.#components.logger.debug({ error: failed.message }, 'message not delivered');
    }
  }

  async #readAnswer(response: Response): Promise<void> {
    if (response.status === 202 || response.body === null) return;
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream')) {
      await this.#readEvents(response.body);
      return;
    }
    const parts: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of response.body) {
      sizeBytes += chunk.length;
      if (sizeBytes > this.#init.messageBytes) throw this.#oversize();
      parts.push(chunk);
    }
    if (sizeBytes > 0) this.link.receive(Buffer.concat(parts));
  }

  async #readEvents(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = createEventStreamDecoder(this.#init.messageBytes, (data) =>
      this.link.receive(data),
    );
    for await (const chunk of body) {
      if (!decoder.push(chunk)) throw this.#oversize();
    }
  }

  /** The server's own stream of notifications; 405 says that it has none. */
  async #listen(): Promise<void> {
    try {
      const response = await fetch(this.#init.server.url, {
        method: 'GET',
        headers: this.#headers({ accept: 'text/event-stream' }),
        redirect: 'error',
        signal: this.#scope.signal,
      });
      const type = response.headers.get('content-type') ?? '';
      if (!response.ok || response.body === null || !type.startsWith('text/event-stream')) {
        await response.body?.cancel();
        if (response.status === 404) this.#finish(this.#refused(404));
        return;
      }
      await this.#readEvents(response.body);
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'notification stream broke');
    }
    this.#scope.after(STREAM_RETRY_MS, () => void this.#listen());
  }

  #headers(own: Readonly<Record<string, string>>): Record<string, string> {
    const configured = Object.entries(this.#init.server.headers).map(
      ([name, secret]) => [name, secret.reveal()] as const,
    );
    return {
      ...Object.fromEntries(configured),
      ...own,
      ...(this.#session === undefined ? {} : { [SESSION]: this.#session }),
      ...(this.#version === undefined ? {} : { [VERSION]: this.#version }),
    };
  }

  #finish(error: StarlingError): void {
    if (this.#scope.closed) return;
    this.#scope.close();
    this.link.end(error);
    this.#end(error);
  }

  #refused(status: number): StarlingError {
    if (status === 401 || status === 403) {
      return this.#unavailable(
        `refuses us (HTTP ${status})`,
        `set mcpServers.${this.#init.name}.headers, e.g. {"Authorization": "Bearer \${TOKEN}"}`,
      );
    }
    if (status === 404) return this.#unavailable('knows no such URL or session (HTTP 404)');
    return this.#unavailable(`answered with HTTP ${status}`);
  }

  #oversize(): StarlingError {
    return new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `server '${this.#init.name}' sent a message of over ${this.#init.messageBytes} bytes (limits.messageBytes)`,
      {
        hint: 'ask for less at once, or raise limits.messageBytes on the node that owns the server',
        data: { limit: 'limits.messageBytes', server: this.#init.name },
      },
    );
  }

  #unavailable(what: string, hint = `check mcpServers.${this.#init.name}.url`): StarlingError {
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${this.#init.name}' ${what}`,
      {
        hint,
        data: { server: this.#init.name },
      },
    );
  }
}
