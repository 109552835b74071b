/**
 * MCP over raw TCP: newline-delimited JSON-RPC, as on stdio. The token rides in `params._meta` of the
 * first request, `initialize`, and is taken out before the message goes anywhere. Before it, `ping` is
 * answered, with the time, and nothing else. What does not begin as JSON, like the request of a web page, is cut off.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, Startable } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { errorBytes, errorOf, resultBytes } from '../wire/frame.ts';
import { objectOf } from '../wire/era.ts';
import type { Session } from '../session/types.ts';
import type { Reply } from '../wire/reply.ts';
import type { Frame, FrameId, RequestFrame } from '../frame-types.ts';
import type { Credential } from '../door/types.ts';
import { close, listen } from './listen.ts';
import { createLongLivedConnections } from './long-lived.ts';
import type { LongLivedConnections } from './long-lived.ts';
import { createSocketOutput, serveLines } from './line-connection.ts';
import type { LineServed } from './line-connection.ts';

/** Key of the token in `params._meta`. */
export const TOKEN_META = 'starling/token';

/** How long a client has to bring a token. */
const GREETING_TIMEOUT_MS = 30_000;
/** What it may say before. */
const GREETING_BYTES_MAX = 64 * 1024;
/** Clients that have brought none yet; one more costs the oldest of them its place. */
const GREETING_MAX = 100;

