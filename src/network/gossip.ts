/**
 * The gossip topics of one mesh, over gossipsub v1.1 (libp2p specs, pubsub/gossipsub). Each message
 * is signed by its author (StrictSign); only members' messages are heard and passed on.
 */
import { gossipsub, StrictSign, TopicValidatorResult } from '@chainsafe/libp2p-gossipsub';
import type { GossipSub, GossipSubComponents, Message } from '@chainsafe/libp2p-gossipsub';
import { StarlingError } from '../core/index.ts';
import type { Logger, MeshId, PeerId } from '../core/index.ts';
import {
  GOSSIP_MAX_BYTES,
  GOSSIP_QUEUE_MAX_BYTES,
  GOSSIP_RPC_MAX_BYTES,
  GOSSIP_TOPICS_MAX_BYTES,
  TOPIC_MAX_LENGTH,
} from './constants.ts';
import { isPeerId } from './peer-id.ts';
import type { Admission, Topic } from './types.ts';

/** The prefix of every topic of `meshId`. */
function topicPrefix(meshId: MeshId): string {
  return `/starling/${meshId}/`;
}

/** The gossipsub service of a mesh. */
export function meshGossip(init: {
  readonly meshId: MeshId;
}): (components: GossipSubComponents) => GossipSub {
  const factory = gossipsub({
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    floodPublish: true,
    batchPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
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
    Object.assign(service, { allowedTopics: createPrefixSet(topicPrefix(init.meshId)) });
    return service;
  };
}

/** The topics of a running gossipsub. */
export interface Gossip {
  /** @throws STARLING_LIMIT_EXCEEDED when `data` or the topic is too long */
  publish(name: string, data: Uint8Array): Promise<void>;
  subscribe(name: string, listener: TopicListener): () => void;
  /** Peers that gossipsub has no stream with would miss everything: who they are. */
  isKnown(peer: PeerId): boolean;
  stop(): void;
}

/** Hears one topic. */
export type TopicListener = Parameters<Topic['subscribe']>[0];

/** Makes the topics. */
export function createGossip(
  components: {
    readonly service: GossipSub;
    readonly admission: Admission;
    readonly logger: Logger;
    readonly self: PeerId;
  },
  init: { readonly meshId: MeshId },
): Gossip {
  const { service, admission, logger, self } = components;
  const listeners = new Map<string, Set<TopicListener>>();
  const prefix = topicPrefix(init.meshId);

  const onMessage = (event: CustomEvent<Message>): void => {
    const message = event.detail;
    if (message.type !== 'signed') return;
    const from = message.from.toString();
    // Our own messages come back after a restart with the same key.
    if (!isPeerId(from) || from === self) return;
    for (const listener of listeners.get(message.topic) ?? []) {
      try {
        listener(message.data, from);
      } catch (error) {
        logger.error({ peer: from, topic: message.topic, error }, 'a listener of a topic threw');
      }
    }
  };
  service.addEventListener('message', onMessage);

  const validate = (_peer: unknown, message: Message): TopicValidatorResult => {
    if (message.type !== 'signed') return TopicValidatorResult.Reject;
    if (message.data.length > GOSSIP_MAX_BYTES) return TopicValidatorResult.Reject;
    const author = message.from.toString();
    if (!isPeerId(author)) return TopicValidatorResult.Reject;
    // Ignored, not rejected: whoever passed it on may know a member that we don't know yet.
    return admission.isMember(author) ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore;
  };

  return {
    async publish(name, data) {
      const topic = topicOf(prefix, name);
      if (data.length > GOSSIP_MAX_BYTES) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `A gossip message of ${data.length} bytes is over the limit of ${GOSSIP_MAX_BYTES}`,
          { data: { topic } },
        );
      }
      await service.publish(topic, data);
    },
    subscribe(name, listener) {
      const topic = topicOf(prefix, name);
      let heard = listeners.get(topic);
      if (heard === undefined) {
        heard = new Set();
        listeners.set(topic, heard);
        service.topicValidators.set(topic, validate);
        service.subscribe(topic);
      }
      // A listener of its own per call: the same function may subscribe twice.
      const own: TopicListener = (data, from) => listener(data, from);
      heard.add(own);
      return () => {
        heard.delete(own);
        if (heard.size > 0 || listeners.get(topic) !== heard) return;
        listeners.delete(topic);
        service.topicValidators.delete(topic);
        service.unsubscribe(topic);
      };
    },
    isKnown: (peer) => service.getPeers().some((known) => known.toString() === peer),
    stop() {
      service.removeEventListener('message', onMessage);
      listeners.clear();
    },
  };
}

function topicOf(prefix: string, name: string): string {
  const topic = prefix + name;
  if (topic.length <= TOPIC_MAX_LENGTH) return topic;
  throw new StarlingError('STARLING_LIMIT_EXCEEDED', `The topic name ${name} is too long`);
}

/** A set of strings that holds everything with a prefix, up to a length. */
function createPrefixSet(prefix: string): Set<string> {
  const set = new Set<string>();
  set.has = (topic) => topic.length <= TOPIC_MAX_LENGTH && topic.startsWith(prefix);
  return set;
}
