/**
 * Subscribes a session to resources at their servers: for a client that listens by
 * `subscriptions/listen`, and again when the channel on which a subscription was made has ended. What
 * the caller may not hear of any more ends here too.
 */
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Json, Logger, Scope } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { LISTENER_META, objectOf } from '../wire/era.ts';
import { errorFrom, notificationBytes, parseFrame } from '../wire/frame.ts';
import type { CallTask } from '../call-tasks/types.ts';
import type { Route, View } from '../catalog/types.ts';
import { targetOf } from '../catalog/sources.ts';
import type { ListKind } from '../catalog/lists.ts';
import type { ChannelTable } from './channel-table.ts';
import { ownTask } from './request-target.ts';
import { routeOfTask } from './tasks/task-requests.ts';
import { coalesced, watchCallTask } from './tasks/task-watch.ts';
import type {
  EndedSubscription,
  Listener,
  SubscribedResource,
  Subscriptions,
} from './subscriptions.ts';
import type { FrameError } from '../frame-types.ts';

const KINDS: readonly ListKind[] = ['tools', 'resources', 'templates', 'prompts'];
const TIMEOUT_MS = 30_000;
/** How often a server that can't be reached is tried again. */
const RETRY_MS = 5000;
const UPDATED = 'notifications/resources/updated';
/** By which the built-in server knows tasks as resources. */
const TASK_SCHEME = 'task://';

/** Makes subscriptions, ends them, and makes them again. */
export interface Subscriber {
  /** Subscribes to what `listener` wants to hear of. What fails is logged and left out. */
  listen(listener: Listener): void;
  /** Tells the servers where there were subscriptions that nobody hears of the resources any more. */
  unsubscribe(ended: readonly EndedSubscription[]): void;
  /** Ends the subscriptions that the view does not allow any more. */
  dropRefused(): void;
  /**
   * Closes the channels to servers of which the caller may use nothing any more, because these servers
   * could still log to it. The channels of `busy` stay: something allowed is under way there.
   */
  dropChannels(busy: ReadonlySet<string | undefined>): void;
  /** The channel to this server has ended: its subscriptions are made again once it can be reached. */
  lost(server: string): void;
  stop(): void;
}

/** What the subscriber works with. */
export interface SubscriberComponents {
  readonly view: () => View;
  readonly channels: ChannelTable;
  readonly subscriptions: Subscriptions;
  readonly push: (message: Buffer) => void;
  /** @throws STARLING_CALL_REFUSED where the caller may not have what the route leads to */
  readonly permit: (route: Route) => void;
  readonly principal: () => Principal;
  /** The caller's call that is a task of this id. */
  readonly taskOf: (id: string) => CallTask | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the subscriber of a session. */
export function createSubscriber(components: SubscriberComponents): Subscriber {
  return new SessionSubscriber(components);
}

/** A subscription that is not where it was made. */
interface Strayed {
  /** The name of the server where it was made. */
  readonly home: string;
  /** The way to the server that has it now. */
  readonly taker: Route;
}

class SessionSubscriber implements Subscriber {
  readonly #components: SubscriberComponents;
  readonly #lost = new Set<string>();
  /** By the client's URI, what another server took while the first one was away. */
  readonly #strayed = new Map<string, Strayed>();
  #retries: Scope | undefined;
  #isRetrying = false;
  #isStopped = false;

  constructor(components: SubscriberComponents) {
    this.#components = components;
  }

  listen(listener: Listener): void {
    for (const id of listener.taskIds) {
      this.#watchTask(id, listener).catch((error: unknown) => this.#log(error, 'no task watched'));
    }
    for (const uri of listener.uris) {
      this.#subscribe(uri, listener).catch((error: unknown) => this.#log(error, 'not subscribed'));
    }
  }

  unsubscribe(ended: readonly EndedSubscription[]): void {
    for (const { uri, server } of ended) {
      this.#unsubscribe(uri, server).catch((error: unknown) =>
        this.#log(error, 'subscription not ended'),
      );
    }
  }

