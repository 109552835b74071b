/**
 * MCP over WebSocket (RFC 6455, subprotocol `mcp`): each text message is one JSON-RPC message. The
 * HTTP edge hands over upgrades that its door let in; browsers, which can't send Authorization there,
 * offer their token as a second subprotocol, `bearer.<token in base64url>`.
 */
import { isUtf8 } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { errorBytes, errorOf } from '../wire/frame.ts';
import type { Session } from '../session/types.ts';
import { createPackets } from '../wire/packet.ts';
import { receiveBytes } from './message-session.ts';
import type { LineOutput } from './message-session.ts';

const SUBPROTOCOL = 'mcp';
const BEARER_PREFIX = 'bearer.';
/** Pings without any sign of life after which a connection is dead. */
const SILENT_PINGS_MAX = 2;
/** The same while output waits: pongs come late from behind a slow line. */
const BLOCKED_PINGS_MAX = 4;
/** Output that may wait before we stop reading what the client asks. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Output that may wait for a client that does not read at all. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const CLOSE_TIMEOUT_MS = 300;

/** Close codes (RFC 6455 §7.4.1). */
const GOING_AWAY = 1001;
const NOT_TEXT = 1003;
const TOO_LARGE = 1009;
const TRY_LATER = 1013;

/** What the WebSocket transport works with. */
export interface WebSocketComponents {
  /** Hears that a session has ended. */
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The WebSocket transport: has no port of its own. */
export interface WebSocketTransport {
  /**
   * Serves the client of an HTTP upgrade that the door has let in. `open` opens its session, and may
   * throw STARLING_LIMIT_EXCEEDED, which the client is told.
   */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    open: (push: (message: Buffer) => void) => Session,
  ): void;
  /** Closes all connections. */
  stop(): Promise<void>;
}

/** Bounds of the transport. */
export interface WebSocketInit {
  readonly messageBytes: number;
  /** A client is pinged this often; two pings without any sign of life end its connection. */
  readonly keepAliveMs: number;
}

/** It upgrades what the HTTP server hands to it, and listens on nothing itself. */
export function createWebSocketTransport(
  components: WebSocketComponents,
  init: WebSocketInit,
): WebSocketTransport {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    maxPayload: init.messageBytes,
    WebSocket: namingLimit(init.messageBytes),
    handleProtocols: () => SUBPROTOCOL,
  });
  return {
    upgrade(request, socket, head, open) {
      const offered = subprotocolsOf(request);
      if (offered.length > 0 && !offered.includes(SUBPROTOCOL)) {
        refuseUpgrade(socket, 400, noSubprotocol());
        return;
      }
      server.handleUpgrade(request, socket, head, (client) => {
        new Connection(client, socket, components, init.keepAliveMs).serve(open);
      });
    },
    async stop() {
      const scope = createScope(components.clock);
      const closed = [...server.clients].map(
        (client) =>
          new Promise<void>((resolve) => {
            client.once('close', () => resolve());
            client.close(GOING_AWAY, 'the node stops');
            scope.after(CLOSE_TIMEOUT_MS, () => client.terminate());
          }),
      );
      await Promise.all(closed);
      scope.close();
      server.close();
    },
  };
}

/**
 * The class of connections: `ws` closes one that brings too much by the code alone, and its client would not know
 * which limit there is.
 */
function namingLimit(messageBytes: number): typeof WebSocket {
  const reason = `a message is over the limit of ${messageBytes} bytes (limits.messageBytes)`;
  return class extends WebSocket {
    override close(code?: number, data?: string | Buffer): void {
      super.close(code, code === TOO_LARGE ? (data ?? reason) : data);
    }
  };
}

/** The bearer token of an upgrade: of the Authorization header, else of the offered subprotocols. */
export function bearerOfUpgrade(request: IncomingMessage): string | undefined {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (given !== undefined) return given;
  const offered = subprotocolsOf(request).find((one) => one.startsWith(BEARER_PREFIX));
  if (offered === undefined) return undefined;
  const token = Buffer.from(offered.slice(BEARER_PREFIX.length), 'base64url');
  return token.length > 0 && isUtf8(token) ? token.toString('utf8') : undefined;
}

