/**
 * What the two kinds of connection to a server at a URL share: the channel, the sender of requests, what
 * waits until the server takes it, and the one end of the connection.
 */
import { createScope } from '../../../core/index.ts';
import type { Scope, StarlingError } from '../../../core/index.ts';
import type { ChannelCore } from '../../wire/channel.ts';
import { createServerChannel } from '../server-channel.ts';
import { parseFrame } from '../../wire/frame.ts';
import { createUrlRequests, endsConnection } from './url-requests.ts';
import type { UrlComponents, UrlInit, UrlRequests } from './url-requests.ts';

/** The shared part of a connection to a URL. */
export interface UrlConnection {
  readonly channel: ChannelCore;
  readonly requests: UrlRequests;
  /** The connection's life. */
  readonly scope: Scope;
  readonly ended: Promise<StarlingError>;
  /** What was odd about what has come so far; undefined when nothing was. */
  oddity(): string | undefined;
  /**
   * Sends a message, or keeps the message while the connection is held.
   * @throws STARLING_UPSTREAM_UNAVAILABLE when too much waits already
   */
  deliver(message: Buffer, id: number | undefined): void;
  /** Keeps what is sent from now on; `initialize` and what goes with it may pass where `opening` says so. */
  hold(options?: { readonly opening: boolean }): void;
  /** Sends what was kept, in its order. */
  release(): void;
  /** A message could not be delivered, or its answer not read: ends its call, or the connection. */
  failed(error: StarlingError, id: number | undefined): void;
  /** Ends the connection and every call on it; a second call is a no-op. */
  finish(error: StarlingError): void;
  /** Ends the calls with "was stopped", does `last` while requests can still be sent, and ends the rest. */
  stop(last?: () => Promise<void>): Promise<void>;
}

/** `initialize` and the notification after it are small. */
const OPENING_BYTES_MAX = 64 * 1024;
const OPENING_METHODS = ['initialize', 'notifications/initialized'];

/** Makes the shared part; `send` sends one message now. */
export function createUrlConnection(
  components: UrlComponents,
  init: UrlInit,
  send: (message: Buffer, id: number | undefined) => void,
): UrlConnection {
  return new Connection(components, init, send);
}

class Connection implements UrlConnection {
  readonly channel: ChannelCore;
  readonly requests: UrlRequests;
  readonly scope: Scope;
  readonly ended: Promise<StarlingError>;
  readonly #components: UrlComponents;
  readonly #init: UrlInit;
  readonly #send: (message: Buffer, id: number | undefined) => void;
  #end: (error: StarlingError) => void = () => undefined;
  #kept: { readonly message: Buffer; readonly id: number | undefined }[] | undefined;
  #letsOpeningPass = false;
  /** Messages that could not be read, and answered nothing that waits. */
  #unread = 0;

  constructor(
    components: UrlComponents,
    init: UrlInit,
    send: (message: Buffer, id: number | undefined) => void,
  ) {
    this.#components = components;
    this.#init = init;
    this.#send = send;
    this.scope = createScope(components.clock);
    this.requests = createUrlRequests(components, init);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.channel = createServerChannel(components, init, {
      send: (message, id) => this.deliver(message, id),
      invalid: () => {
        this.#unread += 1;
      },
      oddity: () => this.oddity(),
    });
  }

  oddity(): string | undefined {
    if (this.#unread === 0) return undefined;
    return `it sent ${this.#unread} ${this.#unread === 1 ? 'message that is' : 'messages that are'} not JSON-RPC`;
  }

  deliver(message: Buffer, id: number | undefined): void {
    if (this.#kept === undefined || (this.#letsOpeningPass && isOpening(message))) {
      this.#send(message, id);
      return;
    }
    if (this.#kept.length >= this.#init.callsMax) {
      throw this.requests.unavailable('does not take our messages');
    }
    this.#kept.push({ message, id });
  }

  hold(options = { opening: false }): void {
    this.#kept ??= [];
    this.#letsOpeningPass = options.opening;
  }

  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const { message, id } of kept) this.deliver(message, id);
  }

  failed(error: StarlingError, id: number | undefined): void {
    if (this.scope.closed) return;
    if (endsConnection(error)) this.finish(error);
    else if (id !== undefined) this.channel.fail(id, error);
    else this.#components.logger.debug({ error: error.message }, 'message not delivered');
  }

  finish(error: StarlingError): void {
    if (this.scope.closed) return;
    this.scope.close();
    this.requests.close();
    this.channel.end(error);
    this.#end(error);
  }

  async stop(last: () => Promise<void> = async () => undefined): Promise<void> {
    if (this.scope.closed) return;
    const error = this.requests.unavailable('was stopped');
    this.scope.close();
    this.requests.abortAll();
    this.channel.end(error);
    await last();
    this.requests.close();
    this.#end(error);
  }
}

/** True for `initialize`, and for the notification by which it ends. */
export function isOpening(message: Buffer): boolean {
  if (message.length > OPENING_BYTES_MAX || !message.includes('initialize')) return false;
  const frame = parseFrame(message);
  return frame.kind !== 'response' && OPENING_METHODS.includes(frame.method);
}
