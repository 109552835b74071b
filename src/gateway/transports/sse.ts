/**
 * HTTP+SSE of MCP 2024-11-05, for clients that know nothing newer: a GET opens an event stream whose
 * first event says where to POST; everything that answers a POST comes on the stream. The HTTP edge's
 * door has let both in before they come here.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { parseIncoming } from '../wire/batch.ts';
import type { BatchFrames } from '../wire/batch.ts';
import { isFrameId } from '../wire/frame-id.ts';
import { toLine } from '../wire/frame.ts';
import type { Credential } from '../door/types.ts';
import type { Session } from '../session/types.ts';
import type { Frame } from '../frame-types.ts';
import { createWaitingPosts } from './waiting-posts.ts';
import type { WaitingPosts } from './waiting-posts.ts';
import { readPostedBody, refusePosted, takesEvents } from './http-body.ts';
import { refuse, startEvents, usage, writeComment, writeEvent } from './http-reply.ts';
import { receiveIncoming } from './message-session.ts';
import type { LineOutput } from './message-session.ts';
import type { IdleSession } from './http-sessions.ts';
import { withTraceOfAll } from './trace-headers.ts';

/** Keep-alives without a byte that left us, after which a stream is dead. */
const STUCK_MAX = 8;
/** How long a client may wait with its first message. */
const FIRST_MESSAGE_MS = 60_000;
/** Output that may wait before further messages have to. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Output that may wait for a client that does not read at all. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const RETRY_AFTER = { 'retry-after': '1' };

/** What the transport works with. */
export interface SseComponents {
  /** Hears that a session has ended. */
  ended(session: Session): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one client's session is opened with. */
export interface SseSessionInit {
  /** Where it POSTs to: the path that leads to {@link SseTransport.post}. */
  readonly path: string;
  readonly credential: Credential;
  /** Hears of another credential of the same client, by which the stream may live on. */
  renewed(credential: Credential): void;
  /** Opens the session. @throws STARLING_LIMIT_EXCEEDED, which the client is told */
  open(push: (message: Buffer) => void): Session;
}

/** Bounds of the transport. */
export interface SseInit {
  readonly messageBytes: number;
  /** A stream gets a comment twice as often as this. */
  readonly keepAliveMs: number;
}

/** The transport: has no port of its own. */
export interface SseTransport {
  /** Opens a session whose end is the end of this response. */
  get(request: IncomingMessage, response: ServerResponse, init: SseSessionInit): void;
  /** Takes a message of a session of the same client; the guard decides by the rights that came with the message. */
  post(request: IncomingMessage, response: ServerResponse, credential: Credential): void;
  /** The session that nobody has used for longest, of those without a call under way. */
  idlest(): IdleSession | undefined;
  /** Ends all sessions. */
  stop(): void;
}

/** HTTP+SSE of MCP 2024-11-05: a stream of events down, POSTs up. */
export function createSseTransport(components: SseComponents, init: SseInit): SseTransport {
  return new LegacyEdge(components, init);
}

class LegacyEdge implements SseTransport {
  readonly #components: SseComponents;
  readonly #init: SseInit;
  readonly #streams = new Map<string, Stream>();

  constructor(components: SseComponents, init: SseInit) {
    this.#components = components;
    this.#init = init;
  }

  get(request: IncomingMessage, response: ServerResponse, init: SseSessionInit): void {
    if (!takesEvents(request)) {
      return refuse(response, 406, usage('Accept must name text/event-stream'));
    }
    const id = randomBytes(24).toString('base64url');
    const stream = new Stream(response, this.#components, {
      ...init,
      keepAliveMs: this.#init.keepAliveMs,
    });
    let session: Session;
    try {
      session = init.open((message) => stream.urgent(message));
    } catch (error) {
      return refuse(response, 503, error, { 'retry-after': '10' });
    }
    this.#streams.set(id, stream);
    response.once('close', () => {
      this.#streams.delete(id);
      stream.close();
    });
    return stream.start(session, `${init.path}?sessionId=${id}`);
  }

  post(request: IncomingMessage, response: ServerResponse, credential: Credential): void {
    const query = new URLSearchParams((request.url ?? '').split('?', 2)[1]);
    const stream = this.#streams.get(query.get('sessionId') ?? '');
    // One of somebody else is not told apart from one that does not exist.
    if (stream === undefined || !stream.isOf(credential)) {
      return refuse(response, 404, notFound());
    }
    request.on('error', (error) =>
      this.#components.logger.debug({ error: messageOf(error) }, 'HTTP client went'),
    );
    const { messageBytes } = this.#init;
    const tooLong = (): void =>
      refusePosted(request, response, messageBytes, {
        status: 429,
        error: behind(),
        headers: RETRY_AFTER,
      });
    const go = (): void =>
      readPostedBody(request, response, messageBytes, (bytes) => {
        stream.present(credential);
        this.#received(stream, bytes, { request, response });
      });
    // A client that reads is behind for a moment after each large answer: what it says then must not be lost.
    if (!stream.isBehind) return go();
    return stream.posts.hold(response, { go, tooLong }) ? undefined : tooLong();
  }

