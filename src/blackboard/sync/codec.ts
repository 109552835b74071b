/** Messages about boards: deterministic CBOR, bounded, checked field by field on the way in. */
import { encode } from 'cborg';
import { messageFields } from '../../network/index.ts';
import { RECORDS_MAX } from '../access/board-access.ts';
import { isBoardId } from '../board-id.ts';
import { DIGEST_CHARS_MAX, LIMITS, PEER_SLACK } from '../limits.ts';

/** Digest by board name. */
export type Digests = ReadonlyMap<string, string>;

/** One message of `/starling/board/2`. */
export type BoardMessage =
  /** Which boards the sender holds. */
  | { readonly t: 'digests'; readonly digests: Digests }
  /** What the sender has of a board: step 1 of a sync. */
  | StateMessage
  | AccessMessage
  /** A piece of what the receiver lacks; no bytes: nothing. Step 2 of a sync ends with the last piece. */
  | UpdateMessage
  | LeaveMessage
  /** Whether the sender has all that a `leave` named, on disk, and stays. */
  | { readonly t: 'kept'; readonly isKept: boolean }
  /** The sender has all it was sent, on disk; this is its digest now. Ends a sync. */
  | { readonly t: 'done'; readonly digest: string };

/** By what a board that is not open is judged: comes before anything that it permits. */
export interface AccessMessage {
  readonly t: 'access';
  readonly board: string;
  /** See `access-records.ts`. */
  readonly records: readonly string[];
}

/** What one side has of a board; an empty digest: nothing. */
export interface StateMessage {
  readonly t: 'state';
  readonly board: string;
  readonly vector: Uint8Array;
  readonly digest: string;
  /** Of a board that is held on demand: the sender holds it, or wants to; else it is sent no entries. */
  readonly holds?: true;
}

/** The sender wants to let go of a board of which it has what `vector` says: does the receiver keep all of that? */
export interface LeaveMessage {
  readonly t: 'leave';
  readonly board: string;
  readonly vector: Uint8Array;
}

/** A piece of what the receiver lacks, as `update.ts` writes it. */
export interface UpdateMessage {
  readonly t: 'update';
  readonly update: Uint8Array;
  /** Another piece follows. */
  readonly more: boolean;
  /** Where many follow: how many changes all pieces bring together. A word about progress, which nothing counts on. */
  readonly of?: number;
}

/** What the topic of boards carries: an update with the board that it changes. */
export interface GossipUpdate {
  readonly board: string;
  readonly update: Uint8Array;
  /** Of a board that is not open: by which records the sender judges, as a digest. */
  readonly access?: string;
}

const DIGESTS_MAX = LIMITS.boards * PEER_SLACK;
const RECORD_CHARS_MAX = 8 * 1024;

/** CBOR, of whatever length: its sender cuts before. */
export function encodeMessage(message: BoardMessage): Uint8Array {
  if (message.t !== 'digests') return encode({ ...message });
  return encode({ t: message.t, digests: Object.fromEntries(message.digests) });
}

/** Encodes an update for gossip. */
export function encodeGossip(update: GossipUpdate): Uint8Array {
  return encode({ ...update });
}

/** Decodes a message; undefined when it is none. Never throws. */
export function decodeMessage(bytes: Uint8Array): BoardMessage | undefined {
  const fields = messageFields(bytes);
  const { t, update, vector, board } = fields;
  switch (t) {
    case 'leave':
      if (!(vector instanceof Uint8Array)) return undefined;
      if (typeof board !== 'string' || !isBoardId(board)) return undefined;
      return { t, board, vector };
    case 'kept':
      return { t, isKept: fields['isKept'] === true };
    case 'digests': {
      const digests = digestsOf(fields['digests']);
      return digests === undefined ? undefined : { t, digests };
    }
    case 'state':
      if (!isDigest(fields['digest']) || !(vector instanceof Uint8Array)) return undefined;
      if (typeof board !== 'string' || !isBoardId(board)) return undefined;
      return {
        t,
        board,
        vector,
        digest: fields['digest'],
        ...(fields['holds'] === true ? { holds: true as const } : {}),
      };
    case 'access': {
      const records = recordsOf(fields['records']);
      if (typeof board !== 'string' || !isBoardId(board) || records === undefined) return undefined;
      return { t, board, records };
    }
    case 'update':
      if (!(update instanceof Uint8Array)) return undefined;
      return { t, update, more: fields['more'] === true, ...countOf(fields['of']) };
    case 'done':
      return isDigest(fields['digest']) ? { t, digest: fields['digest'] } : undefined;
    default:
      return undefined;
  }
}

/** Decodes an update from gossip; undefined when it is none. Never throws. */
export function decodeGossip(bytes: Uint8Array): GossipUpdate | undefined {
  const { board, update, access } = messageFields(bytes);
  if (typeof board !== 'string' || !isBoardId(board)) return undefined;
  if (!(update instanceof Uint8Array)) return undefined;
  if (access === undefined) return { board, update };
  return isDigest(access) ? { board, update, access } : undefined;
}

/** The well-formed ones among what a peer says its digests are; undefined when it is no object. */
export function digestsOf(value: unknown): Digests | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const digests = new Map<string, string>();
  for (const [name, digest] of Object.entries(value)) {
    if (digests.size === DIGESTS_MAX) break;
    if (isBoardId(name) && isDigest(digest)) digests.set(name, digest);
  }
  return digests;
}

function countOf(value: unknown): { readonly of?: number } {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? { of: value } : {};
}

function recordsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length > RECORDS_MAX) return undefined;
  const isFit = (one: unknown): one is string =>
    typeof one === 'string' && one.length <= RECORD_CHARS_MAX;
  return value.every(isFit) ? value : undefined;
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && value.length <= DIGEST_CHARS_MAX;
}
