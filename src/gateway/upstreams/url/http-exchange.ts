/**
 * One HTTP/1.1 exchange by `node:http`: no redirect is followed, nothing is decompressed, and a
 * stream may be silent for as long as it likes, which `fetch` would end after five minutes. Each
 * exchange is ended by a handle of its own, so that no signal gathers listeners.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { StarlingError, createSemaphore } from '../../../core/index.ts';
import type { Clock } from '../../../core/index.ts';
import { mediaTypeOf as typeOf } from '../../wire/media-type.ts';
import { paceConnecting } from './paced-connecting.ts';

/** Connections that wait for the next request, a host. */
const IDLE_SOCKETS_MAX = 64;
/** Connections that are opened at once. More = fewer round trips for a burst, and a fuller queue at the server. */
const CONNECTING_MAX = 64;
/** Servers close idle connections after 5 s and more; a call is lost on a connection that closes as we write. */
const IDLE_MS = 4000;
/** Silence after which TCP asks whether the other end is still there. */
const KEEP_ALIVE_MS = 30_000;

/** What to ask. */
export interface ExchangeInit {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** How long the headers of the answer may take; without a limit by default. */
  readonly timeoutMs?: number;
}

/** The answer: its headers, and its body as it comes. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** An exchange under way. */
export interface Exchange {
  /** Rejects with what the network says, or with what `abort` was called with. */
  readonly reply: Promise<Reply>;
  /** Ends the exchange, its body too. A no-op when the exchange is over. */
  abort(why: Error): void;
}

/** Makes exchanges over its own connections. */
export interface Exchanger {
  start(init: ExchangeInit): Exchange;
  /** Closes idle connections and ends what runs. */
  close(): void;
}

/** Makes an exchanger. `lookup` resolves host names, and may refuse to. */
export function createExchanger(components: {
  readonly clock: Clock;
  readonly lookup?: LookupFunction;
}): Exchanger {
  const options = {
    keepAlive: true,
    maxFreeSockets: IDLE_SOCKETS_MAX,
    timeout: IDLE_MS,
    scheduling: 'lifo',
  } as const;
  const permits = createSemaphore(CONNECTING_MAX);
  const agents = {
    'http:': paceConnecting(new HttpAgent(options), permits),
    'https:': paceConnecting(new HttpsAgent(options), permits),
  };
  return {
    start(init) {
      const secure = init.url.protocol === 'https:';
      const request = (secure ? httpsRequest : httpRequest)(init.url, {
        method: init.method,
        agent: agents[secure ? 'https:' : 'http:'],
        headers: {
          ...init.headers,
          'accept-encoding': 'identity',
          ...(init.body === undefined ? {} : { 'content-length': init.body.length }),
        },
        ...(components.lookup === undefined ? {} : { lookup: components.lookup }),
      });
      const cancelTimer =
        init.timeoutMs === undefined
          ? undefined
          : components.clock.schedule(init.timeoutMs, () =>
              request.destroy(late(init.url, init.timeoutMs ?? 0)),
            );
      let answer: IncomingMessage | undefined;
      const reply = new Promise<Reply>((resolve, reject) => {
        request.once('response', (body) => {
          cancelTimer?.();
          answer = body;
          // A reader of the body hears the error too; without a reader nobody needs to.
          body.on('error', reject);
          resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
        });
        request.on('error', (error) => {
          cancelTimer?.();
          reject(error);
        });
      });
      request.setSocketKeepAlive(true, KEEP_ALIVE_MS);
      request.end(init.body);
      return {
        reply,
        abort: (why) => {
          (answer ?? request).destroy(why);
        },
      };
    },
    close() {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

/**
 * The whole body, at most `maxBytes` of it. @throws STARLING_LIMIT_EXCEEDED when it is longer, or
 * what the network says
 */
export async function readBody(reply: Reply, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      reply.body.destroy();
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', `an answer of over ${maxBytes} bytes`);
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts, sizeBytes);
}

/** A header's one value. */
export function headerOf(reply: Reply, name: string): string | undefined {
  const value = reply.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** The media type of the body, in small letters and without parameters (RFC 9110 §8.3.1). */
export function mediaTypeOf(reply: Reply): string {
  return typeOf(headerOf(reply, 'content-type'));
}

/** True for an answer that is a stream of events. */
export function isEventStream(reply: Reply): boolean {
  return reply.status === 200 && mediaTypeOf(reply) === 'text/event-stream';
}

function late(url: URL, timeoutMs: number): StarlingError {
  return new StarlingError(
    'STARLING_TIMEOUT',
    `${url.host} did not answer within ${timeoutMs / 1000} s`,
    { hint: 'check that it runs and can be reached from this machine' },
  );
}
