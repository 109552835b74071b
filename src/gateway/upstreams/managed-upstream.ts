/**
 * One upstream server of this node: its state for people, the channels to it, and between them what
 * it lists (`server-listing.ts`) and its running instances (`instance-pool.ts`).
 */
import type { McpServer, Retry, UsableServer } from '../../config/index.ts';
import {
  StarlingError,
  createScope,
  lastWordsOf,
  unawaited,
  withLastWords,
} from '../../core/index.ts';
import type { Clock, Health, JsonObject, Logger, Random, Scope } from '../../core/index.ts';
import type { CatalogLimits, ItemKind, ServerCatalog } from '../../directory/index.ts';
import { objectOf } from '../wire/era.ts';
import { headerParamsOf, paramHeadersOf } from '../wire/modern-headers.ts';
import type { ServerChannel, ServerChannelInit } from '../channel-types.ts';
import type { Upstream, UpstreamStatus } from '../types.ts';
import type { ServerCondition } from '../server-condition.ts';
import type { SuspendedCall } from './suspended-call.ts';
import type { Credentials } from './connection-types.ts';
import type { ServerInstances } from './instances/server-instances-types.ts';
import type { Instance } from './instances/instance.ts';
import { LISTING_NEEDS, SHARED_NEEDS } from './instances/instance-needs.ts';
import type { InstanceNeeds } from './instances/instance-needs.ts';
import { createInstancePool } from './instances/instance-pool.ts';
import type { InstancePool } from './instances/instance-pool.ts';
import { isTaskOnly } from './bridge/task-only.ts';
import { createKnownEras } from './known-eras.ts';
import type { KnownEras } from './known-eras.ts';
import { createLocalChannel } from './local-channel.ts';
import { createRestartBackoff } from './process/restart-backoff.ts';
import type { RestartBackoff } from './process/restart-backoff.ts';
import type { Children } from './process/process-record.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { createServerListing } from './server-listing.ts';
import type { ServerListing } from './server-listing.ts';
import { createServerLog } from './server-log.ts';
import type { ServerLog } from './server-log.ts';

/** Programs that fetch a server from a registry before they start it. */
const DOWNLOADERS = /^(?:npx|bunx|pnpx|pnpm|yarn|uvx|uv|pipx|docker|podman)(?:\.\w+)?$/;
/**
 * Until such a program has shown its server once, it has so many times as long: one that is ended while it downloads begins
 * anew, and on a slow line would never come to an end.
 */
const DOWNLOAD_TIMES = 10;
/** Lines of a server that is starting from which its last words are taken. */
const LAST_LINES = 20;
/** Characters of such a line that a caller is told. */
const LINE_MAX = 300;

/** What an upstream works with. */
export interface ManagedUpstreamComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly health: Health;
  readonly credentials: Credentials | undefined;
  readonly sandbox?: Sandbox | undefined;
  readonly children?: Children | undefined;
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

/** A server of the configuration. */
export interface ConfiguredUpstream extends Upstream {
  readonly config: McpServer;
  /** Resolves when the server is ready, or its first start has failed. */
  readonly settled: Promise<void>;
  start(): void;
  /** True when the server has failed so often that it is not started again by itself. */
  readonly hasGivenUp: boolean;
  condition(): ServerCondition;
  /** Starts the server anew at once: what made it fail may be mended. */
  retry(): void;
  /** The same for whoever asks: it counts as a run of its own, and begins when what runs has ended. */
  restart(): void;
  /** The same as {@link retry}, where `isMended` is true of why the server failed. */
  retryIf(isMended: (error: StarlingError) => boolean): void;
  /** True when one of its instances runs with a secret that has changed since. */
  isOutdated(): boolean;
  stop(): Promise<void>;
}

/** An upstream that is started, watched and started again. */
export interface ManagedUpstream extends ConfiguredUpstream, ServerInstances {
  readonly config: UsableServer;
  stillStarting(): StarlingError;
}

