/**
 * The gossip topics of one mesh, over gossipsub v1.1 (libp2p specs, pubsub/gossipsub). Each message
 * is signed by its author (StrictSign); only members' messages are heard and passed on.
 */
import { gossipsub, StrictSign, TopicValidatorResult } from '@chainsafe/libp2p-gossipsub';
import type { GossipSub, GossipSubComponents, Message } from '@chainsafe/libp2p-gossipsub';
import { StarlingError } from '../../core/index.ts';
import type { BucketSize, Clock, Logger, MeshId, PeerId } from '../../core/index.ts';
import {
  GOSSIP_ALLOWANCES,
  GOSSIP_MAX_BYTES,
  GOSSIP_MESH,
  GOSSIP_OFFERED_TIMES,
  GOSSIP_QUEUE_MAX_BYTES,
  GOSSIP_RPC_MAX_BYTES,
  GOSSIP_TOPICS_MAX_BYTES,
  GOSSIP_UNWANTED_MIN_BYTES,
  TOPIC_ALLOWANCE,
  TOPIC_MAX_LENGTH,
} from '../constants.ts';
import { createGossipAllowances } from './gossip-allowances.ts';
import type { GossipAllowances } from './gossip-allowances.ts';
import { guardGossip, sendWithoutKeys } from './gossip-guard.ts';
import type { Conduct } from '../limits/conduct.ts';
import { messageIdOf } from './message-id.ts';
import { isPeerId } from '../peer-id.ts';
import { topicPrefix } from './topic-name.ts';
import type { Admission, Topic } from '../types.ts';

/** The gossipsub service of a mesh. */
export function meshGossip(init: {
  readonly meshId: MeshId;
}): (components: GossipSubComponents) => GossipSub {
  const factory = gossipsub({
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    // What is seldom and matters goes to all who listen at once; see `Topic.publish`.
    floodPublish: true,
    ...GOSSIP_MESH,
    batchPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    // Who has a message tells its neighbours that it wants no more copies: of a small one they are under way by then.
    idontwantMinDataSize: GOSSIP_UNWANTED_MIN_BYTES,
    mcacheGossip: GOSSIP_OFFERED_TIMES,
    msgIdFn: messageIdOf,
    // Duplicates skip the signature check; the cache is filled only after a valid one.
    fastMsgIdFn: ({ from, seqno }) =>
      `${Buffer.from(from ?? []).toString('base64')}:${Buffer.from(seqno ?? []).toString('base64')}`,
    // More than ten members behind one IP would otherwise graylist each other.
    scoreParams: { IPColocationFactorWeight: 0 },
    maxInboundDataLength: GOSSIP_RPC_MAX_BYTES,
    maxOutboundBufferSize: GOSSIP_QUEUE_MAX_BYTES,
    maxTopicBytesPerPeer: GOSSIP_TOPICS_MAX_BYTES,
    decodeRpcLimits: {
      maxSubscriptions: 512,
      maxMessages: 512,
      maxIhaveMessageIDs: 5000,
      maxIwantMessageIDs: 5000,
      maxControlMessages: 512,
      maxIdontwantMessageIDs: 512,
      maxPeerInfos: 16,
    },
    maxInboundStreams: 8,
    maxOutboundStreams: 8,
  });
  return (components) => {
    const service = factory(components);
    // `allowedTopics` takes only a list, but a room may ask for its topic at any time, and
    // gossipsub asks nothing of it but `has`: so it gets a set that knows the mesh's prefix.
    sendWithoutKeys(service);
    Object.assign(service, { allowedTopics: createPrefixSet(topicPrefix(init.meshId)) });
    return service;
  };
}

/** The topics of a running gossipsub. */
export interface Gossip {
  /** Sends `data`, at most 64 KiB, which the caller has checked; unless `floods`, to the topic's mesh only. */
  publish(name: string, data: Uint8Array, floods: boolean): Promise<void>;
  /** Hears a topic; `allowance` is how many messages an author has there. */
  subscribe(name: string, listener: TopicListener, allowance: BucketSize): () => void;
  /** Peers that gossipsub has a stream with: any other peer misses everything. */
  peers(): ReadonlySet<string>;
  stop(): void;
}

/** Hears one topic. */
export type TopicListener = Parameters<Topic['subscribe']>[0];

/** What gossip needs. */
export interface GossipComponents {
  readonly service: GossipSub;
  readonly admission: Admission;
  readonly conduct: Pick<Conduct, 'report'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly self: PeerId;
}

/** Makes the topics. */
export function createGossip(
  components: GossipComponents,
  init: { readonly meshId: MeshId },
): Gossip {
  return new MeshGossip(components, topicPrefix(init.meshId));
}