  idlest(): IdleSession | undefined {
    let idle: { readonly activeAt: number; readonly stream: Stream } | undefined;
    for (const stream of this.#streams.values()) {
      const { session } = stream;
      if (session === undefined || session.inFlight > 0 || !stream.posts.isEmpty) continue;
      const { activeAt } = session;
      if (idle === undefined || activeAt < idle.activeAt) idle = { activeAt, stream };
    }
    if (idle === undefined) return undefined;
    const { activeAt, stream } = idle;
    return { activeAt, close: () => stream.close() };
  }

  stop(): void {
    for (const stream of this.#streams.values()) stream.close();
  }

  #received(
    stream: Stream,
    bytes: Buffer,
    { request, response }: Readonly<{ request: IncomingMessage; response: ServerResponse }>,
  ): void {
    let incoming: Frame | BatchFrames;
    try {
      incoming = parseIncoming(bytes);
    } catch (error) {
      const { id } = error instanceof StarlingError ? error.data : {};
      return refuse(response, 400, error, {}, isFrameId(id) ? id : null);
    }
    if (stream.session === undefined) return refuse(response, 404, notFound());
    // First this one, so that nothing that follows from the message overtakes it.
    response.writeHead(202, { 'content-type': 'text/plain' }).end('Accepted\n');
    return stream.receive(withTraceOfAll(request.headers, incoming));
  }
}

type StreamInit = SseSessionInit & Pick<SseInit, 'keepAliveMs'>;

/** One client's event stream. */
class Stream implements LineOutput {
  /** What the client has said while it was behind. */
  readonly posts: WaitingPosts;
  readonly #response: ServerResponse;
  readonly #components: SseComponents;
  readonly #init: StreamInit;
  readonly #scope: Scope;
  #credential: Credential;
  #session: Session | undefined;
  #heard = false;
  #sentBytes = 0;
  #flushedBytes = 0;
  #stuck = 0;

  constructor(response: ServerResponse, components: SseComponents, init: StreamInit) {
    this.#response = response;
    this.#components = components;
    this.#init = init;
    this.#credential = init.credential;
    this.#scope = createScope(components.clock);
    this.posts = createWaitingPosts(components.clock);
  }

  /** Undefined once the stream is over. */
  get session(): Session | undefined {
    return this.#session;
  }

  isOf(credential: Credential): boolean {
    return this.#session !== undefined && credential.id === this.#credential.id;
  }

  /** The guard decides by `credential` from now on: a token may be narrower than the one before. */
  present(credential: Credential): void {
    if (credential === this.#credential || this.#session === undefined) return;
    this.#credential = credential;
    this.#init.renewed(credential);
    const { principal } = credential;
    if (!isDeepStrictEqual(principal, this.#session.principal)) this.#session.present(principal);
  }

  /** True while much waits for the client, or while it has said something that waits: nothing overtakes. */
  get isBehind(): boolean {
    return this.#isFull || !this.posts.isEmpty;
  }

  get #isFull(): boolean {
    return this.#response.writableLength > HIGH_WATER_BYTES;
  }

  start(session: Session, endpoint: string): void {
    this.#session = session;
    this.#response.on('error', (error) =>
      this.#components.logger.debug({ error: messageOf(error) }, 'HTTP+SSE client went'),
    );
    this.#response.on('drain', () => this.posts.release(() => !this.#isFull));
    startEvents(this.#response);
    this.#response.write(`event: endpoint\ndata: ${endpoint}\n\n`);
    this.#scope.every(this.#init.keepAliveMs / 2, () => this.#beat());
    this.#scope.after(FIRST_MESSAGE_MS, () => {
      if (!this.#heard) this.close();
    });
  }

  receive(incoming: Frame | BatchFrames): void {
    this.#heard = true;
    if (this.#session !== undefined) receiveIncoming(this.#session, incoming, this);
  }

  line(message: Buffer): boolean {
    if (this.#session === undefined || this.#response.destroyed) return true;
    this.#sentBytes += message.length;
    writeEvent(this.#response, toLine(message));
    if (this.#response.writableLength > QUEUE_BYTES_MAX) {
      this.#components.logger.info({}, 'HTTP+SSE client does not read');
      this.#response.destroy();
    }
    return true;
  }

  urgent(message: Buffer): void {
    this.line(message);
  }

  /** The session is over. A second call is a no-op. */
  close(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#scope.close();
    session.end();
    this.#components.ended(session);
    // They hear that there is no such session any more.
    this.posts.release(() => true);
    if (this.#response.writableLength === 0) this.#response.end();
    else this.#response.destroy();
  }

  #beat(): void {
    const waitingBytes = this.#response.writableLength;
    const flushedBytes = this.#sentBytes - waitingBytes;
    const isStuck = waitingBytes > 0 && flushedBytes <= this.#flushedBytes;
    this.#flushedBytes = flushedBytes;
    this.#stuck = isStuck ? this.#stuck + 1 : 0;
    if (this.#stuck >= STUCK_MAX) this.#response.destroy();
    else if (!isStuck) writeComment(this.#response);
  }
}

function notFound(): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', 'there is no such session', {
    hint: 'open the event stream again, and POST to where its first event says',
    data: { rpc: -32001 },
  });
}

function behind(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `over ${HIGH_WATER_BYTES} bytes wait to be read on the event stream, and were not read`,
    { hint: 'read answers as they come, or ask for fewer at once' },
  );
}
