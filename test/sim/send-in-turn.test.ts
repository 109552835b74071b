/** Messages of the official stdio transport while its pipe is full. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { sendInTurn } from '../../sim/send-in-turn.ts';

const MESSAGES = 500;

it('wait for a full pipe with one listener, however many they are, and go in their order', async () => {
  const pipe = new EventEmitter();
  const sent: unknown[] = [];
  let most = 0;
  // As the transport of the SDK does when its pipe is full.
  const transport = sendInTurn({
    send: async (message) => {
      sent.push(message);
      await new Promise((resolve) => {
        pipe.once('drain', resolve);
        most = Math.max(most, pipe.listenerCount('drain'));
      });
    },
  });
  const message = (id: number) => ({ jsonrpc: '2.0', id, method: 'ping' }) as const;
  const all = Promise.all(Array.from({ length: MESSAGES }, (_, id) => transport.send(message(id))));
  while (sent.length < MESSAGES || pipe.listenerCount('drain') > 0) {
    pipe.emit('drain');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  expect(most).toBe(1);
  expect(sent).toEqual(Array.from({ length: MESSAGES }, (_, id) => message(id)));
});
