/**
 * One caller's MCP session, whatever transport it came by and in either era: the protocol that the
 * caller speaks. Answers what the session itself knows, begins calls, carries what servers ask back to
 * the client, and ends everything when the caller goes. Knows no transport: frames come in by
 * `receive`, and go out by the reply of their request or by `push`.
 */
import type { Json, JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { View, ViewSpec } from '../catalog/types.ts';
import type { ListKind } from '../catalog/lists.ts';
import {
  CACHING,
  LEGACY_VERSIONS,
  META,
  MODERN_VERSIONS,
  TASKS_EXTENSION,
  checkRequest,
  declaresTasks,
  eraOf,
  isLogLevel,
  metaOf,
  objectOf,
  protocolError,
} from '../wire/era.ts';
import type { Era } from '../wire/era.ts';
import { keyOfId } from '../wire/frame-id.ts';
import {
  RPC,
  cancelledBy,
  errorBytes,
  errorOf,
  notificationBytes,
  resultBytes,
} from '../wire/frame.ts';
import { CATALOG_METHOD } from '../wire/peers/peer-protocol.ts';
import type { Reply } from '../wire/reply.ts';
import { reportFailure } from './call/call-failures.ts';
import { createCalls } from './call/calls.ts';
import type { Calls } from './call/calls.ts';
import { createChannelTable } from './channel-table.ts';
import type { ChannelTable } from './channel-table.ts';
import { createClientQuestions } from './client-questions.ts';
import type { ClientQuestions } from './client-questions.ts';
import { createAnnouncer } from './list-change-announcer.ts';
import type { Announcer } from './list-change-announcer.ts';
import { listPage } from './list-page.ts';
import { taskOwner } from './tasks/long-call.ts';
import { createNodeSampling } from './node-sampling.ts';
import type { NodeSampling } from './node-sampling.ts';
import { createServerNotices } from './server-notices.ts';
import { createSubscriber } from './subscribe.ts';
import type { Subscriber } from './subscribe.ts';
import { createSubscriptions } from './subscriptions.ts';
import type { Session, SessionComponents, SessionInit } from './types.ts';
import type { ClientFacts } from '../channel-types.ts';
import type { Frame, NotificationFrame, RequestFrame } from '../frame-types.ts';
import type { ToolOrigin } from '../inner-types.ts';

/** Key in `_meta` of `initialize`: the client wants the whole list of tools, or search. */
const TOOLS_META = 'starling/tools';
/** What a method lists. A map: callers name methods, and `toString` is none of these. */
const LISTS: ReadonlyMap<string, ListKind> = new Map([
  ['tools/list', 'tools'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'templates'],
  ['prompts/list', 'prompts'],
]);

/** Opens a session. */
export function createSession(components: SessionComponents, init: SessionInit): Session {
  return new CallerSession(components, init);
}

class CallerSession implements Session {
  readonly #components: SessionComponents;
  readonly #init: SessionInit;
  readonly #questions: ClientQuestions;
  readonly #channels: ChannelTable;
  readonly #sampling: NodeSampling;
  readonly #calls: Calls;
  readonly #subscriptions = createSubscriptions();
  readonly #subscriber: Subscriber;
  readonly #announcer: Announcer;
  readonly #viewsChanged = (): void => this.#viewChanged();
  #principal: Principal;
  #spec: ViewSpec;
  #client: ClientFacts = { capabilities: {}, clientInfo: {} };
  #initialized = false;
  #ended = false;
  #heardAt: number;
  #level: string | undefined;
  /** Kept until the views or the caller's rights change; undefined when it must be asked for anew. */
  #view: View | undefined;
  #detach: (() => void) | undefined;

  constructor(components: SessionComponents, init: SessionInit) {
    this.#components = components;
    this.#init = init;
    this.#spec = init.spec;
    this.#principal = components.principal;
    this.#heardAt = components.clock.now();
    const { clock, logger } = components;
    const view = (): View => this.#currentView();
    const push = (message: Buffer): void => this.#push(message);
    this.#announcer = createAnnouncer({ clock, view, tell: (kinds) => this.#announce(kinds) });
    this.#questions = createClientQuestions(
      { push, clock, logger },
      { timeoutMs: init.callTotalMs },
    );
    this.#sampling = createNodeSampling({ face: components.sampling, logger });
    this.#channels = this.#createChannels(push);
    const shared = { clock, logger, channels: this.#channels, subscriptions: this.#subscriptions };
    this.#subscriber = createSubscriber({
      ...shared,
      view,
      push,
      permit: ({ wanted }) => components.clearance.check(this.#principal, wanted),
      principal: () => this.#principal,
      taskOf: (id) => components.callTasks.find(id, taskOwner(this.#principal)),
    });
    this.#calls = createCalls(
      {
        ...shared,
        ...(components.meter === undefined ? {} : { meter: components.meter }),
        ...(components.tracer === undefined ? {} : { tracer: components.tracer }),
        clearance: components.clearance,
        search: components.search,
        subscriber: this.#subscriber,
        sampling: this.#sampling,
        callTasks: components.callTasks,
        views: components.views,
        view,
        listening: () => this.#announcer.start(),
      },
      init,
    );
    components.views.events.on('change', this.#viewsChanged);
  }

  get principal(): Principal {
    return this.#principal;
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  get activeAt(): number {
    // A session is not idle while it works, however long that is.
    return Math.max(this.#heardAt, this.#calls.endedAt);
  }

  receive(frame: Frame, reply: Reply, key?: unknown): void {
    if (this.#ended) {
      reply.dropped();
      return;
    }
    this.#heardAt = this.#components.clock.now();
    if (frame.kind === 'request') this.#requested(frame, reply, key ?? keyOfId(frame.id));
    else if (frame.kind === 'notification') this.#notified(frame);
    else if (!this.#questions.answered(frame)) {
      this.#components.logger.debug({ id: frame.id }, 'answer to no request of ours');
    }
  }

  present(principal: Principal): void {
    if (principal === this.#principal) return;
    this.#principal = principal;
    this.#viewChanged();
    this.#subscriber.dropRefused();
  }

  rename(principal: Principal): void {
    this.#principal = principal;
    this.#calls.rename(principal);
    this.recheck();
  }

  toolOf(name: string): JsonObject | undefined {
    return this.#currentView().lists.item('tools', name);
  }

  originOf(name: string): ToolOrigin | undefined {
    const view = this.#currentView();
    const [route] = view.lists.item('tools', name) === undefined ? [] : view.tool(name);
    return route === undefined
      ? undefined
      : { resource: route.wanted.resource, peer: route.target.peer };
  }

  abandon(key: unknown, reason: string): void {
    this.#calls.abandon(key, reason);
  }

  recheck(): void {
    this.#calls.recheck();
    this.#viewChanged();
    this.#subscriber.dropRefused();
    if (this.#principal.kind === 'operator') return;
    const busy = new Set([...this.#calls.values()].map(({ server }) => server));
    this.#subscriber.dropChannels(busy);
  }

  whenIdle(listener: () => void): void {
    this.#calls.whenIdle(listener);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#detach?.();
    this.#announcer.stop();
    this.#subscriber.stop();
    this.#components.views.events.off('change', this.#viewsChanged);
    this.#calls.end();
    this.#questions.end();
    // A call that is a task keeps its way to its server.
    this.#calls.whenIdle(() => this.#channels.close());
  }

  #createChannels(push: (message: Buffer) => void): ChannelTable {
    const listenerOf = createServerNotices({
      questions: this.#questions,
      subscriptions: this.#subscriptions,
      sampling: this.#sampling,
      callTasks: this.#components.callTasks,
      caller: () => ({ principal: this.#principal, client: this.#client }),
      calls: () => this.#calls.values(),
      logLevel: () => (this.#initialized ? this.#level : 'none'),
      push,
    });
    const { channels, logger } = this.#components;
    return createChannelTable({
      channels,
      logger,
      describe: (server, target) => ({
        principal: this.#principal,
        client: this.#sampling.described(target, this.#client, this.#principal),
        listener: listenerOf(server, target),
      }),
      lost: (server) => this.#subscriber.lost(server),
    });
  }

  #requested(frame: RequestFrame, reply: Reply, key: unknown): void {
    try {
      const refusal = this.#components.admit?.();
      if (refusal !== undefined) throw refusal;
      const era = eraOf(frame);
      checkRequest(frame, era, this.#initialized);
      const list = LISTS.get(frame.method);
      if (list !== undefined || this.#isCatalog(frame)) this.#mayList();
      if (list !== undefined) reply.final(this.#list(frame, era, list));
      else if (!this.#answer(frame, reply)) {
        this.#calls.begin(key, { request: frame, reply, era, principal: this.#principal });
      }
    } catch (error) {
      reportFailure(this.#components.logger, error);
      reply.final(errorBytes(frame.id, errorOf(error)));
    }
  }

  /** @throws STARLING_RATE_LIMITED */
  #mayList(): void {
    const refusal = this.#components.lists?.refusal();
    if (refusal !== undefined) throw refusal;
  }

  #isCatalog({ method }: RequestFrame): boolean {
    return method === CATALOG_METHOD && this.#spec.kind === 'catalog';
  }

  #list(frame: RequestFrame, era: Era, kind: ListKind): Buffer {
    const { pages } = this.#components.search;
    // The pages are written once, when the view is made.
    this.#components.lists?.made(0);
    return listPage(frame, era, { view: this.#currentView(), kind, searchPages: pages });
  }

  /** Answers what the session knows itself. False when it does not. */
  #answer(frame: RequestFrame, reply: Reply): boolean {
    const { id, method } = frame;
    if (method === 'ping') reply.final(resultBytes(id, {}));
    else if (method === 'initialize') reply.final(resultBytes(id, this.#initialize(frame)));
    else if (method === 'server/discover') reply.final(resultBytes(id, this.#discover(frame)));
    else if (method === 'logging/setLevel') reply.final(resultBytes(id, this.#setLevel(frame)));
    else if (this.#isCatalog(frame)) {
      const view = this.#currentView();
      this.#components.lists?.made(view.things);
      const servers = view.catalogs as unknown as Json;
      reply.final(resultBytes(id, { servers }));
    } else return false;
    return true;
  }

  #initialize(frame: RequestFrame): JsonObject {
    if (this.#initialized)
      throw protocolError(RPC.invalidRequest, 'the session is initialized already');
    const { params } = frame;
    const decided = this.#components.initializing?.(params);
    this.#initialized = true;
    this.#principal = decided?.principal ?? this.#principal;
    this.#spec = withTools(decided?.spec ?? this.#spec, metaOf(params)[TOOLS_META]);
    this.#view = undefined;
    this.#client = {
      capabilities: objectOf(params['capabilities']),
      clientInfo: objectOf(params['clientInfo']),
    };
    const wanted = params['protocolVersion'];
    const version = LEGACY_VERSIONS.find((known) => known === wanted) ?? LEGACY_VERSIONS[0];
    const meta = decided?.meta ?? {};
    const { facts } = this.#currentView();
    this.#announcer.start();
    return {
      protocolVersion: version,
      ...facts,
      ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }),
    };
  }

  #discover(frame: RequestFrame): JsonObject {
    const { serverInfo, capabilities, ...facts } = this.#currentView().facts;
    // Who does not know of tasks is told of none.
    const tasks = declaresTasks(frame) ? { [TASKS_EXTENSION]: {} } : {};
    const extensions = { ...objectOf(capabilities['extensions']), ...tasks };
    const extended = Object.keys(extensions).length === 0 ? {} : { extensions };
    return {
      resultType: 'complete',
      supportedVersions: [...MODERN_VERSIONS],
      capabilities: { ...capabilities, ...extended },
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

  #notified(frame: NotificationFrame): void {
    const { method, params } = frame;
    if (method === 'notifications/initialized') this.#clientReady();
    if (method === 'notifications/cancelled') {
      const { reason } = params;
      this.abandon(cancelledBy(frame), typeof reason === 'string' ? reason.slice(0, 500) : '');
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
      ask: async (...question) =>
        this.#ended ? undefined : this.#questions.askForNode(...question),
    });
  }

  #currentView(): View {
    this.#view ??= this.#components.views.view(this.#principal, this.#spec);
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
    for (const list of new Set(lists))
      this.#push(notificationBytes(`notifications/${list}/list_changed`));
  }

  #push(message: Buffer): void {
    if (!this.#ended) this.#components.push(message);
  }
}

/** The part of the mesh that a session is opened at, with the list that its client asks for. */
function withTools(spec: ViewSpec, tools: Json | undefined): ViewSpec {
  return spec.kind === 'all' && (tools === 'all' || tools === 'search') ? { ...spec, tools } : spec;
}
