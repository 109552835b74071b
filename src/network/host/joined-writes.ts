/**
 * Joins the writes that one callback makes to a TLS socket. libp2p hands over each yamux frame in two pieces, header
 * and data, and each piece that is written by itself becomes a TLS record, and a system call, of its own; the second
 * waits besides until the first is done, a turn of the event loop later. Joined, whatever a callback writes leaves as one
 * record.
 */
import type { Duplex } from 'node:stream';

/**
 * Has `socket` keep what is written to it until the callback that runs now is over, and write that as one. What
 * `write` gives, and `drain`, stay as they were.
 */
export function joinWrites(socket: Duplex): void {
  const write = socket.write.bind(socket);
  let isJoining = false;
  const end = (): void => {
    isJoining = false;
    socket.uncork();
  };
  const join = (): void => {
    if (isJoining) return;
    isJoining = true;
    socket.cork();
    process.nextTick(end);
  };
  Object.assign(socket, {
    write: (...args: Parameters<typeof write>): boolean => {
      join();
      return write(...args);
    },
  });
}