  dropRefused(): void {
    const { view, subscriptions } = this.#components;
    for (const server of subscriptions.servers()) {
      // Nothing is heard of a server that is away, and nobody lists what it has; the guard is asked when it is back.
      if (this.#lost.has(server)) continue;
      for (const uri of subscriptions.uris(server)) {
        if (!this.#mayHear(view(), uri, server)) subscriptions.drop(uri);
      }
    }
  }

  dropChannels(busy: ReadonlySet<string | undefined>): void {
    const { view, channels, subscriptions } = this.#components;
    const open = channels.names().filter((name) => !busy.has(name) && !subscriptions.isOn(name));
    if (open.length === 0) return;
    const seen = serversOf(view(), channels);
    for (const name of open) if (!seen.has(name)) channels.drop(name);
  }

  lost(server: string): void {
    const { subscriptions, clock } = this.#components;
    // What is on its way to this server counts as well: its place may be taken a moment after the end of the channel.
    if (this.#isStopped || subscriptions.servers().length === 0) return;
    this.#lost.add(server);
    if (this.#retries !== undefined) return;
    this.#retries = createScope(clock);
    this.#retries.every(RETRY_MS, () => this.#retry());
  }

  stop(): void {
    this.#isStopped = true;
    this.#retries?.close();
  }

  /** The built-in server tells of a task as of a resource; its client hears how the task is then, and how it is now. */
  async #watchTask(taskId: string, listener: Listener): Promise<void> {
    const { channels, permit, subscriptions, taskOf } = this.#components;
    const call = taskOf(taskId);
    if (call !== undefined) {
      permit(routeOfTask(call));
      return watchCallTask(call, listener, this.#components);
    }
    const route = ownTask(taskId, 'tasks/get');
    if (route === undefined) return undefined;
    permit(route);
    const channel = await channels.get(route.target);
    const uri = `${TASK_SCHEME}${taskId}`;
    const name = channels.nameOf(route.target);
    const tell = async (): Promise<void> => {
      const { result } = await channel.request('tasks/get', { taskId }, { timeoutMs: TIMEOUT_MS });
      if (result === undefined) return;
      subscriptions.taskChanged(listener, JSON.stringify(result));
    };
    const attempt = subscriptions.begin(
      uri,
      name,
      uri,
      listener,
      coalesced(tell, this.#log.bind(this)),
    );
    try {
      const { error } = await channel.request(
        'resources/subscribe',
        { uri },
        { timeoutMs: TIMEOUT_MS },
      );
      if (error !== undefined) throw errorFrom(error);
      attempt.made();
      await tell();
      return undefined;
    } catch (error) {
      attempt.failed();
      throw error;
    }
  }

  /** Subscribes at the server that has `uri`; where nobody lists it, at the first that may have it and takes it. */
  async #subscribe(uri: string, listener: Listener): Promise<void> {
    let refusal: unknown;
    for (const route of this.#components.view().resource(uri, 'resource/subscribe')) {
      try {
        return await this.#subscribeAt(route, uri, listener);
      } catch (error) {
        refusal ??= error;
      }
    }
    throw refusal;
  }

  async #subscribeAt(route: Route, uri: string, listener: Listener): Promise<void> {
    const { channels, subscriptions, permit } = this.#components;
    permit(route);
    const server = channels.nameOf(route.target);
    const attempt = subscriptions.begin(uri, server, theirsOf(route, uri), listener);
    try {
      const error = await this.#request(route, uri, listener.capabilities);
      if (error !== undefined) throw errorFrom(error);
      attempt.made();
    } catch (error) {
      attempt.failed();
      throw error;
    }
  }

  /** Asks the server; gives the error by which it refuses. */
  async #request(
    route: Route,
    uri: string,
    capabilities: Json | undefined,
  ): Promise<FrameError | undefined> {
    const channel = await this.#components.channels.get(route.target);
    const meta = capabilities === undefined ? {} : { _meta: { [LISTENER_META]: capabilities } };
    const params = { uri: theirsOf(route, uri), ...meta };
    const options = { timeoutMs: TIMEOUT_MS };
    const { error } = await channel.request('resources/subscribe', params, options);
    return error;
  }

  async #unsubscribe(uri: string, server: string): Promise<void> {
    const { view, channels } = this.#components;
    const route = this.#routeTo(view(), uri, server);
    if (route === undefined) return;
    const channel = await channels.get(route.target);
    const params = { uri: theirsOf(route, uri) };
    await channel.request('resources/unsubscribe', params, { timeoutMs: TIMEOUT_MS });
  }

  async #retry(): Promise<void> {
    if (this.#isRetrying) return;
    this.#isRetrying = true;
    try {
      const lost = Array.from(this.#lost);
      for (const server of lost) {
        // Its channel may end once more while this is under way: then it is lost again.
        this.#lost.delete(server);
        if (!(await this.#renewAll(server))) this.#lost.add(server);
      }
      for (const [uri, strayed] of this.#strayed) await this.#goHome(uri, strayed);
    } finally {
      this.#isRetrying = false;
    }
    if (this.#lost.size > 0 || this.#strayed.size > 0) return;
    this.#retries?.close();
    this.#retries = undefined;
  }

  /** False when one of them must be tried once more. */
  async #renewAll(server: string): Promise<boolean> {
    let isDone = true;
    for (const resource of this.#components.subscriptions.at(server)) {
      isDone = (await this.#renew(server, resource)) && isDone;
    }
    return isDone;
  }

  /** Subscribes at the server where the subscription was, once the URI leads there again. */
  async #goHome(uri: string, { home, taker }: Strayed): Promise<void> {
    const { view, channels, subscriptions, permit } = this.#components;
    const found = subscriptions.of(uri);
    if (found === undefined) {
      this.#strayed.delete(uri);
      return;
    }
    try {
      const route = this.#routeTo(view(), uri, home);
      if (route === undefined) return;
      permit(route);
      if ((await this.#request(route, uri, found.capabilities)) !== undefined) return;
      const theirs = theirsOf(route, uri);
      subscriptions.moved(uri, home, theirs);
      this.#strayed.delete(uri);
      this.#tellUpdated(home, theirs);
      const channel = await channels.get(taker.target);
      const params = { uri: theirsOf(taker, uri) };
      await channel.request('resources/unsubscribe', params, { timeoutMs: TIMEOUT_MS });
    } catch (error) {
      this.#log(error, 'not subscribed where it was');
    }
  }

  /**
   * Subscribes again where the subscription was made, or meanwhile at another server that lists the URI; whoever merely
   * may have it is not asked. False when that must be tried once more: only the refusal of the server where it was made
   * is an end.
   */
  async #renew(
    server: string,
    { uri, theirs, capabilities }: SubscribedResource,
  ): Promise<boolean> {
    const { view, channels, subscriptions, permit } = this.#components;
    const { home = server } = this.#strayed.get(uri) ?? {};
    let isHome = false;
    try {
      const route = this.#routeTo(view(), uri, home) ?? listedOf(view(), uri);
      if (route === undefined) return false;
      const taker = channels.nameOf(route.target);
      isHome = taker === home;
      permit(route);
      const refusal = await this.#request(route, uri, capabilities);
      // A peer whose server is away says so in its answer.
      if (refusal !== undefined && (!isHome || isRetryable(refusal))) return false;
      // One who was refused reads the resource once more, and is told why then.
      this.#tellUpdated(server, theirs);
      if (refusal !== undefined) subscriptions.drop(uri);
      else {
        subscriptions.moved(uri, taker, theirsOf(route, uri));
        if (isHome) this.#strayed.delete(uri);
        else this.#strayed.set(uri, { home, taker: route });
      }
      return true;
    } catch (error) {
      this.#log(error, 'not subscribed again');
      // Nobody lists the resource while its owner is away, so only a refusal is an end.
      if (!isHome || !isRefusal(error)) return false;
      subscriptions.drop(uri);
      return true;
    }
  }

  /** The way to `uri` at this very server; undefined where the URI leads to others only. */
  #routeTo(view: View, uri: string, server: string): Route | undefined {
    const { channels } = this.#components;
    return view
      .resource(uri, 'resource/subscribe')
      .find(({ target }) => channels.nameOf(target) === server);
  }

  #mayHear(view: View, uri: string, server: string): boolean {
    try {
      const route = this.#routeTo(view, uri, server);
      if (route === undefined) return false;
      this.#components.permit(route);
      return true;
    } catch (error) {
      if (error instanceof StarlingError) return false;
      throw error;
    }
  }

  /** Nobody knows what happened to the resource while there was no channel. */
  #tellUpdated(server: string, theirs: string): void {
    const { subscriptions, push } = this.#components;
    const message = parseFrame(notificationBytes(UPDATED, { uri: theirs }));
    if (message.kind === 'notification') subscriptions.updated(server, message, push);
  }

  #log(error: unknown, what: string): void {
    this.#components.logger.debug({ error: messageOf(error) }, what);
  }
}

/** The URI by which the server of `route` knows `uri`. */
function theirsOf(route: Route, uri: string): string {
  return route.edits?.uri ?? uri;
}

/** The way to the server that lists `uri`; undefined where nobody does. */
function listedOf(view: View, uri: string): Route | undefined {
  return view.resource(uri, 'resource/subscribe').find(({ isUnlisted }) => isUnlisted !== true);
}

function isRetryable({ data }: FrameError): boolean {
  return objectOf(data)['retryable'] === true;
}

function isRefusal(error: unknown): boolean {
  return error instanceof StarlingError && error.code === 'STARLING_CALL_REFUSED';
}

/** Servers of which the view shows something, by the names of their channels. */
function serversOf({ lists }: View, channels: ChannelTable): ReadonlySet<string> {
  const locations = KINDS.flatMap((kind) =>
    lists.names(kind).flatMap((name) => {
      const location = lists.locate(kind, name);
      return location === undefined ? [] : [location, ...(location.others ?? [])];
    }),
  );
  const sources = new Set(locations.map(({ source }) => source));
  return new Set([...sources].map((source) => channels.nameOf(targetOf(source))));
}
