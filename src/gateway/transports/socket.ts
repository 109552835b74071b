/**
 * The node's own socket: newline-delimited JSON-RPC for `starling mcp` and the CLI on a Unix socket or
 * a named pipe. Who can open it is this node's operator; file permissions see to that.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { StarlingError, ensurePrivateFolder, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Startable } from '../../core/index.ts';
import type { Session } from '../session/types.ts';
import { errorBytes, errorOf } from '../wire/frame.ts';
import { createSocketOutput, serveLines } from './line-connection.ts';
import { listen } from './listen.ts';
import type { LineServed } from './line-connection.ts';

const PROBE_TIMEOUT_MS = 1000;

/** What the socket transport works with. */
export interface SocketComponents {
  /** Opens a session of the operator. @throws STARLING_LIMIT_EXCEEDED */
  open(push: (message: Buffer) => void): Session;
  /** Hears that a session opened by `open` has ended. */
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the socket transport at `path`. */
export function createSocketTransport(
  components: SocketComponents,
  init: { readonly path: string; readonly messageBytes: number },
): Startable {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const isPipe = process.platform === 'win32';

  return {
    async start() {
      if (server !== undefined) return;
      if (!isPipe) {
        await ensurePrivateFolder(dirname(init.path));
        await removeStale(init.path, components.clock);
      }
      const starting = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        serve(socket, components, init.messageBytes);
      });
      await listen(
        starting,
        { path: init.path },
        {
          failure: `can't listen on ${init.path}`,
          hint: 'choose another state folder with --state',
        },
      );
      // Too many open files and the like: one client less, and no reason for the node to end.
      starting.on('error', (error) =>
        components.logger.error({ error: messageOf(error) }, 'local client not accepted'),
      );
      if (!isPipe) await chmod(init.path, 0o600);
      server = starting;
    },
    async stop() {
      const stopping = server;
      if (stopping === undefined) return;
      server = undefined;
      const closed = new Promise<void>((resolve) => {
        stopping.close(() => resolve());
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serve(socket: Socket, components: SocketComponents, messageBytes: number): void {
  const { clock, logger } = components;
  const output = createSocketOutput(socket);
  socket.on('error', (error) => logger.debug({ error: messageOf(error) }, 'socket broke'));
  let session: Session;
  try {
    session = components.open((message) => output.urgent(message));
  } catch (error) {
    logger.warn({ error: messageOf(error) }, 'local session refused');
    output.urgent(errorBytes(null, errorOf(error)));
    setImmediate(() => socket.destroySoon());
    return;
  }
  const end = (): void => {
    session.end();
    components.ended(session);
  };
  const served: LineServed = {
    receive: (frame, reply) => session.receive(frame, reply),
    whenIdle: (listener) => session.whenIdle(listener),
    end,
  };
  serveLines(socket, output, served, { clock, messageBytes });
}

/**
 * Removes a socket that nobody listens on, as a killed node leaves one behind.
 * @throws STARLING_LISTEN_FAILED when somebody does
 */
async function removeStale(path: string, clock: Clock): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    const done = (answer: boolean): void => {
      cancel();
      probe.destroy();
      resolve(answer);
    };
    const cancel = clock.schedule(PROBE_TIMEOUT_MS, () => done(true));
    probe.once('connect', () => done(true));
    probe.once('error', () => done(false));
  });
  if (alive) {
    throw new StarlingError('STARLING_LISTEN_FAILED', `another node listens on ${path}`, {
      hint: 'stop it, or give this one its own folder with --state',
    });
  }
  await rm(path, { force: true });
}
