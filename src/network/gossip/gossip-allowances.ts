/**
 * How much gossip may come, decided before anything costly is done with it. Two things are limited:
 *
 * - What a neighbour sends, whoever wrote it. Over that its stream is not read for a while, which costs
 *   nobody else anything. Nothing is dropped, and nothing is held against it: it may be forwarding. What it
 *   asks and offers besides messages is its own doing, and is held against it.
 * - What an author writes, on each topic. Before the signature is verified only what is left is looked at,
 *   and only a verified message takes from it, so that whoever forges a name uses up nothing of its
 *   owner's. The allowance counts apart for each neighbour through which the author is heard, and for all
 *   of them together there is twice as much: who repeats an author's old messages, which are signed, uses
 *   up what that author may send through itself.
 *
 * What is over an author's allowance is neither heard nor passed on: a flood ends at the first honest
 * node. It is held against the author, and only by a neighbour of the author, who knows who sent it.
 */
import { createBuckets } from '../../core/index.ts';
import type { BucketSize, Buckets, Clock, PeerId } from '../../core/index.ts';
import type { Conduct } from '../limits/conduct.ts';

/** Bounds of {@link createGossipAllowances}. */
export interface GossipAllowancesInit {
  /** What a neighbour may send: messages, control included, and bytes. */
  readonly neighbourMessages: BucketSize;
  readonly neighbourBytes: BucketSize;
  /** Subscriptions and control of a neighbour, so that sixteen ids count as one. */
  readonly neighbourControl: BucketSize;
  /** Bytes that an author may send through one neighbour, on all topics. */
  readonly authorBytes: BucketSize;
  /** Authors, each with each neighbour and topic, that are remembered. */
  readonly authorsMax: number;
  /** How many times its allowance an author has over all neighbours together. */
  readonly neighboursAtOnce: number;
}

/** What is looked at of a message before its signature. */
export interface HeardMessage {
  readonly neighbour: PeerId;
  readonly author: PeerId;
  readonly topic: string;
  readonly sizeBytes: number;
}

/** The allowances of all neighbours and authors. */
export interface GossipAllowances {
  /** Bytes of a neighbour came; gives for how many milliseconds nothing more is to be read of it. */
  read(neighbour: PeerId, sizeBytes: number): number;
  /** Messages and control of a neighbour came; gives the same. */
  handle(neighbour: PeerId, count: number): number;
  /** Subscriptions and control of a neighbour came; gives the same. What is over is reported. */
  control(neighbour: PeerId, count: number): number;
  /** Whether the author has something left. Takes nothing. What is over is reported. */
  hasRoomFor(message: HeardMessage): boolean;
  /** Takes a verified message from the author's allowance; false when nothing was left. */
  take(message: HeardMessage): boolean;
}

/** Makes the allowances, all full. `topicAllowance` says how many messages an author has on a topic. */
export function createGossipAllowances(
  components: {
    readonly clock: Clock;
    readonly conduct: Pick<Conduct, 'report'>;
    readonly topicAllowance: (topic: string) => BucketSize;
  },
  init: GossipAllowancesInit,
): GossipAllowances {
  return new Allowances(components, init);
}

class Allowances implements GossipAllowances {
  readonly #conduct: Pick<Conduct, 'report'>;
  readonly #topicAllowance: (topic: string) => BucketSize;
  readonly #atOnce: number;
  readonly #neighbourMessages: Buckets;
  readonly #neighbourBytes: Buckets;
  readonly #neighbourControl: Buckets;
  /** By author, topic and neighbour; by author and topic with the neighbour left out. */
  readonly #messages: Buckets;
  readonly #bytes: Buckets;

  constructor(
    components: Parameters<typeof createGossipAllowances>[0],
    init: GossipAllowancesInit,
  ) {
    const { clock, conduct, topicAllowance } = components;
    this.#conduct = conduct;
    this.#topicAllowance = topicAllowance;
    this.#atOnce = init.neighboursAtOnce;
    this.#neighbourMessages = createBuckets(clock, init.neighbourMessages);
    this.#neighbourBytes = createBuckets(clock, init.neighbourBytes);
    this.#neighbourControl = createBuckets(clock, init.neighbourControl);
    this.#messages = createBuckets(clock, init.authorBytes, init.authorsMax);
    this.#bytes = createBuckets(clock, init.authorBytes, init.authorsMax);
  }

  read(neighbour: PeerId, sizeBytes: number): number {
    return this.#neighbourBytes.charge(neighbour, sizeBytes);
  }

  handle(neighbour: PeerId, count: number): number {
    return this.#neighbourMessages.charge(neighbour, count);
  }

  control(neighbour: PeerId, count: number): number {
    const waitMs = this.#neighbourControl.charge(neighbour, count);
    // Each weighs a message that is over its author's allowance; a neighbour that forwards much may ask much, too.
    if (waitMs > 0) this.#conduct.report(neighbour, 'gossip', Math.ceil(count / 2));
    return waitMs;
  }

  hasRoomFor(message: HeardMessage): boolean {
    const { author, neighbour, topic } = message;
    const size = this.#topicAllowance(topic);
    const isThere =
      this.#messages.waitMs(pairOf(message), size) === 0 &&
      this.#messages.waitMs(`${author} ${topic}`, times(size, this.#atOnce)) === 0 &&
      this.#bytes.waitMs(`${author} ${neighbour}`) === 0;
    if (!isThere && author === neighbour) this.#conduct.report(author, 'gossip');
    return isThere;
  }

  take(message: HeardMessage): boolean {
    const { author, neighbour, topic, sizeBytes } = message;
    const size = this.#topicAllowance(topic);
    // Messages whose signatures are being verified were all looked at before the first one took anything.
    if (!this.#messages.take(pairOf(message), size)) return false;
    if (!this.#messages.take(`${author} ${topic}`, times(size, this.#atOnce))) return false;
    this.#bytes.charge(`${author} ${neighbour}`, sizeBytes);
    return true;
  }
}

function pairOf({ author, neighbour, topic }: HeardMessage): string {
  return `${author} ${topic} ${neighbour}`;
}

function times({ burst, everyMs }: BucketSize, factor: number): BucketSize {
  return { burst: burst * factor, everyMs: everyMs / factor };
}
