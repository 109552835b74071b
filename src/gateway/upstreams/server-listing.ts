/**
 * What one server lists: asked of its listing instance, together with what other instances have
 * besides, and asked again when an instance says that a list has changed or the server comes back.
 */
import { isDeepStrictEqual } from 'node:util';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { soundItems } from '../../directory/index.ts';
import type {
  CatalogLimits,
  ItemKind,
  ItemRemark,
  ServerCatalog,
  ServerItems,
} from '../../directory/index.ts';
import { listAll } from '../wire/client-handshake.ts';
import type { FailedPart } from '../wire/client-handshake.ts';
import { headerParamsOf } from '../wire/modern-headers.ts';
import type { Instance } from './instances/instance.ts';
import type { InstanceNeeds } from './instances/instance-needs.ts';
import type { InstancePool } from './instances/instance-pool.ts';
import type { KnownEras } from './known-eras.ts';
import { createListingNotes } from './listing-notes.ts';
import { emptyCatalog, mergeItems } from './merge-catalogs.ts';
import type { RestartBackoff } from './process/restart-backoff.ts';
import { asUpstreamError } from './upstream-errors.ts';

/** A burst of changes within this time is one reason to list. */
const BURST_MS = 50;
/** When a list that could not be had is asked for again. */
const RELIST_MS = 30_000;
/** How often in a row a list is asked for again that failed alone: after 30 s, 1, 2, 4 and 8 minutes. */
const PART_RETRIES_MAX = 5;

/** What a listing works with. */
export interface ServerListingComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pool: Pick<InstancePool, 'acquire' | 'get'>;
  readonly backoff: Pick<RestartBackoff, 'hasGivenUp' | 'waitMs'>;
  readonly eras: Pick<KnownEras, 'listed'>;
  readonly listener: ServerListingListener;
}

/** Hears how the listing goes. */
export interface ServerListingListener {
  listed(): void;
  /** The server started, but could not be listed. */
  failed(error: StarlingError): void;
}

/** Which server, and within which bounds. */
export interface ServerListingInit {
  readonly server: string;
  /** The instance to list. */
  readonly needs: InstanceNeeds;
  readonly timeoutMs: number;
  readonly catalog: CatalogLimits;
}

/** The sound part of a server's lists, kept until the server says that they have changed. */
export interface ServerListing {
  /** The same object until it changes. */
  readonly catalog: ServerCatalog;
  /** True once the server has been listed. */
  readonly isListed: boolean;
  /** What of the server's lists is not offered, or not as it was listed: a sentence each, and bounded. */
  readonly notes: readonly string[];
  /** Why the server's item `name` is left out; undefined when it is not. */
  leftOut(kind: ItemKind, name: string): string | undefined;
  /** Lists within the life of `scope`, at once and whenever there is a reason to. */
  start(scope: Scope): void;
  /** Lists after `delayMs`, or earlier where that is due already. */
  refreshIn(delayMs: number): void;
  /** The instance of `key` says that its lists have changed. */
  changed(key: string): void;
  /** The server has forgotten a session: it may be another one since. */
  renewed(): void;
  /** The instance is gone, and with it what only that instance had. */
  forget(key: string, instance: Instance): void;
}

/** Makes the listing; the catalog is empty until the server is listed. */
export function createServerListing(
  components: ServerListingComponents,
  init: ServerListingInit,
): ServerListing {
  return new Listing(components, init);
}

class Listing implements ServerListing {
  readonly #components: ServerListingComponents;
  readonly #init: ServerListingInit;
  #scope: Scope | undefined;
  /** What the listing instance lists. */
  #base: ServerCatalog;
  /** `#base`, and what other instances have besides. */
  #catalog: ServerCatalog;
  /** Keys of instances whose lists have changed: what came to be there is nowhere else. */
  readonly #changed = new Set<string>();
  readonly #extras = new Map<Instance, ServerItems>();
  readonly #notes: ReturnType<typeof createListingNotes>;
  /** How often in a row some list has failed alone. */
  #partFailures = 0;
  #isListed = false;
  #cancelRefresh: (() => void) | undefined;
  #refreshAt = 0;
  #isRefreshing = false;
  /** When the server was last listed because it forgot a session. */
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(components: ServerListingComponents, init: ServerListingInit) {
    this.#components = components;
    this.#init = init;
    this.#base = emptyCatalog(init.server);
    this.#catalog = this.#base;
    this.#notes = createListingNotes(components);
  }

  get notes(): readonly string[] {
    return this.#notes.all;
  }

  leftOut(kind: ItemKind, name: string): string | undefined {
    return this.#notes.leftOut(kind, name);
  }

  get catalog(): ServerCatalog {
    return this.#catalog;
  }

  get isListed(): boolean {
    return this.#isListed;
  }

  start(scope: Scope): void {
    this.#scope = scope;
    this.#cancelRefresh = undefined;
    this.refreshIn(0);
  }

  refreshIn(delayMs: number): void {
    const scope = this.#scope;
    if (scope === undefined || scope.closed) return;
    const dueAt = this.#components.clock.now() + delayMs;
    if (this.#cancelRefresh !== undefined && this.#refreshAt <= dueAt) return;
    this.#cancelRefresh?.();
    this.#refreshAt = dueAt;
    this.#cancelRefresh = scope.after(delayMs, () => {
      this.#cancelRefresh = undefined;
      this.#isRefreshing = true;
      this.#refresh(scope)
        .catch((error: unknown) => {
          const { message } = asUpstreamError(error, this.#init.server);
          this.#components.logger.warn({ error: message }, 'server not listed');
          this.refreshIn(RELIST_MS);
        })
        .finally(() => {
          this.#isRefreshing = false;
        });
    });
  }

