/**
 * What one channel to a server of this node is subscribed to, and at which of the server's instances.
 * An instance that ends takes its subscriptions along: they are made again on the next instance, though
 * nobody calls, and until that succeeds.
 */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { ChannelListener } from '../channel-types.ts';
import type { Instance } from './instances/instance.ts';

const TIMEOUT_MS = 30_000;
/** A refused renewal is tried again after this, then after twice as long each time, up to the most. */
const RENEW_DELAY_MS = 5000;
const RENEW_DELAY_MAX_MS = 600_000;

/** Finds the instance that a subscription is for: the running one, or a new one. */
export type FindInstance = () => Instance | Promise<Instance>;

/** The subscriptions of one channel. */
export interface LocalSubscriptions {
  /** Subscribes to `uri` on the instance that `find` gives. @throws as the server refuses */
  add(uri: string, find: FindInstance): Promise<void>;
  /**
   * Takes note that `uri` is subscribed to on `instance`, by a call that is relayed there. Returns how
   * to forget the subscription when the call fails.
   */
  note(uri: string, instance: Instance, find: FindInstance): () => void;
  has(uri: string): boolean;
  /** Ends the subscription to `uri`, and tells the server where nobody else hears it. */
  remove(uri: string): Promise<void>;
  close(): void;
}

/** What subscriptions work with: `listener` hears of updates. */
export interface LocalSubscriptionsComponents {
  readonly listener: ChannelListener;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Subscription {
  readonly find: FindInstance;
  /** Absent while the subscription is at no instance. */
  instance: Instance | undefined;
  /** How often in a row it could not be renewed. */
  failures: number;
  /** Not to be renewed before, ms since the epoch. */
  dueAt: number;
}

/** Makes the subscriptions of a channel. */
export function createLocalSubscriptions(
  components: LocalSubscriptionsComponents,
): LocalSubscriptions {
  return new Subscribed(components);
}

class Subscribed implements LocalSubscriptions {
  readonly #components: LocalSubscriptionsComponents;
  readonly #all = new Map<string, Subscription>();
  /** Instances whose end is waited for. */
  readonly #watched = new WeakSet<Instance>();
  #cancelRenewal: (() => void) | undefined;
  #renewAt = 0;
  #closed = false;

  constructor(components: LocalSubscriptionsComponents) {
    this.#components = components;
  }

  async add(uri: string, find: FindInstance): Promise<void> {
    const subscription: Subscription = { find, instance: undefined, failures: 0, dueAt: 0 };
    this.#all.set(uri, subscription);
    try {
      await this.#subscribe(uri, subscription);
    } catch (error) {
      if (this.#all.get(uri) === subscription) this.#all.delete(uri);
      throw error;
    }
  }

  note(uri: string, instance: Instance, find: FindInstance): () => void {
    const before = this.#all.get(uri);
    // The client subscribes once more to what it hears already: a refusal changes nothing.
    if (before?.instance === instance) return () => undefined;
    const subscription: Subscription = { find, instance, failures: 0, dueAt: 0 };
    this.#all.set(uri, subscription);
    this.#count(uri, instance);
    this.#watch(instance);
    return () => {
      if (this.#all.get(uri) !== subscription) return;
      this.#all.delete(uri);
      this.#uncount(uri, instance);
    };
  }

  has(uri: string): boolean {
    return this.#all.has(uri);
  }

  async remove(uri: string): Promise<void> {
    const instance = this.#all.get(uri)?.instance;
    this.#all.delete(uri);
    if (instance !== undefined) await this.#release(uri, instance);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRenewal?.();
    for (const uri of this.#all.keys()) {
      this.remove(uri).catch((error: unknown) =>
        this.#components.logger.debug({ error: messageOf(error) }, 'subscription not ended'),
      );
    }
  }

  async #subscribe(uri: string, subscription: Subscription): Promise<void> {
    const instance = await subscription.find();
    this.#count(uri, instance);
    try {
      await this.#tell(instance, 'resources/subscribe', uri);
    } catch (error) {
      this.#uncount(uri, instance);
      throw error;
    }
    if (this.#closed || this.#all.get(uri) !== subscription) {
      await this.#release(uri, instance);
      return;
    }
    subscription.instance = instance;
    this.#watch(instance);
  }

  async #release(uri: string, instance: Instance): Promise<void> {
    if (this.#uncount(uri, instance)) await this.#tell(instance, 'resources/unsubscribe', uri);
  }

  async #tell(instance: Instance, method: string, uri: string): Promise<void> {
    instance.usedAt = this.#components.clock.now();
    if (instance.handshake.era === 'modern') instance.listen();
    else await instance.channel.request(method, { uri }, { timeoutMs: TIMEOUT_MS });
  }

  #count(uri: string, instance: Instance): void {
    const subscribers = instance.subscribers.get(uri) ?? new Set<ChannelListener>();
    instance.subscribers.set(uri, subscribers.add(this.#components.listener));
  }

  /** False when somebody else hears `uri` there, too: the server need not be told. */
  #uncount(uri: string, instance: Instance): boolean {
    const subscribers = instance.subscribers.get(uri);
    subscribers?.delete(this.#components.listener);
    if (subscribers !== undefined && subscribers.size > 0) return false;
    instance.subscribers.delete(uri);
    return true;
  }

  #watch(instance: Instance): void {
    if (this.#watched.has(instance)) return;
    this.#watched.add(instance);
    const seen = instance.ended.then(() => this.#lost(instance));
    unawaited(
      seen,
      this.#components.logger,
      'subscriptions of an instance that ended are not renewed',
    );
  }

  /** What was heard of `instance` is subscribed to anew on another one. */
  #lost(instance: Instance): void {
    for (const subscription of this.#all.values()) {
      if (subscription.instance !== instance) continue;
      subscription.instance = undefined;
      subscription.failures = 0;
      subscription.dueAt = 0;
      this.#renewIn(0);
    }
  }

  #renewIn(delayMs: number): void {
    if (this.#closed) return;
    const { clock } = this.#components;
    const dueAt = clock.now() + delayMs;
    if (this.#cancelRenewal !== undefined && this.#renewAt <= dueAt) return;
    this.#cancelRenewal?.();
    this.#renewAt = dueAt;
    this.#cancelRenewal = clock.schedule(delayMs, () => this.#renew());
  }

  #renew(): void {
    this.#cancelRenewal = undefined;
    const { clock, logger } = this.#components;
    const now = clock.now();
    for (const [uri, subscription] of this.#all) {
      if (subscription.instance !== undefined) continue;
      if (subscription.dueAt > now) {
        if (subscription.dueAt < Number.POSITIVE_INFINITY) {
          this.#renewIn(subscription.dueAt - now);
        }
        continue;
      }
      // While it is under way, it is not due.
      subscription.dueAt = Number.POSITIVE_INFINITY;
      this.#subscribe(uri, subscription).catch((error: unknown) => {
        logger.debug({ error: messageOf(error) }, 'subscription not renewed yet');
        const delayMs = Math.min(RENEW_DELAY_MS * 2 ** subscription.failures, RENEW_DELAY_MAX_MS);
        subscription.failures += 1;
        subscription.dueAt = clock.now() + delayMs;
        this.#renewIn(delayMs);
      });
    }
  }
}
