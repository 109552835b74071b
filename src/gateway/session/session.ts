/**
 * One caller's MCP session, whatever it came by and in either era. Holds the caller's ids and progress
 * tokens, asks the router where a request goes, carries what servers ask back to the client, and ends
 * what is under way when the caller goes. Knows no transport: frames come in by `receive`, and go out
 * by the reply of their request or by `push`.
 */
import { StarlingError, createChurnMap, messageOf } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Active } from './call.ts';
import { checkRequest } from './check-request.ts';
import type { ClearedCall } from '../clearance/clearance.ts';
import {
  CACHING,
  LEGACY_VERSIONS,
  META,
  MODERN_VERSIONS,
  clientOf,
  eraOf,
  isLogLevel,
  metaOf,
  objectOf,
} from '../wire/era.ts';
import type { Era } from '../wire/era.ts';
import {
  RPC,
  errorBytes,
  errorOf,
  notificationBytes,
  resultBytes,
  rewriteFrame,
} from '../wire/frame.ts';
import { createAnnouncer } from './list-change-announcer.ts';
import type { Announcer } from './list-change-announcer.ts';
import { createServerNotices } from './server-notices.ts';
import { createChannelTable } from './channel-table.ts';
import type { ChannelTable } from './channel-table.ts';
import { progressTokenOf } from '../wire/channel.ts';
import { listOf, listPage } from './list-page.ts';
import { metaToolError } from '../catalog/search-tools.ts';
import { createNodeQuestions } from './node-questions.ts';
import type { AskableClient } from './node-questions.ts';
import { createClientQuestions } from './client-questions.ts';
import type { ClientQuestions } from './client-questions.ts';
import { failureOf } from '../clearance/refusals.ts';
import { editsOf, protocolError, routesOf, unknownMethod } from './request-target.ts';
import { answerSearch, unwrapCall } from './search-mode.ts';
import type { Route, View, ViewSpec } from '../catalog/types.ts';
import type { Reply, Session, SessionComponents, SessionInit } from './types.ts';
import { createResubscriber } from './resubscribe.ts';
import type { Resubscriber } from './resubscribe.ts';
import { dropChannels, dropRefused, subscribe, unsubscribe } from './subscribe.ts';
import { createSubscriptions } from './subscriptions.ts';
import { createMcpTasks } from './mcp-tasks.ts';
import type {
  ClientFacts,
  Frame,
  FrameId,
  NotificationFrame,
  RelayedCall,
  RequestFrame,
  ResponseFrame,
  ServerChannel,
} from '../types.ts';
import type { ListKind } from '../catalog/lists.ts';
import { tellWaiting } from './waiting-notice.ts';

/** Key in `_meta` of `initialize`: the client wants the whole list of tools, or search. */
const TOOLS_META = 'starling/tools';
/** Methods that only look at what the caller may use anyway. */
const LOOKS: readonly string[] = ['completion/complete', 'resources/unsubscribe'];
const NOT_ALLOWED = 'it is not allowed any more';
/** By which peers ask what this node's servers list. */
export const CATALOG_METHOD = 'starling/catalog';

/** Opens a session. */
export function createSession(components: SessionComponents, init: SessionInit): Session {
  return new CallerSession(components, init);
}

class CallerSession implements Session {
  readonly principal: Principal;
  readonly #components: SessionComponents;
  readonly #init: SessionInit;
  readonly #active = createChurnMap<unknown, Active>();
  readonly #questions: ClientQuestions;
  readonly #channels: ChannelTable;
  readonly #subscriptions = createSubscriptions();
  readonly #resubscriber: Resubscriber;
  readonly #announcer: Announcer;
  readonly #tasks = createMcpTasks();
  readonly #routerChanged = (): void => this.#viewChanged();
  readonly #permit = ({ wanted }: Route): void =>
    this.#components.clearance.check(this.principal, wanted);
  #spec: ViewSpec;
  #client: ClientFacts = { capabilities: {}, clientInfo: {} };
  #initialized = false;
  #ended = false;
  #activeAt: number;
  #level: string | undefined;
  /** Kept until the router or our grants change; undefined when it must be asked for anew. */
  #view: View | undefined;
  #idleListeners: (() => void)[] = [];
  readonly #askOwn: AskableClient['ask'];
  #detach: (() => void) | undefined;

