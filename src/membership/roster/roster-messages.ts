/** What nodes say on control streams of whom they know: CBOR, bounded, and every field checked on the way in. */
import { encode } from 'cborg';
import { isCount, isText } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { parsePeerId } from '../../identity/index.ts';
import { messageFields } from '../../network/index.ts';

/** Bytes of one message: less than a frame has. */
export const ROSTER_MESSAGE_BYTES = 60 * 1024;
/** Bytes that an entry of a list takes at the most, besides its PeerId. */
const ENTRY_BYTES = 16;
const PEERS_MAX = 4000;
const DIGEST_MAX = 64;

/** One who is there: the key, and the incarnation that is known. */
export interface RosterEntry {
  readonly peer: PeerId;
  readonly incarnation: number;
}

/** A heartbeat that is passed on: whose, and its bytes with the signature of that author. */
export interface PassedHeartbeat {
  readonly peer: PeerId;
  readonly bytes: Uint8Array;
}

/** Heartbeats that are passed on, digests of whom one knows, or questions after them. */
export type RosterMessage =
  /** The digest of all entries. */
  | { readonly t: 'have'; readonly digest: string }
  /** The entries with `after` < PeerId ≤ `to`, by PeerId; an empty `to` is the end. */
  | {
      readonly t: 'list';
      readonly after: string;
      readonly to: string;
      readonly entries: readonly RosterEntry[];
    }
  | { readonly t: 'news'; readonly heartbeats: readonly PassedHeartbeat[] };

/** Of whom one knows, in which incarnation, or of whom one asks for the heartbeat. */
export type RosterNotice =
  | { readonly t: 'know'; readonly entries: readonly RosterEntry[] }
  | { readonly t: 'want'; readonly peers: readonly PeerId[] };

/** Those of one notice fit into a frame. */
export const NOTICE_ENTRIES_MAX = 500;

/** CBOR; its sender keeps to {@link NOTICE_ENTRIES_MAX}. */
export function encodeRosterNotice(notice: RosterNotice): Uint8Array {
  if (notice.t === 'want') return encode({ want: notice.peers });
  return encode({ know: notice.entries.map(({ peer, incarnation }) => [peer, incarnation]) });
}

/** Decodes one notice; undefined when it is none. Never throws. */
export function decodeRosterNotice(bytes: Uint8Array): RosterNotice | undefined {
  const { know, want } = messageFields(bytes);
  if (want === undefined) {
    const entries = entriesOf(know);
    return isFew(entries) ? { t: 'know', entries } : undefined;
  }
  if (!Array.isArray(want) || !isFew(want)) return undefined;
  const peers = (want as readonly unknown[]).map(peerOf).filter((peer) => peer !== undefined);
  return peers.length === want.length ? { t: 'want', peers } : undefined;
}

/** CBOR; its sender keeps to the bounds of a frame. */
export function encodeRosterMessage(message: RosterMessage): Uint8Array {
  if (message.t === 'list') {
    const { t, after, to, entries } = message;
    const peers = entries.map(({ peer, incarnation }) => [peer, incarnation]);
    return encode({ t, after, to, peers });
  }
  if (message.t === 'news') {
    return encode({ t: 'news', of: message.heartbeats.map(({ peer, bytes }) => [peer, bytes]) });
  }
  return encode(message);
}

/** Decodes one message; undefined when it is none. Never throws. */
export function decodeRosterMessage(bytes: Uint8Array): RosterMessage | undefined {
  const { t, digest, after, to, peers, of } = messageFields(bytes);
  if (t === 'have') return isText(digest, DIGEST_MAX) ? { t, digest } : undefined;
  if (t === 'list') {
    const entries = entriesOf(peers);
    if (entries === undefined || !isText(after, DIGEST_MAX) || !isText(to, DIGEST_MAX))
      return undefined;
    return { t, after, to, entries };
  }
  if (t !== 'news') return undefined;
  const heartbeats = pairsOf(of, (peer, value) =>
    value instanceof Uint8Array ? { peer, bytes: value } : undefined,
  );
  return heartbeats === undefined ? undefined : { t, heartbeats };
}

/** `entries`, which are in the order of their PeerIds, as lists that each fit into one message. */
export function listsOf(entries: readonly RosterEntry[]): readonly RosterMessage[] {
  const perList = Math.floor(ROSTER_MESSAGE_BYTES / (ENTRY_BYTES + 64));
  const lists: RosterMessage[] = [];
  let after = '';
  for (let at = 0; at === 0 || at < entries.length; at += perList) {
    const part = entries.slice(at, at + perList);
    const isLast = at + perList >= entries.length;
    const to = isLast ? '' : (part.at(-1)?.peer ?? '');
    lists.push({ t: 'list', after, to, entries: part });
    after = to;
  }
  return lists;
}

/** `heartbeats` as messages that each fit into a frame. */
export function newsOf(heartbeats: readonly PassedHeartbeat[]): readonly RosterMessage[] {
  const messages: PassedHeartbeat[][] = [];
  let sizeBytes = Infinity;
  for (const heartbeat of heartbeats) {
    const ownBytes = heartbeat.bytes.length + 80;
    if (sizeBytes + ownBytes > ROSTER_MESSAGE_BYTES) {
      messages.push([]);
      sizeBytes = 0;
    }
    messages.at(-1)?.push(heartbeat);
    sizeBytes += ownBytes;
  }
  return messages.map((part) => ({ t: 'news', heartbeats: part }));
}

function entriesOf(value: unknown): readonly RosterEntry[] | undefined {
  return pairsOf(value, (peer, incarnation) =>
    isCount(incarnation) ? { peer, incarnation } : undefined,
  );
}

function isFew<Item>(items: readonly Item[] | undefined): items is readonly Item[] {
  return items !== undefined && items.length > 0 && items.length <= NOTICE_ENTRIES_MAX;
}

function pairsOf<Item>(
  value: unknown,
  read: (peer: PeerId, second: unknown) => Item | undefined,
): readonly Item[] | undefined {
  if (!Array.isArray(value) || value.length > PEERS_MAX) return undefined;
  const items: Item[] = [];
  for (const pair of value as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const peer = peerOf(pair[0]);
    const item = peer === undefined ? undefined : read(peer, pair[1]);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function peerOf(value: unknown): PeerId | undefined {
  if (!isText(value, DIGEST_MAX)) return undefined;
  try {
    return parsePeerId(value);
  } catch {
    return undefined;
  }
}
