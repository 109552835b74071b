/**
 * The sessions of clients that come by single HTTP requests, in both eras: one table of them for each
 * transport. A session is taken away when its client has not used it for long, when another client
 * needs the room, and when no credential of it holds any longer; never while a request of it is under
 * way or arriving.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../core/index.ts';
import type { ViewSpec } from '../catalog/types.ts';
import type { Credential } from '../door/types.ts';
import type { Session } from '../session/types.ts';
import type { HttpReply } from './http-reply.ts';
import type { EventStream } from './client-event-stream.ts';

/** Who asks, and at which part of the mesh. */
export interface HttpCaller {
  readonly credential: Credential;
  readonly spec: ViewSpec;
}

/** A session that may end to make room for another one. */
export interface IdleSession {
  /** When the session was last used, ms since the epoch. */
  readonly activeAt: number;
  close(): void;
}

/** What sessions are opened and ended with. */
export interface HttpSessionsComponents {
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(opening: HttpCaller & { push(message: Buffer): void }): Session;
  /** Hears that a session has ended. */
  ended(session: Session): void;
  readonly clock: Clock;
}

/** Sessions by a key that the transport chooses. */
export interface HttpSessions {
  get(key: string): HttpClient | undefined;
  /**
   * Opens a session. `events` is the stream by which its client hears what answers no request; without
   * one, the client hears none of it. @throws STARLING_LIMIT_EXCEEDED
   */
  open(key: string, caller: HttpCaller, events?: EventStream): HttpClient;
  close(key: string): void;
  /** Ends the sessions of a credential that was revoked, with all that is under way. */
  evict(credential: string): void;
  /** Ends the sessions that were not used for long or whose credentials have expired. */
  reap(): void;
  /** The session that has not been used for longest, of those that nobody waits on. */
  idlest(): IdleSession | undefined;
  /** Writes something to who waits long, so that nobody between takes the connection for a dead one. */
  keepAlive(): void;
  stop(): void;
}

/** Makes an empty table; sessions may be idle for `idleMs`. */
export function createHttpSessions(
  components: HttpSessionsComponents,
  init: { readonly idleMs: number },
): HttpSessions {
  return new SessionTable(components, init.idleMs);
}

export type { HttpClient };

/** One client's session. */
class HttpClient {
  readonly session: Session;
  readonly events: EventStream | undefined;
  readonly #caller: HttpCaller;
  /** Requests without an answer yet. */
  readonly #replies = new Set<HttpReply>();
  /** Those of them that stay until somebody ends them, with how that is done. */
  readonly #listeners = new Map<HttpReply, () => void>();
  #credential: Credential;
  #expiresAt: number;
  #arriving = 0;

  constructor(session: Session, caller: HttpCaller, events: EventStream | undefined) {
    this.session = session;
    this.events = events;
    this.#caller = caller;
    this.#credential = caller.credential;
    this.#expiresAt = caller.credential.expiresAt ?? Infinity;
  }

  get credentialId(): string {
    return this.#credential.id;
  }

  /** When the last of the credentials that the client has shown expires, ms since the epoch. */
  get expiresAt(): number {
    return this.#expiresAt;
  }

  /** When the client last asked or listened, ms since the epoch. */
  get usedAt(): number {
    return Math.max(this.session.activeAt, this.events?.closedAt ?? 0);
  }

  get isBusy(): boolean {
    return this.#arriving > 0 || this.#replies.size > 0 || this.events?.isOpen === true;
  }

  /** True for the client that opened the session, at the part of the mesh where it did. */
  isOf({ credential, spec }: HttpCaller): boolean {
    if (credential.id !== this.credentialId) return false;
    // The edge gives the same object for the same path, unless others came between.
    return spec === this.#caller.spec || isDeepStrictEqual(spec, this.#caller.spec);
  }

  /** The session is in use from the first byte of a request on, and not only once it is whole. */
  arrives(request: IncomingMessage): void {
    this.#arriving += 1;
    request.on('close', () => (this.#arriving -= 1));
  }

  /** The guard decides by `credential` from now on: a token may be narrower than the one before. */
  present(credential: Credential): void {
    if (credential === this.#credential) return;
    this.#credential = credential;
    this.#expiresAt = Math.max(this.#expiresAt, credential.expiresAt ?? Infinity);
    const { principal } = credential;
    if (!isDeepStrictEqual(principal, this.session.principal)) this.session.present(principal);
  }

  /** A request is under way until it has its answer or `response` is closed, which `gone` hears. */
  waits(
    reply: HttpReply,
    response: ServerResponse,
    init: { readonly gone: () => void; readonly isListener?: boolean },
  ): void {
    this.#replies.add(reply);
    if (init.isListener === true) this.#listeners.set(reply, init.gone);
    // Both close once; what hears only once is one more object, and one removal, for each request.
    response.on('close', () => {
      this.#replies.delete(reply);
      this.#listeners.delete(reply);
      if (!reply.done) init.gone();
    });
  }

  /** Ends what would go on telling the client things, though no request of it was checked since. */
  stopListening(): void {
    this.events?.close();
    for (const end of this.#listeners.values()) end();
  }

  keepAlive(): void {
    this.events?.keepAlive();
    for (const reply of this.#replies) reply.keepAlive();
  }
}

class SessionTable implements HttpSessions {
  readonly #components: HttpSessionsComponents;
  readonly #idleMs: number;
  readonly #clients = new Map<string, HttpClient>();
  /** Those that {@link reap} found unused when it last looked, and when they had been used. */
  #due = new Map<HttpClient, number>();

  constructor(components: HttpSessionsComponents, idleMs: number) {
    this.#components = components;
    this.#idleMs = idleMs;
  }

  get(key: string): HttpClient | undefined {
    return this.#clients.get(key);
  }

  open(key: string, caller: HttpCaller, events?: EventStream): HttpClient {
    const push = (message: Buffer): void => events?.push(message);
    const session = this.#components.open({ ...caller, push });
    const client = new HttpClient(session, caller, events);
    this.#clients.set(key, client);
    return client;
  }

  close(key: string): void {
    const client = this.#clients.get(key);
    if (client === undefined) return;
    this.#clients.delete(key);
    client.session.end();
    client.events?.close();
    this.#components.ended(client.session);
  }

  evict(credential: string): void {
    for (const [key, client] of this.#clients) {
      if (client.credentialId === credential) this.close(key);
    }
  }

  /**
   * A session goes when two looks one after the other have found it unused. After a time in which this
   * process did not run, the first look comes before what clients have sent meanwhile is read.
   */
  reap(): void {
    const now = this.#components.clock.now();
    const due = new Map<HttpClient, number>();
    for (const [key, client] of this.#clients) {
      const isExpired = client.expiresAt < now;
      if (isExpired) client.stopListening();
      const isUnused = !client.isBusy && (isExpired || client.usedAt < now - this.#idleMs);
      if (!isUnused) continue;
      if (this.#due.get(client) === client.usedAt) this.close(key);
      else due.set(client, client.usedAt);
    }
    this.#due = due;
  }

  idlest(): IdleSession | undefined {
    let idle: [string, HttpClient] | undefined;
    for (const one of this.#clients) {
      if (one[1].isBusy) continue;
      if (idle === undefined || one[1].usedAt < idle[1].usedAt) idle = one;
    }
    if (idle === undefined) return undefined;
    const [key, client] = idle;
    return { activeAt: client.usedAt, close: () => this.close(key) };
  }

  keepAlive(): void {
    for (const client of this.#clients.values()) client.keepAlive();
  }

  stop(): void {
    for (const key of this.#clients.keys()) this.close(key);
  }
}