  constructor(components: SessionComponents, init: SessionInit) {
    this.#components = components;
    this.#init = init;
    this.#spec = init.spec;
    this.principal = components.principal;
    this.#activeAt = components.clock.now();
    this.#announcer = createAnnouncer({
      clock: components.clock,
      view: () => this.#currentView(),
      tell: (kinds) => this.#announce(kinds),
    });
    components.router.events.on('change', this.#routerChanged);
    this.#questions = createClientQuestions(components, { timeoutMs: init.callTotalMs });
    this.#askOwn = createNodeQuestions(this.#questions, (message) => {
      if (!this.#ended) components.push(message);
    });
    const earsOf = createServerNotices({
      questions: this.#questions,
      subscriptions: this.#subscriptions,
      active: () => this.#active.values(),
      logLevel: () => (this.#initialized ? this.#level : 'none'),
      push: (message) => {
        if (!this.#ended) components.push(message);
      },
    });
    this.#channels = createChannelTable(
      components.channels,
      (server) => ({
        principal: this.principal,
        client: this.#client,
        ears: earsOf(server),
      }),
      { logger: components.logger, lost: (server) => this.#resubscriber.lost(server) },
    );
    this.#resubscriber = createResubscriber({
      ...components,
      view: () => this.#currentView(),
      channels: this.#channels,
      subscriptions: this.#subscriptions,
      permit: this.#permit,
    });
  }

  get inFlight(): number {
    return this.#active.size;
  }

  get activeAt(): number {
    return this.#activeAt;
  }

  receive(frame: Frame, reply: Reply, key?: unknown): void {
    if (this.#ended) {
      reply.dropped();
      return;
    }
    this.#activeAt = this.#components.clock.now();
    if (frame.kind === 'request') this.#requested(frame, reply, key ?? frame.id);
    else if (frame.kind === 'notification') this.#notified(frame);
    else if (!this.#questions.answered(frame)) {
      this.#components.logger.debug({ id: frame.id }, 'answer to no request of ours');
    }
  }

  toolOf(name: string): JsonObject | undefined {
    return this.#currentView().lists.item('tools', name);
  }

  abandon(key: unknown, reason: string): void {
    const active = this.#active.get(key);
    if (active === undefined) return;
    this.#finish(active);
    this.#stop(active, reason);
    active.reply.dropped();
  }

  rejudge(): void {
    for (const active of this.#active.values()) {
      const refusal = this.#refusalNow(active);
      if (refusal === undefined) continue;
      this.#finish(active);
      active.abort?.abort(NOT_ALLOWED);
      this.#stop(active, NOT_ALLOWED, refusal.message);
      active.reply.final(errorBytes(active.request.id, errorOf(refusal)));
    }
    this.#tellIdle();
    this.#viewChanged();
    const view = this.#currentView();
    dropRefused(view, this.#subscriptions, this.#permit);
    if (this.principal.kind === 'operator') return;
    const busy = new Set([...this.#active.values()].map(({ server }) => server));
    dropChannels(view, this.#channels, this.#subscriptions, busy);
  }

  whenIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
    this.#tellIdle();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#detach?.();
    this.#announcer.stop();
    this.#resubscriber.stop();
    this.#components.router.events.off('change', this.#routerChanged);
    const error = new StarlingError('STARLING_STOPPED', 'the session ended before the call did');
    for (const active of this.#active.values()) {
      if (active.listener !== undefined) this.#subscriptions.close(active.listener, true);
      else {
        this.#stop(active, 'caller is gone');
        active.reply.final(errorBytes(active.request.id, errorOf(error)));
      }
    }
    this.#active.clear();
    this.#tellIdle();
    this.#questions.end();
    this.#channels.close();
  }

  #refusalNow({ wanted, askedOf, request }: Active): StarlingError | undefined {
    if (wanted === undefined) return undefined;
    const call = { principal: this.principal, request, wanted, askedOf };
    return this.#components.clearance.refusalNow(call);
  }

  #requested(frame: RequestFrame, reply: Reply, key: unknown): void {
    try {
      const refusal = this.#components.admit?.();
      if (refusal !== undefined) throw refusal;
      const era = eraOf(frame);
      checkRequest(frame, era, this.#initialized);
      const list = listOf(frame.method);
      if (list !== undefined) reply.final(listPage(this.#currentView(), frame, list, era));
      else if (!this.#answer(frame, reply))
        this.#begin(unwrapCall(this.#currentView(), frame), reply, key, era);
    } catch (error) {
      this.#report(error);
      reply.final(errorBytes(frame.id, errorOf(error)));
    }
  }

  /** Answers what the session knows itself. False when it does not. */
  #answer(frame: RequestFrame, reply: Reply): boolean {
    const { id, method } = frame;
    if (method === 'ping') reply.final(resultBytes(id, {}));
    else if (method === 'initialize') reply.final(resultBytes(id, this.#initialize(frame)));
    else if (method === 'server/discover') reply.final(resultBytes(id, this.#discover()));
    else if (method === 'logging/setLevel') reply.final(resultBytes(id, this.#setLevel(frame)));
    else if (method === CATALOG_METHOD && this.#spec.kind === 'catalog') {
      const servers = this.#currentView().catalogs as unknown as Json;
      reply.final(resultBytes(id, { servers }));
    } else return false;
    return true;
  }

  #initialize(frame: RequestFrame): JsonObject {
    if (this.#initialized)
      throw protocolError(RPC.invalidRequest, 'the session is initialized already');
    const { params } = frame;
    const opening = this.#components.initializing?.(params);
    this.#initialized = true;
    this.#spec = withTools(opening?.spec ?? this.#spec, metaOf(params)[TOOLS_META]);
    this.#view = undefined;
    this.#client = {
      capabilities: objectOf(params['capabilities']),
      clientInfo: objectOf(params['clientInfo']),
    };
    const wanted = params['protocolVersion'];
    const version = LEGACY_VERSIONS.find((known) => known === wanted) ?? LEGACY_VERSIONS[0];
    const meta = opening?.meta ?? {};
    const { facts } = this.#currentView();
    this.#announcer.start();
    return {
      protocolVersion: version,
      ...facts,
      ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
    };
  }

  #discover(): JsonObject {
    const { serverInfo, ...facts } = this.#currentView().facts;
    return {
      resultType: 'complete',
      supportedVersions: [...MODERN_VERSIONS],
      ...facts,
      ...CACHING,
      _meta: { [META.serverInfo]: serverInfo },
    };
  }

  #setLevel(frame: RequestFrame): JsonObject {
    const { level } = frame.params;
    if (!isLogLevel(level)) throw protocolError(RPC.invalidParams, '"level" is no log level');
    this.#level = level;
    this.#channels.setLevel(level);
    return {};
  }

  /** Answers one of the tools that search has. False when it is no such call. */
  #search(active: Active): boolean {
    const answer = answerSearch(this.#currentView(), active.request);
    if (answer === undefined) return false;
    this.#active.set(active.key, active);
    const kind = active.era === 'modern' ? { resultType: 'complete' } : {};
    const finish = (result: JsonObject): void => {
      if (!this.#finish(active)) return;
      active.reply.final(resultBytes(active.request.id, { ...kind, ...result }));
    };
    answer.then(finish, (error: unknown) => {
      if (error instanceof StarlingError) finish(metaToolError(error));
      else this.#failed(active, error, []);
    });
    return true;
  }

  /** Begins what takes time. */
  #begin(frame: RequestFrame, reply: Reply, key: unknown, era: Era): void {
    if (this.#active.has(key)) {
      throw protocolError(
        RPC.invalidRequest,
        `a request with id ${JSON.stringify(frame.id)} is under way`,
      );
    }
    if (this.#active.size >= this.#init.callsMax) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${this.#init.callsMax} calls of this session are under way (limits.callsPerSession)`,
        { hint: 'wait for some of them', data: { limit: 'limits.callsPerSession' } },
      );
    }
    const active: Active = { key, request: frame, reply, era, token: progressTokenOf(frame) };
    if (frame.method === 'subscriptions/listen') this.#openListener(active);
    else if (!this.#search(active))
      this.#relay(active, this.#tasks.routesOf(frame) ?? routesOf(this.#currentView(), frame));
  }

  /** Sends it the first way; the next ones follow while nobody knows the resource. */
  #relay(active: Active, routes: readonly Route[]): void {
    const [route, ...others] = routes;
    if (route === undefined) throw unknownMethod(active.request.method);
    active.wanted = route.wanted;
    active.server = this.#channels.nameOf(route.target);
    active.cleared = undefined;
    this.#active.set(active.key, active);
    try {
      const cleared = this.#clear(active, route);
      if (!(cleared instanceof Promise)) this.#dispatch(active, cleared, route, others);
      else {
        cleared.then(
          (call) => this.#dispatch(active, call, route, others),
          (error: unknown) => this.#failed(active, error, []),
        );
      }
    } catch (error) {
      this.#failed(active, error, []);
    }
  }

  /** Asks whether the call may be made, with the arguments that it has. @throws STARLING_CALL_REFUSED, … */
  #clear(active: Active, route: Route): ClearedCall | undefined | Promise<ClearedCall> {
    const { method } = active.request;
    active.askedOf = undefined;
    if (route.isCleared === true) return undefined;
    const isLook = LOOKS.includes(method);
    if (!isLook) active.askedOf = 'guard';
    return this.#components.clearance.clear({
      principal: this.principal,
      request: active.request,
      wanted: route.wanted,
      isLook,
      obstacle: route.obstacle,
      session: this.#init.id,
      signal() {
        active.abort ??= new AbortController();
        return active.abort.signal;
      },
      waits: (timeoutMs) => tellWaiting(active, this.#components, { ...this.#init, timeoutMs }),
    });
  }

  #dispatch(
    active: Active,
    cleared: ClearedCall | undefined,
    route: Route,
    others: readonly Route[],
  ): void {
    if (this.#active.get(active.key) !== active) {
      cleared?.over('cancelled');
      return;
    }
    if (cleared !== undefined) active.cleared = cleared;
    const failed = (error: unknown): void => this.#failed(active, error, others);
    try {
      this.#subscribing(active, route);
      const channel = this.#channels.get(route.target);
      if (channel instanceof Promise) {
        channel.then((opened) => this.#send(active, route, others, opened), failed);
      } else this.#send(active, route, others, channel);
    } catch (error) {
      failed(error);
    }
  }

  #subscribing({ request, server }: Active, route: Route): void {
    const { uri } = request.params;
    if (typeof uri !== 'string' || server === undefined) return;
    if (request.method === 'resources/unsubscribe') this.#subscriptions.remove(uri);
    if (request.method !== 'resources/subscribe') return;
    if (!this.#subscriptions.know(uri, server, route.edits?.uri ?? uri)) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many subscriptions in this session');
    }
    this.#subscriptions.add(uri);
  }

  #send(active: Active, route: Route, others: readonly Route[], channel: ServerChannel): void {
    // It may have been cancelled, or the session ended, while the channel was opened.
    if (this.#active.get(active.key) !== active) return;
    const relayed: RelayedCall = {
      request: active.request,
      principal: this.principal,
      session: this.#init.id,
      edits: editsOf(active.request, route),
      response: (frame) => this.#responded(active, route, others, frame),
      progress: (frame) => this.#progress(active, frame),
      notification: (frame) => active.reply.interim(frame.bytes),
      failed: (error) => this.#failed(active, error, others),
    };
    active.relayed = relayed;
    try {
      active.call = channel.relay(relayed);
    } catch (error) {
      this.#failed(active, error, others);
    }
  }

  #responded(active: Active, route: Route, others: readonly Route[], frame: ResponseFrame): void {
    const { error } = frame;
    const isUnknown = error?.code === -32_002 || error?.code === RPC.invalidParams;
    // A peer whose server is away says so in its answer.
    const isAway = objectOf(error?.data)['retryable'] === true && others[0]?.mayRepeat === true;
    const isOpen = this.#active.get(active.key) === active;
    if (isOpen && others.length > 0 && (isUnknown || isAway)) {
      active.cleared?.over('failed', failureOf(frame));
      this.#relay(active, others);
      return;
    }
    if (!this.#finish(active)) return;
    active.cleared?.over(error === undefined ? 'ok' : 'failed', failureOf(frame));
    this.#tasks.note(route, frame);
    active.reply.final(rewriteOrError(frame, active.request.id));
  }

  #progress(active: Active, frame: NotificationFrame): void {
    if (active.token === undefined || this.#active.get(active.key) !== active) return;
    let message: Buffer;
    try {
      message = rewriteFrame(frame, { progressToken: active.token });
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'malformed progress dropped');
      return;
    }
    active.reply.interim(message);
  }

  /** Tells the caller, unless another server may be tried. */
  #failed(active: Active, error: unknown, others: readonly Route[]): void {
    const isAway = error instanceof StarlingError && error.row.retryable;
    const isOpen = this.#active.get(active.key) === active;
    if (isOpen) active.cleared?.over('failed', messageOf(error));
    if (isOpen && isAway && others[0]?.mayRepeat === true) {
      this.#relay(active, others);
      return;
    }
    if (!this.#finish(active)) return;
    this.#report(error);
    active.reply.final(errorBytes(active.request.id, errorOf(error)));
  }

  /** True when the call was under way until now. */
  #finish(active: Active): boolean {
    if (this.#active.get(active.key) !== active) return false;
    this.#active.delete(active.key);
    // A session is not idle while it works, however long that is.
    this.#activeAt = this.#components.clock.now();
    // After this turn, when the answer has been handed on.
    if (this.#active.size === 0) queueMicrotask(() => this.#tellIdle());
    return true;
  }

  /** `why` is for the record here, `reason` for whoever else hears of it. */
  #stop(active: Active, reason: string, why = reason): void {
    active.call?.cancel(reason);
    active.abort?.abort();
    active.cleared?.over('cancelled', why);
    if (active.listener === undefined) return;
    for (const uri of this.#subscriptions.close(active.listener, false)) this.#unsubscribe(uri);
  }

  #openListener(active: Active): void {
    const listener = this.#subscriptions.listen(active.request, active.reply);
    if (listener === undefined) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many subscriptions in this session');
    }
    active.listener = listener;
    this.#active.set(active.key, active);
    this.#announcer.start();
    const { capabilities } = clientOf(active.request);
    for (const uri of listener.uris) {
      const view = this.#currentView();
      const opened = subscribe(
        {
          view,
          channels: this.#channels,
          subscriptions: this.#subscriptions,
          permit: this.#permit,
        },
        uri,
        capabilities,
      );
      opened.catch((error: unknown) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'resource not subscribed to'),
      );
    }
  }

  #unsubscribe(uri: string): void {
    unsubscribe(this.#currentView(), this.#channels, uri).catch((error: unknown) =>
      this.#components.logger.debug({ error: messageOf(error) }, 'subscription not ended'),
    );
  }

  #notified(frame: NotificationFrame): void {
    const { method, params } = frame;
    if (method === 'notifications/initialized') this.#clientReady();
    if (method === 'notifications/cancelled') {
      const { requestId, reason } = params;
      this.abandon(requestId, typeof reason === 'string' ? reason.slice(0, 500) : '');
    } else if (method === 'notifications/progress') {
      const question = this.#questions.progressOf(frame);
      if (question === undefined) return;
      const { server, token } = question;
      this.#channels.notify({ ...params, progressToken: token }, method, server);
    } else if (this.#components.notification?.(frame) !== true) {
      const isOwn = method === 'notifications/initialized';
      const isWide = method === 'notifications/roots/list_changed' || this.#spec.kind === 'server';
      if (!isOwn && isWide) this.#channels.notify(params, method);
    }
  }

  /** From now on the client may be asked things (MCP 2025-11-25 `basic/lifecycle`). */
  #clientReady(): void {
    if (!this.#initialized || this.#detach !== undefined) return;
    this.#detach = this.#components.ready?.({
      session: this.#init.id,
      client: this.#client,
      ask: async (...question) => (this.#ended ? undefined : this.#askOwn(...question)),
    });
  }

  #tellIdle(): void {
    if (this.#active.size > 0) return;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }

  #currentView(): View {
    this.#view ??= this.#components.router.view(this.principal, this.#spec);
    return this.#view;
  }

  #viewChanged(): void {
    this.#view = undefined;
    this.#announcer.changed();
  }

  #announce(kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.#subscriptions.listChanged(kind);
    if (!this.#initialized) return;
    const lists = kinds.map((kind) => (kind === 'templates' ? 'resources' : kind));
    for (const list of new Set(lists)) {
      this.#components.push(notificationBytes(`notifications/${list}/list_changed`));
    }
  }

  /** Logs what went wrong here, and was no refusal. */
  #report(error: unknown): void {
    if (error instanceof StarlingError) return;
    this.#components.logger.error({ error: messageOf(error) }, 'request failed');
  }
}

/** The part of the mesh that a session is opened at, with the list that its client asks for. */
function withTools(spec: ViewSpec, tools: Json | undefined): ViewSpec {
  return spec.kind === 'all' && (tools === 'all' || tools === 'search') ? { ...spec, tools } : spec;
}

function rewriteOrError(frame: Parameters<typeof rewriteFrame>[0], id: FrameId): Buffer {
  try {
    return rewriteFrame(frame, { id });
  } catch (error) {
    return errorBytes(id, errorOf(error));
  }
}
