/** Makes a server listen, says in words what kept it from that, and closes the server. */
import type { ListenOptions, Server, Socket } from 'node:net';
import { StarlingError, messageOf } from '../../core/index.ts';

/**
 * Connections that the system keeps until they are accepted, as far as `net.core.somaxconn` lets it. Node accepts one in
 * each turn of its loop: of a thousand clients that come at once most wait here, and those that find it full hear nothing
 * until TCP tries again, after 1, 3 and 7 s, which many clients do not wait for.
 */
const WAITING_MAX = 4096;

/** How a failure is told. */
export interface ListenWords {
  /** What can't be done: `can't serve HTTP on 127.0.0.1:4100`. */
  readonly failure: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Resolves when `server` listens. @throws STARLING_LISTEN_FAILED */
export function listen(server: Server, where: ListenOptions, words: ListenWords): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const { failure, hint } = words;
      const text = `${failure}: ${messageOf(error)}`;
      reject(new StarlingError('STARLING_LISTEN_FAILED', text, { hint, cause: error }));
    };
    server.once('error', failed);
    server.listen({ backlog: WAITING_MAX, ...where }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** Cuts all connections; resolves when `server` listens no more. */
export async function close(server: Server, sockets: Iterable<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  for (const socket of sockets) socket.destroy();
  await closed;
}
