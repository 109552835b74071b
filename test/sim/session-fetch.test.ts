/** The official client's signal stays free of listeners, however many requests go out. */
import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { sessionFetch } from '../../sim/session-fetch.ts';
import { upTo } from '../long/extent.ts';

const server = createServer((request, response) => {
  request.resume().on('end', () => response.end(request.url));
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

it('leaves no listener on the signal of a session after hundreds of requests, and its abort ends the next', async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = new AbortController();
  for (let batch = 0; batch < upTo(4, 20); batch += 1) {
    const answers = Array.from({ length: 100 }, async (_, at) => {
      const response = await sessionFetch(`${origin}/${at}`, { signal: session.signal });
      return response.text();
    });
    expect((await Promise.all(answers)).at(-1)).toBe('/99');
  }
  expect(getEventListeners(session.signal, 'abort')).toHaveLength(0);
  const last = sessionFetch(`${origin}/last`, { signal: session.signal });
  session.abort(new Error('over'));
  await expect(last).rejects.toThrow('over');
  await expect(sessionFetch(origin, { signal: session.signal })).rejects.toThrow('over');
});
