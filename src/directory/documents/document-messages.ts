/**
 * What nodes say on control streams of catalog documents: CBOR, bounded, and every field checked on the way in.
 *
 * ```
 * want := cbor { t: "want", of, hash, at }               the document of that owner with that hash, from that byte on
 * part := cbor { t: "part", of, hash, at, size, bytes }  32 KiB of it, or what is left; size: of all of it
 * none := cbor { t: "none", of, hash }                   I have it not; once I do, I shall say so
 * have := cbor { t: "have", of, hash }                   now I have
 * ```
 */
import { encode } from 'cborg';
import { isCount, isText } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { parsePeerId } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';

/** Bytes of a document in one message: two of them fit into a frame. */
export const PART_BYTES = 32 * 1024;
const TEXT_MAX = 64;

/** Which document is meant. */
interface About {
  readonly of: PeerId;
  readonly hash: string;
}

/** One message; see the top of this file. */
export type DocumentMessage =
  | ({ readonly t: 'want'; readonly at: number } & About)
  | ({
      readonly t: 'part';
      readonly at: number;
      readonly size: number;
      readonly bytes: Uint8Array;
    } & About)
  | ({ readonly t: 'none' | 'have' } & About);

/** Sends a message to a peer; `failed` is called where there is no way to it. */
export type SendDocumentMessage = (
  peer: PeerId,
  message: DocumentMessage,
  failed?: () => void,
) => void;

/** CBOR; a part has {@link PART_BYTES} at the most. */
export function encodeDocumentMessage(message: DocumentMessage): Uint8Array {
  return encode(message);
}

/** Decodes one message; undefined when it is none. Never throws. */
export function decodeDocumentMessage(payload: Uint8Array): DocumentMessage | undefined {
  const { t, of, hash, at, size, bytes } = messageFields(payload);
  const owner = peerOf(of);
  if (owner === undefined || !isText(hash, TEXT_MAX)) return undefined;
  const about = { of: owner, hash };
  if (t === 'none' || t === 'have') return { t, ...about };
  if (!isCount(at)) return undefined;
  if (t === 'want') return { t, at, ...about };
  if (t !== 'part' || !isCount(size) || !(bytes instanceof Uint8Array)) return undefined;
  return bytes.length > PART_BYTES ? undefined : { t, at, size, bytes, ...about };
}

function peerOf(value: unknown): PeerId | undefined {
  if (!isText(value, TEXT_MAX)) return undefined;
  try {
    return parsePeerId(value);
  } catch {
    return undefined;
  }
}
