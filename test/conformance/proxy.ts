/**
 * A loopback reverse proxy that adds a bearer token: the conformance suite cannot send one. Host and
 * Origin pass through, so that the node's own protection against DNS rebinding is what is tested;
 * only the proxy's own address in them becomes the node's.
 */
import { createServer, request as forward } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const IDLE_TIMEOUT_MS = 120_000;

/** A running proxy. */
export interface Proxy {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  close(): Promise<void>;
}

/** Forwards every request to `target`, an origin, with `token`. */
export async function startProxy(target: string, token: string): Promise<Proxy> {
  const upstream = new URL(target);
  let own = '';
  const server = createServer((request, response) => {
    const headers: OutgoingHttpHeaders = {
      ...request.headers,
      authorization: `Bearer ${token}`,
      host: request.headers.host === own ? upstream.host : request.headers.host,
    };
    if (request.headers.origin === `http://${own}`) headers['origin'] = upstream.origin;
    relay(request, response, new URL(request.url ?? '/', upstream), headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  own = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin: `http://${own}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function relay(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  headers: OutgoingHttpHeaders,
): void {
  const onward = forward(url, { method: request.method ?? 'GET', headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  });
  onward.setTimeout(IDLE_TIMEOUT_MS, () => onward.destroy());
  onward.once('error', (error) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    response.writeHead(502, { 'content-type': 'text/plain' });
    response.end(error.message);
  });
  response.once('close', () => onward.destroy());
  request.pipe(onward);
}
