/**
 * What one link to a server of this node is subscribed to, and at which of the server's instances.
 * An instance that ends takes its subscriptions along: they are made again on the next one, though
 * nobody calls, and until that succeeds.
 */
import { messageOf } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { LinkEars } from '../types.ts';
import type { Instance } from './instance.ts';

const TIMEOUT_MS = 30_000;
const RENEW_DELAY_MS = 5000;

/** Finds the instance that a subscription is for: the running one, or a new one. */
export type FindInstance = () => Instance | Promise<Instance>;

/** The subscriptions of one link. */
export interface LocalSubscriptions {
  /** Subscribes to `uri` on the instance that `find` gives. @throws as the server refuses */
  add(uri: string, find: FindInstance): Promise<void>;
  /** Takes note that `uri` is subscribed to on `instance`, by a call that is relayed there. */
  note(uri: string, instance: Instance, find: FindInstance): void;
  has(uri: string): boolean;
  /** Ends the subscription to `uri`, and tells the server where nobody else hears it. */
  remove(uri: string): Promise<void>;
  /** `instance` is over: what was heard there is subscribed to anew. */
  lost(instance: Instance): void;
  close(): void;
}

interface Subscription {
  readonly find: FindInstance;
  /** Absent while it has none. */
  instance: Instance | undefined;
}

/** Makes the subscriptions of the link that hears by `ears`. */
export function createLocalSubscriptions(components: {
  readonly ears: LinkEars;
  readonly clock: Clock;
  readonly logger: Logger;
}): LocalSubscriptions {
  return new Subscribed(components);
}

class Subscribed implements LocalSubscriptions {
  readonly #ears: LinkEars;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #all = new Map<string, Subscription>();
  #cancelRenewal: (() => void) | undefined;
  #closed = false;

  constructor(components: {
    readonly ears: LinkEars;
    readonly clock: Clock;
    readonly logger: Logger;
  }) {
    this.#ears = components.ears;
    this.#clock = components.clock;
    this.#logger = components.logger;
  }

  async add(uri: string, find: FindInstance): Promise<void> {
    const subscription: Subscription = { find, instance: undefined };
    this.#all.set(uri, subscription);
    await this.#subscribe(uri, subscription);
  }

  note(uri: string, instance: Instance, find: FindInstance): void {
    this.#all.set(uri, { find, instance });
    this.#count(uri, instance);
  }

  has(uri: string): boolean {
    return this.#all.has(uri);
  }

  /** True when nobody else hears `uri` there, so that the server must be told. */
  #forget(uri: string): boolean {
    const instance = this.#all.get(uri)?.instance;
    this.#all.delete(uri);
    const subscribers = instance?.subscribers.get(uri);
    if (instance === undefined || subscribers === undefined) return true;
    subscribers.delete(this.#ears);
    if (subscribers.size > 0) return false;
    instance.subscribers.delete(uri);
    return true;
  }

  async remove(uri: string): Promise<void> {
    const instance = this.#all.get(uri)?.instance;
    if (!this.#forget(uri) || instance === undefined) return;
    instance.usedAt = this.#clock.now();
    if (instance.handshake.era === 'modern') instance.listen();
    else await instance.link.request('resources/unsubscribe', { uri }, { timeoutMs: TIMEOUT_MS });
  }

  lost(instance: Instance): void {
    let isHit = false;
    for (const subscription of this.#all.values()) {
      if (subscription.instance !== instance) continue;
      subscription.instance = undefined;
      isHit = true;
    }
    if (isHit) this.#renew();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRenewal?.();
    for (const uri of this.#all.keys()) {
      this.remove(uri).catch((error: unknown) =>
        this.#logger.debug({ error: messageOf(error) }, 'subscription not ended'),
      );
    }
  }

  async #subscribe(uri: string, subscription: Subscription): Promise<void> {
    const instance = await subscription.find();
    if (this.#closed || this.#all.get(uri) !== subscription) return;
    subscription.instance = instance;
    instance.usedAt = this.#clock.now();
    this.#count(uri, instance);
    if (instance.handshake.era === 'modern') instance.listen();
    else await instance.link.request('resources/subscribe', { uri }, { timeoutMs: TIMEOUT_MS });
  }

  #count(uri: string, instance: Instance): void {
    const subscribers = instance.subscribers.get(uri) ?? new Set<LinkEars>();
    instance.subscribers.set(uri, subscribers.add(this.#ears));
  }

  #renew(): void {
    this.#cancelRenewal?.();
    this.#cancelRenewal = undefined;
    if (this.#closed) return;
    for (const [uri, subscription] of this.#all) {
      if (subscription.instance !== undefined) continue;
      this.#subscribe(uri, subscription).catch((error: unknown) => {
        this.#logger.debug({ error: messageOf(error) }, 'subscription not renewed yet');
        this.#renewLater();
      });
    }
  }

  #renewLater(): void {
    if (this.#closed) return;
    this.#cancelRenewal ??= this.#clock.schedule(RENEW_DELAY_MS, () => this.#renew());
  }
}
