/**
 * One caller's MCP session, whatever it came by. Holds the caller's ids and progress tokens, asks
 * the router where a call goes, and ends what is under way when the caller goes. Knows no transport:
 * frames come in by `receive`, and go out by the reply of their request or by `push`.
 */
import { StarlingError, VERSION, messageOf } from '../core/index.ts';
import type { Clock, JsonObject, Logger } from '../core/index.ts';
import type { Wanted } from '../grants/index.ts';
import type { Principal } from '../guard/index.ts';
import { RPC, errorBytes, errorOf, notificationBytes, resultBytes, rewriteFrame } from './frame.ts';
import { PROTOCOL_VERSIONS } from './handshake.ts';
import { progressTokenOf } from './link.ts';
import { refusalOf } from './router.ts';
import type { PeerLinks, Route, Router } from './router.ts';
import type { ToolView } from './views.ts';
import type { Frame, FrameId, Link, LinkCall, NotificationFrame, RequestFrame } from './types.ts';

const LIST_CHANGED_DELAY_MS = 50;
const RESULT_END = Buffer.from('}}');

/** Where the answer to one request goes. `interim` any number of times, then one of the others. */
export interface Reply {
  interim(message: Buffer): void;
  final(message: Buffer): void;
  /** The caller has cancelled: there is no answer. */
  dropped(): void;
}

/** What a session works with. */
export interface SessionComponents {
  readonly principal: Principal;
  readonly router: Router;
  readonly peers: PeerLinks & { close(): void };
  /** Sends a message that answers no request. */
  push(message: Buffer): void;
  /** Hears `initialize`; what it returns goes into the result's `_meta`. */
  initializing?(params: JsonObject): JsonObject;
  /** Hears notifications that the session does not know. */
  notification?(frame: NotificationFrame): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds and texts of a session. */
export interface SessionInit {
  readonly callsMax: number;
  /** For people who look at the client: which node this is. */
  readonly title: string;
  readonly instructions: string;
}

/** One session. */
export interface Session {
  readonly principal: Principal;
  readonly inFlight: number;
  /** When the caller last sent something, ms since the epoch. */
  readonly activeAt: number;
  /** Takes one message. Never throws. */
  receive(frame: Frame, reply: Reply): void;
  /** Asks the guard again about every call under way; ends those that it now refuses. */
  rejudge(): void;
  /** Calls `listener` once, when nothing is under way any more; at once when nothing is. */
  whenIdle(listener: () => void): void;
  /** The session is over: cancels its calls and closes its links. A second call is a no-op. */
  end(): void;
}

interface Active {
  readonly request: RequestFrame;
  readonly reply: Reply;
  readonly wanted: Wanted | undefined;
  readonly token: FrameId | undefined;
  call: LinkCall | undefined;
}

/** Opens a session. */
export function createSession(components: SessionComponents, init: SessionInit): Session {
  return new CallerSession(components, init);
}

class CallerSession implements Session {
  readonly principal: Principal;
  readonly #components: SessionComponents;
  readonly #init: SessionInit;
  readonly #active = new Map<FrameId, Active>();
  readonly #routerChanged = (): void => this.#viewChanged();
  #initialized = false;
  #ended = false;
  #activeAt: number;
  #listed = '';
  /** Kept until the router or our grants change; undefined when it must be asked for anew. */
  #view: ToolView | undefined;
  #idleListeners: (() => void)[] = [];
  #cancelAnnounce: (() => void) | undefined;

  constructor(components: SessionComponents, init: SessionInit) {
    this.#components = components;
    this.#init = init;
    this.principal = components.principal;
    this.#activeAt = components.clock.now();
  }

  get inFlight(): number {
    return this.#active.size;
  }

  get activeAt(): number {
    return this.#activeAt;
  }

