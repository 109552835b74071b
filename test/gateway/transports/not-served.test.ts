/** A request over HTTP that something of the node fails at: whoever asked does not wait for ever, and the log says why. */
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { systemClock } from '../../../src/core/index.ts';
import type { Logger } from '../../../src/core/index.ts';
import { createRateLimit } from '../../../src/gateway/door/rate-limit.ts';
import type { Door } from '../../../src/gateway/door/types.ts';
import { createHttpTransport } from '../../../src/gateway/transports/http.ts';

/** The edge behind a door that knows nobody and fails at that. */
async function edge(): Promise<{ readonly url: string; readonly said: readonly string[] }> {
  const said: string[] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: ({ error }, message) => void said.push(`${message}: ${String(error)}`),
    child: () => logger,
  };
  const fails = (): Promise<never> => Promise.reject(new Error('the issuer is on fire'));
  const door: Door = {
    checkOrigin: () => undefined,
    authenticate: fails,
    byToken: fails,
    handle: () => false,
  };
  const http = createHttpTransport(
    {
      door,
      rateLimit: createRateLimit(systemClock, 100),
      open: () => {
        throw new Error('nobody comes in');
      },
      ended: () => undefined,
      exists: () => true,
      unready: () => undefined,
      clock: systemClock,
      logger,
    },
    {
      host: '127.0.0.1',
      port: 0,
      messageBytes: 100_000,
      sessionIdleMs: 60_000,
      keepAliveMs: 60_000,
      node: 'alice',
      hasOauth: false,
    },
  );
  onTestFinished(() => http.stop());
  await http.start();
  return { url: http.url() ?? '', said };
}

it('a request is ended', async () => {
  const { url, said } = await edge();
  await expect(fetch(url, { method: 'POST', body: '{}' })).rejects.toThrow('fetch failed');
  expect(said).toEqual(['HTTP request not served: the issuer is on fire']);
});

it('a WebSocket is not opened', async () => {
  const { url, said } = await edge();
  const socket = new WebSocket(url.replace('http', 'ws'));
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
  expect(error.message).toContain('socket hang up');
  expect(said).toEqual(['HTTP request not served: the issuer is on fire']);
});