  changed(key: string): void {
    this.#changed.add(key);
    this.refreshIn(BURST_MS);
  }

  renewed(): void {
    // A server that forgets its session while it is listed would be listed for ever.
    const now = this.#components.clock.now();
    if (this.#isRefreshing || Math.abs(now - this.#renewedAt) < RELIST_MS) return;
    this.#renewedAt = now;
    this.refreshIn(BURST_MS);
  }

  forget(key: string, instance: Instance): void {
    this.#changed.delete(key);
    if (this.#extras.delete(instance)) this.#merge();
  }

  async #refresh(scope: Scope): Promise<void> {
    const instance = await this.#listingInstance();
    if (instance === undefined) return;
    const { listener } = this.#components;
    instance.usedAt = this.#components.clock.now();
    this.#components.eras.listed(instance.handshake.era);
    try {
      await this.#listBase(instance);
      await this.#listOthers();
    } catch (error) {
      if (this.#isListed) throw error;
      await instance.close();
      listener.failed(asUpstreamError(error, this.#init.server));
      return;
    }
    if (scope.closed) return;
    this.#isListed = true;
    listener.listed();
  }

  async #listingInstance(): Promise<Instance | undefined> {
    try {
      return await this.#components.pool.acquire(this.#init.needs);
    } catch (error) {
      // The pool has told of what failed; of a limit it has not.
      if (error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED') throw error;
      // A refresh that came during a pause was refused, and took the place of the one that is due then.
      const { backoff } = this.#components;
      const waitMs = backoff.waitMs();
      if (waitMs > 0 && !backoff.hasGivenUp) this.refreshIn(waitMs);
      return undefined;
    }
  }

  async #listBase(instance: Instance): Promise<void> {
    const { items, remarks, failed } = await this.#listed(instance);
    const { era, capabilities, serverInfo, instructions } = instance.handshake;
    const unwritable = era === 'modern' ? headerRemarks(items) : [];
    const tools = items.tools.filter((tool) => !unwritable.some(({ name }) => name === tool.name));
    this.#base = {
      server: this.#init.server,
      capabilities,
      serverInfo,
      ...(instructions === undefined ? {} : { instructions }),
      ...items,
      tools,
      ...this.#lastOf(failed),
    };
    this.#notes.set([...remarks, ...unwritable], failed);
    this.#merge();
    this.#askAgain(failed);
  }

  /** What lists that can't be had now, and were had before, held then. */
  #lastOf(failed: readonly FailedPart[]): Partial<ServerItems> {
    if (!this.#isListed) return {};
    const passing = failed.filter(isPassing).map(({ part }) => part);
    return Object.fromEntries(passing.map((part) => [part, this.#base[part]]));
  }

  /** A list that got no answer may get one later; one that was refused will be again. */
  #askAgain(failed: readonly FailedPart[]): void {
    if (!failed.some(isPassing)) this.#partFailures = 0;
    else if (this.#partFailures < PART_RETRIES_MAX) {
      this.refreshIn(RELIST_MS * 2 ** this.#partFailures);
      this.#partFailures += 1;
    }
  }

  /** Lists the instances that have said that their lists changed. */
  async #listOthers(): Promise<void> {
    const { pool, logger } = this.#components;
    for (const key of this.#changed) {
      const instance = key === this.#init.needs.key ? undefined : pool.get(key);
      if (instance === undefined) continue;
      try {
        const { items } = await this.#listed(instance);
        if (pool.get(key) === instance) this.#extras.set(instance, items);
      } catch (error) {
        const { message } = asUpstreamError(error, this.#init.server);
        logger.debug({ error: message }, 'instance not listed');
      }
    }
    this.#merge();
  }

  async #listed({ channel, handshake }: Instance): Promise<{
    readonly items: ServerItems;
    readonly remarks: readonly ItemRemark[];
    readonly failed: readonly FailedPart[];
  }> {
    const { server, timeoutMs, catalog } = this.#init;
    const { lists, failed } = await listAll(channel, `server '${server}'`, handshake, {
      timeoutMs,
      itemsMax: catalog.tools,
      bytesMax: catalog.bytes,
    });
    return { ...soundItems(lists, catalog), failed };
  }

  #merge(): void {
    const merged = mergeItems(this.#base, this.#extras.values(), this.#init.catalog.tools);
    // A catalog that is as it was stays the same object: nobody need look through it again.
    if (!isDeepStrictEqual(merged, this.#catalog)) this.#catalog = merged;
  }
}

/** Tools whose headers can't be written: those can't be called in the modern era (SEP-2243). */
function headerRemarks({ tools }: ServerItems): readonly ItemRemark[] {
  return tools.flatMap(({ name, inputSchema }) => {
    const wrong = headerParamsOf(inputSchema);
    if (typeof wrong !== 'string') return [];
    return [{ kind: 'tool', name, text: `its inputSchema ${wrong}`, isLeftOut: true } as const];
  });
}

/** True when the server did not answer; what it answered is final. */
function isPassing({ error }: FailedPart): boolean {
  if (error.data['rpc'] !== undefined) return false;
  return error.code === 'STARLING_TIMEOUT' || error.code === 'STARLING_UPSTREAM_UNAVAILABLE';
}
