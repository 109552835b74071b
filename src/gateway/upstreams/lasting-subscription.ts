/**
 * The one `subscriptions/listen` that an instance of a modern server has open (MCP 2026-07-28,
 * `basic/utilities/subscriptions`): by it the server reports changes of its lists and of resources.
 * A subscription that ends or fails is made again with backoff while the instance runs.
 */
import { backoffMs } from '../../core/index.ts';
import type { Clock, JsonObject, Random, Scope } from '../../core/index.ts';
import { OPERATOR } from '../../guard/index.ts';
import { modernMeta } from '../wire/client-handshake.ts';
import type { Handshake } from '../wire/client-handshake.ts';
import { objectOf } from '../wire/era.ts';
import { RPC, requestBytes } from '../wire/frame.ts';
import type { Channel, ChannelCall } from '../channel-types.ts';
import type { NotificationFrame } from '../frame-types.ts';

/**
 * Pause before the subscription is made again: 1 s, doubled up to a minute. Shorter pauses lose fewer
 * changes, longer ones spare a server that is in trouble.
 */
const BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** A subscription that lived this long was a good one: after its end the pauses begin anew. */
const STEADY_MS = 10_000;
/** Refusals in a row after which the server is not asked again before there is something new to ask. */
const REFUSALS_MAX = 5;
const METHOD = 'subscriptions/listen';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

/** What a subscription works with. */
export interface LastingSubscriptionComponents {
  readonly channel: Channel;
  /** Ends with the instance, and the subscription's timer with the scope. */
  readonly scope: Scope;
  readonly clock: Clock;
  readonly random: Random;
  /** Hears what the server reports. */
  heard(frame: NotificationFrame): void;
  /** Called when a subscription was made again: changes in between were not reported. */
  resumed(): void;
}

/** What to subscribe to. */
export interface LastingSubscriptionInit {
  readonly handshake: Handshake;
  /** The resources to hear of, asked anew for each subscription. */
  uris(): readonly string[];
}

/** The subscription of one instance. */
export interface LastingSubscription {
  /** True while the server has our request: it counts as a call of the channel that has no end. */
  readonly isOpen: boolean;
  /** Subscribes in place of what was subscribed to before. Nothing is sent to a legacy server. */
  open(): void;
}

/** Makes the subscription; nothing is sent before `open`. */
export function createLastingSubscription(
  components: LastingSubscriptionComponents,
  init: LastingSubscriptionInit,
): LastingSubscription {
  return new Listening(components, init);
}

class Listening implements LastingSubscription {
  readonly #components: LastingSubscriptionComponents;
  readonly #init: LastingSubscriptionInit;
  /** The request that is open; a call that was replaced is compared with it. */
  #current: object | undefined;
  #call: ChannelCall | undefined;
  #cancelRetry: (() => void) | undefined;
  /** Subscriptions in a row that did not live long. */
  #failures = 0;
  #refusals = 0;
  #subscribedAt = 0;
  /** True after an end that the server or the network chose, until the next acknowledgement. */
  #isInterrupted = false;

  constructor(components: LastingSubscriptionComponents, init: LastingSubscriptionInit) {
    this.#components = components;
    this.#init = init;
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  open(): void {
    this.#failures = 0;
    this.#refusals = 0;
    this.#subscribe();
  }

  #subscribe(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const { channel, scope } = this.#components;
    const { handshake } = this.#init;
    if (handshake.era !== 'modern' || scope.closed) return;
    this.#current = undefined;
    this.#call?.cancel('replaced');
    this.#call = undefined;
    const notifications = wantedOf(handshake, this.#init.uris());
    if (Object.keys(notifications).length === 0) return;
    const params: JsonObject = { _meta: modernMeta(), notifications };
    const bytes = requestBytes(0, METHOD, params);
    const current = {};
    this.#current = current;
    this.#subscribedAt = this.#components.clock.now();
    this.#call = channel.relay({
      request: { kind: 'request', bytes, id: 0, method: METHOD, params },
      principal: OPERATOR,
      response: ({ error }) => this.#ended(current, error?.code),
      progress: () => undefined,
      notification: (frame) => this.#notified(current, frame),
      failed: () => this.#ended(current, undefined),
    });
  }

  #notified(current: object, frame: NotificationFrame): void {
    if (this.#current !== current) return;
    if (frame.method !== ACKNOWLEDGED) {
      this.#components.heard(frame);
      return;
    }
    this.#refusals = 0;
    if (!this.#isInterrupted) return;
    this.#isInterrupted = false;
    this.#components.resumed();
  }

  /** `refusal` is the code of the error by which the server said no. */
  #ended(current: object, refusal: number | undefined): void {
    if (this.#current !== current) return;
    this.#current = undefined;
    this.#isInterrupted = true;
    const { channel, clock, scope, random } = this.#components;
    if (clock.now() - this.#subscribedAt > STEADY_MS) this.#failures = 0;
    if (refusal !== undefined) this.#refusals += 1;
    // A server without subscriptions is listed when it is asked, and can't tell us of changes.
    if (channel.isOver || refusal === RPC.methodNotFound || this.#refusals >= REFUSALS_MAX) return;
    const waitMs = backoffMs(this.#failures, BACKOFF, random);
    this.#failures += 1;
    this.#cancelRetry = scope.after(waitMs, () => this.#subscribe());
  }
}

/** What of a server's notifications there is to hear: its capabilities say so. */
function wantedOf({ capabilities }: Handshake, uris: readonly string[]): JsonObject {
  const changes = ['tools', 'prompts', 'resources'].filter(
    (kind) => objectOf(capabilities[kind])['listChanged'] === true,
  );
  return {
    ...Object.fromEntries(changes.map((kind) => [`${kind}ListChanged`, true])),
    ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
  };
}
