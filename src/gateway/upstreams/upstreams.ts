/** All upstream servers of this node, as the configuration names them, and the built-in one. */
import { EventEmitter } from 'node:events';
import type { McpServer, Retry } from '../../config/index.ts';
import { BUILTIN_SERVER, StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Health, Logger, Random } from '../../core/index.ts';
import type { CatalogLimits } from '../../directory/index.ts';
import type {
  BuiltinResource,
  BuiltinTasks,
  BuiltinTemplate,
  BuiltinTool,
  FunctionTool,
  Upstream,
  Upstreams,
  UpstreamsEvents,
} from '../types.ts';
import type { ServerChanges, ServerCondition } from '../server-condition.ts';
import { FUNCTIONS_SERVER, createFunctionServer } from '../builtin/functions.ts';
import type { FunctionServer } from '../builtin/functions.ts';
import { createBuiltinServer } from '../builtin/server.ts';
import { createManagedUpstream } from './managed-upstream.ts';
import { createUnusableUpstream } from './unusable-upstream.ts';
import type { Logins } from './oauth/logins.ts';
import type { ConfiguredUpstream, ManagedUpstreamInit } from './managed-upstream.ts';
import type { Children } from './process/process-record.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { tellOfNewerNodes, tellOfSandbox } from './sandbox/sandbox-health.ts';
import { isAboutSecret, sameServer } from './server-secrets.ts';

/** What the upstreams work with. */
export interface UpstreamsComponents {
  readonly servers: Readonly<Record<string, McpServer>>;
  readonly builtin: readonly BuiltinTool[];
  readonly builtinResources: readonly BuiltinResource[];
  readonly builtinTemplates?: readonly BuiltinTemplate[];
  /** Tasks of the node as MCP tasks; absent: there are none. */
  readonly builtinTasks?: BuiltinTasks;
  readonly logins: Pick<Logins, 'credentials' | 'events'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly health: Health;
  /** What stands around the processes of the servers; absent: nothing does. */
  readonly sandbox?: Sandbox;
  /** The record of processes; absent: there is none. */
  readonly children?: Children;
}

/** Bounds of the upstreams. */
export interface UpstreamsInit {
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
  readonly catalog: CatalogLimits;
  /** Instances of one server that may run at the same time. */
  readonly instancesMax: number;
  /** How long a server may take to start and answer `initialize`; default 30000. */
  readonly startTimeoutMs?: number;
  /** How a server that fails is started again; default by itself as long as the node runs. */
  readonly retry?: Retry;
}

const START_TIMEOUT_MS = 30_000;
/** How often is looked for nodes that began after servers which run. Longer tells of them later, shorter costs an idle node more. */
const NEWER_NODES_MS = 60_000;

/** Makes the upstreams; `start` starts them all and waits for none. */
export function createUpstreams(components: UpstreamsComponents, init: UpstreamsInit): Upstreams {
  return new AllUpstreams(components, init);
}

class AllUpstreams implements Upstreams {
  readonly events = new EventEmitter<UpstreamsEvents>();
  readonly #components: UpstreamsComponents;
  readonly #init: ManagedUpstreamInit;
  readonly #builtin: ReturnType<typeof createBuiltinServer>;
  readonly #functions: FunctionServer;
  #managed: ReadonlyMap<string, ConfiguredUpstream>;
  #isStarted = false;
  #cancelLook: () => void = () => undefined;

