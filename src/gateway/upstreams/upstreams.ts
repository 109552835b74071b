/**
 * Keeps this node's upstream servers running: starts them, reads their tools, starts them again when
 * they end (with backoff), and says in a sentence what is wrong with those that are not ready.
 */
import { EventEmitter } from 'node:events';
import type { McpServer } from '../../config/index.ts';
import { StarlingError, backoffMs, createScope, toStarlingError } from '../../core/index.ts';
import type { Clock, Health, Logger, Random, Scope } from '../../core/index.ts';
import { soundTools } from '../../directory/index.ts';
import type { CatalogLimits, ListedTool } from '../../directory/index.ts';
import { initialize, listTools } from '../handshake.ts';
import type {
  BuiltinTool,
  Link,
  NotificationFrame,
  Upstream,
  UpstreamStatus,
  Upstreams,
  UpstreamsEvents,
} from '../types.ts';
import { createBuiltin } from './builtin.ts';
import type { Builtin } from './builtin.ts';
import type { UpstreamConnection } from './connection.ts';
import { connectHttp } from './http.ts';
import type { HttpConnection } from './http.ts';
import { connectStdio } from './stdio.ts';

/** Name of the built-in server. */
export const BUILTIN = 'starling';

const BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** A server that lived this long starts again without delay. */
const STEADY_MS = 60_000;
const REFRESH_DELAY_MS = 50;

/** What the upstreams work with. */
export interface UpstreamsComponents {
  readonly servers: Readonly<Record<string, McpServer>>;
  readonly builtin: readonly BuiltinTool[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly health: Health;
}

/** Bounds of the upstreams. */
export interface UpstreamsInit {
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
  readonly catalog: CatalogLimits;
  /** How long a server may take to start and answer `initialize`; default 30000. */
  readonly startTimeoutMs?: number;
}

const START_TIMEOUT_MS = 30_000;

/** Makes the upstreams; `start` starts them all and waits for none. */
export function createUpstreams(components: UpstreamsComponents, init: UpstreamsInit): Upstreams {
  const events = new EventEmitter<UpstreamsEvents>();
  const builtin = createBuiltin({
    tools: components.builtin,
    logger: components.logger.child('builtin'),
  });
  const kept = Object.entries(components.servers).map(
    ([name, server]) =>
      new KeptUpstream(name, server, components, init, () => events.emit('change', name)),
  );
  const all: readonly Upstream[] = [...kept, builtinUpstream(builtin)];
  const byName = new Map(all.map((upstream) => [upstream.server, upstream]));
  return {
    events,
    all: () => all,
    get: (server) => byName.get(server),
    settled: async () => {
      await Promise.all(kept.map((upstream) => upstream.settled));
    },
    async start() {
      for (const upstream of kept) upstream.start();
    },
    async stop() {
      builtin.stop();
      await Promise.all(kept.map((upstream) => upstream.stop()));
    },
  };
}

function builtinUpstream(builtin: Builtin): Upstream {
  return {
    server: BUILTIN,
    status: () => ({
      server: BUILTIN,
      kind: 'builtin',
      state: 'ready',
      tools: builtin.tools().length,
    }),
    tools: () => builtin.tools(),
    link: () => builtin.link,
    forOperatorOnly: (tool) => builtin.operatorOnly(tool),
  };
}

class KeptUpstream implements Upstream {
  readonly server: string;
  readonly settled: Promise<void>;
  readonly #config: McpServer;
  readonly #components: UpstreamsComponents;
  readonly #init: UpstreamsInit;
  readonly #changed: () => void;
  readonly #logger: Logger;
  #settle: () => void = () => undefined;
  #scope: Scope | undefined;
  #running: Promise<void> | undefined;
  #connection: UpstreamConnection | undefined;
  #tools: readonly ListedTool[] = [];
  #state: UpstreamStatus['state'] = 'stopped';
  #error: StarlingError | undefined;
  #serverInfo = '';
  #refreshing = false;

