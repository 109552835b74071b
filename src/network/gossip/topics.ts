/** The gossip topics that the rooms above ask for, over all runs of the network. */
import { StarlingError } from '../../core/index.ts';
import type { BucketSize, MeshId } from '../../core/index.ts';
import { GOSSIP_MAX_BYTES, TOPIC_ALLOWANCE } from '../constants.ts';
import { requireTopicName } from './gossip.ts';
import type { Gossip, TopicListener } from './gossip.ts';
import type { Topic, TopicOptions } from '../types.ts';

/** The topics of a mesh. */
export interface Topics {
  /** @throws STARLING_LIMIT_EXCEEDED when the name is too long */
  named(name: string, allowance?: BucketSize, options?: TopicOptions): Topic;
  /** Subscribes to all that was asked for; what is asked for later is subscribed to at once. */
  attach(gossip: Gossip): void;
  /** Forgets the gossip of a run that is over; the listeners stay for the next. */
  detach(): void;
}

/** Makes the topics. `running` gives the gossip of now. @throws STARLING_STOPPED when there is none */
export function createTopics(meshId: MeshId, running: () => Gossip): Topics {
  return new MeshTopics(meshId, running);
}

interface Subscription {
  readonly name: string;
  readonly listener: TopicListener;
  readonly allowance: BucketSize;
  stop: () => void;
}

class MeshTopics implements Topics {
  readonly #meshId: MeshId;
  readonly #running: () => Gossip;
  readonly #subscriptions = new Set<Subscription>();
  #gossip: Gossip | undefined;

  constructor(meshId: MeshId, running: () => Gossip) {
    this.#meshId = meshId;
    this.#running = running;
  }

  named(
    name: string,
    allowance: BucketSize = TOPIC_ALLOWANCE,
    { floods = true }: TopicOptions = {},
  ): Topic {
    requireTopicName(this.#meshId, name);
    return {
      publish: async (data, options = {}) => {
        if (data.length <= GOSSIP_MAX_BYTES)
          return this.#running().publish(name, data, options.floods ?? floods);
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `a gossip message of ${data.length} bytes is over the limit of ${GOSSIP_MAX_BYTES}`,
          { data: { topic: name } },
        );
      },
      subscribe: (listener) => this.#subscribe(name, listener, allowance),
    };
  }

  attach(gossip: Gossip): void {
    this.#gossip = gossip;
    for (const subscription of this.#subscriptions) {
      const { name, listener, allowance } = subscription;
      subscription.stop = gossip.subscribe(name, listener, allowance);
    }
  }

  detach(): void {
    this.#gossip = undefined;
    for (const subscription of this.#subscriptions) subscription.stop = () => undefined;
  }

  #subscribe(name: string, listener: TopicListener, allowance: BucketSize): () => void {
    const stop = this.#gossip?.subscribe(name, listener, allowance) ?? (() => undefined);
    const subscription: Subscription = { name, listener, allowance, stop };
    this.#subscriptions.add(subscription);
    return () => {
      if (this.#subscriptions.delete(subscription)) subscription.stop();
    };
  }
}