/** @throws STARLING_LIMIT_EXCEEDED when the topic of that name is too long */
export function requireTopicName(meshId: MeshId, name: string): void {
  if (topicPrefix(meshId).length + name.length <= TOPIC_MAX_LENGTH) return;
  throw new StarlingError('STARLING_LIMIT_EXCEEDED', `the topic name ${name} is too long`);
}

class MeshGossip implements Gossip {
  readonly #components: GossipComponents;
  readonly #prefix: string;
  readonly #listeners = new Map<string, Set<TopicListener>>();
  /** How many messages an author has, by topic. */
  readonly #sizes = new Map<string, BucketSize>();
  readonly #allowances: GossipAllowances;
  /** Its interface does not tell of the options that gossipsub takes (@libp2p/gossipsub 17.1.1). */
  readonly #publish: (
    topic: string,
    data: Uint8Array,
    options: { readonly floodPublish: boolean },
  ) => Promise<unknown>;

  constructor(components: GossipComponents, prefix: string) {
    this.#components = components;
    this.#prefix = prefix;
    this.#publish = components.service.publish.bind(components.service);
    const topicAllowance = (topic: string): BucketSize => this.#sizes.get(topic) ?? TOPIC_ALLOWANCE;
    this.#allowances = createGossipAllowances({ ...components, topicAllowance }, GOSSIP_ALLOWANCES);
    guardGossip({ ...components, allowances: this.#allowances });
    components.service.addEventListener('message', this.#onMessage);
  }

  async publish(name: string, data: Uint8Array, floods: boolean): Promise<void> {
    await this.#publish(this.#prefix + name, data, { floodPublish: floods });
  }

  subscribe(name: string, listener: TopicListener, allowance: BucketSize): () => void {
    const topic = this.#prefix + name;
    this.#sizes.set(topic, allowance);
    const heard = this.#listeners.get(topic) ?? this.#join(topic);
    // A listener of its own for each call: the same function may subscribe twice.
    const own: TopicListener = (data, from) => listener(data, from);
    heard.add(own);
    return () => {
      heard.delete(own);
      if (heard.size === 0 && this.#listeners.get(topic) === heard) this.#leave(topic);
    };
  }

  peers(): ReadonlySet<string> {
    return new Set(this.#components.service.getPeers().map(String));
  }

  stop(): void {
    this.#components.service.removeEventListener('message', this.#onMessage);
    this.#listeners.clear();
  }

  /** Noted only when gossipsub has joined: a topic that could not be joined is joined at the next try. */
  #join(topic: string): Set<TopicListener> {
    const { service } = this.#components;
    service.topicValidators.set(topic, this.#validate);
    try {
      service.subscribe(topic);
    } catch (error) {
      service.topicValidators.delete(topic);
      throw error;
    }
    const heard = new Set<TopicListener>();
    this.#listeners.set(topic, heard);
    return heard;
  }

  #leave(topic: string): void {
    const { service } = this.#components;
    this.#listeners.delete(topic);
    service.topicValidators.delete(topic);
    service.unsubscribe(topic);
  }

  readonly #onMessage = ({ detail: message }: CustomEvent<Message>): void => {
    const { self, logger } = this.#components;
    if (message.type !== 'signed') return;
    const from = message.from.toString();
    // After a restart with the same key our own messages come back.
    if (!isPeerId(from) || from === self) return;
    for (const listener of this.#listeners.get(message.topic) ?? []) {
      try {
        listener(message.data, from);
      } catch (error) {
        logger.error({ peer: from, topic: message.topic, error }, 'a listener of a topic threw');
      }
    }
  };

  readonly #validate = (from: { toString(): string }, message: Message): TopicValidatorResult => {
    if (message.type !== 'signed') return TopicValidatorResult.Reject;
    const { topic, data } = message;
    if (data.length > GOSSIP_MAX_BYTES) return TopicValidatorResult.Reject;
    const author = message.from.toString();
    const neighbour = from.toString();
    if (!isPeerId(author) || !isPeerId(neighbour)) return TopicValidatorResult.Reject;
    // Ignored, not rejected: whoever passed it on may know a member that we don't know yet.
    if (!this.#components.admission.isMember(author)) return TopicValidatorResult.Ignore;
    // What is over the author's allowance is neither heard nor passed on.
    return this.#allowances.take({ neighbour, author, topic, sizeBytes: data.length })
      ? TopicValidatorResult.Accept
      : TopicValidatorResult.Ignore;
  };
}

/** A set of strings that has everything with a prefix, up to a length. */
function createPrefixSet(prefix: string): Set<string> {
  const set = new Set<string>();
  set.has = (topic) => topic.length <= TOPIC_MAX_LENGTH && topic.startsWith(prefix);
  return set;
}
