/**
 * One connection of newline-delimited JSON-RPC on a stream socket: bounded in both directions, and a
 * client that has said all is answered before its socket closes.
 */
import type { Socket } from 'node:net';
import { createScope } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { notificationBytes } from '../wire/frame.ts';
import { createLineTurns } from '../wire/line-turns.ts';
import { createLineWriter } from '../wire/line-writer.ts';
import { WAITING_NOTIFICATION } from '../wire/peers/peer-protocol.ts';
import type { Receiver } from '../wire/reply.ts';
import type { Session } from '../session/types.ts';
import { createSessionDecoder } from './message-session.ts';
import type { LineOutput, SessionDecoderInit } from './message-session.ts';

/** Output that may wait before we stop reading what the client asks. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Output that may wait for a client that does not read at all. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** How often a client that has said all is told that its calls are under way. */
const WAITING_MS = 500;
const STILL_WAITING = notificationBytes(WAITING_NOTIFICATION);

/** What takes the messages of a connection: a session, or what stands before one. */
export interface LineServed extends Receiver, Pick<Session, 'whenIdle'> {
  /** The connection is over. */
  end(): void;
}

/** Queues lines for `socket`: reading stops while much waits, and the socket ends when too much does. */
export function createSocketOutput(socket: Socket): LineOutput {
  const writer = createLineWriter((chunk) => {
    if (!socket.writable) return;
    socket.write(chunk);
    if (socket.writableLength > QUEUE_BYTES_MAX) {
      socket.destroy(new Error('the client does not read'));
    } else if (socket.writableLength > HIGH_WATER_BYTES) {
      socket.pause();
    }
  });
  socket.on('drain', () => socket.resume());
  return {
    line(message) {
      writer.line(message);
      return true;
    },
    urgent: (message) => writer.line(message),
  };
}

/** How a connection is served. */
export interface LineConnectionInit extends SessionDecoderInit {
  readonly clock: Clock;
  /** Looks at what comes before it is read; false drops it, and the connection. */
  admits?(chunk: Buffer): boolean;
}

/** Serves the lines of `socket`, which allows half-open, to `served`. */
export function serveLines(
  socket: Socket,
  output: LineOutput,
  served: LineServed,
  init: LineConnectionInit,
): void {
  const lines = createLineTurns(createSessionDecoder(served, output, init));
  socket.on('data', (chunk) => {
    if (init.admits?.(chunk) ?? true) lines.push(chunk);
    else socket.destroy();
  });
  // The client has said all: what is under way is answered before the socket closes.
  const waiting = createScope(init.clock);
  socket.on('end', () => {
    lines.end();
    // The line writer flushes in a setImmediate that was queued with the answer, so before this one.
    served.whenIdle(() => setImmediate(() => socket.end()));
    // One that was killed looks the same until it is written to: then the pipe breaks.
    waiting.every(WAITING_MS, () => output.urgent(STILL_WAITING));
  });
  socket.once('close', () => {
    waiting.close();
    // What has come was said before the connection was over.
    lines.catchUp();
    served.end();
  });
}