  receive(frame: Frame, reply: Reply): void {
    if (this.#ended) {
      reply.dropped();
      return;
    }
    this.#activeAt = this.#components.clock.now();
    if (frame.kind === 'notification') this.#notified(frame);
    else if (frame.kind === 'request') this.#requested(frame, reply);
    // We ask callers nothing, so that there is no request a response could answer.
    else this.#components.logger.debug({ id: frame.id }, 'answer to no request of ours');
  }

  rejudge(): void {
    for (const [id, active] of this.#active) {
      if (active.wanted === undefined) continue;
      const decision = this.#components.router.judge(this.principal, active.wanted);
      if (decision.allow) continue;
      this.#active.delete(id);
      active.call?.cancel('grant revoked');
      active.reply.final(
        errorBytes(id, errorOf(refusalOf(decision, this.principal, this.#init.title))),
      );
    }
    this.#tellIdle();
    this.#viewChanged();
  }

  whenIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
    this.#tellIdle();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelAnnounce?.();
    this.#components.router.events.off('change', this.#routerChanged);
    const error = new StarlingError('STARLING_STOPPED', 'the session ended before the call did');
    for (const [id, active] of this.#active) {
      active.call?.cancel('caller is gone');
      active.reply.final(errorBytes(id, errorOf(error)));
    }
    this.#active.clear();
    this.#tellIdle();
    this.#components.peers.close();
  }

  #requested(frame: RequestFrame, reply: Reply): void {
    const { id, method } = frame;
    try {
      if (method === 'ping') reply.final(resultBytes(id, {}));
      else if (method === 'initialize') reply.final(resultBytes(id, this.#initialize(frame)));
      else if (!this.#initialized) {
        throw protocolError(
          RPC.invalidRequest,
          'the session is not initialized: send initialize first',
        );
      } else if (method === 'tools/list') reply.final(this.#list(frame));
      else if (method === 'tools/call') this.#call(frame, reply);
      else throw protocolError(RPC.methodNotFound, `unknown method ${method.slice(0, 128)}`);
    } catch (error) {
      this.#report(error);
      reply.final(errorBytes(id, errorOf(error)));
    }
  }

  #initialize(frame: RequestFrame): JsonObject {
    if (this.#initialized)
      throw protocolError(RPC.invalidRequest, 'the session is initialized already');
    this.#initialized = true;
    const wanted = frame.params['protocolVersion'];
    const version = PROTOCOL_VERSIONS.find((known) => known === wanted) ?? PROTOCOL_VERSIONS[0];
    const meta = this.#components.initializing?.(frame.params) ?? {};
    this.#listed = this.#currentView().digest;
    this.#components.router.events.on('change', this.#routerChanged);
    return {
      protocolVersion: version,
      capabilities: { tools: { listChanged: true } },
      serverInfo: {
        name: 'starling',
        title: `Starling node ${this.#init.title}`,
        version: VERSION,
      },
      instructions: this.#init.instructions,
      ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
    };
  }

  #list(frame: RequestFrame): Buffer {
    const cursor = frame.params['cursor'] ?? '0';
    const isOurs = typeof cursor === 'string' && /^\d{1,6}$/.test(cursor);
    const page = isOurs ? this.#currentView().page(Number(cursor)) : undefined;
    if (page === undefined) {
      throw protocolError(RPC.invalidParams, 'this cursor is not one of ours');
    }
    const head = `{"jsonrpc":"2.0","id":${JSON.stringify(frame.id)},"result":{`;
    return Buffer.concat([Buffer.from(head), page, RESULT_END]);
  }

  #call(frame: RequestFrame, reply: Reply): void {
    const { id, params } = frame;
    const { name } = params;
    if (typeof name !== 'string')
      throw protocolError(RPC.invalidParams, '"params.name" must be a string');
    if (this.#active.has(id)) {
      throw protocolError(
        RPC.invalidRequest,
        `a request with id ${JSON.stringify(id)} is under way`,
      );
    }
    if (this.#active.size >= this.#init.callsMax) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${this.#init.callsMax} calls of this session are under way (limits.callsPerSession)`,
        { hint: 'wait for some of them', data: { limit: 'limits.callsPerSession' } },
      );
    }
    const route = this.#components.router.route(this.principal, name);
    const active: Active = {
      request: frame,
      reply,
      wanted: route.wanted,
      token: progressTokenOf(frame),
      call: undefined,
    };
    const link = route.link(this.#components.peers);
    this.#active.set(id, active);
    if (link instanceof Promise) {
      link.then(
        (opened) => this.#send(active, route, opened),
        (error: unknown) => this.#failed(active, error),
      );
    } else this.#send(active, route, link);
  }

  #send(active: Active, route: Route, link: Link): void {
    // It may have been cancelled, or the session ended, while the link was opened.
    if (this.#active.get(active.request.id) !== active) return;
    active.call = link.relay({
      request: active.request,
      principal: this.principal,
      name: route.name,
      response: (frame) => {
        if (!this.#finish(active)) return;
        active.reply.final(rewriteOrError(frame, active.request.id));
      },
      progress: (frame) => this.#progress(active, frame),
      failed: (error) => this.#failed(active, error),
    });
  }

  #progress(active: Active, frame: NotificationFrame): void {
    if (active.token === undefined || this.#active.get(active.request.id) !== active) return;
    let message: Buffer;
    try {
      message = rewriteFrame(frame, { progressToken: active.token });
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'malformed progress dropped');
      return;
    }
    active.reply.interim(message);
  }

  #failed(active: Active, error: unknown): void {
    if (!this.#finish(active)) return;
    this.#report(error);
    active.reply.final(errorBytes(active.request.id, errorOf(error)));
  }

  /** True when the call was under way until now. */
  #finish(active: Active): boolean {
    const { id } = active.request;
    if (this.#active.get(id) !== active) return false;
    this.#active.delete(id);
    // After this turn, when the answer has been handed on.
    if (this.#active.size === 0) queueMicrotask(() => this.#tellIdle());
    return true;
  }

  #notified(frame: NotificationFrame): void {
    if (frame.method === 'notifications/cancelled') {
      const id = frame.params['requestId'];
      const active =
        typeof id === 'string' || typeof id === 'number' ? this.#active.get(id) : undefined;
      if (active === undefined || !this.#finish(active)) return;
      const { reason } = frame.params;
      active.call?.cancel(typeof reason === 'string' ? reason.slice(0, 500) : undefined);
      active.reply.dropped();
    } else this.#components.notification?.(frame);
  }

  #tellIdle(): void {
    if (this.#active.size > 0) return;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }

  #viewChanged(): void {
    this.#view = undefined;
    this.#announceSoon();
  }

  #currentView(): ToolView {
    this.#view ??= this.#components.router.view(this.principal);
    return this.#view;
  }

  /** Says that the list has changed, when it has: once for a burst of changes. */
  #announceSoon(): void {
    if (!this.#initialized || this.#ended || this.#cancelAnnounce !== undefined) return;
    this.#cancelAnnounce = this.#components.clock.schedule(LIST_CHANGED_DELAY_MS, () => {
      this.#cancelAnnounce = undefined;
      const listed = this.#currentView().digest;
      if (listed === this.#listed) return;
      this.#listed = listed;
      this.#components.push(notificationBytes('notifications/tools/list_changed'));
    });
  }

  #report(error: unknown): void {
    if (error instanceof StarlingError) return;
    this.#components.logger.error({ error: messageOf(error) }, 'request failed');
  }
}

function rewriteOrError(frame: Parameters<typeof rewriteFrame>[0], id: FrameId): Buffer {
  try {
    return rewriteFrame(frame, { id });
  } catch (error) {
    return errorBytes(id, errorOf(error));
  }
}

function protocolError(rpc: number, what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { data: { rpc } });
}
