/**
 * One upstream server of this node: what it lists, and its running instances. It is started to be
 * listed, and then as sessions need it; instances that nobody uses end after a while. A server that
 * fails is tried again with backoff, and says in a sentence what is wrong.
 */
import { isDeepStrictEqual } from 'node:util';
import type { McpServer, Retry } from '../../config/index.ts';
import { StarlingError, backoffMs, createScope, toStarlingError } from '../../core/index.ts';
import type { Clock, Health, JsonObject, Logger, Random, Scope } from '../../core/index.ts';
import { soundItems } from '../../directory/index.ts';
import type {
  CatalogLimits,
  ListedTool,
  ServerCatalog,
  ServerItems,
} from '../../directory/index.ts';
import { objectOf } from '../wire/era.ts';
import type { Era } from '../wire/era.ts';
import { listAll } from '../wire/client-handshake.ts';
import type { ServerChannel, ServerChannelInit, Upstream, UpstreamStatus } from '../types.ts';
import type { SuspendedCall } from './era-bridge.ts';
import { isAnswer, startInstance } from './instance.ts';
import type { Instance } from './instance.ts';
import { createLocalChannel } from './local-channel.ts';
import { headerParamsOf, paramHeadersOf } from '../wire/modern-headers.ts';
import type { Credentials } from './connection.ts';
import { emptyCatalog, mergeItems } from './listing.ts';
import { LISTING_NEEDS, SHARED_NEEDS } from './instance-needs.ts';
import { revealedServer, sameServer } from './server-secrets.ts';
import type { InstanceNeeds } from './instance-needs.ts';

/** How a server is started again where the configuration says nothing. */
const RETRY: Retry = { attempts: 0, delayMs: 1000, delayMaxMs: 60_000 };
/** An instance that lived this long was not at fault for its end. */
const STEADY_MS = 10_000;
const REFRESH_DELAY_MS = 50;
/** When a list that could not be had is asked for again. */
const RELIST_MS = 30_000;
const REAP_MS = 5000;
/** A start that is due within this time is waited for. */
const PATIENCE_MS = 2500;

/** What an upstream works with. */
export interface ManagedUpstreamComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly health: Health;
  readonly credentials: Credentials | undefined;
  /** Hears that its state or its lists changed. */
  changed(): void;
}

/** Bounds of an upstream. */
export interface ManagedUpstreamInit {
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
  readonly catalog: CatalogLimits;
  /** Instances that may run at the same time. */
  readonly instancesMax: number;
  /** How long a server may take to start and answer `initialize`. */
  readonly startTimeoutMs: number;
  /** How a server that fails is started again; default by itself as long as the node runs. */
  readonly retry?: Retry;
}

/** An upstream with its lower end: what channels to it ask for. */
export interface ManagedUpstream extends Upstream {
  readonly config: McpServer;
  /** Resolves when it is ready, or has failed its first start. */
  readonly settled: Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longest time of one call, ms. */
  readonly callTotalMs: number;
  /** The era in which it was listed last. */
  readonly era: Era | undefined;
  /** Eras that it turned out to lack. */
  readonly lacks: Set<Era>;
  /** Calls of modern clients that wait for an answer of theirs, by handle. */
  readonly held: Map<string, SuspendedCall>;
  /** Keys of instances that one modern call has to itself. */
  readonly lent: Set<string>;
  /** The running instance of `wish`, or a new one. @throws STARLING_UPSTREAM_UNAVAILABLE */
  acquire(wish: InstanceNeeds): Instance | Promise<Instance>;
  /** Ends the instance of `key`: nobody will ask for it again. */
  dismiss(key: string): void;
  start(): void;
  /** True when it has failed so often that it is not started again by itself. */
  readonly hasGivenUp: boolean;
  /** Starts anew at once: what made it fail may be mended. */
  retry(): void;
  /** The same, if this is about why it failed. */
  retryIf(isMended: (error: StarlingError) => boolean): void;
  /** Does one of its instances run with a secret that has changed since? */
  isOutdated(): boolean;
  stop(): Promise<void>;
}

/** Makes the upstream; `start` starts it and waits for nothing. */
export function createManagedUpstream(
  server: string,
  config: McpServer,
  components: ManagedUpstreamComponents,
  init: ManagedUpstreamInit,
): ManagedUpstream {
  return new Kept(server, config, components, init);
}

