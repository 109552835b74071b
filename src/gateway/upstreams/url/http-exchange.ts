/**
 * One HTTP/1.1 exchange by `node:http`: no redirect is followed, nothing is decompressed, and a
 * stream may be silent for as long as it likes, which `fetch` would end after five minutes. Each
 * exchange is ended by a handle of its own, so that no signal gathers listeners.
 */
import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { StarlingError } from '../../../core/index.ts';
import type { Clock } from '../../../core/index.ts';
import { mediaTypeOf as typeOf } from '../../wire/media-type.ts';
import type { ClientIdentity } from './client-identity.ts';
import { createExchangeAgents } from './exchange-agents.ts';

/** Silence after which TCP asks whether the other end is still there. */
const KEEP_ALIVE_MS = 30_000;

/** What to ask. */
export interface ExchangeInit {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** How this node shows itself there; by default it does not. At an http:// URL it never does. */
  readonly identity?: ClientIdentity | undefined;
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
  const agents = createExchangeAgents();
  return {
    start(init) {
      const own = agents.for(init.url, init.identity);
      const isSecure = init.url.protocol === 'https:';
      const request = (isSecure ? httpsRequest : httpRequest)(init.url, {
        method: init.method,
        agent: own.agent,
        headers: {
          ...init.headers,
          'accept-encoding': 'identity',
          ...(init.body === undefined ? {} : { 'content-length': init.body.length }),
        },
        ...(components.lookup === undefined ? {} : { lookup: components.lookup }),
      });
      own.started?.(request);
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
      agents.close();
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

/** Only with status 200: an error may say that it is a stream, too. */
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
