/**
 * What two nodes say to each other of their audit logs, as frames of the control stream: deterministic CBOR, bounded,
 * and every field checked on the way in. Signatures are checked by the store that keeps them.
 */
import { encode } from 'cborg';
import { isCount, isText } from '../../core/index.ts';
import type { Checkpoint } from '../../audit/index.ts';
import { messageFields } from '../../network/index.ts';

/** Checkpoints of the other side in one message. */
const SEEN_MAX = 32;
/** Checkpoints of third nodes in one message. */
const BOOK_MAX = 1024;
const TEXT_MAX = 256;

/** A frame of the exchange, as it is encoded. */
export type CheckpointMessage =
  /**
   * What the sender has seen of the receiver; with `book`, it asks what that has seen of others. `re`: as a frame,
   * in answer to the receiver's own.
   */
  | {
      readonly t: 'seen';
      readonly of: readonly Checkpoint[];
      readonly book: boolean;
      readonly re?: true;
    }
  /** Numbers of entries that are not in the sender's log as the receiver has seen them; and what it asked for. */
  | {
      readonly t: 'standing';
      readonly differ: readonly number[];
      readonly book: readonly Checkpoint[];
    };

/** Encodes a message; what is over a bound is left out. */
export function encodeCheckpointMessage(message: CheckpointMessage): Uint8Array {
  if (message.t === 'seen') return encode({ ...message, of: message.of.slice(0, SEEN_MAX) });
  const { t, differ, book } = message;
  return encode({ t, differ: differ.slice(0, SEEN_MAX), book: book.slice(0, BOOK_MAX) });
}

/** Decodes a message; undefined when it is none. Never throws. */
export function decodeCheckpointMessage(bytes: Uint8Array): CheckpointMessage | undefined {
  const { t, of, book, differ, re } = messageFields(bytes);
  if (t === 'seen') {
    const seen = readList(of, SEEN_MAX);
    if (seen === undefined || typeof book !== 'boolean') return undefined;
    return { t, of: seen, book, ...(re === true ? { re } : {}) };
  }
  if (t !== 'standing' || !Array.isArray(differ) || differ.length > SEEN_MAX) return undefined;
  const known = readList(book, BOOK_MAX);
  if (known === undefined || !differ.every(isCount)) return undefined;
  return { t, differ, book: known };
}

function readList(value: unknown, max: number): readonly Checkpoint[] | undefined {
  if (!Array.isArray(value) || value.length > max) return undefined;
  const list = value.flatMap((one) => readCheckpoint(one) ?? []);
  return list.length === value.length ? list : undefined;
}

function readCheckpoint(value: unknown): Checkpoint | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { seq, hash, at, did, sig } = value as Readonly<Record<string, unknown>>;
  if (!isCount(seq) || !isCount(at) || !isShort(hash) || !isShort(did) || !isShort(sig)) {
    return undefined;
  }
  return { seq, hash, at, did: did as Checkpoint['did'], sig };
}

function isShort(value: unknown): value is string {
  return isText(value, TEXT_MAX);
}