  constructor(
    server: string,
    config: McpServer,
    components: UpstreamsComponents,
    init: UpstreamsInit,
    changed: () => void,
  ) {
    this.server = server;
    this.#config = config;
    this.#components = components;
    this.#init = init;
    this.#changed = changed;
    this.#logger = components.logger.child(server);
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  status(): UpstreamStatus {
    const oddity = this.#connection?.oddity();
    const error = [this.#error?.message, oddity].filter((text) => text !== undefined).join('; ');
    const { hint } = this.#error ?? {};
    return {
      server: this.server,
      kind: this.#config.type,
      state: this.#state,
      tools: this.#tools.length,
      ...(error === '' ? {} : { error }),
      ...(hint === undefined ? {} : { hint }),
      ...(this.#connection?.pid === undefined ? {} : { pid: this.#connection.pid }),
      ...(this.#serverInfo === '' ? {} : { serverInfo: this.#serverInfo }),
    };
  }

  tools(): readonly ListedTool[] {
    return this.#tools;
  }

  link(): Link {
    if (this.#state === 'ready' && this.#connection !== undefined) return this.#connection.link;
    const why =
      this.#error === undefined ? `is ${this.#state}` : `is not ready: ${this.#error.message}`;
    throw new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${this.server}' ${why}`, {
      ...(this.#error?.hint === undefined ? {} : { hint: this.#error.hint }),
      data: { server: this.server },
    });
  }

  forOperatorOnly(): boolean {
    return false;
  }

  start(): void {
    if (this.#scope !== undefined) return;
    this.#scope = createScope(this.#components.clock);
    this.#running = this.#keep(this.#scope);
  }

  async stop(): Promise<void> {
    const scope = this.#scope;
    if (scope === undefined) return;
    this.#scope = undefined;
    scope.close();
    await this.#connection?.close();
    await this.#running;
    this.#become('stopped', undefined);
    this.#settle();
  }

  async #keep(scope: Scope): Promise<void> {
    for (let attempt = 0; !scope.closed; attempt += 1) {
      const from = this.#components.clock.now();
      const error = await this.#live(scope);
      if (scope.closed) return;
      if (this.#components.clock.now() - from > STEADY_MS) attempt = 0;
      this.#become('failed', error);
      this.#settle();
      await this.#pause(scope, backoffMs(attempt, BACKOFF, this.#components.random));
    }
  }

  /** One life of the server, from its start to its end. Returns why it ended. */
  async #live(scope: Scope): Promise<StarlingError> {
    if (this.#error === undefined) this.#become('starting', undefined);
    let connection: UpstreamConnection | undefined;
    try {
      connection = await this.#connect();
      this.#connection = connection;
      if (scope.closed) return await this.#closed(connection);
      const timeoutMs = this.#init.startTimeoutMs ?? START_TIMEOUT_MS;
      const title = `server '${this.server}'`;
      const facts = await initialize(connection.link, title, { timeoutMs });
      this.#serverInfo = facts.serverInfo;
      if (isHttp(connection)) connection.negotiated(facts.protocolVersion);
      this.#tools = facts.hasTools ? await this.#list(connection.link) : [];
      this.#become('ready', undefined);
      this.#settle();
      return await connection.ended;
    } catch (error) {
      const failed = explained(error, this.server, connection?.oddity());
      await connection?.close();
      return failed;
    } finally {
      this.#connection = undefined;
      this.#tools = [];
    }
  }

  async #closed(connection: UpstreamConnection): Promise<StarlingError> {
    await connection.close();
    return connection.ended;
  }

  #connect(): Promise<UpstreamConnection> | UpstreamConnection {
    const { clock } = this.#components;
    const components = {
      clock,
      logger: this.#logger,
      events: { notification: (frame: NotificationFrame) => this.#notified(frame) },
    };
    const { messageBytes, callTotalMs, callsMax } = this.#init;
    const bounds = { name: this.server, messageBytes, callTotalMs, callsMax };
    return this.#config.type === 'stdio'
      ? connectStdio(components, { ...bounds, server: this.#config })
      : connectHttp(components, { ...bounds, server: this.#config });
  }

  async #list(link: Link): Promise<readonly ListedTool[]> {
    const listed = await listTools(link, `server '${this.server}'`, {
      timeoutMs: this.#init.startTimeoutMs ?? START_TIMEOUT_MS,
      toolsMax: this.#init.catalog.tools,
      bytesMax: this.#init.catalog.bytes,
    });
    return soundTools(listed, this.#init.catalog, this.#logger);
  }

  #notified(frame: NotificationFrame): void {
    if (frame.method !== 'notifications/tools/list_changed' || this.#refreshing) return;
    this.#refreshing = true;
    this.#scope?.after(REFRESH_DELAY_MS, () => void this.#refresh());
  }

  async #refresh(): Promise<void> {
    this.#refreshing = false;
    const connection = this.#connection;
    if (connection === undefined || this.#state !== 'ready') return;
    try {
      this.#tools = await this.#list(connection.link);
      this.#changed();
    } catch (error) {
      this.#logger.warn({ error: explained(error, this.server).message }, 'tools not listed anew');
    }
  }

  #become(state: UpstreamStatus['state'], error: StarlingError | undefined): void {
    const code = `upstream-down:${this.server}`;
    const isNews = error?.message !== this.#error?.message;
    this.#state = state;
    this.#error = error;
    if (error === undefined) this.#components.health.clear(code);
    else {
      const fields = { server: this.server, error: error.message };
      // Each retry fails alike: once is enough to say it.
      if (isNews) this.#logger.warn(fields, 'upstream is not ready');
      else this.#logger.debug(fields, 'upstream is still not ready');
      this.#components.health.raise({
        code,
        text: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    this.#changed();
  }

  #pause(scope: Scope, delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        scope.signal.removeEventListener('abort', done);
        resolve();
      };
      scope.signal.addEventListener('abort', done);
      scope.after(delayMs, done);
    });
  }
}

function isHttp(connection: UpstreamConnection): connection is HttpConnection {
  return 'negotiated' in connection;
}

function explained(error: unknown, server: string, oddity?: string): StarlingError {
  if (error instanceof StarlingError && error.code === 'STARLING_TIMEOUT') {
    const odd = oddity === undefined ? '' : `; ${oddity}`;
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${server}' started but did not answer in time (${error.message})${odd}`,
      { hint: 'check that its command speaks MCP on standard input and output', cause: error },
    );
  }
  return toStarlingError(error, 'STARLING_UPSTREAM_UNAVAILABLE', `server '${server}' failed`);
}