/** What the TCP transport works with. */
export interface TcpComponents {
  /** True for an address that callers may come from. */
  isAllowed(address: string | undefined): boolean;
  /** Who holds `token`; undefined when nobody does. */
  credentialOf(token: string, address: string): Promise<Credential | undefined>;
  /** Who comes without a token, where none is required. */
  readonly nobody: Principal;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(principal: Principal, push: (message: Buffer) => void): Session;
  /** Hears that a session opened by `open` has ended. */
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where and for whom it listens. */
export interface TcpInit {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** False: whoever connects is the client {@link TcpComponents.nobody}. For loopback only. */
  readonly requireToken: boolean;
  readonly messageBytes: number;
  /** A connection that is silent for this long is probed (TCP keep-alive, RFC 9293 §3.8.4). */
  readonly keepAliveMs: number;
}

/** MCP over TCP, a line a message; listens on one address. */
export interface TcpTransport extends Startable {
  /** `127.0.0.1:9500`; undefined until started. */
  address(): string | undefined;
  /** Cuts the connections that came by `credential`. */
  evict(credential: string): void;
}

/** Makes the transport. `start` @throws STARLING_LISTEN_FAILED */
export function createTcpTransport(components: TcpComponents, init: TcpInit): TcpTransport {
  const sockets = new Set<Socket>();
  const greeting = new Set<Caller>();
  const lasting = createLongLivedConnections(components.clock);
  let server: Server | undefined;

  const accept = (socket: Socket): void => {
    if (!components.isAllowed(socket.remoteAddress)) {
      components.logger.info({ from: socket.remoteAddress }, 'TCP client from elsewhere cut off');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const [oldest] = greeting;
    if (greeting.size >= GREETING_MAX) oldest?.cut('too many clients without a token');
    serve(socket, { greeting, lasting }, components, init);
  };
  return {
    address() {
      const address = server?.address() as AddressInfo | null | undefined;
      if (address === undefined || address === null) return undefined;
      const host = init.host.includes(':') ? `[${init.host}]` : init.host;
      return `${host}:${address.port}`;
    },
    evict: (credential) => lasting.evict(credential),
    async start() {
      if (server !== undefined) return;
      const starting = createServer(
        {
          allowHalfOpen: true,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: init.keepAliveMs,
        },
        accept,
      );
      const { host, port } = init;
      await listen(
        starting,
        { host, port },
        {
          failure: `can't serve TCP on ${host}:${port}`,
          hint: 'choose another with --tcp <port> or tcp.port (0 picks a free one)',
        },
      );
      // Too many open files and the like: one client less, and no reason for the node to end.
      starting.on('error', (error) =>
        components.logger.error({ error: messageOf(error) }, 'TCP client not accepted'),
      );
      server = starting;
    },
    async stop() {
      const stopping = server;
      if (stopping === undefined) return;
      server = undefined;
      await close(stopping, sockets);
    },
  };
}

/** Connections without a session, and with one. */
interface Tables {
  readonly greeting: Set<Caller>;
  readonly lasting: LongLivedConnections;
}

function serve(
  socket: Socket,
  { greeting, lasting }: Tables,
  components: TcpComponents,
  init: TcpInit,
): void {
  const { clock, logger } = components;
  socket.on('error', (error) => logger.debug({ error: messageOf(error) }, 'TCP client broke'));
  const output = createSocketOutput(socket);
  const caller = new Caller(socket, components, init, (message) => output.urgent(message));
  greeting.add(caller);
  const cancel = clock.schedule(GREETING_TIMEOUT_MS, () => caller.cut('no token in time'));
  caller.onOpen((credential) => {
    cancel();
    greeting.delete(caller);
    if (credential === undefined) return;
    // Ended first: what has come and was not taken yet is not done for a credential that is over.
    const connection = {
      destroy() {
        caller.end();
        socket.destroy();
      },
    };
    socket.once('close', lasting.keep(connection, credential));
  });
  socket.once('close', () => {
    cancel();
    greeting.delete(caller);
  });
  serveLines(socket, output, caller, {
    clock,
    messageBytes: init.messageBytes,
    takesOtherForms: true,
    admits: (chunk) => caller.admits(chunk),
  });
}

/** One connection: first without, then with a session. */
class Caller implements LineServed {
  readonly #socket: Socket;
  readonly #components: TcpComponents;
  readonly #init: TcpInit;
  readonly #push: (message: Buffer) => void;
  #session: Session | undefined;
  /** What came while the token is checked. */
  #waiting: { readonly frame: Frame; readonly reply: Reply; readonly key: unknown }[] | undefined;
  #idleListeners: (() => void)[] = [];
  #openListener: (credential: Credential | undefined) => void = () => undefined;
  #begun = false;
  #ended = false;
  #greetingBytes = 0;

  constructor(
    socket: Socket,
    components: TcpComponents,
    init: TcpInit,
    push: (message: Buffer) => void,
  ) {
    this.#socket = socket;
    this.#components = components;
    this.#init = init;
    this.#push = push;
  }

  /** Hears when a session is open, and by which credential, if one was needed. */
  onOpen(listener: (credential: Credential | undefined) => void): void {
    this.#openListener = listener;
  }

  cut(why: string): void {
    this.#components.logger.info({ from: this.#socket.remoteAddress, why }, 'TCP client cut off');
    this.#socket.destroy();
  }

  admits(chunk: Buffer): boolean {
    if (this.#session !== undefined) return true;
    if (!this.#begun) {
      const first = chunk.find((byte) => !BLANKS.has(byte));
      // Nothing of an HTTP request or a TLS greeting may be taken for a message, its body least.
      if (first !== undefined && !FIRST_BYTES.has(first)) return false;
      this.#begun = first !== undefined;
    }
    // The bytes before: what comes in one piece with the token is not counted.
    if (this.#greetingBytes > GREETING_BYTES_MAX) return false;
    this.#greetingBytes += chunk.length;
    return true;
  }

  receive(frame: Frame, reply: Reply, key?: unknown): void {
    if (this.#ended) {
      reply.dropped();
      return;
    }
    if (this.#waiting !== undefined) {
      this.#waiting.push({ frame, reply, key });
      return;
    }
    const token = tokenOf(frame);
    let clean = frame;
    try {
      if (token !== undefined) clean = withoutToken(frame);
    } catch (error) {
      if (frame.kind === 'request') reply.final(errorBytes(frame.id, errorOf(error)));
      return;
    }
    if (this.#session !== undefined) this.#session.receive(clean, reply, key);
    else if (clean.kind !== 'request') reply.dropped();
    else if (clean.method === 'ping') reply.final(this.#alive(clean.id));
    else if (!this.#init.requireToken) this.#open(undefined, clean, reply);
    else if (typeof token === 'string') this.#check(token, clean, reply);
    else reply.final(errorBytes(clean.id, errorOf(this.#unauthorized('a token comes first'))));
  }

  abandon(key: unknown, reason: string): void {
    this.#session?.abandon(key, reason);
  }

  /** What monitors look for that have no token; MCP wants an empty result, but only within a session. */
  #alive(id: FrameId): Buffer {
    return resultBytes(id, { status: 'ok', timestamp: this.#components.clock.now() });
  }

  whenIdle(listener: () => void): void {
    if (this.#waiting !== undefined) this.#idleListeners.push(listener);
    else if (this.#session !== undefined) this.#session.whenIdle(listener);
    else listener();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#session === undefined) return;
    this.#session.end();
    this.#components.ended(this.#session);
  }

  #check(token: string, request: RequestFrame, reply: Reply): void {
    this.#waiting = [];
    this.#socket.pause();
    this.#components
      .credentialOf(token, this.#socket.remoteAddress ?? '')
      .then(
        (credential) => {
          if (credential !== undefined) this.#open(credential, request, reply);
          else throw this.#unauthorized('this is not a token of this node');
        },
        (error: unknown) => {
          this.#components.logger.warn({ error: messageOf(error) }, 'token not checked');
          throw error;
        },
      )
      .catch((error: unknown) => reply.final(errorBytes(request.id, errorOf(error))))
      .finally(() => this.#checked());
  }

  #checked(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const { frame, reply, key } of waiting) this.receive(frame, reply, key);
    for (const listener of this.#idleListeners.splice(0)) this.whenIdle(listener);
    this.#socket.resume();
  }

  #open(credential: Credential | undefined, request: RequestFrame, reply: Reply): void {
    if (this.#ended) return;
    try {
      this.#session = this.#components.open(
        credential?.principal ?? this.#components.nobody,
        this.#push,
      );
    } catch (error) {
      this.#components.logger.warn({ error: messageOf(error) }, 'TCP session refused');
      reply.final(errorBytes(request.id, errorOf(error)));
      return;
    }
    this.#openListener(credential);
    this.#session.receive(request, reply);
  }

  #unauthorized(what: string): StarlingError {
    return new StarlingError('STARLING_UNAUTHORIZED', what, {
      hint: `send initialize with params._meta["${TOKEN_META}"]; ask the node's operator for a key (starling key create <name>)`,
    });
  }
}

/** White space, and the bytes of a byte order mark. */
const BLANKS: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf]);
/** What a message begins with: `{`, or `[` of a batch. */
const FIRST_BYTES: ReadonlySet<number> = new Set([0x7b, 0x5b]);

function tokenOf(frame: Frame): Json | undefined {
  return frame.kind === 'response' ? undefined : objectOf(frame.params['_meta'])[TOKEN_META];
}

/**
 * The frame anew, so that the token is in no part of it, not even under a repeated key.
 * @throws STARLING_PROTOCOL_VIOLATION for one that can be read but is nested too deeply to be written
 */
function withoutToken(frame: Frame): Frame {
  if (frame.kind === 'response') return frame;
  const { [TOKEN_META]: _token, ...meta } = objectOf(frame.params['_meta']);
  const { _meta, ...rest } = frame.params;
  const params: JsonObject = Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
  const message = JSON.parse(frame.bytes.toString('utf8')) as JsonObject;
  try {
    const { spans: _ofOther, ...others } = frame;
    return { ...others, params, bytes: Buffer.from(JSON.stringify({ ...message, params })) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const text = 'the message that brings a token is nested too deeply';
    throw new StarlingError('STARLING_PROTOCOL_VIOLATION', text, { cause: error });
  }
}
