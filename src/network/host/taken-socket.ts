/**
 * Takes the TCP socket from below a connection of libp2p's, so that TLS reads and writes it by itself, in C++. Over the
 * connection each record would go through a pair of streams, a buffer and an event in JavaScript, on each side of TLS. What
 * the connection is asked for later (its end, its reset, its time without traffic) it still does by the same socket.
 *
 * `@libp2p/tcp` has no public place for that. Where a later one keeps its socket elsewhere, or anything waits to be sent by
 * the connection itself, nothing is taken, and TLS goes over the connection as libp2p has it.
 */
import type { MessageStream } from '@libp2p/interface';
import { Socket } from 'node:net';

/** Bytes that came and were read by nobody yet: libp2p's list of chunks. */
interface Unread {
  readonly byteLength: number;
  subarray(): Uint8Array;
  consume(count: number): void;
}

/**
 * The socket below `connection`, with all that came by it and was not read yet; undefined where there is none that can be
 * taken. What was written to it before has left for the system then. @throws the reason of `signal`
 */
export async function takeSocket(
  connection: MessageStream,
  signal?: AbortSignal,
): Promise<Socket | undefined> {
  const socket = socketOf(connection);
  if (socket === undefined) return undefined;
  // What TLS writes goes to the system at once: it would overtake what waits in the socket.
  if (socket.writableLength > 0) await flushed(socket, signal);
  signal?.throwIfAborted();
  const unread: unknown = Reflect.get(connection, 'readBuffer');
  const unsent: unknown = Reflect.get(connection, 'writeBuffer');
  const isWhole = isList(unread) && isList(unsent) && unsent.byteLength === 0;
  if (!isWhole || socket.destroyed || socket.readableEnded || socket.writableLength > 0) {
    return undefined;
  }
  socket.pause();
  socket.removeAllListeners('data');
  if (unread.byteLength > 0) {
    const bytes = Buffer.from(unread.subarray());
    unread.consume(unread.byteLength);
    socket.unshift(bytes);
  }
  return socket;
}

function socketOf(connection: MessageStream): Socket | undefined {
  const socket: unknown = Reflect.get(connection, 'socket');
  return socket instanceof Socket ? socket : undefined;
}

/** Resolves once what was written before is the system's, or never will be. */
function flushed(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('close', done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    socket.once('close', done);
    signal?.addEventListener('abort', done, { once: true });
    socket.write('', done);
  });
}

function isList(value: unknown): value is Unread {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'byteLength') === 'number' &&
    typeof Reflect.get(value, 'subarray') === 'function' &&
    typeof Reflect.get(value, 'consume') === 'function'
  );
}
