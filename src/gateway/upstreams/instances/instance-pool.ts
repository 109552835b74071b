/**
 * The running instances of one server, by key: started when they are needed, ended when they were
 * idle for long or make room, and started again with pauses when they fail.
 */
import type { UsableServer } from '../../../config/index.ts';
import { StarlingError, sleep, unawaited } from '../../../core/index.ts';
import type { Clock, JsonObject, Logger, Random, Scope } from '../../../core/index.ts';
import type { Credentials } from '../connection-types.ts';
import { startInstance } from './instance.ts';
import type { Instance } from './instance.ts';
import type { InstanceNeeds } from './instance-needs.ts';
import type { KnownEras } from '../known-eras.ts';
import type { RestartBackoff } from '../process/restart-backoff.ts';
import type { ProcessHooks } from '../process/process-hooks.ts';
import type { Children } from '../process/process-record.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { revealedServer, sameServer } from '../server-secrets.ts';
import { asUpstreamError, unavailable } from '../upstream-errors.ts';

/** How often idle instances are looked for. */
const REAP_MS = 5000;
/** A start that is due within this time is waited for; for a later one the call is refused. */
const PATIENCE_MS = 2500;

/** What a pool works with. */
export interface InstancePoolComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly credentials: Credentials | undefined;
  readonly backoff: RestartBackoff;
  readonly eras: KnownEras;
  readonly sandbox?: Sandbox | undefined;
  readonly children?: Children | undefined;
  /** Hear what processes write, and that they were started. */
  readonly hooks: ProcessHooks;
  readonly listener: InstancePoolListener;
  /** `Mcp-Param-*` headers of a request to a modern server at a URL. */
  paramHeaders(method: string, params: JsonObject): Readonly<Record<string, string>>;
}

/** Hears what becomes of the instances. */
export interface InstancePoolListener {
  started(): void;
  /** An instance failed to start, or ended by itself. */
  failed(error: StarlingError): void;
  /** The instance is no longer in the pool. */
  gone(key: string, instance: Instance): void;
  /** An instance that was ended on purpose is over. */
  closed(): void;
  /** The instance of `key` says that its lists have changed. */
  listChanged(key: string): void;
  /** The server has forgotten the session of an instance, which goes on in a new one. */
  renewed(): void;
  /** Why the server is not ready, for whoever is refused an instance. */
  trouble(): StarlingError | undefined;
}

/** Which server, and within which bounds. */
export interface InstancePoolInit {
  readonly server: string;
  readonly config: UsableServer;
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
  /** Instances that may run at the same time. */
  readonly instancesMax: number;
  /** How long a server may take to start and answer `initialize`. */
  readonly startTimeoutMs: number;
}

/** The instances of one server. */
export interface InstancePool {
  running(): readonly Instance[];
  /** True while an instance begins: its process may be there, and has not answered so far. */
  readonly isBeginning: boolean;
  /** The running instance of `key`. */
  get(key: string): Instance | undefined;
  /**
   * The instance of `needs.key`, or a new one.
   * @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_LIMIT_EXCEEDED
   */
  acquire(needs: InstanceNeeds): Instance | Promise<Instance>;
  /** Ends the instance of `key`, also one that is starting. */
  dismiss(key: string): void;
  /** Ends what runs and forgets the failures: the next instances start at once, with the secrets of now. */
  renew(): void;
  /** Resolves when those have ended that are ending now. Never rejects. */
  untilEnded(): Promise<unknown>;
  /** True when an instance runs with a secret that has changed since. */
  isOutdated(): boolean;
  /** `scope` is the pool's life: starting is possible until the scope closes. */
  start(scope: Scope): void;
  /** Ends all instances, those that are ending included. To be called when the scope is closed. */
  stop(): Promise<void>;
}

/** Makes the pool; nothing can be started before `start`. */
export function createInstancePool(
  components: InstancePoolComponents,
  init: InstancePoolInit,
): InstancePool {
  return new Pool(components, init);
}

