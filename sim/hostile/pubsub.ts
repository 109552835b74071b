/**
 * Gossip written by hand: the RPC of gossipsub (libp2p specs, pubsub/README.md, "The RPC") with one or
 * more messages, signed by whom one likes, on a stream of one's own.
 */

/** Fields of a message: numbers of the protobuf. */
const FROM = 1;
const DATA = 2;
const SEQNO = 3;
const TOPIC = 4;
const SIGNATURE = 5;
const SUBSCRIPTIONS = 1;
const PUBLISH = 2;
const CONTROL = 3;
const SIGNED_PREFIX = Buffer.from('libp2p-pubsub:');
/** An identity multihash of an Ed25519 key in protobuf begins so. */
const PEER_ID_PREFIX = Buffer.from('002408011220', 'hex');

export const MESHSUB = '/meshsub/1.2.0';

/** What is signed and published, true or not. */
export interface MessageInit {
  /** The public key of who is said to have written it. */
  readonly author: Uint8Array;
  readonly topic: string;
  readonly data: Uint8Array;
  readonly seqno: bigint;
  /** Without it the signature is 64 bytes of nothing. */
  readonly sign?: (message: Uint8Array) => Uint8Array;
}

/** A message's bytes. */
export function message({ author, topic, data, seqno, sign }: MessageInit): Uint8Array {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(seqno);
  const body = Buffer.concat([
    field(FROM, Buffer.concat([PEER_ID_PREFIX, author])),
    field(DATA, data),
    field(SEQNO, number),
    field(TOPIC, Buffer.from(topic)),
  ]);
  const signature = sign?.(Buffer.concat([SIGNED_PREFIX, body])) ?? Buffer.alloc(64);
  return Buffer.concat([body, field(SIGNATURE, signature)]);
}

/** An RPC with these messages, its length before it. */
export function rpc(messages: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(messages.map((bytes) => field(PUBLISH, bytes)));
  return Buffer.concat([varint(body.length), body]);
}

/** What one RPC asks besides messages: of each list, as many as are given. */
export interface ControlInit {
  readonly topics: readonly string[];
  /** Ids of messages, of which nobody has heard. */
  readonly ids: readonly Uint8Array[];
}

/** An RPC that subscribes and unsubscribes, and offers, wants, grafts and prunes. */
export function controlRpc({ topics, ids }: ControlInit): Uint8Array {
  const names = topics.map((topic) => Buffer.from(topic));
  const subscriptions = names.map((topic, at) =>
    field(SUBSCRIPTIONS, Buffer.concat([Uint8Array.of(8, at % 2), field(2, topic)])),
  );
  const listed = (from: number): readonly Uint8Array[] => ids.map((id) => field(from, id));
  const control = names.flatMap((topic) => [
    field(1, Buffer.concat([field(1, topic), ...listed(2)])),
    field(2, Buffer.concat(listed(1))),
    field(3, field(1, topic)),
    field(4, field(1, topic)),
    field(5, Buffer.concat(listed(1))),
  ]);
  const body = Buffer.concat([...subscriptions, field(CONTROL, Buffer.concat(control))]);
  return Buffer.concat([varint(body.length), body]);
}

/** A key to be kept, or a provider of something: of the DHT (libp2p specs, kad-dht). */
export type DhtInit =
  | { readonly put: Uint8Array }
  | { readonly provide: Uint8Array; readonly provider: Uint8Array };

/** A message to the DHT, its length before it. */
export function dhtMessage(init: DhtInit): Uint8Array {
  let body: Uint8Array;
  if ('put' in init) {
    const id = Buffer.concat([PEER_ID_PREFIX, init.put]);
    const key = Buffer.concat([Buffer.from('/pk/'), id]);
    const received = Buffer.from(new Date().toISOString());
    const value = field(2, id.subarray(2));
    const record = Buffer.concat([field(1, key), value, field(5, received)]);
    body = Buffer.concat([Uint8Array.of(8, 0), field(2, key), field(3, record)]);
  } else {
    const multihash = Buffer.concat([Uint8Array.of(0x12, 0x20), init.provide]);
    // 127.0.0.1, TCP port 4001.
    const address = Buffer.from('047f000001060fa1', 'hex');
    const id = Buffer.concat([PEER_ID_PREFIX, init.provider]);
    const peer = Buffer.concat([field(1, id), field(2, address)]);
    body = Buffer.concat([Uint8Array.of(8, 2), field(2, multihash), field(9, peer)]);
  }
  return Buffer.concat([varint(body.length), body]);
}

/** Bytes with their length before them, as our own protocols have it too. */
export function prefixed(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(bytes.length), bytes]);
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
