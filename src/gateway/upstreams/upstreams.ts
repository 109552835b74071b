/** All upstream servers of this node, as the configuration names them, and the built-in one. */
import { EventEmitter } from 'node:events';
import type { McpServer, Retry } from '../../config/index.ts';
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { Clock, Health, Logger, Random } from '../../core/index.ts';
import type { CatalogLimits } from '../../directory/index.ts';
import type {
  BuiltinResource,
  BuiltinTool,
  Upstream,
  Upstreams,
  UpstreamsEvents,
} from '../types.ts';
import { createBuiltinServer } from '../builtin/server.ts';
import { createManagedUpstream } from './managed-upstream.ts';
import type { Logins } from './oauth/logins.ts';
import type { ManagedUpstreamInit, ManagedUpstream } from './managed-upstream.ts';
import { isAboutSecret, sameServer } from './server-secrets.ts';

/** What the upstreams work with. */
export interface UpstreamsComponents {
  readonly servers: Readonly<Record<string, McpServer>>;
  readonly builtin: readonly BuiltinTool[];
  readonly builtinResources: readonly BuiltinResource[];
  readonly logins: Pick<Logins, 'credentials' | 'events'>;
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
  /** Instances of one server that may run at the same time. */
  readonly instancesMax: number;
  /** How long a server may take to start and answer `initialize`; default 30000. */
  readonly startTimeoutMs?: number;
  /** How a server that fails is started again; default by itself as long as the node runs. */
  readonly retry?: Retry;
}

const START_TIMEOUT_MS = 30_000;

/** Makes the upstreams; `start` starts them all and waits for none. */
export function createUpstreams(components: UpstreamsComponents, init: UpstreamsInit): Upstreams {
  const events = new EventEmitter<UpstreamsEvents>();
  const builtin = createBuiltinServer({
    tools: components.builtin,
    resources: components.builtinResources,
    logger: components.logger.child('builtin'),
  });
  const bounds: ManagedUpstreamInit = {
    ...init,
    startTimeoutMs: init.startTimeoutMs ?? START_TIMEOUT_MS,
  };
  const make = (name: string, server: McpServer): ManagedUpstream =>
    createManagedUpstream(
      name,
      server,
      {
        ...components,
        logger: components.logger.child(name),
        credentials: components.logins.credentials(name),
        changed: () => events.emit('change', name),
      },
      bounds,
    );
  let kept = new Map(
    Object.entries(components.servers).map(([name, server]) => [name, make(name, server)] as const),
  );
  const loggedIn = (server: string): void => kept.get(server)?.retry();
  let isStarted = false;
  const all = (): readonly Upstream[] => [...kept.values(), builtin];

  return {
    events,
    all,
    get: (server) => (server === BUILTIN_SERVER ? builtin : kept.get(server)),
    settled: async () => {
      await Promise.all([...kept.values()].map((upstream) => upstream.settled));
    },
    async configure(servers) {
      const before = kept;
      kept = new Map(
        Object.entries(servers).map(([name, server]) => {
          const known = before.get(name);
          const isSame =
            known !== undefined && sameServer(known.config, server) && !known.isOutdated();
          return [name, isSame ? known : make(name, server)] as const;
        }),
      );
      const gone = [...before].filter(([name, upstream]) => kept.get(name) !== upstream);
      await Promise.all(gone.map(([, upstream]) => upstream.stop()));
      if (isStarted) {
        for (const upstream of kept.values()) {
          upstream.start();
          if (upstream.hasGivenUp) upstream.retry();
        }
      }
      for (const [name] of gone) events.emit('change', name);
    },
    secretsChanged() {
      for (const upstream of kept.values()) upstream.retryIf(isAboutSecret);
      return [...kept].filter(([, upstream]) => upstream.isOutdated()).map(([name]) => name);
    },
    async start() {
      if (!isStarted) components.logins.events.on('change', loggedIn);
      isStarted = true;
      for (const upstream of kept.values()) upstream.start();
    },
    async stop() {
      isStarted = false;
      components.logins.events.off('change', loggedIn);
      builtin.stop();
      await Promise.all([...kept.values()].map((upstream) => upstream.stop()));
    },
  };
}