  constructor(components: UpstreamsComponents, init: UpstreamsInit) {
    // Each call that waits for a change listens.
    this.events.setMaxListeners(0);
    this.#components = components;
    this.#init = { ...init, startTimeoutMs: init.startTimeoutMs ?? START_TIMEOUT_MS };
    this.#builtin = createBuiltinServer({
      tools: components.builtin,
      resources: components.builtinResources,
      templates: components.builtinTemplates ?? [],
      tasks: components.builtinTasks,
      logger: components.logger.child('builtin'),
      clock: components.clock,
    });
    this.#functions = createFunctionServer(components.logger.child(FUNCTIONS_SERVER), () =>
      this.events.emit('change', FUNCTIONS_SERVER),
    );
    this.#managed = new Map(
      Object.entries(components.servers).map(([name, server]) => [name, this.#make(name, server)]),
    );
  }

  all(): readonly Upstream[] {
    const isShown = !this.#functions.isEmpty && !this.#managed.has(FUNCTIONS_SERVER);
    return [...this.#managed.values(), ...(isShown ? [this.#functions] : []), this.#builtin];
  }

  get(server: string): Upstream | undefined {
    if (server === BUILTIN_SERVER) return this.#builtin;
    const managed = this.#managed.get(server);
    return managed ?? (server === FUNCTIONS_SERVER ? this.#functions : undefined);
  }

  offer(tool: FunctionTool): () => void {
    if (this.#managed.has(FUNCTIONS_SERVER)) {
      throw new StarlingError(
        'STARLING_USAGE',
        `mcpServers has a server '${FUNCTIONS_SERVER}', and functions would have its name`,
        { hint: 'give that server another name in the config file' },
      );
    }
    return this.#functions.add(tool);
  }

  condition(server: string): ServerCondition | undefined {
    return this.#managed.get(server)?.condition();
  }

  restart(server: string, run?: number): boolean {
    const managed = this.#managed.get(server);
    if (managed === undefined) {
      throw new StarlingError(
        'STARLING_USAGE',
        `there is no server '${server.slice(0, 80)}' here`,
        {
          hint: 'see which there are: starling mcp list',
        },
      );
    }
    if (run !== undefined && managed.condition().run !== run) return false;
    managed.restart();
    return true;
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#managed.values()].map((upstream) => upstream.settled));
  }

  async configure(servers: Readonly<Record<string, McpServer>>): Promise<ServerChanges> {
    const before = this.#managed;
    this.#managed = new Map(
      Object.entries(servers).map(([name, server]) => {
        const known = before.get(name);
        const isSame =
          known !== undefined && sameServer(known.config, server) && !known.isOutdated();
        return [name, isSame ? known : this.#make(name, server)];
      }),
    );
    const gone = [...before].filter(([name, upstream]) => this.#managed.get(name) !== upstream);
    await Promise.all(gone.map(([, upstream]) => upstream.stop()));
    if (this.#isStarted) {
      await this.#tellOfSandbox();
      for (const upstream of this.#managed.values()) {
        upstream.start();
        if (upstream.hasGivenUp) upstream.retry();
      }
    }
    for (const [name] of gone) this.events.emit('change', name);
    const isThere = ([name]: [string, unknown]): boolean => this.#managed.has(name);
    return {
      added: [...this.#managed.keys()].filter((name) => !before.has(name)),
      removed: gone.filter((one) => !isThere(one)).map(([name]) => name),
      restarted: gone.filter(isThere).map(([name]) => name),
    };
  }

  secretsChanged(): readonly string[] {
    for (const upstream of this.#managed.values()) upstream.retryIf(isAboutSecret);
    return [...this.#managed].filter(([, upstream]) => upstream.isOutdated()).map(([name]) => name);
  }

  async start(): Promise<void> {
    if (!this.#isStarted) this.#components.logins.events.on('change', this.#loggedIn);
    this.#isStarted = true;
    await this.#components.children?.endLeftovers();
    await this.#tellOfSandbox();
    for (const upstream of this.#managed.values()) upstream.start();
    this.#lookForNewerNodes();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#cancelLook();
    this.#components.logins.events.off('change', this.#loggedIn);
    this.#builtin.stop();
    this.#functions.stop();
    await Promise.all([...this.#managed.values()].map((upstream) => upstream.stop()));
  }

  #lookForNewerNodes(): void {
    const { clock, health, logger, sandbox } = this.#components;
    if (sandbox === undefined || !this.#isStarted) return;
    this.#cancelLook();
    this.#cancelLook = clock.schedule(NEWER_NODES_MS, () => {
      tellOfNewerNodes(sandbox, health)
        .catch((error: unknown) =>
          logger.debug({ error: messageOf(error) }, 'no look at other nodes'),
        )
        .finally(() => this.#lookForNewerNodes());
    });
  }

  #tellOfSandbox(): Promise<void> {
    const { sandbox, health } = this.#components;
    const servers = new Map([...this.#managed].map(([name, { config }]) => [name, config]));
    return tellOfSandbox(sandbox, health, servers);
  }

  readonly #loggedIn = (server: string): void => this.#managed.get(server)?.retry();

  #make(name: string, server: McpServer): ConfiguredUpstream {
    const { health, logger } = this.#components;
    if (server.type === 'unusable') {
      return createUnusableUpstream(name, server, { health, logger: logger.child(name) });
    }
    return createManagedUpstream(
      name,
      server,
      {
        ...this.#components,
        logger: this.#components.logger.child(name),
        credentials: this.#components.logins.credentials(name),
        changed: () => this.events.emit('change', name),
      },
      this.#init,
    );
  }
}
