/**
 * What one session wants to hear of: resources that its client subscribed to, by `resources/subscribe`
 * or by `subscriptions/listen` (MCP 2026-07-28, `basic/patterns/subscriptions`), and changes of lists.
 * A resource is here from the moment at which its server is asked, so that no update is lost, and goes
 * again when the server refuses.
 */
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { META, clientOf, declaresTasks, lacksTasks, metaOf, objectOf } from '../wire/era.ts';
import { jsonOfId } from '../wire/frame-id.ts';
import { notificationBytes, resultBytes } from '../wire/frame.ts';
import type { Reply } from '../wire/reply.ts';
import type { FrameId, NotificationFrame, RequestFrame } from '../frame-types.ts';
import { isTaskId } from './tasks/task-requests.ts';
import type { ListKind } from '../catalog/lists.ts';

/** Resources that one session may hear of at one time. */
const RESOURCES_MAX = 1000;
const LISTENERS_MAX = 16;
/** Tasks that one listener may hear of. */
const TASKS_MAX = 64;

/** One open `subscriptions/listen`. */
export interface Listener {
  readonly id: FrameId;
  /** Resources that its client asked for, each once. */
  readonly uris: readonly string[];
  /** Tasks of which its client wants to hear, each once (SEP-2663). */
  readonly taskIds: readonly string[];
  /** What its client can do. */
  readonly capabilities: Json;
}

/** A resource whose server was asked, and has taken the subscription. */
export interface SubscribedResource {
  /** The URI by which the client knows the resource. */
  readonly uri: string;
  /** The URI by which the server knows the resource. */
  readonly theirs: string;
  /** Of a client that listens by `subscriptions/listen`. */
  readonly capabilities?: Json;
}

/** A subscription whose server was asked: exactly one of the two is called when it has answered. */
export interface SubscriptionAttempt {
  /** The server has taken the subscription. */
  made(): void;
  /** There is no subscription. A no-op after {@link SubscriptionAttempt.made}. */
  failed(): void;
}

/** What a session hears of. */
export interface Subscriptions {
  /**
   * The server is asked for `uri`, which it calls `theirs`: for `listener`, or else for a client that
   * uses `resources/subscribe`. `changed` hears of updates in place of the client. @throws STARLING_LIMIT_EXCEEDED
   */
  begin(
    uri: string,
    server: string,
    theirs: string,
    listener?: Listener,
    changed?: () => void,
  ): SubscriptionAttempt;
  /** The client has ended its `resources/subscribe` of `uri`. */
  remove(uri: string): void;
  /** Tells of `uri` no more, whoever subscribed to it. */
  drop(uri: string): void;
  /** The subscriptions that `server` has taken. */
  at(server: string): readonly SubscribedResource[];
  /** The subscription to `uri`, as the client calls it, wherever it was taken. */
  of(uri: string): SubscribedResource | undefined;
  /** The server that has taken the subscription to `uri`; undefined where none has. */
  homeOf(uri: string): string | undefined;
  /** Another server, or the same one by another URI, has taken the subscriptions to `uri`. */
  moved(uri: string, server: string, theirs: string): void;
  /** What is subscribed to, as the client calls it; of one server, or of all. */
  uris(server?: string): readonly string[];
  /** The servers that were asked for something. */
  servers(): readonly string[];
  isOn(server: string): boolean;
  /** Opens a `subscriptions/listen` and acknowledges it. @throws STARLING_LIMIT_EXCEEDED */
  listen(request: RequestFrame, reply: Pick<Reply, 'interim' | 'final'>): Listener;
  /** Ends one, with an answer when `graceful`. Gives what nobody hears of any more, and where it was subscribed to. */
  close(listener: Listener, graceful: boolean): readonly EndedSubscription[];
  /** A resource of `server` changed: tells who subscribed to it. */
  updated(server: string, frame: NotificationFrame, push: (message: Buffer) => void): void;
  /** A task changed, and is now so, as the text of a JSON object: tells a listener, where that is still open. */
  taskChanged(listener: Listener, task: string): void;
  /** Calls `end` once the listener is closed; at once where it is. */
  whenClosed(listener: Listener, end: () => void): void;
  /** A list changed: tells the listeners. */
  listChanged(kind: ListKind): void;
}

/** A subscription that nobody needs any more. */
export interface EndedSubscription {
  /** As the client calls the resource. */
  readonly uri: string;
  readonly server: string;
}

/** One subscription to one resource. */
interface Claim {
  readonly uri: string;
  readonly listener: Listener | undefined;
  /** Of a task: hears of updates in place of the client. */
  readonly changed: (() => void) | undefined;
  isMade: boolean;
}