/** Answers an upgrade with an HTTP error, and ends its connection. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  error: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = errorBytes(null, errorOf(error));
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  // The client may be gone: then nobody needs the answer.
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]));
}

class Connection implements LineOutput {
  readonly #client: WebSocket;
  readonly #socket: Duplex;
  readonly #components: WebSocketComponents;
  readonly #keepAliveMs: number;
  readonly #scope: Scope;
  #corked = false;
  #sentBytes = 0;
  #flushedBytes = 0;
  #heard = true;
  #silentPings = 0;

  constructor(
    client: WebSocket,
    socket: Duplex,
    components: WebSocketComponents,
    keepAliveMs: number,
  ) {
    this.#keepAliveMs = keepAliveMs;
    this.#client = client;
    this.#socket = socket;
    this.#components = components;
    this.#scope = createScope(components.clock);
  }

  serve(open: (push: (message: Buffer) => void) => Session): void {
    const client = this.#client;
    const { logger } = this.#components;
    client.on('error', (error) =>
      logger.debug({ error: messageOf(error) }, 'WebSocket client broke the protocol'),
    );
    let session: Session;
    try {
      session = open((message) => this.urgent(message));
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'WebSocket session refused');
      this.urgent(errorBytes(null, errorOf(error)));
      client.close(TRY_LATER, 'no session');
      return;
    }
    const packets = createPackets();
    client.on('message', (data, isBinary) => {
      this.#heard = true;
      if (isBinary) client.close(NOT_TEXT, 'messages must be text');
      else if (client.readyState === WebSocket.OPEN) {
        receiveBytes(session, bytesOf(data), this, { packets });
      }
    });
    client.on('pong', () => (this.#heard = true));
    this.#socket.on('drain', () => client.resume());
    this.#scope.every(this.#keepAliveMs, () => this.#beat());
    client.once('close', () => {
      this.#scope.close();
      session.end();
      this.#components.ended(session);
    });
  }

  line(message: Buffer): boolean {
    if (this.#client.readyState !== WebSocket.OPEN) return true;
    this.#cork();
    this.#sentBytes += message.length;
    this.#client.send(message, { binary: false });
    const waitingBytes = this.#client.bufferedAmount;
    if (waitingBytes > QUEUE_BYTES_MAX) {
      this.#components.logger.info({ waitingBytes }, 'WebSocket client does not read');
      this.#client.terminate();
    } else if (waitingBytes > HIGH_WATER_BYTES) this.#client.pause();
    return true;
  }

  urgent(message: Buffer): void {
    this.line(message);
  }

  /** What is sent in one tick goes out in one write. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    queueMicrotask(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #beat(): void {
    const waitingBytes = this.#client.bufferedAmount;
    const flushedBytes = this.#sentBytes - waitingBytes;
    const isAlive = this.#heard || flushedBytes > this.#flushedBytes;
    this.#heard = false;
    this.#flushedBytes = flushedBytes;
    this.#silentPings = isAlive ? 0 : this.#silentPings + 1;
    if (this.#silentPings >= (waitingBytes > 0 ? BLOCKED_PINGS_MAX : SILENT_PINGS_MAX)) {
      this.#components.logger.info({ waitingBytes }, 'WebSocket client is silent');
      this.#client.terminate();
    } else if (this.#client.readyState === WebSocket.OPEN) this.#client.ping();
  }
}

function subprotocolsOf(request: IncomingMessage): readonly string[] {
  const header = request.headers['sec-websocket-protocol'] ?? '';
  return header
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function noSubprotocol(): StarlingError {
  return new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    `none of the offered subprotocols is '${SUBPROTOCOL}'`,
    { hint: `offer the subprotocol ${SUBPROTOCOL}` },
  );
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
