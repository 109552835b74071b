/**
 * The official stdio transports wait for each message by a `drain` listener of its own (SDK 1.x): with hundreds of
 * calls under way Node warns of a leak. Here one message at a time is handed over, so that there is one waiter.
 */
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';

/** Has `transport` take messages one after the other, in their order; gives it back. */
export function sendInTurn<T extends Pick<Transport, 'send'>>(transport: T): T {
  const send: Transport['send'] = transport.send.bind(transport);
  let last: Promise<void> = Promise.resolve();
  transport.send = (message, options) => {
    const sent = last.then(() => send(message, options));
    // Whoever sent a message hears of its failure; the next one goes all the same.
    last = sent.catch(() => undefined);
    return sent;
  };
  return transport;
}