interface OpenListener extends Listener {
  readonly reply: Pick<Reply, 'interim' | 'final'>;
  readonly filter: JsonObject;
  /** Called when the client hears no more. */
  readonly ends: (() => void)[];
}

const UPDATED = 'notifications/resources/updated';
const FILTERS: Readonly<Record<ListKind, string>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
  templates: 'resourcesListChanged',
};

/** Makes the subscriptions of a session. */
export function createSubscriptions(): Subscriptions {
  return new SessionSubscriptions();
}

class SessionSubscriptions implements Subscriptions {
  /** By server, and by the URI that the server uses. */
  readonly #claims = new Map<string, Map<string, Set<Claim>>>();
  readonly #open = new Map<Listener, OpenListener>();
  #resourceCount = 0;

  begin(
    uri: string,
    server: string,
    theirs: string,
    listener?: Listener,
    changed?: () => void,
  ): SubscriptionAttempt {
    const isKnown = this.#claims.get(server)?.has(theirs) ?? false;
    if (!isKnown && this.#resourceCount >= RESOURCES_MAX) {
      throw tooMany(`${RESOURCES_MAX} resources`, 'unsubscribe from some of them');
    }
    const claim: Claim = { uri, listener, changed, isMade: false };
    this.#put(server, theirs, claim);
    return {
      made: () => {
        if (!this.#has(server, theirs, claim)) return;
        // A subscription that is made again takes the place of the one before.
        this.#delete(
          (one) =>
            one !== claim &&
            one.uri === uri &&
            one.listener === listener &&
            (one.changed === undefined) === (changed === undefined) &&
            one.isMade,
        );
        claim.isMade = true;
      },
      failed: () => {
        if (!claim.isMade) this.#delete((one) => one === claim);
      },
    };
  }

  remove(uri: string): void {
    this.#delete((claim) => claim.uri === uri && claim.listener === undefined);
  }

  drop(uri: string): void {
    this.#delete((claim) => claim.uri === uri);
  }

  at(server: string): readonly SubscribedResource[] {
    const found = new Map<string, SubscribedResource>();
    for (const [theirs, claims] of this.#claims.get(server) ?? []) {
      for (const { uri, listener, isMade } of claims) {
        if (!isMade || (found.has(uri) && listener === undefined)) continue;
        const capabilities = listener === undefined ? {} : { capabilities: listener.capabilities };
        found.set(uri, { uri, theirs, ...capabilities });
      }
    }
    return [...found.values()];
  }

