/** What members say to each other of their records on `/starling/records/1` and by gossip: CBOR, bounded. */
import { encode } from 'cborg';
import { messageFields } from '../../network/index.ts';

/** Names of records in one message: more than any member keeps. */
const HASHES_MAX = 200_000;
/** At most that many texts or hashes; the rest goes in further ones. */
export const RECORDS_PER_MESSAGE_MAX = 1024;

/** One message: the hashes of all records that the sender has, or records that the receiver lacks. */
export type RecordMessage =
  | { readonly t: 'have'; readonly hashes: readonly string[] }
  | { readonly t: 'records'; readonly jws: readonly string[] };

/** CBOR; its sender keeps to {@link RECORDS_PER_MESSAGE_MAX}. */
export function encodeRecordMessage(message: RecordMessage): Uint8Array {
  return encode(message);
}

/** Decodes a message; undefined when it is none. Never throws. */
export function decodeRecordMessage(bytes: Uint8Array): RecordMessage | undefined {
  const { t, hashes, jws } = messageFields(bytes);
  if (t === 'have' && isStrings(hashes, HASHES_MAX)) return { t, hashes };
  if (t === 'records' && isStrings(jws, RECORDS_PER_MESSAGE_MAX)) return { t, jws };
  return undefined;
}

function isStrings(value: unknown, max: number): value is readonly string[] {
  return (
    Array.isArray(value) && value.length <= max && value.every((one) => typeof one === 'string')
  );
}
