/**
 * Puts the allowances of gossip before gossipsub, which reads whatever comes and verifies each signature
 * before it asks anybody (@libp2p/gossipsub 17.1.1). Gossipsub has no place for such a question, so that
 * four of its methods are asked through here: where a stream begins, an RPC is handled, a message is
 * handled, and a message was validated.
 */
import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import type { Stream } from '@libp2p/interface';
import { isObject } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';
import { peerIdFromPublicKey } from '../../identity/index.ts';
import type { Conduct } from '../limits/conduct.ts';
import { isPeerId } from '../peer-id.ts';
import { pauseReading, resumeReading } from '../pause-reading.ts';
import type { Admission } from '../types.ts';
import type { GossipAllowances } from './gossip-allowances.ts';
import { messageId } from './message-id.ts';

/** What the guard needs. */
export interface GossipGuardComponents {
  readonly service: GossipSub;
  readonly allowances: GossipAllowances;
  readonly admission: Pick<Admission, 'isMember'>;
  readonly conduct: Pick<Conduct, 'report'>;
  readonly clock: Clock;
  readonly self: PeerId;
}

/** A message as gossipsub has decoded it, nothing of it verified. */
interface RawMessage {
  readonly from?: Uint8Array;
  readonly data?: Uint8Array;
  readonly seqno?: Uint8Array;
  readonly topic: string;
}

/** An RPC as gossipsub has decoded it. */
interface RawRpc {
  readonly subscriptions?: readonly unknown[];
  readonly messages?: readonly unknown[];
  readonly control?: Readonly<
    Record<string, readonly { readonly messageIDs?: readonly unknown[] }[]>
  >;
}

/** An RPC with messages of our own. */
interface SentRpc {
  readonly messages: readonly { key?: Uint8Array }[];
}

type Peer = { toString(): string };

/** A neighbour is not read for longer than this at once. */
const HOLD_MAX_MS = 10_000;
/** Ids in control messages that cost as much as one message. */
const IDS_PER_MESSAGE = 16;
/** Authors whose PeerId is remembered by the bytes of it. */
const AUTHORS_MAX = 4096;

/**
 * Messages of our own go out without their author's key, which gossipsub sends beside the author's id: the id of an
 * Ed25519 key has it in itself (libp2p specs, pubsub: "key" may be left out then), and there are no others here.
 */
export function sendWithoutKeys(service: GossipSub): void {
  wrap(service, 'sendRpcInBatch', (original, [to, rpc]: [unknown, SentRpc]) => {
    for (const message of rpc.messages) delete message.key;
    return original(to, rpc);
  });
}

/** Puts the guard in place, for the life of `service`, which is not started yet. */
export function guardGossip(components: GossipGuardComponents): void {
  const guard = new Guard(components);
  const { service } = components;
  wrap(service, 'createInboundStream', (original, [peer, stream]: [Peer, Stream]) => {
    guard.began(peer.toString(), stream);
    return original(peer, stream);
  });
  wrap(service, 'handleReceivedRpc', (original, [peer, rpc]: [Peer, RawRpc]) => {
    guard.handles(peer.toString(), rpc);
    return original(peer, rpc);
  });
  wrap(service, 'handleReceivedMessage', (original, [peer, message]: [Peer, RawMessage]) =>
    guard.hears(peer.toString(), message) ? original(peer, message) : Promise.resolve(),
  );
  wrap(service, 'validateReceivedMessage', async (original, args: [Peer, RawMessage]) => {
    const result = await original(...args);
    guard.validated(args[0].toString(), result);
    return result;
  });
}

class Guard {
  readonly #components: GossipGuardComponents;
  /** The stream of each neighbour that is read, and what resumes it when it is held. */
  readonly #streams = new Map<
    string,
    { readonly stream: Stream; resume: (() => void) | undefined }
  >();
  readonly #authors = new Map<string, PeerId | undefined>();

  constructor(components: GossipGuardComponents) {
    this.#components = components;
  }

