/** Messages about boards: deterministic CBOR, bounded, checked field by field on the way in. */
import { decode, encode } from 'cborg';

/** One message of `/starling/board/1`. */
export type BoardMessage =
  /** What the sender has: its state vector and digest. */
  | { readonly t: 'state'; readonly vector: Uint8Array; readonly digest: string }
  /** What the receiver lacks, as far as the sender knows (Yjs update, V2). */
  | { readonly t: 'update'; readonly update: Uint8Array };

/** One update by gossip. */
export interface GossipUpdate {
  readonly board: string;
  readonly update: Uint8Array;
}

const DIGEST_MAX = 128;

/** Encodes a message. */
export function encodeMessage(message: BoardMessage): Uint8Array {
  return encode({ ...message });
}

/** Encodes an update for gossip. */
export function encodeGossip(update: GossipUpdate): Uint8Array {
  return encode({ ...update });
}

/** Decodes a message; undefined when it is none. Never throws. */
export function decodeMessage(bytes: Uint8Array): BoardMessage | undefined {
  const { t, vector, digest, update } = fieldsOf(bytes);
  if (t === 'update' && update instanceof Uint8Array) return { t, update };
  if (t !== 'state' || !(vector instanceof Uint8Array)) return undefined;
  if (typeof digest !== 'string' || digest.length > DIGEST_MAX) return undefined;
  return { t, vector, digest };
}

/** Decodes an update from gossip; undefined when it is none. Never throws. */
export function decodeGossip(bytes: Uint8Array): GossipUpdate | undefined {
  const { board, update } = fieldsOf(bytes);
  if (typeof board !== 'string' || !(update instanceof Uint8Array)) return undefined;
  return { board, update };
}

function fieldsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : {};
  } catch {
    // A peer may send anything; what is no CBOR is no message.
    return {};
  }
}