class Kept implements ManagedUpstream {
  readonly server: string;
  readonly config: McpServer;
  readonly settled: Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly callTotalMs: number;
  readonly lacks = new Set<Era>();
  era: Era | undefined;
  readonly held = new Map<string, SuspendedCall>();
  readonly lent = new Set<string>();
  readonly #components: ManagedUpstreamComponents;
  readonly #init: ManagedUpstreamInit;
  readonly #instances = new Map<string, Instance | Promise<Instance>>();
  /** Ends of instances that are awaited by nobody but {@link stop}. */
  readonly #ending = new Set<Promise<unknown>>();
  readonly #channels = new Set<ServerChannel>();
  #settle: () => void = () => undefined;
  #scope: Scope | undefined;
  /** What the listing instance lists. */
  #base: ServerCatalog;
  /** {@link #base}, and what other instances have besides. */
  #catalog: ServerCatalog;
  /** Keys of instances whose lists have changed: what came to be there is nowhere else. */
  readonly #changed = new Set<string>();
  readonly #extras = new Map<Instance, ServerItems>();
  /** The configuration that an instance was started with, secrets and all. */
  readonly #startedWith = new WeakMap<Instance, McpServer>();
  #state: UpstreamStatus['state'] = 'stopped';
  #error: StarlingError | undefined;
  #failures = 0;
  #nextStartAt = 0;
  #cancelRefresh: (() => void) | undefined;
  #refreshAt = 0;
  #isListed = false;

