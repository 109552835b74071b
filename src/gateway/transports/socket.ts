/**
 * The node's own socket: newline-delimited JSON-RPC for `starling mcp` and the CLI on a Unix socket or
 * a named pipe. Only this node's user can open it, by the permissions of the file; whoever does says in
 * the first request (`starling/attach`) for whom it comes: the operator, or a client by its name. Without
 * one it is a client that nobody named.
 */
import { rmSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { StarlingError, ensurePrivateFolder, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Startable } from '../../core/index.ts';
import { ATTACH_METHOD } from '../../config/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Session } from '../session/types.ts';
import type { Frame } from '../frame-types.ts';
import { errorBytes, errorOf, resultBytes } from '../wire/frame.ts';
import type { Reply } from '../wire/reply.ts';
import { createSocketOutput, serveLines } from './line-connection.ts';
import { close, listen } from './listen.ts';
import type { LineServed } from './line-connection.ts';

const PROBE_TIMEOUT_MS = 1000;
/** How long a connection may say nothing before its first message. */
const GREETING_TIMEOUT_MS = 30_000;

/** What the socket transport works with. */
export interface SocketComponents {
  /** Whom `as` of the first request means. @throws STARLING_USAGE */
  principalOf(as?: unknown): Principal;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(principal: Principal, push: (message: Buffer) => void): Session;
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
  /** A process that ends in a hurry closes nothing; a file that is left would lead nowhere. */
  const takeAway = (): void => rmSync(init.path, { force: true });

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
      if (!isPipe) {
        atExit(takeAway);
        await chmod(init.path, 0o600);
      }
      server = starting;
    },
    async stop() {
      const stopping = server;
      if (stopping === undefined) return;
      server = undefined;
      notAtExit(takeAway);
      await close(stopping, sockets);
    },
  };
}

/** Sockets that are taken away when the process ends: one listener for all nodes of a process. */
const leftovers = new Set<() => void>();

function takeAllAway(): void {
  for (const takeAway of leftovers) takeAway();
}

function atExit(takeAway: () => void): void {
  if (leftovers.size === 0) process.on('exit', takeAllAway);
  leftovers.add(takeAway);
}

function notAtExit(takeAway: () => void): void {
  leftovers.delete(takeAway);
  if (leftovers.size === 0) process.off('exit', takeAllAway);
}

function serve(socket: Socket, components: SocketComponents, messageBytes: number): void {
  const { clock, logger } = components;
  const output = createSocketOutput(socket);
  socket.on('error', (error) => logger.debug({ error: messageOf(error) }, 'socket broke'));
  const caller = new Caller(socket, components, (message) => output.urgent(message));
  const cancel = clock.schedule(GREETING_TIMEOUT_MS, () => caller.tooLate());
  socket.once('close', cancel);
  serveLines(socket, output, caller, { clock, messageBytes });
}

/** One connection: its session begins with the first message. */
class Caller implements LineServed {
  readonly #socket: Socket;
  readonly #components: SocketComponents;
  readonly #push: (message: Buffer) => void;
  #session: Session | undefined;
  #isOver = false;

  constructor(socket: Socket, components: SocketComponents, push: (message: Buffer) => void) {
    this.#socket = socket;
    this.#components = components;
    this.#push = push;
  }

  receive(frame: Frame, reply: Reply): void {
    if (this.#session !== undefined) this.#session.receive(frame, reply);
    else if (this.#isOver) reply.dropped();
    else this.#begin(frame, reply);
  }

  whenIdle(listener: () => void): void {
    if (this.#session === undefined) listener();
    else this.#session.whenIdle(listener);
  }

  end(): void {
    this.#isOver = true;
    if (this.#session === undefined) return;
    this.#session.end();
    this.#components.ended(this.#session);
  }

  /** The client has said nothing yet. */
  tooLate(): void {
    if (this.#session === undefined) this.#socket.destroy();
  }

  #begin(frame: Frame, reply: Reply): void {
    const isAttach = frame.kind === 'request' && frame.method === ATTACH_METHOD;
    try {
      const principal = this.#components.principalOf(isAttach ? frame.params['as'] : undefined);
      this.#session = this.#components.open(principal, this.#push);
      if (isAttach) reply.final(resultBytes(frame.id, { principal: keyOf(principal) }));
      else this.#session.receive(frame, reply);
    } catch (error) {
      this.#components.logger.warn({ error: messageOf(error) }, 'local session refused');
      this.#isOver = true;
      const id = frame.kind === 'request' ? frame.id : null;
      reply.final(errorBytes(id, errorOf(error)));
      setImmediate(() => this.#socket.destroySoon());
    }
  }
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