class Pool implements InstancePool {
  readonly #components: InstancePoolComponents;
  readonly #init: InstancePoolInit;
  readonly #instances = new Map<string, Instance | Promise<Instance>>();
  /** Ends of instances that only `stop` waits for. */
  readonly #ending = new Set<Promise<unknown>>();
  /** The configuration that an instance was started with, secrets and all. */
  readonly #startedWith = new WeakMap<Instance, UsableServer>();
  #scope: Scope | undefined;
  /** Instances that begin. */
  #beginning = 0;

  constructor(components: InstancePoolComponents, init: InstancePoolInit) {
    this.#components = components;
    this.#init = init;
  }

  running(): readonly Instance[] {
    return [...this.#instances.values()].filter((one) => !(one instanceof Promise)) as Instance[];
  }

  get isBeginning(): boolean {
    return this.#beginning > 0;
  }

  get(key: string): Instance | undefined {
    const instance = this.#instances.get(key);
    return instance instanceof Promise ? undefined : instance;
  }

  acquire(needs: InstanceNeeds): Instance | Promise<Instance> {
    const known = this.#instances.get(needs.key);
    if (known instanceof Promise) return known;
    // The calls of an instance hear of its end a moment before the pool, and may come back at once.
    if (known?.isOver === true) return known.ended.then(() => this.acquire(needs));
    if (known !== undefined) return known;
    if (this.#instances.size >= this.#init.instancesMax && !this.#evict()) throw this.#full();
    const starting = this.#start(needs);
    this.#instances.set(needs.key, starting);
    starting.then(
      (instance) => this.#started(needs.key, instance),
      () => this.#instances.delete(needs.key),
    );
    return starting;
  }

  dismiss(key: string): void {
    const instance = this.#instances.get(key);
    if (instance === undefined) return;
    if (!(instance instanceof Promise)) this.#end(key, instance);
    // An instance that does not start is gone by itself.
    else
      instance.then(
        (started) => this.#end(key, started),
        () => undefined,
      );
  }

  renew(): void {
    this.#components.backoff.reset();
    for (const [key, instance] of this.#instances) {
      if (!(instance instanceof Promise)) this.#end(key, instance);
    }
  }

  untilEnded(): Promise<unknown> {
    return Promise.all(this.#ending);
  }

  isOutdated(): boolean {
    return this.running().some((instance) => {
      const started = this.#startedWith.get(instance);
      return started !== undefined && !sameServer(started, this.#init.config);
    });
  }

  start(scope: Scope): void {
    this.#scope = scope;
    scope.every(REAP_MS, () => this.#reap());
  }

  async stop(): Promise<void> {
    this.#scope = undefined;
    await Promise.all([...this.#instances.values()].map(closeOf));
    this.#instances.clear();
    await Promise.all(this.#ending);
  }

  async #start(needs: InstanceNeeds): Promise<Instance> {
    const { server: name } = this.#init;
    const scope = this.#scope;
    await this.#untilDue();
    try {
      return await this.#begin(needs, scope?.signal);
    } catch (error) {
      // That the server lacks the one era it was asked for is no fault of the server.
      if (needs.era === 'either' || needs.era === 'newest') {
        this.#components.listener.failed(asUpstreamError(error, name));
      } else if (needs.era === 'modern') this.#components.eras.modernFailed(error);
      throw error;
    }
  }

  async #begin(needs: InstanceNeeds, signal: AbortSignal | undefined): Promise<Instance> {
    const { server: name, config } = this.#init;
    this.#beginning += 1;
    try {
      const server = revealedServer(name, config);
      const instance = await startInstance(
        {
          ...this.#components,
          listChanged: () => this.#components.listener.listChanged(needs.key),
          renewed: () => this.#components.listener.renewed(),
          signal,
        },
        { ...this.#init, name, server, era: needs.era, client: needs.client },
      );
      this.#startedWith.set(instance, server);
      return instance;
    } finally {
      this.#beginning -= 1;
    }
  }

  /** Waits for a start that is due soon. @throws STARLING_UPSTREAM_UNAVAILABLE for one that is not */
  async #untilDue(): Promise<void> {
    const { server } = this.#init;
    const scope = this.#scope;
    if (scope === undefined) throw unavailable(server, 'is stopped');
    if (this.#components.backoff.isHeld) {
      const { message = 'it has ended', hint } = this.#components.listener.trouble() ?? {};
      throw unavailable(server, `is not ready: ${message}`, hint);
    }
    const waitMs = this.#components.backoff.waitMs();
    if (waitMs > PATIENCE_MS) {
      const { message = 'it failed', hint } = this.#components.listener.trouble() ?? {};
      const seconds = Math.ceil(waitMs / 1000);
      throw unavailable(
        server,
        `is not ready: ${message}; it is tried again in ${seconds} s`,
        hint,
      );
    }
    if (waitMs > 0 && !(await sleep(scope, waitMs))) throw unavailable(server, 'is stopped');
  }

  #started(key: string, instance: Instance): void {
    if (this.#scope === undefined) {
      const { logger } = this.#components;
      unawaited(instance.close(), logger, 'an instance that nobody wants did not end');
      return;
    }
    const { backoff, listener, logger } = this.#components;
    this.#instances.set(key, instance);
    listener.started();
    const seen = instance.ended.then((error) => {
      if (this.#instances.get(key) !== instance) return;
      this.#instances.delete(key);
      listener.gone(key, instance);
      if (this.#scope === undefined) return;
      backoff.ended({ startedAt: instance.startedAt, answered: instance.channel.answered });
      listener.failed(error);
    });
    unawaited(seen, logger, 'the end of an instance was not seen');
  }

  /** Ends instances that nobody has used for a while. */
  #reap(): void {
    const { idleMs } = this.#init.config;
    if (idleMs === 0) return;
    const oldest = this.#components.clock.now() - idleMs;
    for (const [key, instance] of this.#instances) {
      if (instance instanceof Promise || !this.#isIdle(instance) || instance.usedAt > oldest)
        continue;
      this.#end(key, instance);
    }
  }

  /** What a session has to itself, by `sessions: "each"`, remembers things: that is kept while the session is open. */
  #isIdle(instance: Instance): boolean {
    const isKept = this.#init.config.sessions === 'each' && instance.attached > 0;
    return instance.calls === 0 && instance.subscribers.size === 0 && !isKept;
  }

  /** Makes room by ending the instance that was idle longest; false when none is idle. */
  #evict(): boolean {
    let least: [string, Instance] | undefined;
    for (const [key, instance] of this.#instances) {
      if (instance instanceof Promise || !this.#isIdle(instance)) continue;
      if (least === undefined || instance.usedAt < least[1].usedAt) least = [key, instance];
    }
    if (least === undefined) return false;
    this.#end(...least);
    return true;
  }

  #end(key: string, instance: Instance): void {
    const { listener, logger } = this.#components;
    this.#instances.delete(key);
    listener.gone(key, instance);
    const ending = instance
      .close()
      .then(
        () => listener.closed(),
        (error: unknown) => {
          const { message } = asUpstreamError(error, this.#init.server);
          logger.warn({ error: message }, 'instance not ended');
        },
      )
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  #full(): StarlingError {
    const { instancesMax, server } = this.#init;
    return new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${instancesMax} instances of server '${server}' run already (limits.instances)`,
      {
        hint: 'close a client, raise limits.instances, or let clients share one: "shared": true',
        data: { limit: 'limits.instances', server },
      },
    );
  }
}

async function closeOf(instance: Instance | Promise<Instance>): Promise<void> {
  try {
    await (await instance).close();
  } catch (error) {
    // An instance that never started has nothing to close, and its failure was told.
    if (!(error instanceof StarlingError)) throw error;
  }
}
