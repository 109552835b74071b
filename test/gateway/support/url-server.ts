/** Servers at URLs for the tests: a handler on loopback, and connections to it that end with the test. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { silentLogger, systemClock } from '../../../src/core/index.ts';
import type { JsonObject, Logger, StarlingError } from '../../../src/core/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { Handshake } from '../../../src/gateway/wire/client-handshake.ts';
import type { ChannelListener } from '../../../src/gateway/channel-types.ts';
import type { RequestFrame, ResponseFrame } from '../../../src/gateway/frame-types.ts';
import type { UpstreamConnection } from '../../../src/gateway/upstreams/connection-types.ts';
import { defer } from './gateways.ts';

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; empty when it is none. */
  readonly body: JsonObject;
}

export interface UrlServer {
  readonly url: string;
  readonly origin: string;
  readonly asked: readonly Asked[];
  /** Resolves with the first request that fits, also one that came before. */
  once(fits: (asked: Asked) => boolean): Promise<Asked>;
}

export type Answering = (
  asked: Asked,
  response: ServerResponse,
  request: IncomingMessage,
) => unknown;

export async function urlServer(answering: Answering): Promise<UrlServer> {
  const asked: Asked[] = [];
  const looks = new Set<() => void>();
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const one: Asked = {
        method: request.method ?? '',
        url: new URL(request.url ?? '', `http://${request.headers.host}`),
        headers: request.headers,
        text,
        body: text.startsWith('{') ? (JSON.parse(text) as JsonObject) : {},
      };
      asked.push(one);
      for (const look of looks) look();
      void answering(one, response, request);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  return {
    origin,
    url: `${origin}/mcp`,
    asked,
    once: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = asked.find(fits);
          if (found === undefined) return;
          looks.delete(look);
          resolve(found);
        };
        looks.add(look);
        look();
      }),
  };
}

export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

export function result(asked: Asked, value: JsonObject = {}): JsonObject {
  return { jsonrpc: '2.0', id: asked.body['id'], result: value };
}

/** Opens an event stream; what is written are its lines. */
export function stream(response: ServerResponse, ...lines: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  event(response, ...lines);
}

export function event(response: ServerResponse, ...lines: readonly string[]): void {
  response.write(lines.map((line) => `${line}\n`).join(''));
}

export function data(message: JsonObject): string {
  return `data: ${JSON.stringify(message)}\n`;
}

/** What every server of a configuration has, as it is by default. */
export const COMMON = {
  timeoutMs: 60_000,
  shared: false,
  peerRoots: false,
  idleMs: 600_000,
} as const;

/** How a legacy session began. */
export function handshake(protocolVersion = '2025-11-25'): Handshake {
  return { era: 'legacy', protocolVersion, capabilities: {}, serverInfo: {}, meta: {} };
}

export const BOUNDS = { messageBytes: 64 * 1024, callTotalMs: 60_000, callsMax: 100 } as const;

export function components(
  notification: ChannelListener['notification'] = () => undefined,
  logger: Logger = silentLogger,
): {
  readonly clock: typeof systemClock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly listener: ChannelListener;
} {
  return {
    clock: systemClock,
    logger,
    random: () => 0,
    listener: { notification, request: () => undefined },
  };
}

/** A call through the channel, as a session makes it. */
export function call(
  connection: UpstreamConnection,
  method = 'tools/call',
  params: JsonObject = { name: 'x' },
): { readonly answer: Promise<ResponseFrame>; cancel(): void } {
  let cancel: () => void = () => undefined;
  const answer = new Promise<ResponseFrame>((resolve, reject) => {
    const request = parseFrame(
      Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 'caller', method, params })),
    ) as RequestFrame;
    const started = connection.channel.relay({
      request,
      principal: { kind: 'operator' },
      response: resolve,
      progress: () => undefined,
      notification: () => undefined,
      failed: (error: StarlingError) => reject(error),
    });
    cancel = () => started.cancel();
  });
  return { answer, cancel: () => cancel() };
}
