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
const PUBLISH = 2;
const SIGNED_PREFIX = Buffer.from('libp2p-pubsub:');
/** An identity multihash of an Ed25519 key in protobuf begins so. */
const PEER_ID_PREFIX = Buffer.from('002408011220', 'hex');

export const MESHSUB = '/meshsub/1.2.0';

/** One message, as it is to be. */
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