  constructor(
    server: string,
    config: McpServer,
    components: ManagedUpstreamComponents,
    init: ManagedUpstreamInit,
  ) {
    this.server = server;
    this.config = config;
    this.#components = components;
    this.#init = init;
    this.clock = components.clock;
    this.logger = components.logger;
    this.callTotalMs = init.callTotalMs;
    this.#base = emptyCatalog(server);
    this.#catalog = this.#base;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  status(): UpstreamStatus {
    const running = this.#running();
    const oddity = running.map((instance) => instance.oddity()).find((text) => text !== undefined);
    const error = [this.#error?.message, oddity].filter((text) => text !== undefined).join('; ');
    const { hint } = this.#error ?? {};
    const pid = running.find((instance) => instance.pid !== undefined)?.pid;
    const { name, version } = this.#catalog.serverInfo;
    const info = [name, version].filter((part) => typeof part === 'string').join(' ');
    return {
      server: this.server,
      kind: this.config.type,
      state: this.#state === 'ready' && running.length === 0 ? 'idle' : this.#state,
      tools: this.#catalog.tools.length,
      resources: this.#catalog.resources.length + this.#catalog.templates.length,
      prompts: this.#catalog.prompts.length,
      instances: running.length,
      ...(error === '' ? {} : { error }),
      ...(hint === undefined ? {} : { hint }),
      ...(pid === undefined ? {} : { pid }),
      ...(info === '' ? {} : { serverInfo: info }),
    };
  }

  catalog(): ServerCatalog {
    return this.#catalog;
  }

  forOperatorOnly(): boolean {
    return false;
  }

  open(init: ServerChannelInit): ServerChannel {
    const channel = createLocalChannel(this, init);
    this.#channels.add(channel);
    void channel.ended.then(() => this.#channels.delete(channel));
    return channel;
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const scope = createScope(this.#components.clock);
    this.#scope = scope;
    scope.every(REAP_MS, () => this.#reap());
    this.#become('starting', undefined);
    this.#refreshIn(scope, 0);
  }

  get hasGivenUp(): boolean {
    const { attempts } = this.#init.retry ?? RETRY;
    return attempts > 0 && this.#failures > attempts;
  }

  retry(): void {
    if (this.#scope === undefined) return;
    this.#failures = 0;
    this.#nextStartAt = 0;
    for (const [key, instance] of this.#instances) {
      if (!(instance instanceof Promise)) this.#end(key, instance);
    }
    this.#refreshIn(this.#scope, 0);
  }

  retryIf(isMended: (error: StarlingError) => boolean): void {
    if (this.#error !== undefined && isMended(this.#error)) this.retry();
  }

  isOutdated(): boolean {
    return this.#running().some((instance) => {
      const started = this.#startedWith.get(instance);
      return started !== undefined && !sameServer(started, this.config);
    });
  }

  async stop(): Promise<void> {
    const scope = this.#scope;
    if (scope === undefined) return;
    this.#scope = undefined;
    scope.close();
    for (const channel of this.#channels) channel.close();
    await Promise.all([...this.#instances.values()].map(closeOf));
    this.#instances.clear();
    // Also those that no session needs any more, and that take their time.
    await Promise.all(this.#ending);
    this.#become('stopped', undefined);
    this.#settle();
  }

  acquire(wish: InstanceNeeds): Instance | Promise<Instance> {
    const known = this.#instances.get(wish.key);
    if (known instanceof Promise) return known;
    // Its calls hear of its end a moment before we do, and may come back at once.
    if (known?.channel.isOver === true) return known.ended.then(() => this.acquire(wish));
    if (known !== undefined) return known;
    if (this.#instances.size >= this.#init.instancesMax && !this.#evict()) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${this.#init.instancesMax} instances of server '${this.server}' run already (limits.instances)`,
        {
          hint: 'close a client, raise limits.instances, or let clients share one: "shared": true',
          data: { limit: 'limits.instances', server: this.server },
        },
      );
    }
    const starting = this.#startInstance(wish);
    this.#instances.set(wish.key, starting);
    starting.then(
      (instance) => this.#started(wish.key, instance),
      () => this.#instances.delete(wish.key),
    );
    return starting;
  }

  dismiss(key: string): void {
    const instance = this.#instances.get(key);
    if (instance === undefined) return;
    if (!(instance instanceof Promise)) this.#end(key, instance);
    // One that does not start is gone by itself.
    else
      instance.then(
        (started) => this.#end(key, started),
        () => undefined,
      );
  }

  async #startInstance(wish: InstanceNeeds): Promise<Instance> {
    const scope = this.#scope;
    if (scope === undefined) throw this.#unavailable('is stopped');
    const waitMs = this.#nextStartAt - this.clock.now();
    if (waitMs > PATIENCE_MS) {
      const seconds = Math.ceil(waitMs / 1000);
      throw this.#unavailable(
        `is not ready: ${this.#error?.message ?? 'it failed'}; it is tried again in ${seconds} s`,
      );
    }
    if (waitMs > 0) await pause(scope, waitMs);
    try {
      const server = revealedServer(this.server, this.config);
      const instance = await startInstance(
        {
          clock: this.clock,
          logger: this.logger,
          random: this.#components.random,
          credentials: this.#components.credentials,
          paramHeaders: (method, params) => this.#paramHeaders(method, params),
          listChanged: () => {
            this.#changed.add(wish.key);
            this.#refreshSoon();
          },
        },
        {
          ...this.#init,
          name: this.server,
          server,
          era: wish.era,
          client: wish.client,
        },
      );
      this.#startedWith.set(instance, server);
      return instance;
    } catch (error) {
      // That it lacks an era is no fault.
      if (wish.era === 'either' || wish.era === 'newest') this.#failed(this.#explained(error));
      else if (wish.era === 'modern') this.#learn(error);
      throw error;
    }
  }

  /** It did not start in the modern era. A process may end when it is asked; a URL says so. */
  #learn(error: unknown): void {
    const saysNo = this.config.type === 'stdio' || isAnswer(error);
    if (saysNo && this.era !== 'modern') this.lacks.add('modern');
  }

  #started(key: string, instance: Instance): void {
    if (this.#scope === undefined) {
      void instance.close();
      return;
    }
    this.#instances.set(key, instance);
    if (this.#isListed) this.#become('ready', undefined);
    void instance.ended.then((error) => {
      if (this.#instances.get(key) !== instance) return;
      this.#instances.delete(key);
      this.#forget(key, instance);
      if (this.#scope === undefined) return;
      const isSteady = this.clock.now() - instance.startedAt > STEADY_MS;
      // One that did its work can be started: a backoff would only make the next caller wait.
      if (isSteady || instance.channel.answered > 0) this.#failures = 0;
      this.#failed(error);
    });
  }

  /** It failed to start, or ended by itself: the sooner the more often, the later it starts again. */
  #failed(error: StarlingError): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    this.#failures += 1;
    const waitMs = this.#failures === 1 && this.#isListed ? 0 : this.#pauseMs();
    this.#nextStartAt = this.clock.now() + waitMs;
    this.#become('failed', this.hasGivenUp ? this.#givenUp(error) : error);
    this.#settle();
    if (!this.hasGivenUp) this.#refreshIn(scope, waitMs);
  }

  #pauseMs(): number {
    const { delayMs, delayMaxMs } = this.#init.retry ?? RETRY;
    const bounds = { baseMs: delayMs, capMs: delayMaxMs };
    return backoffMs(this.#failures - 1, bounds, this.#components.random);
  }

  #givenUp(error: StarlingError): StarlingError {
    const hint = 'see why, then start it again: save the config file, or restart the node';
    const what = `it has failed ${this.#failures} times and is not started again by itself (retry.attempts)`;
    return new StarlingError(error.code, `${error.message}; ${what}`, {
      hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
      data: error.data,
      cause: error,
    });
  }

  #refreshSoon(): void {
    if (this.#scope !== undefined) this.#refreshIn(this.#scope, REFRESH_DELAY_MS);
  }

  /** Lists the server anew, once for a burst of reasons. */
  #refreshIn(scope: Scope, delayMs: number): void {
    const dueAt = this.clock.now() + delayMs;
    if (this.#cancelRefresh !== undefined && this.#refreshAt <= dueAt) return;
    this.#cancelRefresh?.();
    this.#refreshAt = dueAt;
    this.#cancelRefresh = scope.after(delayMs, () => {
      this.#cancelRefresh = undefined;
      this.#refresh().catch((error: unknown) => {
        this.logger.warn({ error: this.#explained(error).message }, 'server not listed');
        if (!scope.closed) this.#refreshIn(scope, RELIST_MS);
      });
    });
  }

  async #refresh(): Promise<void> {
    let instance: Instance;
    try {
      instance = await this.acquire(this.#listingWish());
    } catch (error) {
      // Told already where it was raised; a limit is not.
      if (error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED') throw error;
      // Where it was too early, what was due then is due still.
      const waitMs = this.#nextStartAt - this.clock.now();
      const isDue = waitMs > 0 && !this.hasGivenUp;
      if (isDue && this.#scope !== undefined) this.#refreshIn(this.#scope, waitMs);
      return;
    }
    instance.usedAt = this.clock.now();
    this.lacks.delete(instance.handshake.era);
    this.era = instance.handshake.era;
    // At a URL the modern era was asked for first.
    if (this.era === 'legacy' && this.config.type !== 'stdio') this.lacks.add('modern');
    try {
      const items = await this.#list(instance);
      const { era, capabilities, serverInfo, instructions } = instance.handshake;
      this.#base = {
        server: this.server,
        capabilities,
        serverInfo,
        ...(instructions === undefined ? {} : { instructions }),
        ...items,
        tools: era === 'modern' ? items.tools.filter(hasSoundHeaders) : items.tools,
      };
      this.#merge();
      await this.#refreshOthers();
      this.#isListed = true;
      this.#become('ready', undefined);
      this.#settle();
    } catch (error) {
      if (this.#isListed) throw error;
      await instance.close();
      this.#failed(this.#explained(error));
    }
  }

  #listingWish(): InstanceNeeds {
    return this.config.shared ? SHARED_NEEDS : LISTING_NEEDS;
  }

  async #list({ channel, handshake }: Instance): Promise<ServerItems> {
    const listed = await listAll(channel, `server '${this.server}'`, handshake, {
      timeoutMs: this.#init.startTimeoutMs,
      itemsMax: this.#init.catalog.tools,
      bytesMax: this.#init.catalog.bytes,
    });
    return soundItems(listed, this.#init.catalog, this.logger);
  }

  /** Lists the instances that have said that their lists changed. */
  async #refreshOthers(): Promise<void> {
    const { key: listing } = this.#listingWish();
    for (const key of this.#changed) {
      const instance = this.#instances.get(key);
      if (key === listing || instance === undefined || instance instanceof Promise) continue;
      try {
        const items = await this.#list(instance);
        if (this.#instances.get(key) === instance) this.#extras.set(instance, items);
      } catch (error) {
        this.logger.debug({ error: this.#explained(error).message }, 'instance not listed');
      }
    }
    this.#merge();
  }

  #forget(key: string, instance: Instance): void {
    this.#changed.delete(key);
    if (this.#extras.delete(instance)) this.#merge();
  }

  #merge(): void {
    const merged = mergeItems(this.#base, this.#extras.values(), this.#init.catalog.tools);
    // What is as it was stays the same object: nobody need look at all of it again.
    if (!isDeepStrictEqual(merged, this.#catalog)) this.#catalog = merged;
  }

  #paramHeaders(method: string, params: JsonObject): Readonly<Record<string, string>> {
    if (method !== 'tools/call') return {};
    const tool = this.#catalog.tools.find(({ name }) => name === params['name']);
    const wanted = headerParamsOf(tool?.['inputSchema']);
    return typeof wanted === 'string' ? {} : paramHeadersOf(wanted, objectOf(params['arguments']));
  }

  /** Ends instances that nobody has used for a while. */
  #reap(): void {
    const { idleMs } = this.config;
    if (idleMs === 0) return;
    const oldest = this.clock.now() - idleMs;
    for (const [key, instance] of this.#instances) {
      if (instance instanceof Promise || !isIdle(instance) || instance.usedAt > oldest) continue;
      this.#end(key, instance);
    }
  }

  /** Makes room by ending the instance that was idle longest. */
  #evict(): boolean {
    let least: [string, Instance] | undefined;
    for (const [key, instance] of this.#instances) {
      if (instance instanceof Promise || !isIdle(instance)) continue;
      if (least === undefined || instance.usedAt < least[1].usedAt) least = [key, instance];
    }
    if (least === undefined) return false;
    this.#end(...least);
    return true;
  }

  #end(key: string, instance: Instance): void {
    this.#instances.delete(key);
    this.#forget(key, instance);
    const ending = instance
      .close()
      .then(
        () => this.#components.changed(),
        (error: unknown) =>
          this.logger.warn({ error: this.#explained(error).message }, 'instance not ended'),
      )
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #running(): readonly Instance[] {
    return [...this.#instances.values()].filter((one) => !(one instanceof Promise)) as Instance[];
  }

  #unavailable(why: string): StarlingError {
    return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${this.server}' ${why}`, {
      ...(this.#error?.hint === undefined ? {} : { hint: this.#error.hint }),
      data: { server: this.server },
    });
  }

  #explained(error: unknown): StarlingError {
    const what = `server '${this.server}' failed`;
    return toStarlingError(error, 'STARLING_UPSTREAM_UNAVAILABLE', what);
  }

  #become(state: UpstreamStatus['state'], error: StarlingError | undefined): void {
    const code = `upstream-down:${this.server}`;
    const isNews = error?.message !== this.#error?.message;
    this.#state = state;
    this.#error = error;
    if (state === 'ready') this.#nextStartAt = 0;
    if (error === undefined) this.#components.health.clear(code);
    else {
      const fields = { server: this.server, error: error.message };
      // Each retry fails alike: once is enough to say it.
      if (isNews) this.logger.warn(fields, 'upstream is not ready');
      else this.logger.debug(fields, 'upstream is still not ready');
      this.#components.health.raise({
        code,
        text: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    this.#components.changed();
  }
}

/** A tool whose headers can't be written can't be called in the modern era (SEP-2243). */
function hasSoundHeaders(tool: ListedTool): boolean {
  return typeof headerParamsOf(tool['inputSchema']) !== 'string';
}

function isIdle(instance: Instance): boolean {
  return instance.calls === 0 && instance.subscribers.size === 0;
}

async function closeOf(instance: Instance | Promise<Instance>): Promise<void> {
  try {
    await (await instance).close();
  } catch (error) {
    // One that never started has nothing to close, and was told when it failed.
    if (!(error instanceof StarlingError)) throw error;
  }
}

function pause(scope: Scope, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      scope.signal.removeEventListener('abort', done);
      resolve();
    };
    scope.signal.addEventListener('abort', done);
    scope.after(delayMs, done);
  });
}
