/** TCP connections from a port of our choice, which @libp2p/tcp leaves to the system. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { abortReason } from '../abort.ts';

/** From where to where. */
export interface HoleEnds {
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
}

/**
 * Connects; resolves also when the other end connects to this port at the same moment (simultaneous open, RFC 9293,
 * section 3.5). Rejects with the system's error, or with the reason of `signal`.
 */
export function connectFrom(
  { host, port, localPort }: HoleEnds,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortReason(signal));
      return;
    }
    const socket = connect({ host, port, localPort, noDelay: true, keepAlive: true });
    const fail = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(abortReason(signal));
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', fail);
      // What comes late from a socket that was given up is no news.
      socket.on('error', () => undefined);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect);
    socket.once('error', fail);
  });
}