  of(uri: string): SubscribedResource | undefined {
    for (const server of this.#claims.keys()) {
      const found = this.at(server).find((one) => one.uri === uri);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  homeOf(uri: string): string | undefined {
    return [...this.#claims.keys()].find((server) =>
      this.at(server).some((one) => one.uri === uri),
    );
  }

  moved(uri: string, server: string, theirs: string): void {
    const claims = [...this.#all()].filter((claim) => claim.uri === uri && claim.isMade);
    this.#delete((claim) => claims.includes(claim));
    for (const claim of claims) this.#put(server, theirs, claim);
  }

  uris(server?: string): readonly string[] {
    return [...new Set([...this.#all(server)].map(({ uri }) => uri))];
  }

  servers(): readonly string[] {
    return [...this.#claims.keys()];
  }

  isOn(server: string): boolean {
    return this.#claims.has(server);
  }

  listen(request: RequestFrame, reply: Pick<Reply, 'interim' | 'final'>): Listener {
    if (this.#open.size >= LISTENERS_MAX) {
      throw tooMany(`${LISTENERS_MAX} subscriptions/listen`, 'end some of them');
    }
    const wanted = objectOf(request.params['notifications']);
    if (wanted['taskIds'] !== undefined && !declaresTasks(request)) throw lacksTasks();
    const filter = filterOf(wanted);
    const listed = filter['resourceSubscriptions'];
    const uris = Array.isArray(listed) ? [...new Set(listed as readonly string[])] : [];
    const { capabilities } = clientOf(request);
    const taskIds = [...new Set((filter['taskIds'] ?? []) as readonly string[])];
    const listener = { id: request.id, uris, taskIds, reply, filter, capabilities, ends: [] };
    this.#open.set(listener, listener);
    const _meta = { [META.subscriptionId]: jsonOfId(request.id) };
    reply.interim(
      notificationBytes('notifications/subscriptions/acknowledged', {
        _meta,
        notifications: filter,
      }),
    );
    return listener;
  }

  close(listener: Listener, graceful: boolean): readonly EndedSubscription[] {
    const closing = this.#open.get(listener);
    if (closing === undefined) return [];
    this.#open.delete(listener);
    for (const end of closing.ends) end();
    if (graceful) {
      const { id, reply } = closing;
      const _meta = { [META.subscriptionId]: jsonOfId(id) };
      reply.final(resultBytes(id, { resultType: 'complete', _meta }));
    }
    const ended = this.#delete((claim) => claim.listener === listener);
    const heard = new Set(this.uris());
    return ended.filter(({ uri }) => !heard.has(uri));
  }

  updated(server: string, frame: NotificationFrame, push: (message: Buffer) => void): void {
    const theirs = frame.params['uri'];
    if (typeof theirs !== 'string') return;
    const { [META.subscriptionId]: _, ...meta } = metaOf(frame.params);
    const pushed = new Set<string>();
    for (const { uri, listener, changed } of this.#claims.get(server)?.get(theirs) ?? []) {
      if (changed !== undefined) changed();
      else if (listener !== undefined) {
        const _meta = { ...meta, [META.subscriptionId]: jsonOfId(listener.id) };
        const { reply } = this.#open.get(listener) ?? {};
        reply?.interim(notificationBytes(UPDATED, { ...frame.params, uri, _meta }));
      } else if (!pushed.has(uri)) {
        pushed.add(uri);
        const own = Object.keys(meta).length === 0 ? {} : { _meta: meta };
        const { _meta: __, ...params } = frame.params;
        push(notificationBytes(UPDATED, { ...params, uri, ...own }));
      }
    }
  }

  taskChanged(listener: Listener, task: string): void {
    const open = this.#open.get(listener);
    if (open === undefined) return;
    const meta = JSON.stringify({ [META.subscriptionId]: jsonOfId(open.id) });
    const head = '{"jsonrpc":"2.0","method":"notifications/tasks","params":{"_meta":';
    open.reply.interim(Buffer.from(`${head}${meta},${task.slice(1)}}`));
  }

  whenClosed(listener: Listener, end: () => void): void {
    const open = this.#open.get(listener);
    if (open === undefined) end();
    else open.ends.push(end);
  }

  listChanged(kind: ListKind): void {
    const name = FILTERS[kind];
    for (const { id, reply, filter } of this.#open.values()) {
      if (filter[name] !== true) continue;
      const list = kind === 'templates' ? 'resources' : kind;
      const _meta = { [META.subscriptionId]: jsonOfId(id) };
      reply.interim(notificationBytes(`notifications/${list}/list_changed`, { _meta }));
    }
  }

  *#all(server?: string): Generator<Claim> {
    for (const [name, resources] of this.#claims) {
      if (server !== undefined && name !== server) continue;
      for (const claims of resources.values()) yield* claims;
    }
  }

  #has(server: string, theirs: string, claim: Claim): boolean {
    return this.#claims.get(server)?.get(theirs)?.has(claim) ?? false;
  }

  #put(server: string, theirs: string, claim: Claim): void {
    const resources = this.#claims.get(server) ?? new Map<string, Set<Claim>>();
    const claims = resources.get(theirs) ?? new Set();
    if (claims.size === 0) this.#resourceCount += 1;
    this.#claims.set(server, resources.set(theirs, claims.add(claim)));
  }

  #delete(isMeant: (claim: Claim) => boolean): readonly EndedSubscription[] {
    const deleted: EndedSubscription[] = [];
    for (const [server, resources] of this.#claims) {
      for (const [theirs, claims] of resources) {
        for (const claim of claims) {
          if (!isMeant(claim)) continue;
          claims.delete(claim);
          deleted.push({ uri: claim.uri, server });
        }
        if (claims.size > 0) continue;
        resources.delete(theirs);
        this.#resourceCount -= 1;
      }
      if (resources.size === 0) this.#claims.delete(server);
    }
    return deleted;
  }
}

/** The part of a filter that we honour. */
function filterOf(wanted: JsonObject): JsonObject {
  const filter: Record<string, Json> = {};
  for (const name of ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged']) {
    if (wanted[name] === true) filter[name] = true;
  }
  const tasks = wanted['taskIds'];
  if (Array.isArray(tasks)) {
    const ids = (tasks as readonly Json[]).filter((id) => isTaskId(id));
    filter['taskIds'] = ids.slice(0, TASKS_MAX);
  }
  const uris = wanted['resourceSubscriptions'];
  if (Array.isArray(uris)) {
    const texts = (uris as readonly Json[]).filter((uri) => typeof uri === 'string');
    filter['resourceSubscriptions'] = texts.slice(0, RESOURCES_MAX);
  }
  return filter;
}

function tooMany(what: string, hint: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `too many subscriptions in this session: ${what} are open already`,
    { hint },
  );
}