  began(neighbour: string, stream: Stream): void {
    if (!isPeerId(neighbour)) return;
    const own = { stream, resume: undefined };
    this.#streams.get(neighbour)?.resume?.();
    this.#streams.set(neighbour, own);
    stream.addEventListener('message', ({ data }) =>
      this.#hold(neighbour, this.#components.allowances.read(neighbour, data.byteLength)),
    );
    stream.addEventListener('close', () => {
      if (this.#streams.get(neighbour) !== own) return;
      this.#streams.get(neighbour)?.resume?.();
      this.#streams.delete(neighbour);
    });
  }

  handles(neighbour: string, { subscriptions = [], messages = [], control = {} }: RawRpc): void {
    if (!isPeerId(neighbour)) return;
    let ids = 0;
    for (const parts of Object.values(control)) {
      for (const { messageIDs = [] } of parts ?? []) ids += 1 + messageIDs.length;
    }
    const { allowances } = this.#components;
    const asked = subscriptions.length + ids / IDS_PER_MESSAGE;
    this.#hold(neighbour, allowances.handle(neighbour, 1 + messages.length + asked));
    if (asked > 0) this.#hold(neighbour, allowances.control(neighbour, asked));
  }

  /** Whether a message is worth its signature. */
  hears(neighbour: string, message: RawMessage): boolean {
    const { allowances, admission, self } = this.#components;
    if (!isPeerId(neighbour)) return false;
    const author = this.#authorOf(message.from);
    // Not held against the neighbour, who may know a member that is not known here yet.
    const isWanted = author !== undefined && author !== self && admission.isMember(author);
    const { topic, data } = message;
    const sizeBytes = data?.byteLength ?? 0;
    if (isWanted && allowances.hasRoomFor({ neighbour, author, topic, sizeBytes })) return true;
    this.#delivered(message);
    return false;
  }

  /** Only who has verified nothing passes on what nobody has signed. */
  validated(neighbour: string, result: unknown): void {
    if (!isPeerId(neighbour) || !isObject(result)) return;
    if (typeof Reflect.get(result, 'error') !== 'string') return;
    this.#components.conduct.report(neighbour, 'forgeries');
  }

  /** Reads nothing of a neighbour for a while. */
  #hold(neighbour: PeerId, forMs: number): void {
    const own = this.#streams.get(neighbour);
    if (own === undefined || own.resume !== undefined || forMs <= 0) return;
    pauseReading(own.stream);
    const resume = (): void => {
      cancel();
      own.resume = undefined;
      resumeReading(own.stream);
    };
    const cancel = this.#components.clock.schedule(Math.min(HOLD_MAX_MS, forMs), resume);
    own.resume = resume;
  }

  /** Else gossipsub thinks that who was asked for the message did not send it. */
  #delivered({ from, seqno }: RawMessage): void {
    const tracer: unknown = Reflect.get(this.#components.service, 'gossipTracer');
    if (!isObject(tracer) || Reflect.get(tracer, 'size') === 0) return;
    const id = messageId(from ?? new Uint8Array(0), seqno ?? new Uint8Array(0));
    const deliver: unknown = Reflect.get(tracer, 'deliverMessage');
    const text = Buffer.from(id).toString('base64');
    if (typeof deliver === 'function') Reflect.apply(deliver, tracer, [text]);
  }

  #authorOf(bytes: Uint8Array | undefined): PeerId | undefined {
    if (bytes === undefined || bytes.byteLength > 64) return undefined;
    const key = Buffer.from(bytes).toString('latin1');
    if (this.#authors.has(key)) return this.#authors.get(key);
    const author = readPeerId(bytes);
    if (this.#authors.size >= AUTHORS_MAX) this.#authors.clear();
    this.#authors.set(key, author);
    return author;
  }
}

/** An identity multihash of an Ed25519 key in protobuf begins so (libp2p specs, peer-ids). */
const PEER_ID_HEAD = Buffer.from('002408011220', 'hex');
const KEY_BYTES = 32;

function readPeerId(bytes: Uint8Array): PeerId | undefined {
  const head = bytes.subarray(0, PEER_ID_HEAD.length);
  const key = bytes.subarray(PEER_ID_HEAD.length);
  return PEER_ID_HEAD.equals(head) && key.length === KEY_BYTES
    ? peerIdFromPublicKey(key)
    : undefined;
}

/** Puts `around` in the place of a method that gossipsub calls on itself. */
function wrap<Args extends readonly unknown[]>(
  service: GossipSub,
  name: string,
  around: (original: (...args: Args) => unknown, args: Args) => unknown,
): void {
  const method: unknown = Reflect.get(service, name);
  if (typeof method !== 'function') throw new Error(`gossipsub has no ${name} to guard`);
  const original = (...args: Args): unknown => Reflect.apply(method, service, args);
  Object.assign(service, { [name]: (...args: Args) => around(original, args) });
}