/** Makes the upstream; `start` starts it and waits for nothing. */
export function createManagedUpstream(
  server: string,
  config: UsableServer,
  components: ManagedUpstreamComponents,
  init: ManagedUpstreamInit,
): ManagedUpstream {
  return new Managed(server, config, components, init);
}

class Managed implements ManagedUpstream {
  readonly server: string;
  readonly config: UsableServer;
  readonly isListed: boolean;
  readonly settled: Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly eras: KnownEras;
  readonly suspended = new Map<string, SuspendedCall>();
  readonly exclusive = new Set<string>();
  readonly #components: ManagedUpstreamComponents;
  readonly #backoff: RestartBackoff;
  readonly #pool: InstancePool;
  readonly #listing: ServerListing;
  readonly #channels = new Set<ServerChannel>();
  readonly #log: ServerLog;
  #run = 0;
  /** Since when the server is being started that has not been ready since, ms since the epoch. */
  #startingAt: number | undefined;
  /** What it wrote meanwhile, the last lines. */
  #wrote: string[] = [];
  #settle: () => void = () => undefined;
  #scope: Scope | undefined;
  #state: UpstreamStatus['state'] = 'stopped';
  #error: StarlingError | undefined;

  constructor(
    server: string,
    config: UsableServer,
    components: ManagedUpstreamComponents,
    init: ManagedUpstreamInit,
  ) {
    this.server = server;
    this.config = config;
    this.isListed = config.listed === true;
    this.#components = components;
    this.clock = components.clock;
    this.logger = components.logger;
    this.eras = createKnownEras(config.type, components.clock);
    this.#log = createServerLog(components);
    this.#backoff = createRestartBackoff(components, init.retry, config.restart === 'asked');
    this.#pool = this.#createPool(init);
    this.#listing = this.#createListing(init);
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  status(): UpstreamStatus {
    const running = this.#pool.running();
    const { catalog } = this.#listing;
    const notes = [...(this.config.remarks ?? []), ...this.#listing.notes];
    const oddity = running.map((instance) => instance.oddity()).find((text) => text !== undefined);
    const error = [this.#error?.message, oddity].filter((text) => text !== undefined).join('; ');
    const { hint } = this.#error ?? {};
    const pid = running.find((instance) => instance.pid !== undefined)?.pid;
    const { name, version } = catalog.serverInfo;
    const info = [name, version].filter((part) => typeof part === 'string').join(' ');
    return {
      server: this.server,
      kind: this.config.type,
      state: this.#state === 'ready' && running.length === 0 ? 'idle' : this.#state,
      tools: catalog.tools.length,
      resources: catalog.resources.length + catalog.templates.length,
      prompts: catalog.prompts.length,
      instances: running.length,
      ...(error === '' ? {} : { error }),
      ...(hint === undefined ? {} : { hint }),
      ...(notes.length === 0 ? {} : { notes }),
      ...(pid === undefined ? {} : { pid }),
      ...(info === '' ? {} : { serverInfo: info }),
    };
  }

  catalog(): ServerCatalog {
    return this.#listing.catalog;
  }

  isBarred(): boolean {
    return false;
  }

  get hasBeenReady(): boolean {
    return this.#listing.isListed;
  }

  stillStarting(): StarlingError {
    const { config, clock, server } = this;
    const since = this.#startingAt ?? clock.now();
    const seconds = Math.max(0, Math.round((clock.now() - since) / 1000));
    const before =
      this.#error === undefined ? '' : `; the start before failed: ${this.#error.message}`;
    const own = `server '${server}' is still starting, since ${new Date(since).toISOString()} (${seconds} s)${before}`;
    const why =
      config.type === 'stdio' && isDownloader(config)
        ? `${programOf(config.command)} may still be downloading it: `
        : '';
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      withLastWords(own, lastWordsOf(this.#wrote)),
      {
        hint: `${why}try again in a moment; its owner sees how it does: starling mcp logs ${server}`,
        data: { server, startingAt: since },
      },
    );
  }

  isTaskOnly(tool: unknown): boolean {
    return isTaskOnly(this.#listing.catalog, tool);
  }

  leftOut(kind: ItemKind, name: string): string | undefined {
    return this.#listing.leftOut(kind, name);
  }

  open(init: ServerChannelInit): ServerChannel {
    const channel = createLocalChannel(this, init);
    this.#channels.add(channel);
    const gone = channel.ended.then(() => this.#channels.delete(channel));
    unawaited(gone, this.logger, 'a channel that ended is still counted');
    return channel;
  }

  acquire(needs: InstanceNeeds): Instance | Promise<Instance> {
    return this.#pool.acquire(needs);
  }

  dismiss(key: string): void {
    this.#pool.dismiss(key);
  }

  start(): void {
    if (this.#scope !== undefined) return;
    this.#scope = createScope(this.clock);
    this.#pool.start(this.#scope);
    this.#starts();
    const { remarks } = this.config;
    if (remarks !== undefined)
      this.logger.warn({ remarks }, 'not all of the entry is taken as it is');
    this.#listing.start(this.#scope);
  }

  get hasGivenUp(): boolean {
    return this.#backoff.hasGivenUp;
  }

  condition(): ServerCondition {
    const begun = this.#pool.running().map(({ startedAt }) => startedAt);
    return {
      run: this.#run,
      isHeld: this.hasGivenUp,
      ...(begun.length === 0 ? {} : { startedAt: Math.max(...begun) }),
      log: this.#log.lines(),
    };
  }

  restart(): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    this.#run += 1;
    this.#log.add('is started anew, as somebody has asked for');
    this.eras.startsAnew();
    this.#starts();
    this.#pool.renew();
    // What a process has to itself (a port, a file) its successor gets when it is over.
    const begun = this.#pool.untilEnded().then(() => {
      if (!scope.closed) this.#listing.refreshIn(0);
    });
    unawaited(begun, this.logger, 'the server was not started anew');
  }

  retry(): void {
    if (this.#scope === undefined) return;
    this.eras.startsAnew();
    this.#pool.renew();
    this.#listing.refreshIn(0);
  }

  retryIf(isMended: (error: StarlingError) => boolean): void {
    if (this.#error !== undefined && isMended(this.#error)) this.retry();
  }

  isOutdated(): boolean {
    return this.#pool.isOutdated();
  }

  async stop(): Promise<void> {
    const scope = this.#scope;
    if (scope === undefined) return;
    this.#scope = undefined;
    scope.close();
    for (const channel of this.#channels) channel.close();
    await this.#pool.stop();
    this.#become('stopped', undefined);
    this.#settle();
  }

  #createPool(init: ManagedUpstreamInit): InstancePool {
    const { server, config } = this;
    const startMs = (): number =>
      isDownloader(config) && !this.#listing.isListed
        ? init.startTimeoutMs * DOWNLOAD_TIMES
        : init.startTimeoutMs;
    return createInstancePool(
      {
        ...this.#components,
        backoff: this.#backoff,
        eras: this.eras,
        paramHeaders: (method, params) => this.#paramHeaders(method, params),
        hooks: {
          spawned: (pid) => {
            this.#startingAt ??= this.clock.now();
            this.#log.add(`started, pid ${pid}`);
          },
          wrote: (line) => this.#heard(line),
        },
        listener: {
          started: () => {
            this.#run += 1;
            if (this.#listing.isListed) this.#become('ready', undefined);
          },
          failed: (error) => this.#failed(error),
          gone: (key, instance) => this.#listing.forget(key, instance),
          closed: () => this.#components.changed(),
          listChanged: (key) => this.#listing.changed(key),
          renewed: () => this.#listing.renewed(),
          trouble: () => this.#error,
        },
      },
      {
        ...init,
        server,
        config,
        // Read at each start of an instance.
        get startTimeoutMs() {
          return startMs();
        },
      },
    );
  }

  #createListing(init: ManagedUpstreamInit): ServerListing {
    return createServerListing(
      {
        clock: this.clock,
        logger: this.logger,
        pool: this.#pool,
        backoff: this.#backoff,
        eras: this.eras,
        listener: {
          listed: () => {
            this.#become('ready', undefined);
            this.#settle();
          },
          failed: (error) => this.#failed(error),
        },
      },
      {
        server: this.server,
        needs: this.config.shared ? SHARED_NEEDS : LISTING_NEEDS,
        timeoutMs: init.startTimeoutMs,
        catalog: init.catalog,
      },
    );
  }

  #starts(): void {
    this.#startingAt = this.clock.now();
    this.#wrote = [];
    this.#become('starting', undefined);
  }

  #heard(line: string): void {
    this.#log.add(line);
    if (this.#listing.isListed) return;
    this.#wrote.push(line.slice(0, LINE_MAX));
    if (this.#wrote.length > LAST_LINES) this.#wrote.shift();
  }

  /** The server failed to start or to be listed, or an instance ended by itself. */
  #failed(error: StarlingError): void {
    if (this.#scope === undefined) return;
    // The next process says when it has begun, and what it does: another may be at that still.
    if (!this.#pool.isBeginning) {
      this.#startingAt = undefined;
      this.#wrote = [];
    }
    this.#log.add(error.message);
    const waitMs = this.#backoff.failed(this.#listing.isListed);
    this.#become('failed', this.hasGivenUp ? this.#givenUp(error) : this.#again(error, waitMs));
    this.#settle();
    if (!this.hasGivenUp) this.#listing.refreshIn(waitMs);
  }

  /** Of a program that said nothing in time: what it may be busy with, and when it is started again. */
  #again(error: StarlingError, waitMs: number): StarlingError {
    const { config } = this;
    const { cause } = error;
    const isLate = cause instanceof StarlingError && cause.code === 'STARLING_TIMEOUT';
    if (!isLate || config.type !== 'stdio' || this.#listing.isListed) return error;
    const why = isDownloader(config)
      ? `${programOf(config.command)} may still be downloading (is there a network?): try the command by hand`
      : 'try its command by hand';
    const next = `it is tried again in ${Math.ceil(waitMs / 1000)} s`;
    return new StarlingError(error.code, error.message, {
      hint: `${why}; ${next}${error.hint === undefined ? '' : `; ${error.hint}`}`,
      data: error.data,
      cause: error,
    });
  }

  #givenUp(error: StarlingError): StarlingError {
    const hint = `see why (starling mcp logs ${this.server}), then: starling mcp restart ${this.server}`;
    const { failures, isHeld } = this.#backoff;
    const what = isHeld
      ? 'it is started again when somebody asks for that (restart: asked)'
      : `it has failed ${failures} times and is not started again by itself (retry.attempts)`;
    return new StarlingError(error.code, `${error.message}; ${what}`, {
      hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
      data: error.data,
      cause: error,
    });
  }

  #paramHeaders(method: string, params: JsonObject): Readonly<Record<string, string>> {
    if (method !== 'tools/call') return {};
    const tool = this.#listing.catalog.tools.find(({ name }) => name === params['name']);
    const wanted = headerParamsOf(tool?.['inputSchema']);
    return typeof wanted === 'string' ? {} : paramHeadersOf(wanted, objectOf(params['arguments']));
  }

  #become(state: UpstreamStatus['state'], error: StarlingError | undefined): void {
    const code = `upstream-down:${this.server}`;
    const isNews = error?.message !== this.#error?.message;
    this.#state = state;
    this.#error = error;
    if (state === 'ready') this.#backoff.ready();
    if (error === undefined) this.#components.health.clear(code);
    else {
      const fields = { server: this.server, error: error.message };
      // Each retry fails alike: one warning is enough.
      if (isNews) this.logger.warn(fields, 'upstream is not ready');
      else this.logger.debug(fields, 'upstream is still not ready');
      this.#components.health.raise({
        code,
        text: error.message,
        hint: error.hint ?? `see what it wrote: starling mcp logs ${this.server}`,
      });
    }
    this.#components.changed();
  }
}

/** Whether the server's program may have to fetch the server first. */
function isDownloader(config: UsableServer): boolean {
  return config.type === 'stdio' && DOWNLOADERS.test(programOf(config.command));
}

function programOf(command: string): string {
  return command.split(/[\\/]/).at(-1) ?? command;
}
